//! Figures that show data.

use super::{Figure, Result, curves::rows, sketch::Sketch};
use unspool::text::{BatchSize, Buckets, Csv, Source};

pub(crate) const FIGURES: &[Figure] = &[
    Figure { name: "digits", draw: digits },
    Figure { name: "captions", draw: captions },
    Figure { name: "padding", draw: padding },
    Figure { name: "frames", draw: frames },
    Figure { name: "reviews", draw: reviews },
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

/// Three films, and under each frame who is there, and who two networks say is there. What is wrong stands in brackets.
fn frames() -> Result<String> {
    let (rows, pictures) = (rows("frames")?, pictures()?);
    let mut sketch = Sketch::new(880, 500);
    for frame in &rows[1..] {
        let [film, t] = [&frame[0], &frame[1]].map(|number| number.parse::<i32>().unwrap_or_default());
        let (left, top) = (150 + 72 * t, 30 + 158 * film);
        let shown = &pictures[frame[2].parse::<usize>()?];
        sketch.frame((left, top), (64, 64));
        if let Ok(place) = frame[3].parse::<i32>() {
            for (k, value) in (0..64).zip(&shown.fields) {
                let column = k % 8 + place;
                if (0..8).contains(&column) {
                    sketch.ink((left + 8 * column, top + k / 8 * 8), 8, value.parse::<f64>()? / 16.0);
                }
            }
        }
        if film == 0 {
            sketch.text((left + 32, 20), &(t + 1).to_string(), 12);
        }
        for (line, said) in (0..).zip(&frame[4..7]) {
            let short = if said == "nobody" { "–" } else { said };
            let at = (left + 32, top + 84 + 20 * line);
            match *said == frame[4] {
                true => sketch.text(at, short, 14),
                false => sketch.back_text(at, &format!("({short})"), 14),
            }
        }
        if t == 0 {
            for (line, name) in (0..).zip(["who is there", "with a memory", "frame by frame"]) {
                sketch.text((78, top + 84 + 20 * line), name, 13);
            }
        }
    }
    Ok(sketch.finish())
}

/// Six reviews, and over or under each character what it adds to the answer.
fn reviews() -> Result<String> {
    const SHOWN: [(&str, &str); 6] = [
        ("난 진", "I really enjoyed it, and the scenery is nice too"),
        ("정말 볼", "a film really worth seeing..."),
        ("나도 ", "could I love like that too (tears)"),
        ("별 반", "not even worth half a star"),
        ("전형적", "a typical third-rate B movie"),
        ("정말 지", "they really milk it to death"),
    ];
    let (rows, unit) = (rows("reviews")?, 26.0);
    let mut sketch = Sketch::new(820, 640);
    sketch.text((76, 22), "P(positive), label", 12);
    for (i, (begin, gloss)) in (0..).zip(SHOWN) {
        let adds = |row: &Vec<String>| row[2..].join(",");
        let plain = |row: &Vec<String>| characters(&adds(row)).map(|found| found.iter().map(|(c, _)| *c).collect());
        let found = rows[1..].iter().find(|row| plain(row).is_ok_and(|text: String| text.starts_with(begin)));
        let row = found.ok_or_else(|| format!("reviews.csv has no review {begin:?}"))?;
        let middle = 66 + 102 * i;
        let label = if row[1] == "1" { "positive" } else { "negative" };
        sketch.text((76, middle + 5), &format!("{}, {label}", row[0]), 13);
        sketch.bar((166, middle), (640, 1), "tip", 0.5);
        for (k, (c, add)) in (0..).zip(characters(&adds(row))?) {
            let x = 180 + 28 * k;
            let tall = (unit * add.abs()).round() as i32;
            match add > 0.0 {
                true => sketch.bar((x - 8, middle - tall), (16, tall), "f1", 1.0),
                false => sketch.bar((x - 8, middle + 1), (16, tall), "f0", 1.0),
            }
            sketch.text((x, middle + 52), &c.to_string(), 15);
        }
        sketch.text((486, middle - 30), gloss, 12);
    }
    Ok(sketch.finish())
}

/// Characters, each with a number after it: `별-1.27  -0.08 `. A space is a character too.
fn characters(text: &str) -> Result<Vec<(char, f64)>> {
    let (mut found, mut rest) = (vec![], text);
    while let Some(c) = rest.chars().next() {
        let (number, after) = rest[c.len_utf8()..].split_once(' ').ok_or("a number without an end")?;
        found.push((c, number.parse()?));
        rest = after;
    }
    Ok(found)
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
