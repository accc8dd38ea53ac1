//! Boxes and arrows.

use super::style;
use std::fmt::Write;

/// What a box stands for. Each kind has a color, and corners or a frame of its own.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// What comes in.
    Input,
    /// A weight.
    Weight,
    /// What is computed.
    Step,
    /// What comes out.
    Output,
}

/// An SVG in the making. Lengths are in pixels, y grows downwards.
pub(crate) struct Sketch {
    width: i32,
    height: i32,
    body: String,
}

/// A box that was drawn.
#[derive(Clone, Copy)]
pub(crate) struct Boxed {
    x: i32,
    y: i32,
    w: i32,
    h: i32,
}

impl Boxed {
    pub(crate) fn top(self) -> (i32, i32) {
        (self.x + self.w / 2, self.y)
    }
    pub(crate) fn bottom(self) -> (i32, i32) {
        (self.x + self.w / 2, self.y + self.h)
    }
    pub(crate) fn left(self) -> (i32, i32) {
        (self.x, self.y + self.h / 2)
    }
    pub(crate) fn right(self) -> (i32, i32) {
        (self.x + self.w, self.y + self.h / 2)
    }
}

impl Sketch {
    pub(crate) fn new(width: i32, height: i32) -> Sketch {
        Sketch { width, height, body: String::new() }
    }

    /// A box with its center at (x, y), as wide as asked, a line of text in it for each of `lines`.
    pub(crate) fn boxed(&mut self, kind: Kind, (x, y): (i32, i32), w: i32, lines: &[&str]) -> Boxed {
        let (class, corner) = match kind {
            Kind::Input => ("input", 14),
            Kind::Weight => ("weight", 4),
            Kind::Step => ("step", 4),
            Kind::Output => ("output", 8),
        };
        let h = 14 + 16 * lines.len() as i32;
        let at = Boxed { x: x - w / 2, y: y - h / 2, w, h };
        let frame = format!("x='{}' y='{}' width='{w}' height='{h}' rx='{corner}'", at.x, at.y);
        let _ = writeln!(self.body, "<rect class='{class}' {frame}/>");
        for (line, text) in (0..).zip(lines) {
            let size = if line == 0 { 14 } else { 12 };
            self.text((x, at.y + 20 + 16 * line), text, size);
        }
        at
    }

    /// Words around (x, y).
    pub(crate) fn text(&mut self, at: (i32, i32), text: &str, size: i32) {
        self.words("word", at, text, size);
    }

    /// Words about what goes backward.
    pub(crate) fn back_text(&mut self, at: (i32, i32), text: &str, size: i32) {
        self.words("back-word", at, text, size);
    }

    /// Words that run upward from (x, y).
    pub(crate) fn upright(&mut self, (x, y): (i32, i32), text: &str, size: i32) {
        let place = format!("class='word' x='{x}' y='{y}' font-size='{size}' transform='rotate(-90 {x} {y})'");
        let _ = writeln!(self.body, "<text {place}>{}</text>", text.replace('<', "&lt;"));
    }

    fn words(&mut self, class: &str, (x, y): (i32, i32), text: &str, size: i32) {
        let place = format!("class='{class}' x='{x}' y='{y}' font-size='{size}' text-anchor='middle'");
        let _ = writeln!(self.body, "<text {place}>{}</text>", text.replace('<', "&lt;"));
    }

    /// A square with its corner at (x, y), the stronger, the nearer `amount` is to 1.
    pub(crate) fn ink(&mut self, at: (i32, i32), size: i32, amount: f64) {
        if amount >= 0.005 {
            self.bar(at, (size, size), "ink", amount);
        }
    }

    /// A filled rectangle with its corner at (x, y), of a class of the style sheet.
    pub(crate) fn bar(&mut self, (x, y): (i32, i32), (w, h): (i32, i32), class: &str, amount: f64) {
        let place = format!("x='{x}' y='{y}' width='{w}' height='{h}'");
        let _ = writeln!(self.body, "<rect class='{class}' {place} fill-opacity='{amount:.2}' stroke='none'/>");
    }

    /// A thin frame.
    pub(crate) fn frame(&mut self, (x, y): (i32, i32), (width, height): (i32, i32)) {
        let place = format!("x='{x}' y='{y}' width='{width}' height='{height}'");
        let _ = writeln!(self.body, "<rect class='rule' {place} fill='none' stroke-opacity='.6'/>");
    }

    /// A line through these points, with a tip at its end.
    pub(crate) fn arrow(&mut self, points: &[(i32, i32)], width: f64) {
        self.tipped("rule", "tip", points, width);
    }

    /// A dashed line for what goes backward.
    pub(crate) fn back(&mut self, points: &[(i32, i32)], width: f64) {
        self.tipped("back", "back-tip", points, width);
    }

    fn tipped(&mut self, line: &str, tip: &str, points: &[(i32, i32)], width: f64) {
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
        let stroke = format!("class='{line}' fill='none' stroke-width='{width:.1}'");
        let _ = writeln!(self.body, "<polyline points='{}' {stroke}/>", path.join(" "));
        if let [.., (fx, fy), (x, y)] = *points {
            let (dx, dy) = (f64::from(x - fx), f64::from(y - fy));
            let length = dx.hypot(dy).max(1.0);
            let (dx, dy, size) = (dx / length, dy / length, 6.0 + width);
            let corner = |side: f64| {
                let (cx, cy) = (
                    f64::from(x) - size * dx - side * size * 0.5 * dy,
                    f64::from(y) - size * dy + side * size * 0.5 * dx,
                );
                format!("{cx:.1},{cy:.1}")
            };
            let _ = writeln!(self.body, "<polygon class='{tip}' points='{x},{y} {} {}'/>", corner(1.0), corner(-1.0));
        }
    }

    pub(crate) fn finish(self) -> String {
        style::svg(self.width, self.height, &self.body)
    }
}
