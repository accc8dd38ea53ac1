//! Gradients as bytes, which any machine reads alike: little-endian, one parameter after the other.

use rayon::prelude::*;
use std::{array, iter, slice};
use unspool_graph::{Buffer, Float};

/// How many elements one thread reads at a time.
const PIECE: usize = 1 << 16;

/// What begins a parameter's bytes.
const NONE: u8 = 0;
const DENSE: u8 = 1;
const ROWS: u8 = 2;

/// Says whose bytes follow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) part: usize,
    pub(super) parts: usize,
    /// Bytes per element.
    pub(super) element: usize,
}

impl Head {
    pub(super) fn new<E: Float>(part: usize, parts: usize) -> Head {
        Head { part, parts, element: size_of::<E>() }
    }

    fn numbers(self) -> [u32; 3] {
        [self.part, self.parts, self.element].map(|number| number as u32)
    }
}

/// Overwrites a list, which therefore need not be cleared before.
pub(super) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    at: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn over(out: &'a mut Vec<u8>, head: Head) -> Writer<'a> {
        let mut writer = Writer { out, at: 0 };
        head.numbers().into_iter().for_each(|number| writer.number(number));
        writer
    }

    fn room(&mut self, bytes: usize) -> &mut [u8] {
        let from = self.at;
        self.at += bytes;
        if self.out.len() < self.at {
            self.out.resize(self.at, 0);
        }
        &mut self.out[from..self.at]
    }

    fn number(&mut self, number: u32) {
        self.room(4).copy_from_slice(&number.to_le_bytes());
    }

    fn elements<E: Float>(&mut self, values: &[E]) {
        let bytes = self.room(size_of_val(values));
        bytes
            .chunks_exact_mut(size_of::<E>())
            .zip(values)
            .for_each(|(bytes, x)| bytes.copy_from_slice(x.to_le_bytes().as_ref()));
    }

    pub(super) fn none(&mut self) {
        self.room(1)[0] = NONE;
    }

    /// All elements, which may be in several places.
    pub(super) fn dense<'v, E: Float>(&mut self, values: impl Iterator<Item = &'v [E]>) {
        self.room(1)[0] = DENSE;
        values.for_each(|values| self.elements(values));
    }

    /// So many rows: of each its number and where it came first, and then the elements.
    pub(super) fn rows<'v, E: Float>(
        &mut self,
        count: u32,
        rows: impl Iterator<Item = [u32; 3]>,
        values: impl Iterator<Item = &'v [E]>,
    ) {
        self.room(1)[0] = ROWS;
        self.number(count);
        rows.flatten().for_each(|number| self.number(number));
        values.for_each(|values| self.elements(values));
    }

    /// Texts after the last parameter.
    pub(super) fn finish(mut self, texts: &[String]) {
        for text in texts {
            self.number(text.len() as u32);
            self.room(text.len()).copy_from_slice(text.as_bytes());
        }
        self.out.truncate(self.at);
    }
}

/// A parameter's bytes.
#[derive(Debug)]
pub(super) enum Wire<'a> {
    None,
    Dense(&'a [u8]),
    Rows { rows: Rows<'a>, values: &'a [u8] },
}

/// Of each row its number and where it came first.
pub(super) type Rows<'a> = iter::Map<slice::Iter<'a, [u8; 12]>, fn(&[u8; 12]) -> [u32; 3]>;

/// The bytes of each parameter, of which there are so many rows of so many elements, and the texts after them; `None`
/// for bytes that are something else.
pub(super) fn read<'a>(mut all: &'a [u8], head: Head, sizes: &[[usize; 2]]) -> Option<(Vec<Wire<'a>>, Vec<String>)> {
    let bytes = &mut all;
    let number = |bytes: &mut &[u8]| Some(u32::from_le_bytes(bytes.split_off(..4)?.try_into().ok()?));
    for expected in head.numbers() {
        number(bytes).filter(|found| *found == expected)?;
    }
    let mut parameters = Vec::with_capacity(sizes.len());
    for &[own, width] in sizes {
        parameters.push(match *bytes.split_off_first()? {
            NONE => Wire::None,
            DENSE => Wire::Dense(bytes.split_off(..own * width * head.element)?),
            ROWS => {
                let count = number(bytes)? as usize;
                let rows: Rows<'_> = bytes.split_off(..count.checked_mul(12)?)?.as_chunks().0.iter().map(row);
                if rows.clone().any(|[row, ..]| row as usize >= own) {
                    return None;
                }
                Wire::Rows { rows, values: bytes.split_off(..count.checked_mul(width * head.element)?)? }
            }
            _ => return None,
        });
    }
    let mut texts = vec![];
    while !bytes.is_empty() {
        let length = number(bytes)? as usize;
        texts.push(String::from_utf8(bytes.split_off(..length)?.to_vec()).ok()?);
    }
    Some((parameters, texts))
}

/// The number in as many bytes as it has.
fn read_one<E: Float>(bytes: &[u8]) -> E {
    let mut own = E::Bytes::default();
    own.as_mut().copy_from_slice(bytes);
    E::from_le_bytes(own)
}

fn row(bytes: &[u8; 12]) -> [u32; 3] {
    let numbers = bytes.as_chunks().0;
    array::from_fn(|i| u32::from_le_bytes(numbers[i]))
}

/// values ← bytes.
pub(super) fn copy<E: Float>(values: &mut [E], bytes: &[u8]) {
    each(values, bytes, |x, new| *x = new);
}

/// values ← values + bytes.
pub(super) fn add<E: Float>(values: &mut [E], bytes: &[u8]) {
    each(values, bytes, |x, more| *x += more);
}

fn each<E: Float>(values: &mut [E], bytes: &[u8], change: impl Fn(&mut E, E) + Sync) {
    let piece = |(values, bytes): (&mut [E], &[u8])| {
        values.iter_mut().zip(bytes.chunks_exact(size_of::<E>())).for_each(|(x, bytes)| change(x, read_one(bytes)));
    };
    if values.len() <= PIECE {
        return piece((values, bytes));
    }
    values.par_chunks_mut(PIECE).zip(bytes.par_chunks(PIECE * size_of::<E>())).for_each(piece);
}

/// Rows taken by turns: the first of the first share, the first of the second, …, the second of the first, ….
pub(super) fn by_turns<E: Float>(mut values: Buffer<E>, width: usize, shares: &[&[u8]]) -> Buffer<E> {
    let row_bytes = width * size_of::<E>();
    let rows = PIECE.div_ceil(width.max(1));
    values.par_chunks_mut((rows * width).max(1)).enumerate().for_each(|(piece, values)| {
        for (row, values) in (piece * rows..).zip(values.chunks_mut(width.max(1))) {
            let bytes = &shares[row % shares.len()][row / shares.len() * row_bytes..][..row_bytes];
            values.iter_mut().zip(bytes.chunks_exact(size_of::<E>())).for_each(|(x, bytes)| *x = read_one(bytes));
        }
    });
    values
}
