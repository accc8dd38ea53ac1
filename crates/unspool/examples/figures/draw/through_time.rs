//! Figures of chapters 4 and 18: losses at each step, windows, and a recurrence that needs no loop over its gates.

use super::{
    Figure, Result,
    networks::{DIGITS, Row},
    sketch::{Boxed, Kind, Sketch},
};

pub(crate) const FIGURES: &[Figure] = &[
    Figure { name: "losses", draw: losses },
    Figure { name: "windows", draw: windows },
    Figure { name: "parallel", draw: parallel },
];

/// Three steps with a loss at each, forward in full lines, backward in dashes.
fn losses() -> Result<String> {
    let mut sketch = Sketch::new(620, 390);
    let start = sketch.boxed(Kind::Input, (60, 260), 48, &["h₀"]);
    let row = Row::new(&mut sketch, 190, 260, 3);
    row.states(&mut sketch, start, true);
    let sum = sketch.boxed(Kind::Output, (310, 36), 150, &["L = ℓ₁ + ℓ₂ + ℓ₃"]);
    for (t, cell) in row.cells.iter().enumerate() {
        let x = cell.top().0;
        let input = sketch.boxed(Kind::Input, (x, 345), 48, &[&format!("x{}", DIGITS[t + 1])]);
        let loss = sketch.boxed(Kind::Output, (x, 120), 48, &[&format!("ℓ{}", DIGITS[t + 1])]);
        let y = sketch.boxed(Kind::Step, (x, 190), 48, &[&format!("y{}", DIGITS[t + 1])]);
        sketch.arrow(&[input.top(), cell.bottom()], 1.2);
        sketch.arrow(&[(x - 8, cell.top().1), (x - 8, y.bottom().1)], 1.2);
        sketch.arrow(&[(x - 8, y.top().1), (x - 8, loss.bottom().1)], 1.2);
        sketch.back(&[(x + 8, y.bottom().1), (x + 8, cell.top().1)], 1.4);
        sketch.back(&[(x + 8, loss.bottom().1), (x + 8, y.top().1)], 1.4);
        let at = sum.bottom().0 + 40 * (t as i32 - 1);
        sketch.arrow(&[loss.top(), (at, sum.bottom().1)], 1.2);
    }
    for pair in row.cells.windows(2) {
        let (from, to) = (pair[1].left(), pair[0].right());
        sketch.back(&[(from.0, from.1 + 9), (to.0, to.1 + 9)], 1.4);
    }
    sketch.back_text((540, 250), "dashed: gradients", 13);
    sketch.back_text((540, 268), "on their way back", 13);
    Ok(sketch.finish())
}

/// Two windows: states go over the border, gradients do not.
fn windows() -> Result<String> {
    let mut sketch = Sketch::new(840, 232);
    let row = Row::new(&mut sketch, 70, 110, 7);
    let gap = |t: usize| t == 3;
    for (t, pair) in row.cells.windows(2).enumerate() {
        let (from, to) = (pair[0].right(), pair[1].left());
        sketch.arrow(&[(from.0, from.1 - 6), (to.0, to.1 - 6)], if gap(t) { 3.0 } else { 1.2 });
        if !gap(t) {
            sketch.back(&[(to.0, to.1 + 8), (from.0, from.1 + 8)], 1.4);
        }
    }
    for (t, cell) in row.cells.iter().enumerate() {
        let x = sketch.boxed(Kind::Input, (cell.top().0, 180), 48, &[&format!("x{}", DIGITS[t + 1])]);
        sketch.arrow(&[x.top(), cell.bottom()], 1.2);
    }
    let border = (row.cells[3].right().0 + row.cells[4].left().0) / 2;
    sketch.bar((border - 1, 20), (2, 180), "word", 0.5);
    sketch.text((row.cells[1].right().0 + 28, 36), "window 1", 14);
    sketch.text((row.cells[5].top().0, 36), "window 2", 14);
    sketch.bar((border - 96, 71), (192, 19), "card", 1.0);
    sketch.text((border, 84), "the state, as plain numbers", 12);
    sketch.back_text((border, 218), "gradients stop at the border", 12);
    Ok(sketch.finish())
}

/// Left a cell whose gates need the state before; right gates from the inputs alone, and one pass over them.
fn parallel() -> Result<String> {
    let mut sketch = Sketch::new(840, 300);
    let column = |sketch: &mut Sketch, x: i32, t: usize, y: i32| -> Boxed {
        sketch.boxed(Kind::Input, (x, y), 48, &[&format!("x{}", DIGITS[t + 1])])
    };
    sketch.text((198, 28), "gates that read the state: one after the other", 13);
    let mut before: Option<Boxed> = None;
    for t in 0..3 {
        let x = 66 + 132 * t as i32;
        let gates = sketch.boxed(Kind::Step, (x, 130), 104, &["gates, state"]);
        let input = column(&mut sketch, x, t, 260);
        sketch.arrow(&[input.top(), gates.bottom()], 1.2);
        if let Some(before) = before {
            sketch.arrow(&[before.right(), gates.left()], 1.2);
        }
        before = Some(gates);
    }
    sketch.text((640, 28), "gates that read the input: all at once, then one pass", 13);
    let product = sketch.boxed(Kind::Step, (640, 195), 330, &["gates of all steps, one product"]);
    let pass = sketch.boxed(Kind::Step, (640, 100), 330, &["hₜ = aₜ ∘ hₜ₋₁ + bₜ, one pass"]);
    for t in 0..3 {
        let x = 520 + 120 * t as i32;
        let input = column(&mut sketch, x, t, 260);
        sketch.arrow(&[input.top(), (x, product.bottom().1)], 1.2);
        sketch.arrow(&[(x, product.top().1), (x, pass.bottom().1)], 1.2);
    }
    Ok(sketch.finish())
}
