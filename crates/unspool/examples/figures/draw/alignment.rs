//! Figures of chapter 19: all paths that spell a word, and what a network hears when.

use super::{
    Figure, Result,
    curves::rows,
    sketch::{Boxed, Kind, Sketch},
};

pub(crate) const FIGURES: &[Figure] = &[
    Figure { name: "ctc", draw: ctc },
    Figure { name: "sounds", draw: sounds },
    Figure { name: "speech", draw: speech },
];

/// The sounds of a recording, which the network is never shown, and under them the probability of each class at each
/// frame, before training and after.
fn sounds() -> Result<String> {
    let (rows, size) = (rows("sounds")?, 36);
    let frames = rows.len() as i32 - 1;
    let (left, top) = (190, 62);
    let mut sketch = Sketch::new(left + frames * size + 120, 400);
    sketch.text((100, top - 10), "sound that is made", 13);
    sketch.text((left + frames * size / 2, 22), "frame", 13);
    for (t, row) in (0..).zip(&rows[1..]) {
        let x = left + t * size;
        sketch.text((x + size / 2, 40), &(t + 1).to_string(), 12);
        let made = if row[1] == "0" { "·" } else { &row[1] };
        sketch.text((x + size / 2, top - 4), made, 14);
        for panel in 0..2 {
            for class in 0..4 {
                let p = row[(2 + 4 * panel + class) as usize].parse()?;
                sketch.ink((x, top + 20 + 168 * panel + 34 * class), 33, p);
            }
        }
    }
    for (panel, when) in (0..).zip(["before training", "after training"]) {
        let y = top + 20 + 168 * panel;
        sketch.frame((left, y), (frames * size, 4 * 34));
        sketch.text((58, y + 72), when, 13);
        for (class, name) in (0..).zip(["blank", "sound 1", "sound 2", "sound 3"]) {
            sketch.text((left - 38, y + 22 + 34 * class), name, 13);
        }
    }
    for (step, amount) in (0..).zip([1.0, 0.75, 0.5, 0.25, 0.0]) {
        let at = (left + frames * size + 24, top + 20 + 30 * step);
        sketch.frame(at, (26, 26));
        sketch.ink(at, 26, amount);
        sketch.text((at.0 + 54, at.1 + 18), &amount.to_string(), 12);
    }
    Ok(sketch.finish())
}

/// A recording of digits: how loud it is, and under it the probability of the blank and of each digit that is heard.
fn speech() -> Result<String> {
    let rows = rows("speech")?;
    let (names, steps) = rows.split_first().ok_or("an empty log")?;
    let value = |step: &Vec<String>, column: usize| -> Result<f64> { Ok(step[column].parse()?) };
    let mut heard = vec![];
    for column in 2..names.len() {
        let most = steps.iter().map(|step| value(step, column)).try_fold(0f64, |most, p| p.map(|p| most.max(p)))?;
        if most >= 0.2 {
            heard.push(column);
        }
    }
    let (left, wide, top, tall) = (110, 7, 40, 66);
    let right = left + wide * steps.len() as i32;
    let bottom = top + (tall + 12) * (heard.len() as i32 + 1) - 6;
    let mut sketch = Sketch::new(right + 40, bottom + 30);
    let loudest = steps.iter().map(|step| value(step, 1)).try_fold(0f64, |most, x| x.map(|x| most.max(x)))?;
    sketch.text(((left + right) / 2, 24), "Three spoken digits, and what the model hears when", 16);
    for (row, column) in (0..).zip(std::iter::once(1).chain(heard)) {
        let y = top + (tall + 12) * row;
        sketch.frame((left, y), (right - left, tall));
        for (t, step) in (0..).zip(steps) {
            let x = left + wide * t;
            let value = value(step, column)?;
            match column {
                1 => {
                    let half = (f64::from(tall / 2 - 2) * value / loudest).round() as i32;
                    sketch.bar((x, y + tall / 2 - half), (wide - 1, 2 * half + 1), "f1", 1.0);
                }
                _ => {
                    let high = (f64::from(tall - 2) * value).round() as i32;
                    let class = if column == 2 { "tip" } else { "f0" };
                    sketch.bar((x, y + tall - 1 - high), (wide, high), class, 1.0);
                }
            }
        }
        let name = match column {
            1 => "loudness".to_string(),
            2 => "P(blank)".to_string(),
            _ => format!("P({})", names[column]),
        };
        sketch.text((58, y + tall / 2 + 5), &name, 13);
    }
    for tenth in (0..steps.len() as i32 / 5).step_by(5) {
        let x = left + wide * 5 * tenth;
        sketch.bar((x, bottom), (1, 5), "tip", 1.0);
        sketch.text((x, bottom + 18), &format!("{:.1} s", f64::from(tenth) / 10.0), 12);
    }
    Ok(sketch.finish())
}

/// The word "ab" over six frames. A path starts at one of the first two symbols and ends at one of the last two; a
/// state is drawn if a path can be there.
fn ctc() -> Result<String> {
    let symbols = ["–", "a", "–", "b", "–"];
    let strong = [0, 1, 1, 2, 3, 3]; // – a a – b b
    let frames = strong.len();
    let reached = |t: usize, s: usize| s <= 2 * t + 1 && s + 2 * (frames - 1 - t) + 1 >= symbols.len() - 1;
    let at = |t: usize, s: usize| (130 + 110 * t as i32, 60 + 62 * s as i32);
    let mut sketch = Sketch::new(760, 390);
    let mut boxes: Vec<Vec<Option<Boxed>>> = vec![];
    for (t, &on_path) in strong.iter().enumerate() {
        sketch.text((at(t, 0).0, 28), &format!("frame {}", t + 1), 13);
        let mut column = vec![];
        for (s, symbol) in symbols.iter().enumerate() {
            let kind = if on_path == s { Kind::Output } else { Kind::Step };
            column.push(reached(t, s).then(|| sketch.boxed(kind, at(t, s), 36, &[symbol])));
        }
        boxes.push(column);
    }
    for t in 1..frames {
        for s in 0..symbols.len() {
            for skip in 0..=2usize {
                // Over a blank between two different letters.
                let allowed = skip < 2 || (s % 2 == 1 && s >= 3);
                let Some(from) = s.checked_sub(skip).filter(|_| allowed).and_then(|from| boxes[t - 1][from]) else {
                    continue;
                };
                let Some(to) = boxes[t][s] else { continue };
                let on_path = strong[t] == s && strong[t - 1] + skip == s;
                sketch.arrow(&[from.right(), to.left()], if on_path { 3.5 } else { 0.8 });
            }
        }
    }
    for (s, name) in ["blank", "a", "blank", "b", "blank"].into_iter().enumerate() {
        sketch.text((50, at(0, s).1 + 5), name, 13);
    }
    sketch.text((400, 372), "the strong path: – a a – b b", 13);
    Ok(sketch.finish())
}
