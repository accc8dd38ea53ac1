//! Boxes and arrows, in colours that read on light and on dark pages, without a background.

use std::fmt::Write;

/// What a box stands for, by its colour.
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

    /// A box with its centre at (x, y), as wide as asked, a line of text in it for each of `lines`.
    pub(crate) fn boxed(&mut self, kind: Kind, (x, y): (i32, i32), w: i32, lines: &[&str]) -> Boxed {
        let colour = match kind {
            Kind::Input => "#2ea06e",
            Kind::Weight => "#b05cbe",
            Kind::Step => "#3b82d6",
            Kind::Output => "#d97720",
        };
        let h = 14 + 16 * lines.len() as i32;
        let at = Boxed { x: x - w / 2, y: y - h / 2, w, h };
        let frame = format!("x='{}' y='{}' width='{w}' height='{h}' rx='6'", at.x, at.y);
        let paint = format!("fill='{colour}' fill-opacity='.14' stroke='{colour}' stroke-width='1.5'");
        let _ = writeln!(self.body, "<rect {frame} {paint}/>");
        for (line, text) in (0..).zip(lines) {
            let size = if line == 0 { 14 } else { 12 };
            self.text((x, at.y + 20 + 16 * line), text, size);
        }
        at
    }

    /// Words in the middle of (x, y).
    pub(crate) fn text(&mut self, (x, y): (i32, i32), text: &str, size: i32) {
        let font =
            format!("font-family='DejaVu Sans,sans-serif' font-size='{size}' text-anchor='middle' fill='#808080'");
        let text = text.replace('<', "&lt;");
        let _ = writeln!(self.body, "<text x='{x}' y='{y}' {font}>{text}</text>");
    }

    /// A square with its corner at (x, y), the darker, the nearer `amount` is to 1.
    pub(crate) fn ink(&mut self, (x, y): (i32, i32), size: i32, amount: f64) {
        if amount >= 0.005 {
            let square = format!("x='{x}' y='{y}' width='{size}' height='{size}'");
            let _ = writeln!(self.body, "<rect {square} fill='#3b82d6' fill-opacity='{amount:.2}'/>");
        }
    }

    /// A thin frame.
    pub(crate) fn frame(&mut self, (x, y): (i32, i32), (width, height): (i32, i32)) {
        let place = format!("x='{x}' y='{y}' width='{width}' height='{height}'");
        let _ = writeln!(self.body, "<rect {place} fill='none' stroke='#808080' stroke-opacity='.4'/>");
    }

    /// A line through these points, with a tip at its end.
    pub(crate) fn arrow(&mut self, points: &[(i32, i32)], width: f64) {
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
        let stroke = format!("fill='none' stroke='#808080' stroke-width='{width:.1}'");
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
            let _ = writeln!(self.body, "<polygon points='{x},{y} {} {}' fill='#808080'/>", corner(1.0), corner(-1.0));
        }
    }

    pub(crate) fn finish(self) -> String {
        let Sketch { width, height, body } = self;
        format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' \
             viewBox='0 0 {width} {height}'>\n{body}</svg>\n"
        )
    }
}
