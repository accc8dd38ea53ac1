//! Draws the crates, their modules in layers, what uses what, and how the crates grew.

use crate::{
    history::Day,
    imports::{CRATES, Crate},
    layers::{Layers, Place},
};
use std::fmt::Write;

/// The color of each crate on light pages and on dark ones, in the order of [`CRATES`]. The class `c0` is the first
/// one's.
const COLORS: [(&str, &str); CRATES.len()] = [
    ("#556372", "#a9b6c3"),
    ("#2b6f6a", "#7fc4be"),
    ("#1d7044", "#5fbf87"),
    ("#1f5f9e", "#66a8e4"),
    ("#a34f00", "#f0974a"),
    ("#7b3fb0", "#c39be8"),
    ("#3a54a8", "#93a9f2"),
    ("#9c3f62", "#e08fb0"),
    ("#6e6012", "#cbb95c"),
];
/// Of the page, of words, of arrows, and of arrows that close a cycle: on light pages, and on dark ones.
const OTHERS: [(&str, [&str; 2]); 4] = [
    ("page", ["fill:#ffffff", "fill:#0d1117"]),
    ("word", ["fill:#1f2328", "fill:#e6edf3"]),
    ("rule", ["stroke:#57606a", "stroke:#9aa4af"]),
    ("cycle", ["stroke:#b3371f;stroke-dasharray:4 3", "stroke:#ff9480"]),
];
/// The tips of both kinds of arrows.
const TIPS: [(&str, [&str; 2]); 2] =
    [("tip", ["fill:#57606a", "fill:#9aa4af"]), ("cycle-tip", ["fill:#b3371f", "fill:#ff9480"])];

const BOX: f64 = 24.0;
const ROW: f64 = 50.0;
const GAP: f64 = 10.0;
const MARGIN: f64 = 14.0;
const TITLE: f64 = 46.0;
const BETWEEN: f64 = 40.0;

/// The lower crates are in the wide column; the text toolkit, the files and the history are beside it.
const WIDE: f64 = 860.0;
const NARROW: f64 = 380.0;

/// A rectangle; y grows downward.
#[derive(Clone, Copy)]
struct Area {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// A crate with its modules in layers, at the place where it is drawn.
struct Frame<'a> {
    of: &'a Crate,
    layers: Layers,
    area: Area,
    /// The class of its color.
    color: String,
}

impl<'a> Frame<'a> {
    fn new(crates: &'a [Crate], name: &str, x: f64, y: f64, width: f64) -> Frame<'a> {
        let place = crates.iter().position(|of| of.name == name).unwrap_or_default();
        let of = &crates[place];
        let layers = Layers::new(of, width - 2.0 * MARGIN, |module| width_of(of, module) + GAP);
        let height = TITLE + ROW * layers.rows.len() as f64 + MARGIN - (ROW - BOX);
        Frame { of, layers, area: Area { x, y, width, height }, color: format!("c{place}") }
    }

    fn bottom(&self) -> f64 {
        self.area.y + self.area.height
    }

    /// The middle of each place, and its width, row by row.
    fn places(&self) -> Vec<Vec<(Place, f64, f64)>> {
        let width = |place: Place| match place {
            Place::Module(module) => width_of(self.of, module),
            Place::Arrow(_) => 0.0,
        };
        let row = |row: &Vec<Place>| {
            let taken: f64 = row.iter().map(|&place| width(place)).sum();
            let inside = self.area.width - 2.0 * MARGIN;
            // A row that is nearly full has narrow gaps, another one wide gaps: arrows then run steeply.
            let gap = ((inside - taken) / (row.len() + 1) as f64).min(60.0);
            let mut x = self.area.x + (self.area.width - taken - gap * (row.len() - 1) as f64) / 2.0;
            let place = |&place: &Place| {
                let wide = width(place);
                let middle = x + wide / 2.0;
                x += wide + gap;
                (place, middle, wide)
            };
            row.iter().map(place).collect()
        };
        self.layers.rows.iter().map(row).collect()
    }

    fn draw(&self, out: &mut String) {
        let Area { x, y, .. } = self.area;
        let color = &*self.color;
        rect(out, self.area, 8.0, &format!("class='{color}' fill-opacity='.05' stroke-width='1.5'"));
        let code = CRATES.iter().find(|(name, _)| *name == self.of.name).map_or("", |(_, code)| code);
        text(out, (x + MARGIN, y + 25.0), 17.0, "start", &code.replace('_', "-"));

        let top = |row: usize| y + TITLE + ROW * row as f64;
        let places = self.places();
        for (number, arrow) in self.layers.arrows.iter().enumerate() {
            let middle = |module: usize| {
                places.iter().enumerate().find_map(|(row, places)| {
                    let place = places.iter().find(|(place, ..)| *place == Place::Module(module))?;
                    Some((row, place.1))
                })
            };
            if let (Some((row, from)), Some((same, to))) = (middle(arrow.from), middle(arrow.to))
                && row == same
            {
                let (from, to) = if arrow.cycle { (to, from) } else { (from, to) };
                arch(out, from, to, top(row), arrow.cycle);
                continue;
            }
            let mut points = vec![];
            for (row, places) in places.iter().enumerate() {
                for &(place, middle, _) in places {
                    match place {
                        Place::Module(module) if module == arrow.from => points.push((middle, top(row) + BOX)),
                        Place::Module(module) if module == arrow.to => points.push((middle, top(row))),
                        Place::Arrow(passing) if passing == number => {
                            points.extend([(middle, top(row)), (middle, top(row) + BOX)]);
                        }
                        _ => {}
                    }
                }
            }
            curve(out, &points, arrow.cycle);
        }
        for (row, places) in places.iter().enumerate() {
            for &(place, middle, wide) in places {
                let Place::Module(module) = place else { continue };
                let area = Area { x: middle - wide / 2.0, y: top(row), width: wide, height: BOX };
                rect(out, area, 4.0, &format!("class='{color}' fill-opacity='.16'"));
                text(out, (middle, top(row) + 16.0), 12.0, "middle", &self.of.modules[module]);
            }
        }
    }
}

fn width_of(of: &Crate, module: usize) -> f64 {
    (7.2 * of.modules[module].len() as f64 + 12.0).max(38.0)
}

/// Draws the workspace as SVG. The same crates and days give the same bytes.
pub fn draw(crates: &[Crate], days: &[Day]) -> String {
    let full = WIDE + BETWEEN + NARROW;
    let beside = MARGIN + WIDE + BETWEEN;
    let program = Frame::new(crates, "cli", MARGIN, MARGIN, full);
    let runner = Frame::new(crates, "task", MARGIN, program.bottom() + BETWEEN, WIDE);
    let baselines = Frame::new(crates, "baselines", beside, program.bottom() + BETWEEN, NARROW);
    let server = Frame::new(crates, "serve", beside, baselines.bottom() + BETWEEN, NARROW);
    let facade = Frame::new(crates, "unspool", MARGIN, runner.bottom().max(server.bottom()) + BETWEEN, full);
    let below = facade.bottom() + BETWEEN;
    let nn = Frame::new(crates, "nn", MARGIN, below, WIDE);
    let graph = Frame::new(crates, "graph", MARGIN, nn.bottom() + BETWEEN, WIDE);
    let text_kit = Frame::new(crates, "text", beside, below, NARROW);
    let files = Frame::new(crates, "files", beside, text_kit.bottom() + BETWEEN, NARROW);
    let height = graph.bottom().max(files.bottom() + 260.0) + 44.0;

    let mut out = String::new();
    let (w, h) = (full + 2.0 * MARGIN, height);
    let _ = writeln!(
        out,
        "<svg xmlns='http://www.w3.org/2000/svg' width='{w:.0}' height='{h:.0}' viewBox='0 0 {w:.0} {h:.0}' \
         role='img'>\n<title>The modules of the workspace</title>\n<desc>Each crate is a frame, each module a box, and \
         each arrow leads from a module to one that it uses. A chart shows the lines of Rust by day.</desc>\n{}\n\
         <rect class='page' width='{w:.0}' height='{h:.0}' rx='8'/>",
        style()
    );
    for frame in [&program, &runner, &baselines, &server, &facade, &nn, &graph, &text_kit, &files] {
        frame.draw(&mut out);
    }
    for (x, from, to) in [
        (MARGIN + WIDE / 2.0, &program, &runner),
        (beside + NARROW / 2.0, &program, &baselines),
        (MARGIN + WIDE / 2.0, &runner, &facade),
        (MARGIN + WIDE / 2.0, &facade, &nn),
        (beside + NARROW / 2.0, &facade, &text_kit),
        (MARGIN + WIDE / 2.0, &nn, &graph),
        (beside + NARROW / 2.0, &text_kit, &files),
    ] {
        if from.of.uses.contains(to.of.name) {
            polyline(&mut out, &[(x, from.bottom()), (x, to.area.y - 2.0)]);
        }
    }
    if runner.of.uses.contains(server.of.name) {
        let at = server.area.y + TITLE / 2.0;
        polyline(&mut out, &[(MARGIN + WIDE, at), (beside - 2.0, at)]);
    }
    // Past the neural networks, down to the recording.
    let side = MARGIN + WIDE + BETWEEN / 2.0;
    let at = graph.area.y + TITLE / 2.0;
    if facade.of.uses.contains(graph.of.name) {
        polyline(&mut out, &[(side, facade.bottom()), (side, at), (MARGIN + WIDE + 2.0, at)]);
    }

    let (side, from, to) = (side + 10.0, nn.bottom() - TITLE / 2.0, files.area.y + TITLE / 2.0);
    if nn.of.uses.contains(files.of.name) {
        polyline(&mut out, &[(MARGIN + WIDE, from), (side, from), (side, to), (beside - 2.0, to)]);
    }

    let top = files.bottom() + BETWEEN;
    history(
        &mut out,
        days,
        Area { x: beside, y: top, width: NARROW, height: (graph.bottom() - top).clamp(180.0, 320.0) },
    );

    let note = "Each box is a file or folder. An arrow leads from a module to one that it uses, \
                and is left out where it follows from others. A red, dashed arrow closes a cycle.";
    text(&mut out, (MARGIN, height - 14.0), 12.0, "start", note);
    out += "</svg>\n";
    out
}

/// The style sheet, with colors for both kinds of pages.
fn style() -> String {
    let scheme = |dark: usize| {
        let crates = COLORS.iter().enumerate().map(|(place, &(light, dim))| {
            let color = [light, dim][dark];
            format!(".c{place}{{fill:{color};stroke:{color}}}")
        });
        let others = OTHERS.iter().chain(&TIPS).map(|(class, rules)| format!(".{class}{{{}}}", rules[dark]));
        crates.chain(others).collect::<Vec<_>>().join("\n")
    };
    format!(
        "<style>\ntext{{font-family:'DejaVu Sans',Verdana,sans-serif}}\n{}\n\
         @media (prefers-color-scheme:dark){{\n{}\n}}\n</style>",
        scheme(0),
        scheme(1)
    )
}

/// How many lines each crate had at the end of each day, one above the other.
fn history(out: &mut String, days: &[Day], area: Area) {
    rect(out, area, 8.0, "class='rule' fill='none' stroke-opacity='.5'");
    text(out, (area.x + MARGIN, area.y + 25.0), 15.0, "start", "Lines of Rust by day");
    let most = days.iter().map(|day| day.lines.iter().sum::<usize>()).max().unwrap_or(0).max(1);
    let (left, right) = (area.x + 20.0, area.x + area.width - 20.0);
    let (top, bottom) = (area.y + 58.0, area.y + area.height - 30.0);
    let bars = days.len().max(1) as f64;
    let step = (right - left) / bars;
    for (number, day) in days.iter().enumerate() {
        let x = left + step * number as f64;
        let mut y = bottom;
        for (place, &lines) in day.lines.iter().enumerate() {
            let height = (bottom - top) * lines as f64 / most as f64;
            y -= height;
            let area = Area { x: x + step * 0.15, y, width: step * 0.7, height };
            rect(out, area, 0.0, &format!("class='c{place}' fill-opacity='.4'"));
        }
        // With many days, only some have room for their date.
        if number.is_multiple_of((64.0 / step).ceil().max(1.0) as usize) {
            let lines = thousands(day.lines.iter().sum());
            text(out, (x + step / 2.0, y - 6.0), 12.0, "middle", &lines);
            text(out, (x + step / 2.0, bottom + 16.0), 12.0, "middle", day.date.get(5..).unwrap_or_default());
        }
    }
}

fn thousands(number: usize) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", number / 1000, number % 1000),
    }
}

fn rect(out: &mut String, area: Area, radius: f64, style: &str) {
    let Area { x, y, width, height } = area;
    let _ =
        writeln!(out, "<rect x='{x:.1}' y='{y:.1}' width='{width:.1}' height='{height:.1}' rx='{radius:.0}' {style}/>");
}

fn text(out: &mut String, (x, y): (f64, f64), size: f64, anchor: &str, words: &str) {
    let _ = writeln!(
        out,
        "<text class='word' x='{x:.1}' y='{y:.1}' font-size='{size}' text-anchor='{anchor}'>{words}</text>"
    );
}

fn polyline(out: &mut String, points: &[(f64, f64)]) {
    let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = writeln!(out, "<polyline class='rule' points='{}' fill='none' stroke-width='3'/>", path.join(" "));
    if let [.., before, last] = points {
        tip(out, *before, *last, 11.0, "tip");
    }
}

/// A smooth line down through points, with a tip at its lower end, or at its upper end where it closes a cycle.
fn curve(out: &mut String, points: &[(f64, f64)], cycle: bool) {
    let [first, rest @ ..] = points else { return };
    let mut path = format!("M{:.1} {:.1}", first.0, first.1);
    let mut from = *first;
    for &(x, y) in rest {
        let bend = (y - from.1) / 2.0;
        let _ = write!(path, "C{:.1} {:.1} {x:.1} {:.1} {x:.1} {y:.1}", from.0, from.1 + bend, y - bend);
        from = (x, y);
    }
    let class = stroke(out, &path, cycle);
    let (end, toward) = if cycle { (*first, -1.0) } else { (from, 1.0) };
    tip(out, (end.0, end.1 - 8.0 * toward), end, 5.0, class);
}

/// An arrow between two modules of one row, over those that stand between them.
fn arch(out: &mut String, from: f64, to: f64, foot: f64, cycle: bool) {
    let top = foot - (ROW - BOX) * 0.9;
    let class =
        stroke(out, &format!("M{from:.1} {foot:.1}C{from:.1} {top:.1} {to:.1} {top:.1} {to:.1} {foot:.1}"), cycle);
    tip(out, (to, foot - 8.0), (to, foot), 5.0, class);
}

/// Draws the line of an arrow and returns the class of its tip.
fn stroke(out: &mut String, path: &str, cycle: bool) -> &'static str {
    let (class, tip) = if cycle { ("cycle", "cycle-tip") } else { ("rule", "tip") };
    let _ = writeln!(out, "<path class='{class}' d='{path}' fill='none' stroke-opacity='.85'/>");
    tip
}

fn tip(out: &mut String, from: (f64, f64), (x, y): (f64, f64), size: f64, class: &str) {
    let (dx, dy) = (x - from.0, y - from.1);
    let length = dx.hypot(dy).max(1e-9);
    let (dx, dy) = (dx / length * size, dy / length * size);
    let corner = |side: f64| format!("{:.1},{:.1}", x - dx - side * dy * 0.5, y - dy + side * dx * 0.5);
    let _ = writeln!(out, "<polygon class='{class}' points='{x:.1},{y:.1} {} {}'/>", corner(1.0), corner(-1.0));
}
