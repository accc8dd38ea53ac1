//! Gradients in shares, for processes that add up the gradients of one batch together: each adds some rows of every
//! parameter, and what all of them have added is put together again. The sum has the bits of [`Gradients::add`] in the
//! order of the numbers.

use super::wire::{self, Head, Wire, Writer};
use crate::{Error, Result};
use std::collections::BTreeMap;
use unspool_graph::{Buffer, Float, Gradients, Param, ParamGrad, Params, Shape};

/// Adds up one process's share of a sum of gradients: rows `part`, `part + parts`, … of every parameter, a row being
/// all that follows its first axis. In turn and not in blocks, because the frequent words of an embedding are mostly
/// neighbors.
///
/// ```
/// use unspool_graph::{Graph, Params, init};
/// use unspool_nn::exchange::GradShard;
/// let mut params = Params::seeded(1);
/// let w = params.scope("m").add("w", [5, 2], init::normal(1.0));
/// let gradients = |factor: f64| (Graph::new(&params).param(w) * factor).powi(2).sum_all().backward();
/// let numbered = [gradients(1.0)?, gradients(2.0)?];
///
/// // What each of three processes does with what it is sent, and what comes of all that they send.
/// let (mut message, mut sums) = (vec![], vec![]);
/// for part in 0..3 {
///     let mut sum = GradShard::<f32>::none(&params, part, 3);
///     for (number, gradients) in numbered.iter().enumerate() {
///         GradShard::<f32>::write(&params, gradients, number as u32, part, 3, &mut message);
///         sum.add(&message)?;
///     }
///     sum.to_bytes(&mut message);
///     sums.push(message.clone());
/// }
/// let mut whole = numbered[0].clone();
/// whole.add(&numbered[1])?;
/// assert_eq!(GradShard::<f32>::join(&params, &sums)?.of(w), whole.of(w));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct GradShard<'p, E: Float> {
    params: &'p Params,
    head: Head,
    /// Of each parameter: its rows in this share, and the elements of a row.
    sizes: Vec<[usize; 2]>,
    sums: Vec<Sum<E>>,
    /// The first share alone has them.
    exits: Vec<String>,
}

/// What has been added for one parameter.
#[derive(Debug)]
enum Sum<E: Float> {
    Nothing,
    Dense(Buffer<E>),
    Rows(RowSums<E>),
}

/// Sums of an embedding's rows, which are numbered within the share.
#[derive(Debug)]
struct RowSums<E: Float> {
    /// Where each row's sum lies in `values`.
    place: BTreeMap<u32, usize>,
    rows: Vec<u32>,
    /// Where each of these rows came first: the number of the gradients, and its place there. The sum has them in this
    /// order.
    firsts: Vec<[u32; 2]>,
    values: Buffer<E>,
}

impl<E: Float> RowSums<E> {
    fn add(&mut self, params: &Params, [row, first @ ..]: [u32; 3], bytes: &[u8]) {
        let width = bytes.len() / size_of::<E>();
        match self.place.get(&row) {
            Some(&at) => wire::add(&mut self.values[at * width..(at + 1) * width], bytes),
            None => {
                let mut values = params.buffer(width);
                wire::copy(&mut values, bytes);
                self.place.insert(row, self.rows.len());
                self.rows.push(row);
                self.firsts.push(first);
                self.values.extend_from_slice(&values);
            }
        }
    }
}

impl<'p, E: Float> GradShard<'p, E> {
    /// Makes the share `part`, from 0, of `parts`, at least 1, with nothing in it, to add to. The parameters are in
    /// precision `E`.
    pub fn none(params: &'p Params, part: usize, parts: usize) -> Self {
        GradShard {
            params,
            head: Head::new::<E>(part, parts.max(1)),
            sizes: sizes(params, part, parts),
            sums: params.iter().map(|_| Sum::Nothing).collect(),
            exits: vec![],
        }
    }

    /// Writes this share of some gradients to `out`, in place of what is there, for [`GradShard::add`]. `number` is the
    /// place of these gradients in the order of adding.
    pub fn write(params: &Params, gradients: &Gradients, number: u32, part: usize, parts: usize, out: &mut Vec<u8>) {
        let parts = parts.max(1);
        let mut out = Writer::over(out, Head::new::<E>(part, parts));
        for (index, p) in params.iter().enumerate() {
            match gradients.param_grad::<E>(index) {
                Some(ParamGrad::SparseRows { rows, width, values }) => {
                    let own = || rows.iter().zip(0..).filter(|(row, _)| **row as usize % parts == part);
                    let heads = own().map(|(row, place)| [row / parts as u32, number, place]);
                    let values = own().map(|(_, place)| &values[place as usize * width..][..width]);
                    out.rows(own().count() as u32, heads, values);
                }
                Some(ParamGrad::Dense(values)) => {
                    let shape = params.shape(p);
                    let (rows, width) = (rows_of(&shape), width_of(&shape));
                    out.dense((part..rows).step_by(parts).map(|row| &values[row * width..][..width]));
                }
                None => out.none(),
            }
        }
        out.finish(if part == 0 { gradients.exits() } else { &[] });
    }

    /// Adds what [`GradShard::write`] wrote of the same share, of gradients with a higher number than those before.
    ///
    /// # Errors
    /// [`unspool_graph::Error::Foreign`] for bytes that are something else.
    pub fn add(&mut self, bytes: &[u8]) -> Result<()> {
        let (wires, exits) = wire::read(bytes, self.head, &self.sizes).ok_or_else(foreign)?;
        for (i, wire) in wires.into_iter().enumerate() {
            let ([rows, width], sum) = (self.sizes[i], &mut self.sums[i]);
            match (wire, &mut *sum) {
                (Wire::None, _) => {}
                (Wire::Dense(bytes), Sum::Dense(sum)) => wire::add(sum, bytes),
                (Wire::Dense(bytes), Sum::Nothing) => {
                    let mut values = self.params.buffer(rows * width);
                    wire::copy(&mut values, bytes);
                    *sum = Sum::Dense(values);
                }
                (Wire::Dense(bytes), Sum::Rows(known)) => {
                    let mut values: Buffer<E> = self.params.buffer(rows * width);
                    values.fill(E::ZERO);
                    for (&row, known) in known.rows.iter().zip(known.values.chunks_exact(width.max(1))) {
                        let values = &mut values[row as usize * width..][..width];
                        values.iter_mut().zip(known).for_each(|(x, &known)| *x += known);
                    }
                    wire::add(&mut values, bytes);
                    *sum = Sum::Dense(values);
                }
                (Wire::Rows { rows, values }, Sum::Dense(sum)) => {
                    for ([row, ..], bytes) in rows.zip(values.chunks_exact(self.head.element * width.max(1))) {
                        wire::add(&mut sum[row as usize * width..][..width], bytes);
                    }
                }
                (Wire::Rows { rows, values }, Sum::Nothing | Sum::Rows(_)) => {
                    if let Sum::Nothing = sum {
                        let (rows, firsts, place) = (vec![], vec![], BTreeMap::new());
                        *sum = Sum::Rows(RowSums { rows, firsts, place, values: vec![].into() });
                    }
                    if let Sum::Rows(sum) = sum {
                        let values = values.chunks_exact(self.head.element * width.max(1));
                        rows.zip(values).for_each(|(row, bytes)| sum.add(self.params, row, bytes));
                    }
                }
            }
        }
        for exit in exits {
            if !self.exits.contains(&exit) {
                self.exits.push(exit);
            }
        }
        Ok(())
    }

    /// Writes the sum to `out`, in place of what is there, for [`GradShard::join`].
    pub fn to_bytes(&self, out: &mut Vec<u8>) {
        let mut out = Writer::over(out, self.head);
        for sum in &self.sums {
            match sum {
                Sum::Nothing => out.none(),
                Sum::Dense(values) => out.dense([&values[..]].into_iter()),
                Sum::Rows(RowSums { rows, firsts, values, .. }) => {
                    let heads = rows.iter().zip(firsts).map(|(&row, &[number, place])| [row, number, place]);
                    out.rows(rows.len() as u32, heads, [&values[..]].into_iter());
                }
            }
        }
        out.finish(&self.exits);
    }

    /// Returns the gradients that these sums, of the first share to the last, are all of.
    ///
    /// # Errors
    /// [`unspool_graph::Error::Foreign`] where they are not, or are of other parameters.
    pub fn join(params: &Params, shares: &[impl AsRef<[u8]>]) -> Result<Gradients> {
        let (mut all, parts) = (Gradients::none(params), shares.len());
        if parts == 0 {
            return Err(foreign());
        }
        let mut read = Vec::with_capacity(parts);
        for (part, bytes) in shares.iter().enumerate() {
            let sizes = sizes(params, part, parts);
            read.push(wire::read(bytes.as_ref(), Head::new::<E>(part, parts), &sizes).ok_or_else(foreign)?);
        }
        for (i, p) in params.iter().enumerate() {
            let shape = params.shape(p);
            let (mut dense, mut rows) = (vec![], vec![]);
            for (wires, _) in &read {
                match &wires[i] {
                    Wire::None => {}
                    Wire::Dense(values) => dense.push(*values),
                    Wire::Rows { rows: own, values } => rows.push((own.clone(), *values)),
                }
            }
            match (dense.len(), rows.len()) {
                (0, 0) => {}
                (count, 0) if count == parts => {
                    let whole: Buffer<E> = params.buffer(shape.elements());
                    all.set_dense(p, wire::by_turns(whole, width_of(&shape), &dense))?;
                }
                (0, count) if count == parts => set_joined_rows::<E>(&mut all, params, p, rows)?,
                _ => return Err(foreign()),
            }
        }
        all.add_exits(read.into_iter().flat_map(|(_, exits)| exits));
        Ok(all)
    }
}

/// Puts in the rows of an embedding, in the order in which they came first.
fn set_joined_rows<E: Float>(
    all: &mut Gradients,
    params: &Params,
    p: Param,
    shares: Vec<(wire::Rows<'_>, &[u8])>,
) -> Result<()> {
    let width = width_of(&params.shape(p));
    let (parts, row_bytes) = (shares.len(), width * size_of::<E>());
    let mut order = vec![];
    for (part, (rows, values)) in shares.into_iter().enumerate() {
        let starts = (0..).step_by(row_bytes.max(1));
        order.extend(rows.zip(starts).map(|([row, first @ ..], start)| {
            (first, row * parts as u32 + part as u32, &values[start..start + row_bytes])
        }));
    }
    order.sort_unstable_by_key(|(first, ..)| *first);
    let mut values: Buffer<E> = params.buffer(order.len() * width);
    values.chunks_mut(width.max(1)).zip(&order).for_each(|(values, (_, _, bytes))| wire::copy(values, bytes));
    Ok(all.set_rows(p, order.iter().map(|(_, row, _)| *row).collect(), values)?)
}

fn foreign() -> Error {
    unspool_graph::Error::Foreign { what: "a share of gradients" }.into()
}

/// Of each parameter: its rows in a share, and the elements of a row.
fn sizes(params: &Params, part: usize, parts: usize) -> Vec<[usize; 2]> {
    let size = |shape: Shape| [rows_of(&shape).saturating_sub(part).div_ceil(parts.max(1)), width_of(&shape)];
    params.iter().map(|p| size(params.shape(p))).collect()
}

/// The size of the first axis; a scalar is one row.
fn rows_of(shape: &Shape) -> usize {
    shape.first().copied().unwrap_or(1).max(1)
}

fn width_of(shape: &Shape) -> usize {
    shape.elements() / rows_of(shape)
}
