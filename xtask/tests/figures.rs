//! The figures of `docs` can be read by everyone: contrast and sizes are computed from the SVG, in both color schemes.
//!
//! Contrast is that of WCAG 2.2. Its least values are 4.5 for text (criterion 1.4.3) and 3 for lines (1.4.11).

use roxmltree::{Document, Node};
use std::{
    fs,
    path::{Path, PathBuf},
};

const OF_TEXT: f64 = 4.5;
const OF_LINES: f64 = 3.0;

/// The smallest text, in pixels as drawn.
const SMALLEST: f64 = 12.0;

/// The widest figure that the book shows at its own size (`--content-max-width` of docs/book.css); wider ones shrink.
const COLUMN: f64 = 1040.0;

/// A map, which scrolls and does not shrink.
const SCROLLS: &str = "architecture.svg";

#[derive(Clone, Copy, PartialEq, Debug)]
struct Color([f64; 3]);

impl Color {
    /// Reads `#rrggbb`, `white` or `black`.
    fn read(text: &str) -> Option<Color> {
        let digits = match text {
            "white" => "ffffff",
            "black" => "000000",
            _ => text.strip_prefix('#')?.get(..6)?,
        };
        let part = |at: usize| Some(f64::from(u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?) / 255.0);
        Some(Color([part(0)?, part(2)?, part(4)?]))
    }

    /// This color over another, as opaque as said.
    fn over(self, below: Color, opacity: f64) -> Color {
        Color([0, 1, 2].map(|k| opacity * self.0[k] + (1.0 - opacity) * below.0[k]))
    }

    fn luminance(self) -> f64 {
        let linear = self.0.map(|c| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    fn contrast(self, other: Color) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }
}

/// The rules of a style sheet in one color scheme: a selector, a property, a value. Later ones win.
fn rules(css: &str, dark: bool) -> Vec<(String, String, String)> {
    let (always, scheme) = css.split_once("@media (prefers-color-scheme:dark){").unwrap_or((css, ""));
    let texts = if dark { vec![always, scheme] } else { vec![always] };
    let mut rules = vec![];
    for rule in texts.into_iter().flat_map(|text| text.split('}')) {
        let Some((selectors, body)) = rule.split_once('{') else { continue };
        for selector in selectors.split(',') {
            for (property, value) in body.split(';').filter_map(|one| one.split_once(':')) {
                rules.push((selector.trim().into(), property.trim().into(), value.trim().into()));
            }
        }
    }
    rules
}

/// What is painted so far: rectangles, whose fills are the backgrounds of what comes after them.
struct Painted {
    rules: Vec<(String, String, String)>,
    areas: Vec<([f64; 4], Color, f64)>,
}

impl Painted {
    /// The value of a property: of the style sheet, else of the element, else of an element around it.
    fn property<'a>(&'a self, node: Node<'a, '_>, name: &str) -> Option<&'a str> {
        let classes = || node.attribute("class").unwrap_or_default().split_whitespace();
        let applies = |selector: &str| {
            selector == node.tag_name().name()
                || selector.strip_prefix('.').is_some_and(|wanted| classes().any(|class| class == wanted))
        };
        let styled = self.rules.iter().rev().find(|(selector, property, _)| property == name && applies(selector));
        styled.map(|(.., value)| value.as_str()).or_else(|| node.attribute(name)).or_else(|| {
            let inherited = !name.ends_with("opacity");
            node.parent_element().filter(|_| inherited).and_then(|parent| self.property(parent, name))
        })
    }

    fn number(&self, node: Node<'_, '_>, name: &str) -> Option<f64> {
        self.property(node, name)?.parse().ok()
    }

    /// A fill or a stroke, and how opaque it is.
    fn paint(&self, node: Node<'_, '_>, kind: &str, default: &str) -> Option<(Color, f64)> {
        let color = Color::read(self.property(node, kind).unwrap_or(default))?;
        let part = |name: &str| self.number(node, name).unwrap_or(1.0);
        Some((color, part("opacity") * part(&format!("{kind}-opacity"))))
    }

    /// The color under a point; none where nothing was painted.
    fn below(&self, (x, y): (f64, f64)) -> Option<Color> {
        let covers = |[left, top, width, height]: [f64; 4]| {
            (left..=left + width).contains(&x) && (top..=top + height).contains(&y)
        };
        let mut found = None;
        for &(area, color, opacity) in &self.areas {
            if covers(area) {
                found = if opacity >= 1.0 { Some(color) } else { found.map(|below| color.over(below, opacity)) };
            }
        }
        found
    }
}

fn own(node: Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).and_then(|value| value.parse().ok()).unwrap_or(0.0)
}

/// How far the groups around an element move it.
fn moved(node: Node<'_, '_>) -> (f64, f64) {
    let moves = node.ancestors().filter_map(|group| {
        let inside = group.attribute("transform")?.strip_prefix("translate(")?.strip_suffix(')')?;
        let numbers: Vec<f64> = inside.split([' ', ',']).filter_map(|number| number.parse().ok()).collect();
        Some((*numbers.first()?, *numbers.get(1)?))
    });
    moves.fold((0.0, 0.0), |sum, by| (sum.0 + by.0, sum.1 + by.1))
}

/// The first point of a line.
fn start(node: Node<'_, '_>) -> Option<(f64, f64)> {
    let text = match node.tag_name().name() {
        "line" => format!("{} {}", node.attribute("x1")?, node.attribute("y1")?),
        "circle" => format!("{} {}", node.attribute("cx")?, node.attribute("cy")?),
        "path" => node.attribute("d")?.trim_start_matches(['M', 'm']).to_string(),
        _ => node.attribute("points")?.to_string(),
    };
    let mut numbers = text.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-')).map(str::parse::<f64>);
    let (dx, dy) = moved(node);
    Some((numbers.next()?.ok()? + dx, numbers.next()?.ok()? + dy))
}

/// Where a text is, at its start, middle and end.
fn places(painted: &Painted, node: Node<'_, '_>, size: f64) -> [(f64, f64); 3] {
    let (dx, dy) = moved(node);
    let width = 0.55 * size * node.text().unwrap_or_default().trim().chars().count() as f64;
    let left = match painted.property(node, "text-anchor") {
        Some("middle") => own(node, "x") - width / 2.0,
        Some("end") => own(node, "x") - width,
        _ => own(node, "x"),
    };
    let hangs = node.attribute("dy").is_some_and(|dy| !dy.starts_with('-'));
    let y = own(node, "y") + if hangs { 0.4 * size } else { -0.35 * size };
    [0.1, 0.5, 0.9].map(|share| match node.attribute("transform") {
        Some(_) => (own(node, "x") + dx, own(node, "y") + dy), // turned around this point
        None => (left + share * width + dx, y + dy),
    })
}

/// Lines that only divide or frame: grids, which are faint, halos and frames of groups.
fn is_decoration(node: Node<'_, '_>, opacity: f64) -> bool {
    let class = node.attribute("class").unwrap_or_default();
    class.contains("halo") || class.contains("frame") || (opacity < 0.5 && (class == "rule" || class == "tip"))
}

/// What is wrong with a figure.
fn complaints(svg: &str, scrolls: bool) -> Vec<String> {
    let document = Document::parse(svg).unwrap_or_else(|why| panic!("{why}: {}", &svg[..svg.len().min(200)]));
    let root = document.root_element();
    let mut wrong = vec![];
    for name in ["title", "desc"] {
        let words = root.children().find(|node| node.has_tag_name(("http://www.w3.org/2000/svg", name)));
        if words.and_then(|node| node.text()).is_none_or(|text| text.trim().len() < 3) {
            wrong.push(format!("no <{name}>"));
        }
    }
    if root.attribute("role") != Some("img") {
        wrong.push("no role=\"img\"".into());
    }
    let drawn = own(root, "width").min(if scrolls { f64::INFINITY } else { COLUMN });
    let units = root.attribute("viewBox").and_then(|view| view.split(' ').nth(2)?.parse::<f64>().ok());
    let scale = drawn / units.unwrap_or(own(root, "width"));
    let css: String =
        root.children().filter(|node| node.has_tag_name("style")).filter_map(|node| node.text()).collect();
    if !css.contains("prefers-color-scheme:dark") {
        wrong.push("no colors for dark pages".into());
    }
    for dark in [false, true] {
        let mut painted = Painted { rules: rules(&css, dark), areas: vec![] };
        let scheme = if dark { "dark" } else { "light" };
        for node in root.descendants().filter(Node::is_element) {
            match node.tag_name().name() {
                "rect" => {
                    let (dx, dy) = moved(node);
                    let area = [own(node, "x") + dx, own(node, "y") + dy, own(node, "width"), own(node, "height")];
                    if let Some((color, opacity)) = painted.paint(node, "fill", "black") {
                        painted.areas.push((area, color, opacity));
                    }
                }
                "text" => {
                    let words = node.text().unwrap_or_default().trim();
                    let size = painted.number(node, "font-size").unwrap_or(16.0);
                    if !dark && size * scale < SMALLEST - 0.05 {
                        wrong.push(format!("{words:?} is {:.1} px", size * scale));
                    }
                    let Some((color, opacity)) = painted.paint(node, "fill", "black") else { continue };
                    let found = places(&painted, node, size).map(|place| {
                        painted.below(place).map_or(0.0, |below| color.over(below, opacity).contrast(below))
                    });
                    let least = found.into_iter().fold(f64::INFINITY, f64::min);
                    if least < OF_TEXT {
                        wrong.push(format!("{words:?} has a contrast of {least:.2} on {scheme} pages"));
                    }
                }
                name @ ("line" | "polyline" | "path" | "circle" | "polygon") => {
                    let kind = if name == "circle" || name == "polygon" { "fill" } else { "stroke" };
                    let Some((color, opacity)) = painted.paint(node, kind, "none") else { continue };
                    // A band around a line is faint on purpose.
                    if is_decoration(node, opacity) || (name == "polygon" && opacity < 0.5) {
                        continue;
                    }
                    let Some(place) = start(node) else { continue };
                    let below = painted.below(place);
                    let contrast = below.map_or(0.0, |below| color.over(below, opacity).contrast(below));
                    if contrast < OF_LINES {
                        wrong.push(format!("a {name} at {place:?} has a contrast of {contrast:.2} on {scheme} pages"));
                    }
                }
                _ => {}
            }
        }
    }
    wrong
}

fn figures() -> Vec<PathBuf> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let files = [docs.clone(), docs.join("figures")].into_iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut figures: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    figures.retain(|path| path.extension().is_some_and(|end| end == "svg"));
    figures.sort();
    figures
}

#[test]
fn every_figure_can_be_read_on_light_and_dark_pages() {
    let all = figures();
    assert!(all.len() > 40, "{}", all.len());
    let mut wrong = vec![];
    for path in all {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut found = complaints(&fs::read_to_string(&path).unwrap(), name == SCROLLS);
        let more = found.len().saturating_sub(6);
        found.truncate(6);
        wrong.extend(found.into_iter().map(|complaint| format!("{name}: {complaint}")));
        if more > 0 {
            wrong.push(format!("{name}: and {more} more"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where several series are drawn, no two have the same dashes, so that nothing is told by color alone.
#[test]
fn series_differ_by_their_dashes() {
    for path in figures() {
        let svg = fs::read_to_string(&path).unwrap();
        let (_, rest) = svg.split_once("<style>").unwrap_or_default();
        let rules = rules(rest.split_once("</style>").unwrap_or_default().0, false);
        let dashes = |series: &str| {
            let rule = rules.iter().find(|(s, property, _)| s == series && property == "stroke-dasharray");
            rule.map(|(.., value)| value.clone())
        };
        let drawn =
            [".s0", ".s1", ".s2", ".s3"].into_iter().filter(|s| svg.contains(&format!("class=\"{}\"", &s[1..])));
        let drawn: Vec<_> = drawn.map(dashes).collect();
        for (k, dash) in drawn.iter().enumerate() {
            assert!(!drawn[..k].contains(dash), "{}: {dash:?}", path.display());
        }
    }
}

#[test]
fn the_contrast_is_that_of_the_standard() {
    let of = |a, b| Color::read(a).unwrap().contrast(Color::read(b).unwrap());
    assert!((of("#ffffff", "#000000") - 21.0).abs() < 1e-9);
    assert!((of("#777777", "#ffffff") - 4.48).abs() < 0.005); // the gray that just fails
    assert!((of("#767676", "#ffffff") - 4.54).abs() < 0.005);
    let half = Color::read("#000000").unwrap().over(Color::read("#ffffff").unwrap(), 0.5);
    assert!(half.0.iter().all(|c| (c - 0.5).abs() < 1e-12));
}

#[test]
fn a_figure_that_is_hard_to_read_is_refused() {
    let figure = |style: &str, body: &str| {
        format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='600' height='90' role='img'><title>A word</title>\
             <desc>One word.</desc><style>.card{{fill:#ffffff}}.word{{fill:#1f2328}}{style}\
             @media (prefers-color-scheme:dark){{.card{{fill:#0d1117}}.word{{fill:#e6edf3}}}}</style>\
             <rect class='card' width='600' height='90'/>{body}</svg>"
        )
    };
    let word = |more: &str| format!("<text class='word' x='50' y='50' font-size='13' {more}>word</text>");
    assert_eq!(complaints(&figure("", &word("")), false), [""; 0]);
    let refused = |svg: String, why: &str| {
        let found = complaints(&svg, false);
        assert!(found.iter().any(|complaint| complaint.contains(why)), "{why}: {found:?}");
    };
    // The same gray for both schemes is too faint on one of them.
    refused(figure(".faint{fill:#808080}", &word("").replace("word'", "faint'")), "contrast of 3.95 on light");
    refused(figure(".ink{fill:#000000}", &word("").replace("word'", "ink'")), "on dark pages");
    refused(figure("", &word("").replace("13", "11")), "is 11.0 px");
    refused(figure("", &word("")).replace("'600'", "'1200'"), "is 11.3 px"); // it shrinks
    refused(figure("", &word("fill-opacity='.4'")), "contrast of");
    refused(figure(".b{fill:#33415a}", &format!("<rect class='b' width='99' height='80'/>{}", word(""))), "on light");
    refused(figure("", "<line x1='5' y1='5' x2='9' y2='9' stroke='#dddddd'/>"), "a line at (5.0, 5.0)");
    refused(figure("", &word("")).replace("<desc>One word.</desc>", ""), "no <desc>");
    refused(figure("", &word("")).replace("prefers-color-scheme", "prefers-contrast"), "no colors for dark");
}
