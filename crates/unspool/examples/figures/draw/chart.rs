//! Charts: lines through points, with bands around them.

use super::{Result, style};
use plotters::prelude::*;

/// Width and height, in pixels.
pub(super) const SIZE: (u32, u32) = (640, 360);

// Stand-ins for the classes of the style sheet.
const INK: RGBColor = RGBColor(128, 128, 128);
const CARD: RGBColor = RGBColor(254, 254, 254);
const SERIES: [RGBColor; 4] = [RGBColor(1, 1, 1), RGBColor(2, 2, 2), RGBColor(3, 3, 3), RGBColor(4, 4, 4)];

/// How an axis is divided. Points on a scale of powers are given by their exponents.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    /// The numbers themselves.
    Linear,
    /// Powers of ten.
    Tens,
    /// Powers of two.
    Twos,
}

impl Scale {
    /// The exponents of values, or the values.
    pub(crate) fn place(self, x: f64) -> f64 {
        match self {
            Scale::Linear => x,
            Scale::Tens => x.log10(),
            Scale::Twos => x.log2(),
        }
    }

    /// What is written at a tick; nothing between two powers.
    fn label(self, x: f64) -> String {
        let whole = (x - x.round()).abs() < 1e-9;
        match self {
            Scale::Linear if whole => format!("{x:.0}"),
            Scale::Linear => format!("{x:.2}").trim_end_matches('0').trim_end_matches('.').to_string(),
            _ if !whole => String::new(),
            Scale::Twos => format!("{:.0}", x.exp2()),
            Scale::Tens if (-4.0..=-1.0).contains(&x.round()) => format!("{:.*}", -x.round() as usize, 10f64.powf(x)),
            Scale::Tens if (0.0..=4.0).contains(&x.round()) => format!("{:.0}", 10f64.powf(x)),
            Scale::Tens => format!("1e{x:.0}"),
        }
    }
}

/// A chart's words and axes.
pub(crate) struct Chart<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    pub(crate) y: &'a str,
    /// Those of x and of y.
    pub(crate) scales: (Scale, Scale),
    /// Where the y axis begins and ends, if not at the values' own least and greatest.
    pub(crate) range: Option<(f64, f64)>,
    /// Where the series are named, if there are several.
    pub(crate) legend: SeriesLabelPosition,
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

/// Lines through points.
pub(crate) fn lines(chart: Chart<'_>, series: &[Series]) -> Result<String> {
    let all: Vec<Series> = series.iter().map(|series| series.placed(chart.scales)).collect();
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
        let counted = chart.scales.0 == Scale::Linear && points().all(|p| p.0.fract() == 0.0);
        let mut context = ChartBuilder::on(&area)
            .caption(chart.title, ("sans-serif", 20).into_font().color(&INK))
            .margin(14)
            .margin_right(26)
            .x_label_area_size(46)
            .y_label_area_size(66)
            .build_cartesian_2d(left..right, low..high)?;
        context
            .configure_mesh()
            .axis_style(INK)
            .bold_line_style(INK.mix(0.25))
            .light_line_style(INK.mix(0.0))
            .label_style(font())
            .x_label_formatter(&|x| {
                if counted && x.fract() != 0.0 { String::new() } else { chart.scales.0.label(*x) }
            })
            .y_label_formatter(&|y| chart.scales.1.label(*y))
            .x_desc(chart.x)
            .y_desc(chart.y)
            .draw()?;
        for (series, color) in all.iter().zip(SERIES) {
            if !series.band.is_empty() {
                let low = series.points.iter().zip(&series.band).map(|(p, b)| (p.0, b.0));
                let high = series.points.iter().zip(&series.band).rev().map(|(p, b)| (p.0, b.1));
                context.draw_series([Polygon::new(low.chain(high).collect::<Vec<_>>(), color.mix(0.18))])?;
            }
            context
                .draw_series(LineSeries::new(series.points.iter().copied(), color.stroke_width(2)))?
                .label(&series.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 26, y)], color.stroke_width(2)));
            if series.points.len() <= 40 {
                context.draw_series(series.points.iter().map(|point| Circle::new(*point, 3, color.filled())))?;
            }
        }
        if all.len() > 1 {
            context
                .configure_series_labels()
                .position(chart.legend)
                .legend_area_size(34)
                .background_style(CARD.filled())
                .border_style(INK.mix(0.4))
                .label_font(font())
                .draw()?;
        }
        area.present()?;
    }
    Ok(style::of_plotters(&out))
}
