//! Figures that show data.

use super::{Figure, Result};
use std::fmt::Write;
use unspool::text::{BatchSize, Buckets, Csv, Source};

pub(crate) const FIGURES: &[Figure] =
    &[Figure { name: "digits", draw: digits }, Figure { name: "padding", draw: padding }];

/// The first two of each digit, 8 × 8 pixels each.
fn digits() -> Result<String> {
    let file = Source::file(concat!(env!("CARGO_MANIFEST_DIR"), "/../cli/data/digits.csv.gz"))?;
    let rows = Csv::without_header(file)?.take(20).collect::<std::result::Result<Vec<_>, _>>()?;
    let (pixel, gap) = (6, 14);
    let size = 8 * pixel;
    let mut out = open(10 * (size + gap) + gap, 2 * (size + gap) + gap);
    for (i, row) in rows.iter().enumerate() {
        let (left, top) = (gap + (i % 10) * (size + gap), gap + (i / 10) * (size + gap));
        let frame = format!("x='{left}' y='{top}' width='{size}' height='{size}'");
        writeln!(out, "<rect {frame} fill='none' stroke='#808080' stroke-opacity='.4'/>")?;
        for (k, value) in row.fields[..64].iter().enumerate() {
            let (x, y, ink) = (left + k % 8 * pixel, top + k / 8 * pixel, value.parse::<f64>()? / 16.0);
            if ink > 0.0 {
                let square = format!("x='{x}' y='{y}' width='{pixel}' height='{pixel}'");
                writeln!(out, "<rect {square} fill='#3b82d6' fill-opacity='{ink:.2}'/>")?;
            }
        }
    }
    Ok(out + "</svg>\n")
}

/// Twelve sequences in batches of four: in the order they came, and in buckets by length.
fn padding() -> Result<String> {
    let lengths = [5, 12, 3, 9, 2, 11, 6, 3, 10, 4, 8, 2usize];
    let in_order: Vec<Vec<usize>> = (0..3).map(|b| (4 * b..4 * b + 4).collect()).collect();
    let buckets = Buckets::new(lengths, BatchSize::Rows(4), 0)?.sorted();
    let cell = 12;
    let mut out = open(2 * (13 * cell + 40) + 20, 3 * (4 * cell + 14) + 46);
    for (side, (title, batches)) in [("as they came", in_order), ("by length", buckets)].into_iter().enumerate() {
        let left = 20 + side * (13 * cell + 40);
        let padded: usize =
            batches.iter().map(|rows| rows.len() * rows.iter().map(|&r| lengths[r]).max().unwrap_or(0)).sum();
        let share = 100 * (padded - lengths.iter().sum::<usize>()) / padded;
        let text = format!("{title}: {share} % padding");
        writeln!(out, "<text x='{left}' y='24' font-family='sans-serif' font-size='13' fill='#808080'>{text}</text>")?;
        for (b, rows) in batches.iter().enumerate() {
            let longest = rows.iter().map(|&row| lengths[row]).max().unwrap_or(0);
            for (r, &row) in rows.iter().enumerate() {
                for t in 0..longest {
                    let (x, y) = (left + t * cell, 38 + b * (4 * cell + 14) + r * cell);
                    let square = format!("x='{x}' y='{y}' width='{0}' height='{0}' rx='2'", cell - 2);
                    let paint = if t < lengths[row] {
                        "fill='#3b82d6'"
                    } else {
                        "fill='none' stroke='#808080' stroke-opacity='.6'"
                    };
                    writeln!(out, "<rect {square} {paint}/>")?;
                }
            }
        }
    }
    Ok(out + "</svg>\n")
}

fn open(width: usize, height: usize) -> String {
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' viewBox='0 0 {width} {height}'>\n"
    )
}
