//! Gradients in shares, for processes that add up the gradients of one batch together: each adds some rows of every parameter, and
//! what all of them have added is put together again. The sum has the bits of [`Gradients::add`] in the order of the numbers.

use crate::{
    Error, Gradients, Params, Precision, Result, Shape,
    gradients::{Dense, Gradient},
};

/// One process's share of gradients: rows `part`, `part + parts`, … of every parameter, a row being all that follows its first axis. In
/// turn and not in blocks, since the frequent words of an embedding mostly stand together.
///
/// ```
/// use unspool_graph::{Gradients, Graph, Params, Share, init};
/// let mut params = Params::seeded(1);
/// let w = params.scope("m").add("w", [5, 2], init::normal(1.0));
/// let gradients = |factor: f64| (Graph::new(&params).param(w) * factor).powi(2).sum_all().backward();
/// let numbered = [gradients(1.0)?, gradients(2.0)?];
///
/// // What each of three processes does with what it is sent, and what comes of all that they send.
/// let mut sums = vec![];
/// for part in 0..3 {
///     let sent = numbered.iter().enumerate().map(|(n, g)| Share::of(g, n as u32, part, 3).to_bytes());
///     let mut received = sent.map(|bytes| Share::from_bytes(&params, part, 3, &bytes));
///     let mut sum = received.next().unwrap()?;
///     received.try_for_each(|share| sum.add(share?))?;
///     sums.push(sum);
/// }
/// let mut whole = numbered[0].clone();
/// whole.add(&numbered[1])?;
/// assert_eq!(Share::join(&params, &sums)?.of(w), whole.of(w));
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Share {
    part: usize,
    parts: usize,
    precision: Precision,
    /// Of each parameter: its rows in this share, and the elements of a row.
    sizes: Vec<[usize; 2]>,
    /// Rows of an embedding are numbered within the share.
    entries: Vec<Option<Gradient>>,
    /// Where each of these rows came first: the number of the gradients, and its place there. The sum has them in this order.
    firsts: Vec<Vec<[u32; 2]>>,
    /// The first share alone has them.
    cuts: Vec<String>,
}

impl Share {
    /// The share `part`, from 0, of `parts`, at least 1. `number` is the place of these gradients in the order of adding.
    pub fn of(gradients: &Gradients, number: u32, part: usize, parts: usize) -> Share {
        let cuts = if part == 0 { gradients.cuts.clone() } else { vec![] };
        let mut share = Share::empty(gradients.precision, &gradients.shapes, part, parts);
        share.cuts = cuts;
        for (i, entry) in gradients.entries.iter().enumerate() {
            let [rows, width] = share.sizes[i];
            share.entries[i] = entry.as_ref().map(|entry| match entry {
                Gradient::Dense(values) => {
                    let mut own = values.zeros(rows * width);
                    (0..rows)
                        .for_each(|row| own.copy_at(row * width, values, (part + row * share.parts) * width, width));
                    Gradient::Dense(own)
                }
                Gradient::Rows { rows: all, values, .. } => {
                    let is_own = |(_, row): &(usize, &u32)| **row as usize % share.parts == part;
                    let places: Vec<usize> = all.iter().enumerate().filter(is_own).map(|(place, _)| place).collect();
                    share.firsts[i] = places.iter().map(|&place| [number, place as u32]).collect();
                    let mut own = values.zeros(places.len() * width);
                    for (at, place) in places.iter().enumerate() {
                        own.copy_at(at * width, values, place * width, width);
                    }
                    let rows = places.iter().map(|&place| all[place] / share.parts as u32).collect();
                    Gradient::Rows { rows, width, values: own }
                }
            });
        }
        share
    }

    fn empty(precision: Precision, shapes: &[Shape], part: usize, parts: usize) -> Share {
        let parts = parts.max(1);
        let sizes = shapes.iter().map(|shape| {
            let rows = rows_of(shape);
            [rows.saturating_sub(part).div_ceil(parts), shape.elements() / rows]
        });
        let (entries, firsts) = (vec![None; shapes.len()], vec![vec![]; shapes.len()]);
        Share { part, parts, precision, sizes: sizes.collect(), entries, firsts, cuts: vec![] }
    }

    /// Adds the same share of gradients with a higher number.
    ///
    /// # Errors
    /// [`Error::Foreign`] for another share, or one of other parameters.
    pub fn add(&mut self, other: Share) -> Result<()> {
        let kind = |share: &Share| (share.part, share.parts, share.precision);
        if kind(self) != kind(&other) || self.sizes != other.sizes {
            return Err(Error::Foreign { what: "a share of gradients" });
        }
        for (i, (more, more_firsts)) in other.entries.into_iter().zip(other.firsts).enumerate() {
            let Some(more) = more else { continue };
            let Some(own) = &mut self.entries[i] else {
                (self.entries[i], self.firsts[i]) = (Some(more), more_firsts);
                continue;
            };
            let known = own.rows().len();
            own.add(&more, self.sizes[i][0] * self.sizes[i][1]);
            // Rows that were not known stand behind those that were, in the order in which the other has them.
            let mut fresh = own.rows().get(known..).unwrap_or_default().iter().peekable();
            let fresh = more.rows().iter().zip(more_firsts).filter(|(row, _)| fresh.next_if_eq(row).is_some());
            self.firsts[i].extend(fresh.map(|(_, first)| first));
        }
        let fresh = other.cuts.into_iter().filter(|cut| !self.cuts.contains(cut)).collect::<Vec<_>>();
        self.cuts.extend(fresh);
        Ok(())
    }

    /// The gradients that these shares, from the first to the last, are all of.
    ///
    /// # Errors
    /// [`Error::Foreign`] where they are not, or are of other parameters.
    pub fn join(params: &Params, shares: &[Share]) -> Result<Gradients> {
        let foreign = Error::Foreign { what: "a share of gradients" };
        let mut all = Gradients::none(params);
        let fit = |(part, share): (usize, &Share)| {
            let own = Share::empty(all.precision, &all.shapes, part, shares.len());
            (share.part, share.parts, share.precision) == (part, shares.len(), all.precision)
                && share.sizes == own.sizes
        };
        if shares.is_empty() || !shares.iter().enumerate().all(fit) {
            return Err(foreign);
        }
        for (i, shape) in all.shapes.iter().enumerate() {
            let width = shape.elements() / rows_of(shape);
            let entries: Vec<&Gradient> = shares.iter().filter_map(|share| share.entries[i].as_ref()).collect();
            let dense = entries.iter().filter(|entry| matches!(entry, Gradient::Dense(_))).count();
            all.entries[i] = match (entries.first(), dense) {
                (None, _) => None,
                _ if entries.len() != shares.len() => return Err(foreign),
                (Some(Gradient::Dense(values)), all) if all == shares.len() => {
                    let mut whole = values.zeros(shape.elements());
                    for (part, entry) in entries.iter().enumerate() {
                        let rows = (part..rows_of(shape)).step_by(shares.len()).enumerate();
                        rows.for_each(|(own, row)| whole.copy_at(row * width, entry.values(), own * width, width));
                    }
                    Some(Gradient::Dense(whole))
                }
                (Some(first), 0) => {
                    let mut order: Vec<([u32; 2], usize, usize)> = vec![];
                    for (part, share) in shares.iter().enumerate() {
                        order.extend(share.firsts[i].iter().enumerate().map(|(at, &first)| (first, part, at)));
                    }
                    order.sort_unstable();
                    let mut values = first.values().zeros(order.len() * width);
                    for (to, &(_, part, at)) in order.iter().enumerate() {
                        values.copy_at(to * width, entries[part].values(), at * width, width);
                    }
                    let row = |&(_, part, at): &(_, usize, usize)| {
                        entries[part].rows()[at] * shares.len() as u32 + part as u32
                    };
                    Some(Gradient::Rows { rows: order.iter().map(row).collect(), width, values })
                }
                _ => return Err(foreign),
            };
        }
        all.cuts = shares.iter().flat_map(|share| share.cuts.iter().cloned()).collect();
        Ok(all)
    }

    /// As bytes, which any machine reads alike.
    pub fn to_bytes(&self) -> Vec<u8> {
        let values: usize = self.entries.iter().flatten().map(|entry| entry.values().len() * self.element()).sum();
        let rows: usize = self.firsts.iter().map(|rows| 8 + 12 * rows.len()).sum();
        let mut out = Vec::with_capacity(values + rows + self.entries.len() + 4);
        for (entry, firsts) in self.entries.iter().zip(&self.firsts) {
            match entry {
                None => out.push(NONE),
                Some(Gradient::Dense(values)) => {
                    out.push(DENSE);
                    values.write(&mut out);
                }
                Some(Gradient::Rows { rows, values, .. }) => {
                    out.push(ROWS);
                    put(&mut out, rows.len() as u32);
                    rows.iter()
                        .zip(firsts)
                        .flat_map(|(&row, &[number, place])| [row, number, place])
                        .for_each(|n| put(&mut out, n));
                    values.write(&mut out);
                }
            }
        }
        for cut in &self.cuts {
            put(&mut out, cut.len() as u32);
            out.extend_from_slice(cut.as_bytes());
        }
        out
    }

    /// The share `part` of `parts` of gradients of `params`, from its bytes.
    ///
    /// # Errors
    /// [`Error::Foreign`] for bytes that are none.
    pub fn from_bytes(params: &Params, part: usize, parts: usize, bytes: &[u8]) -> Result<Share> {
        let shapes: Vec<Shape> = params.iter().map(|p| params.shape(p)).collect();
        let mut share = Share::empty(params.precision(), &shapes, part, parts);
        share.read(bytes).ok_or(Error::Foreign { what: "a share of gradients" })?;
        Ok(share)
    }

    fn read(&mut self, mut bytes: &[u8]) -> Option<()> {
        let (bytes, element) = (&mut bytes, self.element());
        let number = |bytes: &mut &[u8]| Some(u32::from_le_bytes(bytes.split_off(..4)?.try_into().ok()?));
        for (i, &[rows, width]) in self.sizes.iter().enumerate() {
            self.entries[i] = match *bytes.split_off_first()? {
                NONE => None,
                DENSE => Some(Gradient::Dense(Dense::read(self.precision, bytes.split_off(..rows * width * element)?))),
                ROWS => {
                    let count = number(bytes)? as usize;
                    let mut heads = bytes.split_off(..count.checked_mul(12)?)?;
                    let mut own = Vec::with_capacity(count);
                    for _ in 0..count {
                        own.push(number(&mut heads).filter(|&row| (row as usize) < rows)?);
                        self.firsts[i].push([number(&mut heads)?, number(&mut heads)?]);
                    }
                    let values = bytes.split_off(..count.checked_mul(width * element)?)?;
                    Some(Gradient::Rows { rows: own, width, values: Dense::read(self.precision, values) })
                }
                _ => return None,
            };
        }
        while !bytes.is_empty() {
            let length = number(bytes)? as usize;
            self.cuts.push(String::from_utf8(bytes.split_off(..length)?.to_vec()).ok()?);
        }
        Some(())
    }

    /// Bytes of a number.
    fn element(&self) -> usize {
        match self.precision {
            Precision::F32 => 4,
            Precision::F64 => 8,
        }
    }
}

/// What begins a parameter's bytes.
const NONE: u8 = 0;
const DENSE: u8 = 1;
const ROWS: u8 = 2;

/// The size of the first axis; a scalar is one row.
fn rows_of(shape: &Shape) -> usize {
    shape.first().copied().unwrap_or(1).max(1)
}

fn put(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

impl Dense {
    fn len(&self) -> usize {
        match self {
            Dense::F32(v) => v.len(),
            Dense::F64(v) => v.len(),
        }
    }
    fn copy_at(&mut self, offset: usize, other: &Dense, from: usize, len: usize) {
        match (self, other) {
            (Dense::F32(a), Dense::F32(b)) => a[offset..offset + len].copy_from_slice(&b[from..from + len]),
            (Dense::F64(a), Dense::F64(b)) => a[offset..offset + len].copy_from_slice(&b[from..from + len]),
            _ => {}
        }
    }
    fn write(&self, out: &mut Vec<u8>) {
        let from = out.len();
        match self {
            Dense::F32(v) => {
                out.resize(from + 4 * v.len(), 0);
                out[from..].chunks_exact_mut(4).zip(&v[..]).for_each(|(out, x)| out.copy_from_slice(&x.to_le_bytes()));
            }
            Dense::F64(v) => {
                out.resize(from + 8 * v.len(), 0);
                out[from..].chunks_exact_mut(8).zip(&v[..]).for_each(|(out, x)| out.copy_from_slice(&x.to_le_bytes()));
            }
        }
    }
    fn read(precision: Precision, bytes: &[u8]) -> Dense {
        match precision {
            Precision::F32 => {
                Dense::F32(bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect::<Vec<_>>().into())
            }
            Precision::F64 => {
                Dense::F64(bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect::<Vec<_>>().into())
            }
        }
    }
}
