//! The picture as SVG. Colors are classes with one set for light pages and one for dark ones.

use super::{
    fold::{Kind, Picture},
    grid::Rect,
    layout::{self, SMALL, Scene, TITLE},
    route::{Wire, WireKind},
};
use std::fmt::Write;

const MARGIN: f64 = 14.0;
/// Between the rolled picture and the unrolled one.
const BETWEEN: f64 = 44.0;
const FOOT: f64 = 20.0;

const STYLE: &str = "\
text{font-family:'DejaVu Sans',Verdana,system-ui,sans-serif;fill:#1c2733;text-anchor:middle}
.small{fill:#4a5b6c}.shape{fill:#4a5b6c}.name{fill:#51606f;text-anchor:start}.foot{fill:#51606f;text-anchor:start}
.name{paint-order:stroke;stroke:#f0f3f6;stroke-width:3}
.page{fill:#ffffff}.frame{fill:#f3f6f9;stroke:#c3cdd7}.scope{fill:#8fa3b514;stroke:#a9b7c4;stroke-dasharray:3 3}
.cell{fill:#dcebfa;stroke:#2f6fad}.operation{fill:#ffffff;stroke:#60788f}\
.input{fill:#e4f4e6;stroke:#4a8a55}.param{fill:#f1e6fa;stroke:#8453ad}
.line{fill:none;stroke-linecap:round}.halo{stroke:#ffffff;stroke-opacity:.85}
.data{stroke:#587089}.state{stroke:#cf5a1f}.weight{stroke:#9668bd}
.t-data{fill:#587089}.t-state{fill:#cf5a1f}.t-weight{fill:#9668bd}
@media (prefers-color-scheme:dark){
text{fill:#e8edf2}.small{fill:#b9c4cf}.shape{fill:#b9c4cf}.name{fill:#a9b6c3}.foot{fill:#a9b6c3}
.name{stroke:#1a2127}
.page{fill:#12171c}.frame{fill:#1a2127;stroke:#3a4753}.scope{fill:#8fa3b514;stroke:#52616f}
.cell{fill:#1b3853;stroke:#66a8e4}.operation{fill:#1f2830;stroke:#8398ab}\
.input{fill:#1d3a25;stroke:#6db57a}.param{fill:#34234a;stroke:#b58be0}
.halo{stroke:#12171c}
.data{stroke:#8ba3b8}.state{stroke:#f0874a}.weight{stroke:#b892dd}
.t-data{fill:#8ba3b8}.t-state{fill:#f0874a}.t-weight{fill:#b892dd}
}
";

/// A number without needless digits.
fn n(x: f64) -> String {
    let text = format!("{x:.1}");
    text.strip_suffix(".0").map_or(text.clone(), Into::into)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

pub(super) fn write(pictures: &[Picture]) -> String {
    let scenes: Vec<Scene> = pictures.iter().map(layout::scene).collect();
    let norms = || scenes.iter().flat_map(|s| &s.wires).filter_map(|wire| wire.norm).filter(|norm| *norm > 0.0);
    // At least two powers of ten from thin to wide, so that what is nearly equal looks so; at most eight.
    let range = norms().reduce(f64::max).map(|largest| {
        let smallest = norms().reduce(f64::min).unwrap_or(largest);
        (smallest.clamp(largest * 1e-8, largest * 1e-2), largest)
    });
    let inner = scenes.iter().map(|scene| scene.height).fold(0.0, f64::max);
    let width = scenes.iter().map(|s| s.width).sum::<f64>() + BETWEEN * (scenes.len() - 1) as f64 + 2.0 * MARGIN;
    let height = inner + 2.0 * MARGIN + if range.is_some() { FOOT } else { 0.0 };
    let width = if range.is_some() { width.max(480.0) } else { width };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\">\n\
        <style>\n{STYLE}</style>\n<rect class=\"page\" width=\"{w}\" height=\"{h}\" rx=\"8\"/>\n",
        w = n(width),
        h = n(height)
    );
    let mut x = MARGIN;
    for (i, (picture, scene)) in pictures.iter().zip(&scenes).enumerate() {
        if i > 0 {
            let (middle, y) = (x + BETWEEN / 2.0, MARGIN + inner / 2.0);
            let _ = writeln!(out, "<text x=\"{}\" y=\"{}\" font-size=\"22\">=</text>", n(middle), n(y + 7.0));
            x += BETWEEN;
        }
        let y = MARGIN + (inner - scene.height) / 2.0;
        let _ = writeln!(out, "<g transform=\"translate({} {})\">", n(x), n(y));
        draw(&mut out, picture, scene, range);
        out.push_str("</g>\n");
        x += scene.width;
    }
    if let Some((smallest, largest)) = range {
        let words =
            format!("width of a line: ‖∂loss/∂value‖, from {smallest:.1e} (thin) to {largest:.1e} (wide), logarithmic");
        let _ = writeln!(
            out,
            "<text class=\"foot\" font-size=\"{SMALL}\" x=\"{}\" y=\"{}\">{words}</text>",
            n(MARGIN),
            n(height - MARGIN)
        );
    }
    out.push_str("</svg>\n");
    out
}

fn draw(out: &mut String, picture: &Picture, scene: &Scene, range: Option<(f64, f64)>) {
    let rect = |out: &mut String, class: &str, r: &Rect, round: f64| {
        let _ = writeln!(
            out,
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\"/>",
            n(r.x),
            n(r.y),
            n(r.w),
            n(r.h),
            n(round)
        );
    };
    let text = |out: &mut String, class: &str, size: f64, x: f64, y: f64, words: &str| {
        let _ = writeln!(
            out,
            "<text class=\"{class}\" font-size=\"{}\" x=\"{}\" y=\"{}\">{}</text>",
            n(size),
            n(x),
            n(y),
            escape(words)
        );
    };
    for frame in &scene.frames {
        rect(out, if frame.lane { "frame" } else { "scope" }, &frame.rect, if frame.lane { 8.0 } else { 6.0 });
    }
    // Weights below, then what flows, then what is handed on.
    for kind in [WireKind::Param, WireKind::Data, WireKind::State] {
        scene.wires.iter().filter(|wire| wire.kind == kind).for_each(|wire| line(out, wire, range));
    }
    for (item, r) in picture.items.iter().zip(&scene.boxes) {
        let (class, round) = match item.kind {
            Kind::Cell => ("cell", 7.0),
            Kind::Operation => ("operation", 5.0),
            Kind::Input => ("input", r.h / 2.0),
            Kind::Param => ("param", 10.0),
        };
        rect(out, class, r, round);
        let mut y = r.y + 15.0;
        text(out, "title", TITLE, r.centre(), y, &item.title);
        for words in &item.lines {
            y += 12.5;
            text(out, "small", SMALL, r.centre(), y, words);
        }
        if !item.shape.is_empty() {
            text(out, "shape", SMALL, r.centre(), y + 12.5, &item.shape);
        }
    }
    for frame in scene.frames.iter().filter(|frame| !frame.name.is_empty()) {
        let (x, y) = if frame.lane { (9.0, 14.0) } else { (5.0, 9.0) };
        let size = if frame.lane { 10.5 } else { 8.0 };
        text(out, "name", size, frame.rect.x + x, frame.rect.y + y, &frame.name);
    }
    for (x, y, words) in &scene.captions {
        text(out, "small", 10.5, *x, *y, words);
    }
    for (x, y, words) in scene.wires.iter().filter_map(|wire| wire.label.as_ref()) {
        text(out, "small", 10.0, *x, *y, words);
    }
}

/// Every stretch of a wire, above a halo that shows which line passes over which; dots where it branches, and its tips.
fn line(out: &mut String, wire: &Wire, range: Option<(f64, f64)>) {
    let class = match wire.kind {
        WireKind::Data => "data",
        WireKind::State => "state",
        WireKind::Param => "weight",
    };
    let plain = if wire.kind == WireKind::State { 1.9 } else { 1.2 };
    let width = match (wire.norm, range) {
        (Some(norm), Some((low, high))) if norm > 0.0 => {
            0.7 + 3.5 * ((norm / low).ln() / (high / low).ln()).clamp(0.0, 1.0)
        }
        (_, Some(_)) => 0.7,
        _ => plain,
    };
    let mut path = String::new();
    for &(a, b, y) in &wire.across {
        let _ = write!(path, "M{} {}H{}", n(a), n(y), n(b));
    }
    for &(x, a, b) in &wire.upright {
        let _ = write!(path, "M{} {}V{}", n(x), n(a), n(b));
    }
    let _ = writeln!(out, "<path class=\"line halo\" stroke-width=\"{}\" d=\"{path}\"/>", n(width + 3.0));
    let _ = writeln!(out, "<path class=\"line {class}\" stroke-width=\"{width:.2}\" d=\"{path}\"/>");
    let between = |x: f64, a: f64, b: f64| x > a.min(b) + 0.5 && x < a.max(b) - 0.5;
    for &(x, a, b) in &wire.upright {
        for &(from, to, y) in &wire.across {
            let touches = |v: f64, w: f64| (v - w).abs() < 0.5;
            let branch = (between(x, from, to) && (touches(a, y) || touches(b, y)))
                || (between(y, a, b) && (touches(x, from) || touches(x, to)));
            if branch {
                let r = 1.4 + width * 0.7;
                let _ = writeln!(out, "<circle class=\"t-{class}\" cx=\"{}\" cy=\"{}\" r=\"{}\"/>", n(x), n(y), n(r));
            }
        }
    }
    let half = 3.0 + width * 0.5;
    for &(x, y, right) in &wire.tips {
        let long = 7.0;
        let [(bx, by), (cx, cy)] = match right {
            true => [(x - long, y - half), (x - long, y + half)],
            false => [(x - half, y + long), (x + half, y + long)],
        };
        let _ = writeln!(
            out,
            "<path class=\"t-{class}\" d=\"M{} {}L{} {}L{} {}Z\"/>",
            n(x),
            n(y),
            n(bx),
            n(by),
            n(cx),
            n(cy)
        );
    }
}
