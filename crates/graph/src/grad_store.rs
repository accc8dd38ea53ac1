//! Where gradients lie during a backward pass.
//!
//! A gradient is added to in place, in a slot, until the walk reaches the node that it is of. A slot has the elements
//! of a gradient, and rows that wait to be added to them until they are many. The one question that everything here
//! asks is which slot that is:
//!
//! | the node | its elements lie in | its rows wait in |
//! | --- | --- | --- |
//! | has a value of its own | its slot | its slot |
//! | is a parameter | the parameter's slot | the parameter's slot |
//! | is a view into another node, its root | a part of the root's slot | its slot |
//!
//! [`slot`](GradStore::slot) answers it for the rows, [`dense`](GradStore::dense) for the elements.
//!
//! The slots of parameters are apart from those of the nodes, as a parameter is one however many recordings read it:
//! a segment that is [recomputed](crate::Graph::recompute) is a recording of its own, and adds to the same gradients.
//! What waits for a view waits by itself, since its rows are not its root's; it becomes a part of the root's elements
//! when it is settled.

use crate::{
    Element, Params,
    buffer::Buffer,
    gathered::{BLOCK, Block, BlockSum, RowSums},
    gradients::Gradient,
    kernels::{Matrix, product},
    reference::reference_mode,
    tape::{Tape, Value},
};

/// From this many rows that lie together on, they are multiplied where they are.
const TOGETHER: usize = 128;

/// What has flowed to one node or parameter so far.
pub(crate) struct Slot<E: Element> {
    /// The elements of the gradient.
    dense: Option<Buffer<E>>,
    /// What waits to be added to them: pairs of rows of a matrix, rows of a bias.
    block: Option<Box<Block<E>>>,
    sum: Option<Box<BlockSum<E>>>,
    /// Sums of an embedding's rows, which stay apart from the elements to the end.
    rows: Option<Box<RowSums<E>>>,
}

impl<E: Element> Slot<E> {
    const EMPTY: Slot<E> = Slot { dense: None, block: None, sum: None, rows: None };

    fn waits(&self) -> bool {
        self.block.is_some() || self.sum.is_some()
    }
}

/// The gradients of a backward pass over one recording.
pub(crate) struct GradStore<'t, E: Element> {
    tape: &'t Tape<E>,
    nodes: Vec<Slot<E>>,
    params: Vec<Slot<E>>,
}

impl<'t, E: Element> GradStore<'t, E> {
    /// Empty slots for the nodes up to `last` and for `params` parameters.
    pub(crate) fn new(tape: &'t Tape<E>, last: u32, params: usize) -> Self {
        let mut nodes = tape.pool.lists.take();
        nodes.resize_with(last as usize + 1, || Slot::EMPTY);
        GradStore { tape, nodes, params: (0..params).map(|_| Slot::EMPTY).collect() }
    }

    pub(crate) fn tape(&self) -> &'t Tape<E> {
        self.tape
    }

    /// Whether a gradient is asked of a node, or of anything that it was made from.
    pub(crate) fn wants(&self, id: u32) -> bool {
        self.tape.nodes[id as usize].wants
    }

    // Where a gradient lies.

    /// The slot of a node, in which its rows wait, and its elements lie if it is no view.
    fn slot(&mut self, id: u32) -> &mut Slot<E> {
        match self.tape.nodes[id as usize].value {
            Value::Param(index) => &mut self.params[index as usize],
            _ => &mut self.nodes[id as usize],
        }
    }

    /// Returns the elements of a node's gradient, a part of its root's where it is a view, and whether they are
    /// undefined because nothing has come before: then all of them must be written.
    ///
    /// It returns them instead of calling a closure with them, so that it is compiled once per precision and not once
    /// per operation.
    pub(crate) fn dense(&mut self, id: u32) -> (&mut [E], bool) {
        let tape = self.tape;
        let (root, offset) = tape.root(id);
        let (whole, len) = (tape.nodes[root as usize].shape.elements(), tape.nodes[id as usize].shape.elements());
        let mut fresh = false;
        let elements = self.slot(root).dense.get_or_insert_with(|| {
            // A view is a part of the root's elements, and the others are zero as long as nothing is added to them.
            fresh = len == whole;
            if fresh { tape.pool.take(whole) } else { tape.pool.zeros(whole) }
        });
        (&mut elements[offset..offset + len], fresh)
    }

    /// Returns the elements of a node's gradient as [`dense`](GradStore::dense) does, but defined in any case: zeros at
    /// first.
    pub(crate) fn defined(&mut self, id: u32) -> &mut [E] {
        let (elements, fresh) = self.dense(id);
        if fresh {
            elements.fill(E::ZERO);
        }
        elements
    }

    /// Adds what waits for a node to its elements.
    pub(crate) fn settle(&mut self, id: u32) {
        if self.slot(id).block.is_some() {
            self.flush_block(id);
            self.slot(id).block = None;
        }
        self.flush_sum(id);
    }

    /// Takes the gradient of a node out, for the walk that has come to it: nothing will be added any more. There is
    /// none where nothing has flowed; a parameter's is taken at the end, and a view's has gone to its root.
    pub(crate) fn take(&mut self, id: u32) -> Option<Buffer<E>> {
        if self.nodes[id as usize].waits() {
            self.settle(id);
        }
        self.nodes[id as usize].dense.take()
    }

    /// Whether every element that has come to a node so far is a finite number.
    pub(crate) fn is_finite(&mut self, id: u32) -> bool {
        let finite = |values: &[E]| values.iter().all(|x| x.is_finite());
        let (root, offset) = self.tape.root(id);
        let len = self.tape.nodes[id as usize].shape.elements();
        let slot = self.slot(root);
        let elements = slot.dense.as_ref().is_none_or(|dense| finite(&dense[offset..offset + len]));
        let rows = slot.rows.as_ref().is_none_or(|rows| finite(&rows.values));
        let waiting = self.slot(id);
        let block = waiting.block.as_ref().is_none_or(|block| block.is_finite());
        let sum = waiting.sum.as_ref().is_none_or(|sum| finite(&sum.total));
        elements && rows && block && sum
    }

    /// What has flowed to the parameters, in its final form, in their order.
    pub(crate) fn finish(mut self, params: &Params) -> Vec<Option<Gradient<E>>> {
        let pool = &self.tape.pool;
        self.nodes.clear();
        pool.lists.give(self.nodes);
        let each = self.params.into_iter().zip(params.iter());
        each.map(|(Slot { mut dense, block, sum, rows }, p)| {
            if let Some(block) = block {
                // Where nothing but zero rows came, the gradient is zero, which is not the same as none.
                let target = dense.get_or_insert_with(|| pool.zeros(params.shape(p).elements()));
                let ((left, right), (l, r)) = (block.pairs(), block.widths);
                product((l, block.rows, r), Matrix::transposed(left, l), Matrix::rows(right, r), target, true);
            }
            if let Some(sum) = sum {
                match &mut dense {
                    Some(dense) => dense.iter_mut().zip(&sum.total[..]).for_each(|(d, &g)| *d += g),
                    None => dense = Some(sum.total),
                }
            }
            let rows = rows.map(|rows| rows.finish(pool));
            Some(match (dense, rows) {
                (None, None) => return None,
                (Some(dense), None) => Gradient::Dense(dense),
                (None, Some((rows, width, values))) => Gradient::Rows { rows, width, values },
                (Some(mut dense), Some((rows, width, values))) => {
                    for (&row, values) in rows.iter().zip(values.chunks_exact(width.max(1))) {
                        let at = row as usize * width;
                        dense[at..at + width].iter_mut().zip(values).for_each(|(d, &v)| *d += v);
                    }
                    Gradient::Dense(dense)
                }
            })
        })
        .collect()
    }

    // How it gets there.

    /// Adds `left`ᵀ·`right` to the gradient of a matrix, in blocks together with what comes from other steps.
    /// `gradient_left` says which of the two is the output's gradient: where its row is all zero, the pair is left out.
    pub(crate) fn add_outer(
        &mut self,
        id: u32,
        (left, right): (&[E], &[E]),
        widths: (usize, usize),
        gradient_left: bool,
    ) {
        if reference_mode() {
            let slot = self.defined(id);
            for (left, right) in left.chunks_exact(widths.0).zip(right.chunks_exact(widths.1)) {
                for (slot, &l) in slot.chunks_exact_mut(widths.1).zip(left) {
                    slot.iter_mut().zip(right).for_each(|(slot, &r)| *slot += l * r);
                }
            }
            return;
        }
        let pool = &self.tape.pool;
        let (rows, mut row) = (left.len() / widths.0, 0);
        let (gradient, width) = if gradient_left { (left, widths.0) } else { (right, widths.1) };
        let empty = |row: usize| gradient[row * width..(row + 1) * width].iter().all(|&x| x == E::ZERO);
        let pairs =
            |from: usize, to: usize| (&left[from * widths.0..to * widths.0], &right[from * widths.1..to * widths.1]);
        while row < rows {
            // Many rows that lie together need no copy; those gathered before them come first.
            let many = if rows - row >= TOGETHER { (row..rows).take_while(|&row| !empty(row)).count() } else { 0 };
            if many >= TOGETHER {
                if self.slot(id).block.as_ref().is_some_and(|block| block.rows > 0) {
                    self.flush_block(id);
                }
                self.multiply(id, pairs(row, row + many), widths, many);
                row += many;
                continue;
            }
            let block = self.slot(id).block.get_or_insert_with(|| Box::new(Block::new(pool, widths)));
            while row < rows && block.rows < BLOCK {
                if !empty(row) {
                    let (left, right) = pairs(row, row + 1);
                    block.push(left, right);
                }
                row += 1;
            }
            if block.rows == BLOCK {
                self.flush_block(id);
            }
        }
    }

    /// Adds the sum of `gradient`'s rows (of the node's length) to the gradient of a vector, in blocks together with
    /// the rows of other steps.
    pub(crate) fn add_row_sum(&mut self, id: u32, gradient: &[E]) {
        let width = self.tape.nodes[id as usize].shape.elements();
        if width == 0 {
            self.defined(id);
            return;
        }
        if reference_mode() {
            let slot = self.defined(id);
            for row in gradient.chunks_exact(width) {
                slot.iter_mut().zip(row).for_each(|(slot, &g)| *slot += g);
            }
            return;
        }
        let pool = &self.tape.pool;
        let (rows, mut row) = (gradient.len() / width, 0);
        let empty = |row: usize| gradient[row * width..(row + 1) * width].iter().all(|&x| x == E::ZERO);
        let fresh = || Box::new(BlockSum::new(pool, width));
        self.slot(id).sum.get_or_insert_with(fresh);
        while row < rows {
            let sum = self.slot(id).sum.get_or_insert_with(fresh);
            let room = rows.min(row + BLOCK - sum.rows);
            let to = (row..room).find(|&row| empty(row)).unwrap_or(room);
            sum.add(&gradient[row * width..to * width]);
            if sum.rows == BLOCK {
                self.flush_sum(id);
            }
            // The row that ended the run has no gradient, unless the block was full.
            row = if to < room { to + 1 } else { to };
        }
    }

    /// Adds row `j` of `gradient` to row `ids[j]` of a table's gradient, for every j in order.
    pub(crate) fn add_rows(&mut self, id: u32, ids: &[u32], width: usize, gradient: &[E]) {
        let (pool, node) = (&self.tape.pool, &self.tape.nodes[id as usize]);
        let rows = ids.iter().zip(gradient.chunks_exact(width.max(1)));
        if !matches!(node.value, Value::Param(_)) {
            let slot = self.defined(id);
            for (&id, row) in rows {
                let slot = &mut slot[id as usize * width..(id as usize + 1) * width];
                slot.iter_mut().zip(row).for_each(|(slot, &g)| *slot += g);
            }
            return;
        }
        let vocabulary = node.shape.first().copied().unwrap_or(0);
        let sums = self.slot(id).rows.get_or_insert_with(|| Box::new(RowSums::new(pool, vocabulary, width, ids.len())));
        rows.filter(|(_, row)| row.iter().any(|&x| x != E::ZERO)).for_each(|(&id, row)| sums.add(id, row));
    }

    /// Adds the sum of a block of rows to the elements of a node.
    fn flush_sum(&mut self, id: u32) {
        let Some(sum) = self.slot(id).sum.take() else { return };
        self.add(id, &sum.total);
    }

    /// Adds `gradient` to the elements of a node.
    pub(crate) fn add(&mut self, id: u32, gradient: &[E]) {
        let (elements, fresh) = self.dense(id);
        if fresh {
            elements.copy_from_slice(gradient);
        } else {
            E::vectorize(
                #[inline(always)]
                || elements.iter_mut().zip(gradient).for_each(|(slot, &g)| *slot += g),
            );
        }
    }

    /// Turns the gathered pairs of a node into a product, and keeps their room.
    fn flush_block(&mut self, id: u32) {
        let Some(mut block) = self.slot(id).block.take() else { return };
        if block.rows > 0 {
            self.multiply(id, block.pairs(), block.widths, block.rows);
        } else {
            // Nothing but zero rows came: the gradient is zero, which is not the same as none.
            self.defined(id);
        }
        block.rows = 0;
        self.slot(id).block = Some(block);
    }

    fn multiply(&mut self, id: u32, (left, right): (&[E], &[E]), widths: (usize, usize), rows: usize) {
        let (slot, fresh) = self.dense(id);
        let (a, b) = (Matrix::transposed(left, widths.0), Matrix::rows(right, widths.1));
        product((widths.0, rows, widths.1), a, b, slot, !fresh);
    }

    // Segments.

    /// The store of a segment's own recording, whose first nodes are copies of `leaves`. What has flowed to these and
    /// to the parameters so far is on loan to it, so that its walk goes on adding in the order of a walk without
    /// segments; [`take_back`](GradStore::take_back) ends the loan.
    pub(crate) fn lend<'s>(&mut self, tape: &'s Tape<E>, leaves: &[u32], last: u32) -> GradStore<'s, E> {
        let mut nodes: Vec<Slot<E>> = tape.pool.lists.take();
        for &id in leaves {
            let (root, offset) = self.tape.root(id);
            let mut slot = std::mem::replace(&mut self.nodes[id as usize], Slot::EMPTY);
            let len = self.tape.nodes[id as usize].shape.elements();
            // A view's elements lie in its root's, of which the segment gets a copy of that part.
            let whole = if root == id { None } else { self.slot(root).dense.as_ref() };
            slot.dense = whole.map(|whole| tape.pool.copy(&whole[offset..offset + len])).or(slot.dense);
            nodes.push(slot);
        }
        nodes.resize_with(leaves.len().max(last as usize + 1), || Slot::EMPTY);
        GradStore { tape, nodes, params: std::mem::take(&mut self.params) }
    }

    /// Takes back what was lent for `leaves`, with more added to it.
    pub(crate) fn take_back(&mut self, leaves: &[u32], mut lent: GradStore<'_, E>) {
        self.params = std::mem::take(&mut lent.params);
        for (&id, mut slot) in leaves.iter().zip(lent.nodes.drain(..leaves.len())) {
            let own = self.tape.root(id).0 == id;
            if let Some(more) = slot.dense.take_if(|_| !own) {
                self.dense(id).0.copy_from_slice(&more);
            }
            self.nodes[id as usize] = slot;
        }
        lent.nodes.clear();
        lent.tape.pool.lists.give(lent.nodes);
    }
}
