//! Schemes of chapters 11 to 13: a beam, attention, heads, a mask, a layer.

use super::{
    Figure, Result,
    networks::DIGITS,
    sketch::{Boxed, Kind, Sketch},
};

pub(crate) const FIGURES: &[Figure] = &[
    Figure { name: "beam", draw: beam },
    Figure { name: "look", draw: look },
    Figure { name: "heads", draw: heads },
    Figure { name: "causal", draw: causal },
    Figure { name: "transformer-layer", draw: layer },
];

/// The model `Trap` of chapter 11, searched with a beam of two.
fn beam() -> Result<String> {
    let mut sketch = Sketch::new(760, 300);
    let start = sketch.boxed(Kind::Input, (70, 150), 80, &["start"]);
    let two = sketch.boxed(Kind::Step, (250, 80), 96, &["2", "0.6"]);
    let three = sketch.boxed(Kind::Step, (250, 225), 96, &["3", "0.4"]);
    let next: [(&str, &str, i32, Boxed, bool); 4] = [
        ("2 4", "0.6 · 0.34 = 0.204", 40, two, true),
        ("2 5", "0.6 · 0.33 = 0.198", 110, two, false),
        ("3 4", "0.4 · 0.9 = 0.36", 190, three, true),
        ("3 5", "0.4 · 0.05 = 0.02", 260, three, false),
    ];
    for first in [two, three] {
        sketch.arrow(&[start.right(), first.left()], 1.8);
    }
    for (name, p, y, from, kept) in next {
        let wins = name == "3 4";
        let kind = if wins {
            Kind::Output
        } else if kept {
            Kind::Step
        } else {
            Kind::Weight
        };
        let at = sketch.boxed(kind, (470, y), 168, &[name, p]);
        sketch.arrow(&[from.right(), at.left()], if kept { 1.8 } else { 0.8 });
        let word = if wins {
            "best: kept"
        } else if kept {
            "kept"
        } else {
            "dropped"
        };
        sketch.text((620, y + 5), word, 13);
    }
    Ok(sketch.finish())
}

/// One look: a query, scores, weights, a context. The weights are the softmax of the scores.
fn look() -> Result<String> {
    let scores = [0.2f64, 2.1, 0.9, -0.8];
    let sum: f64 = scores.iter().map(|e| e.exp()).sum();
    let mut sketch = Sketch::new(760, 400);
    let query = sketch.boxed(Kind::Input, (80, 190), 110, &["query sₜ₋₁"]);
    let context = sketch.boxed(Kind::Output, (430, 34), 150, &["context cₜ"]);
    sketch.text((80, 100), "weights α", 13);
    sketch.text((80, 352), "memory", 13);
    for (i, score) in scores.into_iter().enumerate() {
        let x = 220 + 140 * i as i32;
        let weight = score.exp() / sum;
        let state = sketch.boxed(Kind::Input, (x, 350), 64, &[&format!("h{}", DIGITS[i + 1])]);
        let words = format!("score {score:.1}").replace('-', "−");
        let compared = sketch.boxed(Kind::Step, (x, 250), 96, &[&words]);
        let looked = sketch.boxed(Kind::Step, (x, 110), 76, &[&format!("{weight:.2}")]);
        sketch.arrow(&[state.top(), compared.bottom()], 1.2);
        sketch.arrow(&[compared.top(), looked.bottom()], 1.2);
        sketch.arrow(&[query.right(), (x - 60, 190), (x - 30, compared.top().1)], 0.8);
        sketch.arrow(
            &[looked.top(), (context.bottom().0 + 24 * (i as i32 * 2 - 3) / 2, context.bottom().1)],
            0.6 + 5.0 * weight,
        );
    }
    sketch.text((670, 186), "softmax", 13);
    sketch.text((690, 60), "Σ αᵢ·hᵢ", 13);
    Ok(sketch.finish())
}

/// Two heads over the same vectors.
fn heads() -> Result<String> {
    let mut sketch = Sketch::new(760, 330);
    let x = sketch.boxed(Kind::Input, (380, 295), 220, &["X  [time, size]"]);
    let mixed = sketch.boxed(Kind::Weight, (380, 80), 280, &["side by side, times W of the output"]);
    let y = sketch.boxed(Kind::Output, (380, 26), 220, &["Y  [time, size]"]);
    for (head, left) in [("head 1", 60), ("head 2", 420)] {
        sketch.text((left + 140, 135), head, 13);
        let attention = sketch.boxed(Kind::Step, (left + 140, 160), 250, &["softmax(Q·Kᵀ / √d)·V"]);
        for (k, name) in (0..).zip(["Q = X·Wq", "K = X·Wk", "V = X·Wv"]) {
            let at = sketch.boxed(Kind::Weight, (left + 45 + 95 * k, 225), 86, &[name]);
            sketch.arrow(&[at.top(), (at.top().0, attention.bottom().1)], 1.2);
            sketch.arrow(&[x.top(), at.bottom()], 0.8);
        }
        sketch.arrow(&[(left + 140, 122), mixed.bottom()], 1.2);
    }
    sketch.arrow(&[mixed.top(), y.bottom()], 1.2);
    Ok(sketch.finish())
}

/// Which place may look at which.
fn causal() -> Result<String> {
    let (size, left, top) = (36, 150, 66);
    let mut sketch = Sketch::new(520, 310);
    sketch.text((left + 3 * size, 24), "looks at place", 13);
    sketch.text((70, top + 3 * size), "place", 13);
    for i in 0..6 {
        sketch.text((left + size * i + size / 2, 54), &(i + 1).to_string(), 13);
        sketch.text((left - 22, top + size * i + 23), &(i + 1).to_string(), 13);
        for j in 0..6 {
            let at = (left + size * j, top + size * i);
            sketch.frame(at, (size, size));
            match j <= i {
                true => sketch.bar((at.0 + 1, at.1 + 1), (size - 2, size - 2), "ink", 0.75),
                false => sketch.text((at.0 + size / 2, at.1 + 23), "0", 12),
            }
        }
    }
    sketch.text((445, top + 60), "−∞ before", 12);
    sketch.text((445, top + 76), "the softmax,", 12);
    sketch.text((445, top + 92), "0 after it", 12);
    Ok(sketch.finish())
}

/// Two parts, each added to what it reads.
fn layer() -> Result<String> {
    let mut sketch = Sketch::new(880, 190);
    let x = sketch.boxed(Kind::Input, (50, 80), 56, &["x"]);
    let parts = [("layer norm", 160), ("multi-head attention", 315)];
    let after = [("layer norm", 535), ("two affine maps", 672)];
    let first = sketch.boxed(Kind::Step, (435, 80), 34, &["+"]);
    let second = sketch.boxed(Kind::Step, (770, 80), 34, &["+"]);
    let y = sketch.boxed(Kind::Output, (835, 80), 56, &["y"]);
    for (names, from, to) in [(parts, x, first), (after, first, second)] {
        let mut last = from;
        for (name, at) in names {
            let part = sketch.boxed(Kind::Step, (at, 80), if name.len() > 15 { 164 } else { 124 }, &[name]);
            sketch.arrow(&[last.right(), part.left()], 1.2);
            last = part;
        }
        sketch.arrow(&[last.right(), to.left()], 1.2);
        let (start, end) = (from.right().0 + 6, to.bottom().0);
        sketch.arrow(&[(start, 80), (start, 145), (end, 145), to.bottom()], 2.4);
        sketch.text(((start + end) / 2, 166), "unchanged", 12);
    }
    sketch.arrow(&[second.right(), y.left()], 1.2);
    sketch.text((435, 52), "a", 13);
    Ok(sketch.finish())
}
