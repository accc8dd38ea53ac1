//! Figures of what goes in and what comes out: the shapes of sequence work, and how a batch lies in memory.

use super::{
    Figure, Result,
    networks::{DIGITS, Row},
    sketch::{Boxed, Kind, Sketch},
};

pub(crate) const FIGURES: &[Figure] = &[
    Figure { name: "shapes", draw: shapes },
    Figure { name: "zero-filled", draw: zero_filled },
    Figure { name: "packing", draw: packing },
    Figure { name: "film", draw: film },
];

/// Which steps read and which say something, for the five shapes.
fn shapes() -> Result<String> {
    let kinds: [(&str, &[u8], &[u8]); 5] = [
        ("one-to-one", &[1], &[1]),
        ("one-to-many", &[1, 0, 0], &[1, 1, 1]),
        ("many-to-one", &[1, 1, 1], &[0, 0, 1]),
        ("many-to-many", &[1, 1, 0, 0], &[0, 0, 1, 1]),
        ("many-to-many, aligned", &[1, 1, 1], &[1, 1, 1]),
    ];
    let (step, size) = (44, 30);
    let mut sketch = Sketch::new(860, 220);
    let mut left = 24;
    for (name, reads, says) in kinds {
        let width = step * reads.len() as i32;
        let mut before: Option<Boxed> = None;
        for (t, (&reads, &says)) in (0..).zip(reads.iter().zip(says)) {
            let x = left + step * t + step / 2;
            let cell = sketch.boxed(Kind::Step, (x, 100), size, &[""]);
            if reads > 0 {
                let input = sketch.boxed(Kind::Input, (x, 165), size, &["x"]);
                sketch.arrow(&[input.top(), cell.bottom()], 1.2);
            }
            if says > 0 {
                let output = sketch.boxed(Kind::Output, (x, 35), size, &["y"]);
                sketch.arrow(&[cell.top(), output.bottom()], 1.2);
            }
            if let Some(before) = before {
                sketch.arrow(&[before.right(), cell.left()], 1.2);
            }
            before = Some(cell);
        }
        let room = width.max(9 * name.len() as i32 * 8 / 9);
        sketch.text((left + width / 2, 206), name, 13);
        left += room + 26;
    }
    Ok(sketch.finish())
}

/// The picture makes the first state; nothing else comes in.
fn zero_filled() -> Result<String> {
    let mut sketch = Sketch::new(700, 250);
    let picture = sketch.boxed(Kind::Input, (60, 130), 72, &["picture"]);
    let row = Row::new(&mut sketch, 200, 130, 4);
    row.states(&mut sketch, picture, false);
    sketch.text((132, 122), "h₀", 12);
    for (cell, (x, y)) in row.cells.iter().zip([("<bos>", "o"), ("0", "n"), ("0", "e"), ("0", "<eos>")]) {
        let x = sketch.boxed(Kind::Input, (cell.top().0, 215), 60, &[x]);
        let y = sketch.boxed(Kind::Output, (cell.top().0, 40), 60, &[y]);
        sketch.arrow(&[x.top(), cell.bottom()], 1.2);
        sketch.arrow(&[cell.top(), y.bottom()], 1.2);
    }
    Ok(sketch.finish())
}

/// Three rows of 4, 1 and 2 steps, padded; and their real steps, one time step after the other.
fn packing() -> Result<String> {
    let rows: [(char, usize); 3] = [('a', 4), ('b', 1), ('c', 2)];
    let (cell, top) = (38, 64);
    let mut sketch = Sketch::new(760, 200);
    sketch.text((24 + 2 * cell, 30), "padded: [batch, time]", 13);
    for t in 0..4 {
        sketch.text((24 + cell * t + cell / 2, 54), &format!("t = {}", t + 1), 12);
    }
    for (r, (name, length)) in (0..).zip(rows) {
        for t in 0..4usize {
            let at = (24 + cell * t as i32, top + cell * r);
            sketch.frame(at, (cell, cell));
            if t < length {
                sketch.bar((at.0 + 1, at.1 + 1), (cell - 2, cell - 2), "ink", 0.18);
                sketch.text((at.0 + cell / 2, at.1 + 25), &format!("{name}{}", DIGITS[t + 1]), 14);
            }
        }
    }
    sketch.arrow(&[(200, 120), (250, 120)], 1.6);
    sketch.text((520, 30), "packed: the longest row first, step by step", 13);
    let mut left = 276;
    for t in 0..4usize {
        let running: Vec<char> =
            ['a', 'c', 'b'].into_iter().filter(|r| rows.iter().any(|x| x.0 == *r && x.1 > t)).collect();
        sketch.text((left + cell * running.len() as i32 / 2, 90), &format!("t = {}", t + 1), 12);
        for name in running {
            sketch.frame((left, 101), (cell, cell));
            sketch.bar((left + 1, 102), (cell - 2, cell - 2), "ink", 0.18);
            sketch.text((left + cell / 2, 126), &format!("{name}{}", DIGITS[t + 1]), 14);
            left += cell;
        }
        left += 24;
    }
    Ok(sketch.finish())
}

/// The same small convolution looks at each frame, and a cell goes over what it found.
fn film() -> Result<String> {
    let mut sketch = Sketch::new(700, 330);
    let shared = sketch.boxed(Kind::Weight, (90, 180), 128, &["one convolution", "the same weights"]);
    let row = Row::new(&mut sketch, 250, 100, 4);
    let start = sketch.boxed(Kind::Input, (160, 100), 40, &["h₀"]);
    row.states(&mut sketch, start, true);
    for (t, cell) in (0..).zip(&row.cells) {
        let x = cell.top().0;
        let eye = sketch.boxed(Kind::Step, (x, 180), 72, &["conv"]);
        let (left, top, pixel) = (x - 32, 236, 16);
        sketch.frame((left, top), (4 * pixel, 4 * pixel));
        sketch.ink((left + t * pixel, top + pixel), pixel, 1.0);
        sketch.text((x, 320), &format!("frame {}", t + 1), 12);
        sketch.arrow(&[(x, top), eye.bottom()], 1.2);
        sketch.arrow(&[eye.top(), cell.bottom()], 1.2);
        if t == 0 {
            sketch.arrow(&[shared.right(), eye.left()], 0.8);
        }
    }
    let last = row.cells[3];
    let answer = sketch.boxed(Kind::Output, (last.top().0, 36), 110, &["moves right"]);
    sketch.arrow(&[last.top(), answer.bottom()], 1.2);
    Ok(sketch.finish())
}
