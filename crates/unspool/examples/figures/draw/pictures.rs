//! Figures that show data.

use super::{Figure, Result, curves::rows, sketch::Sketch};
use unspool::text::{BatchSize, Buckets, Csv, Source};

pub(crate) const FIGURES: &[Figure] = &[
    Figure { name: "digits", draw: digits },
    Figure { name: "captions", draw: captions },
    Figure { name: "padding", draw: padding },
];

/// The pictures of the file.
fn pictures() -> Result<Vec<unspool::text::Row>> {
    let file = Source::file(concat!(env!("CARGO_MANIFEST_DIR"), "/../cli/data/digits.csv.gz"))?;
    Ok(Csv::without_header(file)?.collect::<std::result::Result<Vec<_>, _>>()?)
}

/// A picture of 8 × 8 pixels, with its corner at (x, y).
fn picture(sketch: &mut Sketch, (left, top): (i32, i32), row: &unspool::text::Row, pixel: i32) -> Result<()> {
    sketch.frame((left, top), (8 * pixel, 8 * pixel));
    for (k, value) in (0..).zip(&row.fields[..64]) {
        sketch.ink((left + k % 8 * pixel, top + k / 8 * pixel), pixel, value.parse::<f64>()? / 16.0);
    }
    Ok(())
}

/// Unseen pictures, and what the network of chapter 7 wrote under them.
fn captions() -> Result<String> {
    const NAMES: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let (rows, pictures) = (rows("captions")?, pictures()?);
    let mut sketch = Sketch::new(640, 240);
    for (i, row) in (0..).zip(&rows[1..]) {
        let at = (20 + 120 * (i % 5), 16 + 112 * (i / 5));
        let shown = &pictures[row[0].parse::<usize>()?];
        picture(&mut sketch, (at.0 + 20, at.1), shown, 8)?;
        let right = NAMES[row[1].parse::<usize>()?] == row[2];
        let words = if right { row[2].clone() } else { format!("{} (wrong)", row[2]) };
        sketch.text((at.0 + 52, at.1 + 84), &words, 14);
    }
    Ok(sketch.finish())
}

/// The first two of each digit.
fn digits() -> Result<String> {
    let rows = pictures()?;
    let (pixel, gap) = (6, 14);
    let size = 8 * pixel;
    let mut sketch = Sketch::new(10 * (size + gap) + gap, 2 * (size + gap) + gap + 16);
    for (i, row) in (0..20).zip(&rows) {
        let (left, top) = (gap + (i % 10) * (size + gap), gap + 16 + (i / 10) * (size + gap));
        if i < 10 {
            sketch.text((left + size / 2, top - 5), &row[64], 13);
        }
        picture(&mut sketch, (left, top), row, pixel)?;
    }
    Ok(sketch.finish())
}

/// Twelve sequences in batches of four: in the order they came, and in buckets by length.
fn padding() -> Result<String> {
    let lengths = [5, 12, 3, 9, 2, 11, 6, 3, 10, 4, 8, 2usize];
    let in_order: Vec<Vec<usize>> = (0..3).map(|b| (4 * b..4 * b + 4).collect()).collect();
    let buckets = Buckets::new(lengths, BatchSize::Rows(4), 0)?.sorted();
    let cell = 12;
    let mut sketch = Sketch::new(2 * (13 * cell + 60) + 20, 3 * (4 * cell + 14) + 46);
    for (side, (title, batches)) in (0..).zip([("as they came", in_order), ("by length", buckets)]) {
        let left = 20 + side * (13 * cell + 60);
        let padded: usize =
            batches.iter().map(|rows| rows.len() * rows.iter().map(|&r| lengths[r]).max().unwrap_or(0)).sum();
        let share = 100 * (padded - lengths.iter().sum::<usize>()) / padded;
        sketch.text((left + 100, 24), &format!("{title}: {share} % padding"), 13);
        for (b, rows) in (0..).zip(&batches) {
            let longest = rows.iter().map(|&row| lengths[row]).max().unwrap_or(0);
            for (r, &row) in (0..).zip(rows) {
                for t in 0..longest {
                    let at = (left + t as i32 * cell, 38 + b * (4 * cell + 14) + r * cell);
                    match t < lengths[row] {
                        true => sketch.ink(at, cell - 2, 1.0),
                        false => sketch.frame(at, (cell - 2, cell - 2)),
                    }
                }
            }
        }
    }
    Ok(sketch.finish())
}
