//! Charts: lines through points, with bands around them, and the name of each line at its end.

use super::{
    Result,
    axis::{Axis, Scale},
    style,
};
use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

/// Width and height, in pixels.
pub(super) const SIZE: (u32, u32) = (720, 360);

/// The height of a line of words, and the width of a letter.
const LINE: i32 = 17;
const LETTER: f64 = 7.9;
/// A piece of a line, which stands before its name, and the room around it.
const SAMPLE: i32 = 26;
const ROOM: i32 = 10;

// Stand-ins for the classes of the style sheet.
const INK: RGBColor = RGBColor(128, 128, 128);
const SERIES: [RGBColor; 4] = [RGBColor(1, 1, 1), RGBColor(2, 2, 2), RGBColor(3, 3, 3), RGBColor(4, 4, 4)];

/// A chart's words and axes.
pub(crate) struct Chart<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    pub(crate) y: &'a str,
    /// Those of x and of y.
    pub(crate) scales: (Scale, Scale),
    /// Where the y axis begins and ends, if not at the values' own least and greatest.
    pub(crate) range: Option<(f64, f64)>,
}

/// A named row of points, and the least and the greatest value at each, if there are several.
#[derive(Clone)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    pub(crate) band: Vec<(f64, f64)>,
}

impl Series {
    pub(crate) fn new(name: &str, points: Vec<(f64, f64)>) -> Series {
        Series { name: name.to_string(), points, band: vec![] }
    }

    /// On these scales.
    fn placed(&self, (x, y): (Scale, Scale)) -> Series {
        Series {
            name: self.name.clone(),
            points: self.points.iter().map(|p| (x.place(p.0), y.place(p.1))).collect(),
            band: self.band.iter().map(|b| (y.place(b.0), y.place(b.1))).collect(),
        }
    }
}

/// Words in lines of at most 20 letters, where they have spaces there.
fn wrapped(words: &str) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in words.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < 20 => *line += &format!(" {word}"),
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

/// The middles of labels, each near the end of its line and none over another, from `top` to `bottom`. Of a line it
/// gets the ends, right and left, and the height of its label.
fn spread(wishes: &[((i32, i32), i32)], top: i32, bottom: i32) -> Vec<i32> {
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    order.sort_by_key(|&k| wishes[k].0);
    let mut middles = vec![0; wishes.len()];
    let mut free = top;
    for &k in &order {
        let ((wish, _), height) = wishes[k];
        middles[k] = (wish - height / 2).max(free) + height / 2;
        free = middles[k] + height / 2;
    }
    let mut end = bottom;
    for &k in order.iter().rev() {
        let height = wishes[k].1;
        middles[k] = middles[k].min(end - height / 2);
        end = middles[k] - height / 2;
    }
    middles
}

/// Lines through points.
pub(crate) fn lines(chart: Chart<'_>, series: &[Series]) -> Result<String> {
    let all: Vec<Series> = series.iter().map(|series| series.placed(chart.scales)).collect();
    let names: Vec<Vec<String>> = all.iter().map(|series| wrapped(&series.name)).collect();
    let longest = names.iter().flatten().map(|line| line.chars().count()).max().unwrap_or(0);
    let named = all.len() > 1;
    let margin = if named { SAMPLE + 3 * ROOM + (longest as f64 * LETTER) as i32 } else { 26 };
    let mut out = String::new();
    {
        let area = SVGBackend::with_string(&mut out, SIZE).into_drawing_area();
        let points = || all.iter().flat_map(|series| &series.points);
        let heights = || points().map(|p| p.1).chain(all.iter().flat_map(|s| s.band.iter().flat_map(|b| [b.0, b.1])));
        let (left, right) = points().fold((f64::MAX, f64::MIN), |(l, r), p| (l.min(p.0), r.max(p.0)));
        let (low, high) = heights().fold((f64::MAX, f64::MIN), |(l, h), y| (l.min(y), h.max(y)));
        let room = ((high - low) * 0.06).max(1e-9);
        let (low, high) = chart.range.unwrap_or((low - room, high + room));
        let font = || ("sans-serif", 16).into_font().color(&INK);
        // Epochs, steps: nothing lies between them.
        let counted = points().all(|p| p.0.fract() == 0.0);
        let (xs, ys) = (chart.scales.0.ticks(left, right, counted), chart.scales.1.ticks(low, high, false));
        let mut context = ChartBuilder::on(&area)
            .caption(chart.title, ("sans-serif", 20).into_font().color(&INK))
            .margin(14)
            .margin_right(margin)
            .x_label_area_size(46)
            .y_label_area_size(72)
            .build_cartesian_2d(
                Axis { from: left, to: right, ticks: xs.clone() },
                Axis { from: low, to: high, ticks: ys.clone() },
            )?;
        context
            .configure_mesh()
            .axis_style(INK)
            .bold_line_style(INK.mix(0.25))
            .light_line_style(INK.mix(0.0))
            .label_style(font())
            .x_labels(xs.len())
            .y_labels(ys.len())
            .x_label_formatter(&|x| chart.scales.0.label(*x))
            .y_label_formatter(&|y| chart.scales.1.label(*y))
            .x_desc(chart.x)
            .y_desc(chart.y)
            .draw()?;
        let mut wishes = vec![];
        for ((series, color), name) in all.iter().zip(SERIES).zip(&names) {
            if !series.band.is_empty() {
                let low = series.points.iter().zip(&series.band).map(|(p, b)| (p.0, b.0));
                let high = series.points.iter().zip(&series.band).rev().map(|(p, b)| (p.0, b.1));
                context.draw_series([Polygon::new(low.chain(high).collect::<Vec<_>>(), color.mix(0.18))])?;
            }
            context.draw_series(LineSeries::new(series.points.iter().copied(), color.stroke_width(2)))?;
            if series.points.len() <= 40 {
                context.draw_series(series.points.iter().map(|point| Circle::new(*point, 3, color.filled())))?;
            }
            let [Some(first), Some(last)] = [series.points.first(), series.points.last()] else { continue };
            let (start, end) = if first.0 < last.0 { (first, last) } else { (last, first) };
            let ends = (context.backend_coord(end).1, context.backend_coord(start).1);
            wishes.push((ends, LINE * name.len() as i32 + 6));
        }
        if named {
            let (across, down) = context.plotting_area().get_pixel_range();
            let middles = spread(&wishes, down.start - LINE, down.end + LINE);
            let style = font().pos(Pos::new(HPos::Left, VPos::Center));
            for ((name, middle), color) in names.iter().zip(middles).zip(SERIES) {
                let x = across.end + ROOM;
                area.draw(&PathElement::new([(x, middle), (x + SAMPLE, middle)], color.stroke_width(2)))?;
                for (k, line) in (0..).zip(name) {
                    let y = middle + LINE * k - LINE * (name.len() as i32 - 1) / 2;
                    area.draw(&Text::new(line.as_str(), (x + SAMPLE + ROOM, y), style.clone()))?;
                }
            }
        }
        area.present()?;
    }
    Ok(style::of_plotters(&out))
}
