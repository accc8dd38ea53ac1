//! What flows back: where an operation's backward puts the gradients of its operands.
//!
//! Gradients are added in place. A matrix that is multiplied by at many time steps does not get as many small products:
//! the pairs (operand row, gradient row) are gathered and become products over blocks of [`BLOCK`] rows. A vector that
//! stands beside every row, a bias, gets the sums of blocks of as many rows. Rows without a gradient, such as padding,
//! are left out rather than multiplied, so a block's borders and with them the bits do not depend on padding.

use crate::{
    Element, Error, Graph, Params,
    buffer::{Buffer, Pool},
    gradients::Gradient,
    kernels::{Matrix, product, vector::dispatch},
    reference::reference_mode,
    tape::{NONE, Tape, Value},
};
use std::{fmt, sync::Arc};

/// How many gathered rows are summed in one product for the gradient of a matrix, and in one sum for that of a bias.
pub(crate) const BLOCK: usize = 512;

/// From this many rows that lie together on, they are multiplied where they are.
const TOGETHER: usize = 128;

/// What has flowed to one node or parameter so far.
pub(crate) struct Slot<E: Element> {
    pub(crate) dense: Option<Buffer<E>>,
    pub(crate) block: Option<Box<Block<E>>>,
    pub(crate) sum: Option<Box<BlockSum<E>>>,
    pub(crate) rows: Option<Box<RowSums<E>>>,
}

impl<E: Element> Slot<E> {
    pub(crate) const EMPTY: Slot<E> = Slot { dense: None, block: None, sum: None, rows: None };

    pub(crate) fn empty(n: usize) -> impl Iterator<Item = Slot<E>> {
        std::iter::repeat_with(|| Slot::EMPTY).take(n)
    }

    /// Whether something waits to be added to the dense gradient.
    pub(crate) fn waits(&self) -> bool {
        self.block.is_some() || self.sum.is_some()
    }

    /// Whether no element of what waits is infinite or not a number.
    pub(crate) fn waits_finite(&self) -> bool {
        let all = |values: &[E]| values.iter().all(|x| x.is_finite());
        let block = |b: &Block<E>| all(&b.left[..b.rows * b.widths.0]) && all(&b.right[..b.rows * b.widths.1]);
        self.block.as_ref().is_none_or(|b| block(b)) && self.sum.as_ref().is_none_or(|s| all(&s.total))
    }
}

/// Gathered pairs of rows that wait to become `left`ᵀ·`right`.
pub(crate) struct Block<E: Element> {
    pub(crate) rows: usize,
    pub(crate) left: Buffer<E>,
    pub(crate) right: Buffer<E>,
    pub(crate) widths: (usize, usize),
}

/// The rows of a bias's gradient that do not fill a block yet, as their sum.
pub(crate) struct BlockSum<E: Element> {
    rows: usize,
    total: Buffer<E>,
}

impl<E: Element> BlockSum<E> {
    /// Adds rows one after the other, so that the bits are those of any other cut of the same rows.
    fn add(&mut self, rows: &[E]) {
        let total = &mut self.total[..];
        let width = total.len();
        self.rows += rows.len() / width;
        dispatch(
            #[inline(always)]
            || {
                // Four rows at a time, so that the sums are read and written once for the four.
                let fours = rows.chunks_exact(4 * width);
                let rest = fours.remainder();
                for four in fours {
                    let ((a, b), (c, d)) = {
                        let (front, back) = four.split_at(2 * width);
                        (front.split_at(width), back.split_at(width))
                    };
                    let each = total.iter_mut().zip(a.iter().zip(b)).zip(c.iter().zip(d));
                    each.for_each(|((sum, (&a, &b)), (&c, &d))| *sum = *sum + a + b + c + d);
                }
                for row in rest.chunks_exact(width) {
                    total.iter_mut().zip(row).for_each(|(sum, &g)| *sum += g);
                }
            },
        );
    }
}

/// Gradients of an embedding's rows, in the order of their first use.
pub(crate) struct RowSums<E: Element> {
    place: Vec<u32>,
    rows: Vec<u32>,
    width: usize,
    pub(crate) values: Buffer<E>,
}

/// Where an operation's backward puts the gradients of its operands.
///
/// ```
/// use unspool_graph::{Element, Graph, GradSink, Operation, Params, OpContext, Shape, View};
///
/// /// y = a · b, elementwise, for equal shapes.
/// struct Times;
///
/// impl Operation for Times {
///     type Saved<E: Element> = ();
///     fn name(&self) -> &'static str { "times" }
///     fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> { Ok(inputs[0]) }
///     fn forward<E: Element>(&self, x: &[View<'_, E>], y: &mut [E]) {
///         (0..y.len()).for_each(|i| y[i] = x[0].data()[i] * x[1].data()[i]);
///     }
///     fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
///         let (a, b, g) = (ctx.inputs[0].data(), ctx.inputs[1].data(), gradient.data());
///         into.accumulate(0, |to_a| (0..g.len()).for_each(|i| to_a[i] += g[i] * b[i])); // where it lies
///         if into.wants(1) {
///             into.add(1, (0..g.len()).map(|i| g[i] * a[i]).collect());                // or all at once
///         }
///     }
///     fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, v: &[Option<View<'_, E>>], y: &mut [E]) {
///         let tangent = |k: usize, i: usize| v[k].map_or(E::ZERO, |v| v.data()[i]);
///         let (a, b) = (ctx.inputs[0].data(), ctx.inputs[1].data());
///         (0..y.len()).for_each(|i| y[i] = tangent(0, i) * b[i] + a[i] * tangent(1, i));
///     }
/// }
///
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let (a, constant) = (graph.input(vec![3.0f32]).watch(), graph.input(vec![4.0f32]));
/// let gradients = graph.apply(Times, &[a, constant]).sum_all().backward()?;
/// assert_eq!(gradients.of(a).unwrap().to_f64()[[0]], 4.0);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
pub struct GradSink<'a, E: Element> {
    pub(crate) tape: &'a Tape<E>,
    pub(crate) operands: &'a [u32],
    pub(crate) slots: &'a mut [Slot<E>],
    /// Gradients of parameters, which a recomputed part of the model shares with the recording around it.
    pub(crate) sink: &'a mut [Slot<E>],
    pub(crate) graph: &'a Graph<'a>,
    /// Operations without gradient inside of segments.
    pub(crate) exits: &'a mut Vec<String>,
    /// Input, elements got, elements expected.
    pub(crate) wrong: Option<(usize, usize, usize)>,
    pub(crate) error: Option<Error>,
}

impl<E: Element> fmt::Debug for GradSink<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GradSink to {} operands", self.operands.len())
    }
}

impl<E: Element> GradSink<'_, E> {
    /// Whether operand `i` leads to anything that wants a gradient. If not, what is added for it is ignored.
    pub fn wants(&self, i: usize) -> bool {
        self.tape.nodes[self.operands[i] as usize].wants
    }

    /// Room for `len` elements of any contents, from the recording's memory.
    pub fn buffer(&self, len: usize) -> Buffer<E> {
        self.tape.pool.take(len)
    }

    /// Adds a gradient for operand `i`: its elements, row by row.
    pub fn add(&mut self, i: usize, gradient: Vec<E>) {
        self.add_slice(i, &gradient);
    }

    /// As [`add`](GradSink::add), from where it lies.
    pub fn add_slice(&mut self, i: usize, gradient: &[E]) {
        let expected = self.tape.nodes[self.operands[i] as usize].shape.elements();
        if gradient.len() != expected {
            self.wrong.get_or_insert((i, gradient.len(), expected));
            return;
        }
        self.update(i, |slot, fresh| {
            if fresh {
                slot.copy_from_slice(gradient);
            } else {
                dispatch(
                    #[inline(always)]
                    || slot.iter_mut().zip(gradient).for_each(|(slot, &g)| *slot += g),
                );
            }
        });
    }

    /// Lets `write` work on the gradient of operand `i` in place. Its second argument says whether the elements are
    /// undefined (all must be written) or hold what came before (to be added to). Nothing is called where no gradient
    /// is wanted.
    pub fn update(&mut self, i: usize, write: impl FnOnce(&mut [E], bool)) {
        if self.wants(i) {
            update(self.tape, self.slots, self.sink, self.operands[i], write);
        }
    }

    /// As [`update`](GradSink::update), but the elements are defined in any case: zeros at first.
    pub fn accumulate(&mut self, i: usize, add: impl FnOnce(&mut [E])) {
        self.update(i, |slot, fresh| {
            if fresh {
                slot.fill(E::ZERO);
            }
            add(slot)
        });
    }

    /// What has flowed to node `id` so far, for a walk inside of a segment that goes on adding to it.
    pub(crate) fn lend(&mut self, id: u32) -> Slot<E> {
        let (root, offset) = self.tape.root(id);
        let mut slot = std::mem::replace(&mut self.slots[id as usize], Slot::EMPTY);
        let whole = match self.tape.nodes[root as usize].value {
            Value::Param(index) => &self.sink[index as usize].dense,
            _ => &self.slots[root as usize].dense,
        };
        if let (true, Some(whole)) = (root != id, whole) {
            let len = self.tape.nodes[id as usize].shape.elements();
            slot.dense = Some(self.tape.pool.copy(&whole[offset..offset + len]));
        }
        slot
    }

    /// What was lent, with more added to it.
    pub(crate) fn take_back(&mut self, id: u32, mut slot: Slot<E>) {
        let own = self.tape.root(id).0 == id;
        if let Some(more) = slot.dense.take_if(|_| !own) {
            update(self.tape, self.slots, self.sink, id, |slot, _| slot.copy_from_slice(&more));
        }
        self.slots[id as usize] = slot;
    }

    /// Adds `left`ᵀ·`right` to the gradient of operand `i`, in blocks together with what comes from other steps.
    /// `gradient_left` says which of the two is the output's gradient: where its row is all zero, the pair is left out.
    pub(crate) fn outer(&mut self, i: usize, left: &[E], right: &[E], widths: (usize, usize), gradient_left: bool) {
        if !self.wants(i) || widths.0 == 0 || widths.1 == 0 {
            return;
        }
        if reference_mode() {
            return self.accumulate(i, |slot| {
                let pairs = left.chunks_exact(widths.0).zip(right.chunks_exact(widths.1));
                for (left, right) in pairs {
                    for (slot, &l) in slot.chunks_exact_mut(widths.1).zip(left) {
                        slot.iter_mut().zip(right).for_each(|(slot, &r)| *slot += l * r);
                    }
                }
            });
        }
        let (tape, id) = (self.tape, self.operands[i]);
        let (rows, mut row) = (left.len() / widths.0, 0);
        while row < rows {
            let (gradient, width) = if gradient_left { (left, widths.0) } else { (right, widths.1) };
            let empty = |row: usize| gradient[row * width..(row + 1) * width].iter().all(|&x| x == E::ZERO);
            // Many rows that lie together need no copy; those gathered before them come first.
            let many = if rows - row >= TOGETHER { (row..rows).take_while(|&row| !empty(row)).count() } else { 0 };
            if many >= TOGETHER {
                if block_slot(tape, self.slots, self.sink, id).block.as_ref().is_some_and(|b| b.rows > 0) {
                    flush(tape, self.slots, self.sink, id);
                }
                let to = row + many;
                let (l, r) = (&left[row * widths.0..to * widths.0], &right[row * widths.1..to * widths.1]);
                flush_into(tape, self.slots, self.sink, id, l, r, widths, many);
                row = to;
                continue;
            }
            let slot = block_slot(tape, self.slots, self.sink, id);
            let block = slot.block.get_or_insert_with(|| {
                let (l, r) = (tape.pool.take(BLOCK * widths.0), tape.pool.take(BLOCK * widths.1));
                Box::new(Block { rows: 0, left: l, right: r, widths })
            });
            while row < rows && block.rows < BLOCK {
                if !empty(row) {
                    let to = block.rows;
                    block.left[to * widths.0..(to + 1) * widths.0]
                        .copy_from_slice(&left[row * widths.0..(row + 1) * widths.0]);
                    block.right[to * widths.1..(to + 1) * widths.1]
                        .copy_from_slice(&right[row * widths.1..(row + 1) * widths.1]);
                    block.rows += 1;
                }
                row += 1;
            }
            if block.rows == BLOCK {
                flush(tape, self.slots, self.sink, id);
            }
        }
    }

    /// A product over no rows is zero, which is a gradient all the same.
    pub(crate) fn accumulate_nothing_if_empty(&mut self, i: usize, rows: usize) {
        if rows == 0 {
            self.accumulate(i, |_| {});
        }
    }

    /// Adds the sum of `gradient`'s rows (of the operand's length) to the gradient of operand `i`, in blocks together
    /// with the rows of other steps.
    pub(crate) fn row_sum(&mut self, i: usize, gradient: &[E]) {
        let (tape, id) = (self.tape, self.operands[i]);
        let width = tape.nodes[id as usize].shape.elements();
        if !self.wants(i) {
            return;
        }
        if width == 0 {
            return self.accumulate(i, |_| {});
        }
        if reference_mode() {
            return self.accumulate(i, |slot| {
                for row in gradient.chunks_exact(width) {
                    slot.iter_mut().zip(row).for_each(|(slot, &g)| *slot += g);
                }
            });
        }
        let (rows, mut row) = (gradient.len() / width, 0);
        let empty = |row: usize| gradient[row * width..(row + 1) * width].iter().all(|&x| x == E::ZERO);
        let fresh = || Box::new(BlockSum { rows: 0, total: tape.pool.zeros(width) });
        block_slot(tape, self.slots, self.sink, id).sum.get_or_insert_with(fresh);
        while row < rows {
            let sum = block_slot(tape, self.slots, self.sink, id).sum.get_or_insert_with(fresh);
            let room = rows.min(row + BLOCK - sum.rows);
            let to = (row..room).find(|&row| empty(row)).unwrap_or(room);
            sum.add(&gradient[row * width..to * width]);
            if sum.rows == BLOCK {
                flush_sum(tape, self.slots, self.sink, id);
            }
            // The row that ended the run has no gradient, unless the block was full.
            row = if to < room { to + 1 } else { to };
        }
    }

    /// Adds row `j` of `gradient` to row `ids[j]` of operand `i`'s gradient, for every j in order.
    pub(crate) fn scatter_rows(&mut self, i: usize, ids: &[u32], width: usize, gradient: &[E]) {
        if !self.wants(i) {
            return;
        }
        let node = &self.tape.nodes[self.operands[i] as usize];
        let Value::Param(index) = node.value else {
            return self.accumulate(i, |slot| {
                for (j, &id) in ids.iter().enumerate() {
                    let row = &mut slot[id as usize * width..(id as usize + 1) * width];
                    row.iter_mut().zip(&gradient[j * width..]).for_each(|(slot, &g)| *slot += g);
                }
            });
        };
        let vocabulary = node.shape.first().copied().unwrap_or(0);
        let pool = &self.tape.pool;
        let sums = self.sink[index as usize].rows.get_or_insert_with(|| {
            // Where each row lies in the gradient: of none of them, as these lists wait.
            let mut place: Vec<u32> = pool.lists.take();
            place.resize(vocabulary.max(place.len()), NONE);
            let values = pool.empty(ids.len().min(vocabulary) * width);
            Box::new(RowSums { place, rows: vec![], width, values })
        });
        for (j, &id) in ids.iter().enumerate() {
            let row = &gradient[j * width..(j + 1) * width];
            if row.iter().all(|&x| x == E::ZERO) {
                continue;
            }
            match sums.place[id as usize] {
                NONE => {
                    sums.place[id as usize] = sums.rows.len() as u32;
                    sums.rows.push(id);
                    sums.values.append(row);
                }
                at => {
                    let at = at as usize * width;
                    sums.values[at..at + width].iter_mut().zip(row).for_each(|(sum, &g)| *sum += g);
                }
            }
        }
    }
}

/// The elements of a node's gradient, inside its root's where it is a part of another node.
pub(crate) fn update<E: Element>(
    tape: &Tape<E>,
    slots: &mut [Slot<E>],
    sink: &mut [Slot<E>],
    id: u32,
    write: impl FnOnce(&mut [E], bool),
) {
    let (root, offset) = tape.root(id);
    let (holder, len) = (&tape.nodes[root as usize], tape.nodes[id as usize].shape.elements());
    let slot = match holder.value {
        Value::Param(index) => &mut sink[index as usize],
        _ => &mut slots[root as usize],
    };
    let (whole, mut fresh) = (holder.shape.elements(), false);
    let dense = slot.dense.get_or_insert_with(|| {
        fresh = len == whole;
        if fresh { tape.pool.take(whole) } else { tape.pool.zeros(whole) }
    });
    write(&mut dense[offset..offset + len], fresh)
}

fn block_slot<'a, E: Element>(
    tape: &Tape<E>,
    slots: &'a mut [Slot<E>],
    sink: &'a mut [Slot<E>],
    id: u32,
) -> &'a mut Slot<E> {
    match tape.nodes[id as usize].value {
        Value::Param(index) => &mut sink[index as usize],
        _ => &mut slots[id as usize],
    }
}

/// Adds what waits to the dense gradient of a node.
pub(crate) fn settle<E: Element>(tape: &Tape<E>, slots: &mut [Slot<E>], sink: &mut [Slot<E>], id: u32) {
    if block_slot(tape, slots, sink, id).block.is_some() {
        flush(tape, slots, sink, id);
        block_slot(tape, slots, sink, id).block = None;
    }
    flush_sum(tape, slots, sink, id);
}

/// Adds the sum of a block to the gradient of a node.
fn flush_sum<E: Element>(tape: &Tape<E>, slots: &mut [Slot<E>], sink: &mut [Slot<E>], id: u32) {
    let Some(sum) = block_slot(tape, slots, sink, id).sum.take() else { return };
    update(tape, slots, sink, id, |slot, fresh| {
        if fresh {
            slot.copy_from_slice(&sum.total);
        } else {
            slot.iter_mut().zip(&sum.total[..]).for_each(|(slot, &g)| *slot += g);
        }
    });
}

/// Turns the gathered rows of a node into a product.
fn flush<E: Element>(tape: &Tape<E>, slots: &mut [Slot<E>], sink: &mut [Slot<E>], id: u32) {
    let Some(mut block) = block_slot(tape, slots, sink, id).block.take() else { return };
    let Block { rows, widths, .. } = *block;
    if rows > 0 {
        let (left, right) = (&block.left[..rows * widths.0], &block.right[..rows * widths.1]);
        flush_into(tape, slots, sink, id, left, right, widths, rows);
    } else {
        // Nothing but zero rows came: the gradient is zero, which is not the same as none.
        update(tape, slots, sink, id, |slot, fresh| {
            if fresh {
                slot.fill(E::ZERO);
            }
        });
    }
    block.rows = 0;
    block_slot(tape, slots, sink, id).block = Some(block);
}

#[expect(clippy::too_many_arguments, reason = "the two stores and the two matrices, each with its sizes")]
fn flush_into<E: Element>(
    tape: &Tape<E>,
    slots: &mut [Slot<E>],
    sink: &mut [Slot<E>],
    id: u32,
    left: &[E],
    right: &[E],
    widths: (usize, usize),
    rows: usize,
) {
    update(tape, slots, sink, id, |slot, fresh| {
        let (a, b) = (Matrix::transposed(left, widths.0), Matrix::rows(right, widths.1));
        product((widths.0, rows, widths.1), a, b, slot, !fresh);
    });
}

/// What has flowed to the parameters, put into its final form.
pub(crate) fn finish<E: Element>(params: &Params, pool: &Arc<Pool<E>>, sink: Vec<Slot<E>>) -> Vec<Option<Gradient>> {
    let mut out = Vec::with_capacity(sink.len());
    for (slot, p) in sink.into_iter().zip(params.iter()) {
        let elements = params.shape(p).elements();
        let Slot { mut dense, block, sum, rows } = slot;
        if let Some(block) = block {
            // Where nothing but zero rows came, the gradient is zero, which is not the same as none.
            let (l, r) = block.widths;
            let target = dense.get_or_insert_with(|| pool.zeros(elements));
            let (a, b) = (Matrix::transposed(&block.left, l), Matrix::rows(&block.right, r));
            product((l, block.rows, r), a, b, target, true);
        }
        if let Some(sum) = sum {
            match &mut dense {
                Some(dense) => dense.iter_mut().zip(&sum.total[..]).for_each(|(d, &g)| *d += g),
                None => dense = Some(sum.total),
            }
        }
        out.push(match (dense, rows) {
            (None, None) => None,
            (Some(dense), None) => Some(Gradient::Dense(E::dense(dense))),
            (None, Some(sums)) => {
                let RowSums { rows, width, values, place } = *sums;
                give_back(pool, place, &rows);
                Some(Gradient::Rows { rows, width, values: E::dense(values) })
            }
            (Some(mut dense), Some(sums)) => {
                for (j, &row) in sums.rows.iter().enumerate() {
                    let at = row as usize * sums.width;
                    let values = &sums.values[j * sums.width..(j + 1) * sums.width];
                    dense[at..at + sums.width].iter_mut().zip(values).for_each(|(d, &v)| *d += v);
                }
                give_back(pool, sums.place, &sums.rows);
                Some(Gradient::Dense(E::dense(dense)))
            }
        });
    }
    out
}

/// Takes the rows out of their places again, so that the list can wait for another gradient.
fn give_back<E: Element>(pool: &Pool<E>, mut place: Vec<u32>, rows: &[u32]) {
    rows.iter().for_each(|&row| place[row as usize] = NONE);
    pool.lists.give(place);
}
