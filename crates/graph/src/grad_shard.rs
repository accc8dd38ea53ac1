//! Gradients in shares, for processes that add up the gradients of one batch together: each adds some rows of every
//! parameter, and what all of them have added is put together again. The sum has the bits of [`Gradients::add`] in the
//! order of the numbers.

use crate::{
    Element, Error, Gradients, Params, Precision, Result, Shape,
    gradients::Gradient,
    params::Pools,
    wire::{self, Wire, Writer},
};

/// One process's share of a sum of gradients: rows `part`, `part + parts`, … of every parameter, a row being all that
/// follows its first axis. In turn and not in blocks, since the frequent words of an embedding mostly stand together.
///
/// ```
/// use unspool_graph::{Gradients, Graph, Params, GradShard, init};
/// let mut params = Params::seeded(1);
/// let w = params.scope("m").add("w", [5, 2], init::normal(1.0));
/// let gradients = |factor: f64| (Graph::new(&params).param(w) * factor).powi(2).sum_all().backward();
/// let numbered = [gradients(1.0)?, gradients(2.0)?];
///
/// // What each of three processes does with what it is sent, and what comes of all that they send.
/// let (mut message, mut sums) = (vec![], vec![]);
/// for part in 0..3 {
///     let mut sum = GradShard::none(&params, part, 3);
///     for (number, gradients) in numbered.iter().enumerate() {
///         GradShard::write(gradients, number as u32, part, 3, &mut message);
///         sum.add(&message)?;
///     }
///     sum.to_bytes(&mut message);
///     sums.push(message.clone());
/// }
/// let mut whole = numbered[0].clone();
/// whole.add(&numbered[1])?;
/// assert_eq!(GradShard::join(&params, &sums)?.of(w), whole.of(w));
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Debug)]
pub struct GradShard {
    head: wire::Head,
    /// Of each parameter: its rows in this share, and the elements of a row.
    sizes: Vec<[usize; 2]>,
    /// Rows of an embedding are numbered within the share.
    entries: Vec<Option<Gradient>>,
    /// Where each of these rows came first: the number of the gradients, and its place there. The sum has them in this
    /// order.
    firsts: Vec<Vec<[u32; 2]>>,
    /// The first share alone has them.
    exits: Vec<String>,
    pools: Pools,
}

impl GradShard {
    /// Nothing of the share `part`, from 0, of `parts`, at least 1, to add to.
    pub fn none(params: &Params, part: usize, parts: usize) -> GradShard {
        let shapes: Vec<Shape> = params.iter().map(|p| params.shape(p)).collect();
        GradShard {
            head: wire::Head { part, parts: parts.max(1), precision: params.precision() },
            sizes: sizes(&shapes, part, parts),
            entries: vec![None; shapes.len()],
            firsts: vec![vec![]; shapes.len()],
            exits: vec![],
            pools: params.pools.clone(),
        }
    }

    /// Writes this share of some gradients over what stands in `out`, for [`GradShard::add`]. `number` is the place of
    /// these gradients in the order of adding.
    pub fn write(gradients: &Gradients, number: u32, part: usize, parts: usize, out: &mut Vec<u8>) {
        match gradients.precision {
            Precision::F32 => write_in::<f32>(gradients, number, part, parts.max(1), out),
            Precision::F64 => write_in::<f64>(gradients, number, part, parts.max(1), out),
        }
    }

    /// Adds what [`GradShard::write`] wrote of the same share, of gradients with a higher number than those before.
    ///
    /// # Errors
    /// [`Error::Foreign`] for bytes that are something else.
    pub fn add(&mut self, bytes: &[u8]) -> Result<()> {
        match self.head.precision {
            Precision::F32 => self.add_in::<f32>(bytes),
            Precision::F64 => self.add_in::<f64>(bytes),
        }
    }

    fn add_in<E: Element>(&mut self, bytes: &[u8]) -> Result<()> {
        let (wires, exits) = wire::read(bytes, self.head, &self.sizes).ok_or(FOREIGN)?;
        let pool = E::pool(&self.pools);
        for (i, wire) in wires.into_iter().enumerate() {
            let [rows, width] = self.sizes[i];
            let taken = |bytes: &[u8]| {
                let mut values = pool.take(bytes.len() / size_of::<E>());
                wire::copy(&mut values, bytes);
                E::dense(values)
            };
            let (more, firsts) = match (wire, &mut self.entries[i]) {
                (Wire::None, _) => continue,
                (Wire::Dense(bytes), Some(Gradient::Dense(sum))) => {
                    wire::add(E::of_dense_mut(sum).ok_or(FOREIGN)?, bytes);
                    continue;
                }
                (Wire::Dense(bytes), _) => (Gradient::Dense(taken(bytes)), vec![]),
                (Wire::Rows { rows, values }, _) => {
                    let (rows, firsts) = rows.map(|[row, first @ ..]| (row, first)).unzip();
                    (Gradient::Rows { rows, width, values: taken(values) }, firsts)
                }
            };
            let Some(sum) = &mut self.entries[i] else {
                (self.entries[i], self.firsts[i]) = (Some(more), firsts);
                continue;
            };
            let known = sum.rows().len();
            sum.add(&more, rows * width);
            // Rows that were not known stand behind those that were, in the order in which the other has them.
            let mut fresh = sum.rows().get(known..).unwrap_or_default().iter().peekable();
            let fresh = more.rows().iter().zip(firsts).filter(|(row, _)| fresh.next_if_eq(row).is_some());
            self.firsts[i].extend(fresh.map(|(_, first)| first));
        }
        let fresh = exits.into_iter().filter(|exit| !self.exits.contains(exit)).collect::<Vec<_>>();
        self.exits.extend(fresh);
        Ok(())
    }

    /// Writes the sum over what stands in `out`, for [`GradShard::join`].
    pub fn to_bytes(&self, out: &mut Vec<u8>) {
        match self.head.precision {
            Precision::F32 => self.to_bytes_in::<f32>(out),
            Precision::F64 => self.to_bytes_in::<f64>(out),
        }
    }

    fn to_bytes_in<E: Element>(&self, out: &mut Vec<u8>) {
        let mut out = Writer::over(out, self.head);
        for (entry, firsts) in self.entries.iter().zip(&self.firsts) {
            let values = entry.as_ref().and_then(|entry| E::of_dense(entry.values()));
            match (entry, values) {
                (Some(Gradient::Rows { rows, .. }), Some(values)) => {
                    let rows = rows.iter().zip(firsts).map(|(&row, &[number, place])| [row, number, place]);
                    out.rows(rows.len() as u32, rows, [values].into_iter());
                }
                (_, Some(values)) => out.dense([values].into_iter()),
                (_, None) => out.none(),
            }
        }
        out.finish(&self.exits);
    }

    /// The gradients that these sums, of the first share to the last, are all of.
    ///
    /// # Errors
    /// [`Error::Foreign`] where they are not, or are of other parameters.
    pub fn join(params: &Params, shares: &[impl AsRef<[u8]>]) -> Result<Gradients> {
        match params.precision() {
            Precision::F32 => join_in::<f32>(params, shares),
            Precision::F64 => join_in::<f64>(params, shares),
        }
    }
}

fn write_in<E: Element>(gradients: &Gradients, number: u32, part: usize, parts: usize, out: &mut Vec<u8>) {
    let mut out = Writer::over(out, wire::Head { part, parts, precision: E::PRECISION });
    for (entry, shape) in gradients.entries.iter().zip(&gradients.shapes) {
        let width = width_of(shape);
        let values = entry.as_ref().and_then(|entry| E::of_dense(entry.values()));
        match (entry, values) {
            (Some(Gradient::Rows { rows, .. }), Some(values)) => {
                let own = || rows.iter().zip(0..).filter(|(row, _)| **row as usize % parts == part);
                let count = own().count() as u32;
                let heads = own().map(|(row, place)| [row / parts as u32, number, place]);
                out.rows(count, heads, own().map(|(_, place)| &values[place as usize * width..][..width]));
            }
            (_, Some(values)) => {
                let own = (part..rows_of(shape)).step_by(parts);
                out.dense(own.map(|row| &values[row * width..][..width]));
            }
            (_, None) => out.none(),
        }
    }
    out.finish(if part == 0 { &gradients.exits } else { &[] });
}

fn join_in<E: Element>(params: &Params, shares: &[impl AsRef<[u8]>]) -> Result<Gradients> {
    let (mut all, parts) = (Gradients::none(params), shares.len());
    if parts == 0 {
        return Err(FOREIGN);
    }
    let mut read = Vec::with_capacity(parts);
    for (part, bytes) in shares.iter().enumerate() {
        let head = wire::Head { part, parts, precision: E::PRECISION };
        read.push(wire::read(bytes.as_ref(), head, &sizes(&all.shapes, part, parts)).ok_or(FOREIGN)?);
    }
    for (i, shape) in all.shapes.iter().enumerate() {
        let (mut dense, mut rows) = (vec![], vec![]);
        for (wires, _) in &read {
            match &wires[i] {
                Wire::None => {}
                Wire::Dense(values) => dense.push(*values),
                Wire::Rows { rows: own, values } => rows.push((own.clone(), *values)),
            }
        }
        all.entries[i] = match (dense.len(), rows.len()) {
            (0, 0) => None,
            (count, 0) if count == parts => {
                let whole = E::pool(&params.pools).take(shape.elements());
                Some(Gradient::Dense(E::dense(wire::by_turns(whole, width_of(shape), &dense))))
            }
            (0, count) if count == parts => Some(join_rows::<E>(params, width_of(shape), rows)),
            _ => return Err(FOREIGN),
        };
    }
    all.exits = read.into_iter().flat_map(|(_, exits)| exits).collect();
    Ok(all)
}

/// Rows of an embedding in the order in which they came first.
fn join_rows<E: Element>(params: &Params, width: usize, shares: Vec<(wire::Rows<'_>, &[u8])>) -> Gradient {
    let (parts, row_bytes) = (shares.len(), width * size_of::<E>());
    let mut order = vec![];
    for (part, (rows, values)) in shares.into_iter().enumerate() {
        let starts = (0..).step_by(row_bytes);
        order.extend(rows.zip(starts).map(|([row, first @ ..], start)| {
            (first, row * parts as u32 + part as u32, &values[start..start + row_bytes])
        }));
    }
    order.sort_unstable_by_key(|(first, ..)| *first);
    let mut values = E::pool(&params.pools).take(order.len() * width);
    values.chunks_mut(width.max(1)).zip(&order).for_each(|(values, (_, _, bytes))| wire::copy(values, bytes));
    Gradient::Rows { rows: order.iter().map(|(_, row, _)| *row).collect(), width, values: E::dense(values) }
}

const FOREIGN: Error = Error::Foreign { what: "a share of gradients" };

/// Of each parameter: its rows in a share, and the elements of a row.
fn sizes(shapes: &[Shape], part: usize, parts: usize) -> Vec<[usize; 2]> {
    let size = |shape: &Shape| [rows_of(shape).saturating_sub(part).div_ceil(parts.max(1)), width_of(shape)];
    shapes.iter().map(size).collect()
}

/// The size of the first axis; a scalar is one row.
fn rows_of(shape: &Shape) -> usize {
    shape.first().copied().unwrap_or(1).max(1)
}

fn width_of(shape: &Shape) -> usize {
    shape.elements() / rows_of(shape)
}
