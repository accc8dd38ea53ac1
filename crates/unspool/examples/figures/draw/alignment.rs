//! The figure of chapter 19: all paths that spell a word.

use super::{
    Figure, Result,
    sketch::{Boxed, Kind, Sketch},
};

pub(crate) const FIGURES: &[Figure] = &[Figure { name: "ctc", draw: ctc }];

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
