//! Figures of the cells of chapter 10.

use super::{
    Figure, Result,
    sketch::{Kind, Sketch},
};

pub(crate) const FIGURES: &[Figure] = &[
    Figure { name: "lstm", draw: lstm },
    Figure { name: "lstm-steps", draw: steps },
    Figure { name: "gru", draw: gru },
];

/// One step: the memory along the top, the hidden vector along the bottom.
fn lstm() -> Result<String> {
    let mut sketch = Sketch::new(820, 320);
    let c_in = sketch.boxed(Kind::Input, (60, 60), 64, &["cₜ₋₁"]);
    let keep = sketch.boxed(Kind::Step, (220, 60), 40, &["×"]);
    let add = sketch.boxed(Kind::Step, (420, 60), 40, &["+"]);
    let c_out = sketch.boxed(Kind::Output, (760, 60), 64, &["cₜ"]);
    let write = sketch.boxed(Kind::Step, (420, 140), 40, &["×"]);
    let squash = sketch.boxed(Kind::Step, (600, 120), 60, &["tanh"]);
    let show = sketch.boxed(Kind::Step, (600, 190), 40, &["×"]);
    let h_out = sketch.boxed(Kind::Output, (760, 190), 64, &["hₜ"]);
    let f = sketch.boxed(Kind::Weight, (220, 210), 70, &["f = σ"]);
    let i = sketch.boxed(Kind::Weight, (340, 210), 70, &["i = σ"]);
    let g = sketch.boxed(Kind::Weight, (470, 210), 84, &["g = tanh"]);
    let o = sketch.boxed(Kind::Weight, (600, 255), 70, &["o = σ"]);
    let h_in = sketch.boxed(Kind::Input, (70, 290), 84, &["hₜ₋₁, xₜ"]);
    sketch.arrow(&[c_in.right(), keep.left()], 3.0);
    sketch.arrow(&[keep.right(), add.left()], 3.0);
    sketch.arrow(&[add.right(), c_out.left()], 3.0);
    sketch.arrow(&[f.top(), keep.bottom()], 1.2);
    sketch.arrow(&[i.top(), (i.top().0, write.left().1), write.left()], 1.2);
    sketch.arrow(&[g.top(), (g.top().0, write.right().1), write.right()], 1.2);
    sketch.arrow(&[write.top(), add.bottom()], 1.2);
    sketch.arrow(&[(600, 60), squash.top()], 1.2);
    sketch.arrow(&[squash.bottom(), show.top()], 1.2);
    sketch.arrow(&[o.top(), show.bottom()], 1.2);
    sketch.arrow(&[show.right(), h_out.left()], 1.2);
    for gate in [f, i, g, o] {
        sketch.arrow(&[h_in.right(), (gate.bottom().0, h_in.right().1), gate.bottom()], 1.0);
    }
    Ok(sketch.finish())
}

/// The equations one after the other, in four panels.
fn steps() -> Result<String> {
    let mut sketch = Sketch::new(840, 486);
    let titles =
        ["1. a memory that stays", "2. the forget gate", "3. the input gate and the candidate", "4. the output gate"];
    for (panel, title) in (0..).zip(titles) {
        let (left, top) = (10 + 415 * (panel % 2), 10 + 238 * (panel / 2));
        let at = |x: i32, y: i32| (left + x, top + y);
        sketch.frame((left, top), (405, 228));
        sketch.text(at(200, 24), title, 14);
        let c_in = sketch.boxed(Kind::Input, at(40, 65), 56, &["cₜ₋₁"]);
        let c_out = sketch.boxed(Kind::Output, at(365, 65), 56, &["cₜ"]);
        let mut last = c_in.right();
        if panel >= 1 {
            let keep = sketch.boxed(Kind::Step, at(115, 65), 34, &["×"]);
            let f = sketch.boxed(Kind::Weight, at(115, 150), 52, &["fₜ"]);
            sketch.arrow(&[f.top(), keep.bottom()], 1.2);
            sketch.arrow(&[last, keep.left()], 3.0);
            last = keep.right();
        }
        if panel >= 2 {
            let add = sketch.boxed(Kind::Step, at(205, 65), 34, &["+"]);
            let write = sketch.boxed(Kind::Step, at(205, 120), 34, &["×"]);
            let i = sketch.boxed(Kind::Weight, at(178, 180), 44, &["iₜ"]);
            let g = sketch.boxed(Kind::Weight, at(232, 180), 44, &["gₜ"]);
            sketch.arrow(&[i.top(), (write.bottom().0 - 10, write.bottom().1)], 1.2);
            sketch.arrow(&[g.top(), (write.bottom().0 + 10, write.bottom().1)], 1.2);
            sketch.arrow(&[write.top(), add.bottom()], 1.2);
            sketch.arrow(&[last, add.left()], 3.0);
            last = add.right();
        }
        sketch.arrow(&[last, c_out.left()], 3.0);
        if panel == 3 {
            let squash = sketch.boxed(Kind::Step, at(290, 110), 50, &["tanh"]);
            let show = sketch.boxed(Kind::Step, at(290, 158), 34, &["×"]);
            let o = sketch.boxed(Kind::Weight, at(290, 201), 44, &["oₜ"]);
            let h = sketch.boxed(Kind::Output, at(365, 158), 56, &["hₜ"]);
            sketch.arrow(&[at(290, 65), squash.top()], 1.2);
            sketch.arrow(&[squash.bottom(), show.top()], 1.2);
            sketch.arrow(&[o.top(), show.bottom()], 1.2);
            sketch.arrow(&[show.right(), h.left()], 1.2);
        }
    }
    Ok(sketch.finish())
}

/// One step: the state along the top, kept by z and renewed by 1 − z.
fn gru() -> Result<String> {
    let mut sketch = Sketch::new(820, 330);
    let h_in = sketch.boxed(Kind::Input, (60, 60), 64, &["hₜ₋₁"]);
    let keep = sketch.boxed(Kind::Step, (300, 60), 40, &["×"]);
    let add = sketch.boxed(Kind::Step, (600, 60), 40, &["+"]);
    let h_out = sketch.boxed(Kind::Output, (750, 60), 64, &["hₜ"]);
    let z = sketch.boxed(Kind::Weight, (300, 160), 70, &["z = σ"]);
    let r = sketch.boxed(Kind::Weight, (180, 210), 70, &["r = σ"]);
    let rest = sketch.boxed(Kind::Step, (450, 160), 60, &["1 − z"]);
    let write = sketch.boxed(Kind::Step, (600, 160), 40, &["×"]);
    let n = sketch.boxed(Kind::Weight, (600, 240), 84, &["n = tanh"]);
    let x = sketch.boxed(Kind::Input, (60, 300), 84, &["hₜ₋₁, xₜ"]);
    sketch.arrow(&[h_in.right(), keep.left()], 3.0);
    sketch.arrow(&[keep.right(), add.left()], 3.0);
    sketch.arrow(&[add.right(), h_out.left()], 3.0);
    sketch.arrow(&[z.top(), keep.bottom()], 1.2);
    sketch.arrow(&[z.right(), rest.left()], 1.2);
    sketch.arrow(&[rest.right(), write.left()], 1.2);
    sketch.arrow(&[write.top(), add.bottom()], 1.2);
    sketch.arrow(&[n.top(), write.bottom()], 1.2);
    sketch.arrow(&[r.right(), (386, r.right().1), (386, n.left().1), n.left()], 1.2);
    sketch.text((470, 228), "how much of hₜ₋₁ n reads", 12);
    for gate in [r, z, n] {
        sketch.arrow(&[x.right(), (gate.bottom().0, x.right().1), gate.bottom()], 1.0);
    }
    Ok(sketch.finish())
}
