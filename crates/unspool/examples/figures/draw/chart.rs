//! Charts in colours that read on light and on dark pages, without a background.

use super::Result;
use plotters::prelude::*;

/// Text, axes and grid: a middle grey has the same contrast with white and with near-black.
pub(crate) const INK: RGBColor = RGBColor(128, 128, 128);
/// Series, in their order.
pub(crate) const COLOURS: [RGBColor; 4] =
    [RGBColor(217, 119, 32), RGBColor(59, 130, 214), RGBColor(46, 160, 110), RGBColor(176, 92, 190)];

/// A chart's words and axes.
pub(crate) struct Chart<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    pub(crate) y: &'a str,
    /// Whether the values along x and along y are powers of ten, given by their exponents.
    pub(crate) powers: (bool, bool),
    /// Where the y axis begins and ends, if not at the values' own least and greatest.
    pub(crate) range: Option<(f64, f64)>,
    /// Where the series are named, if there are several.
    pub(crate) legend: SeriesLabelPosition,
}

/// A named row of points.
pub(crate) type Series<'a> = (&'a str, Vec<(f64, f64)>);

/// Lines through points.
pub(crate) fn lines(chart: Chart<'_>, all: &[Series<'_>]) -> Result<String> {
    let mut out = String::new();
    {
        let area = SVGBackend::with_string(&mut out, (640, 320)).into_drawing_area();
        let points = || all.iter().flat_map(|(_, points)| points);
        let (left, right) = points().fold((f64::MAX, f64::MIN), |(l, r), p| (l.min(p.0), r.max(p.0)));
        let (low, high) = points().fold((f64::MAX, f64::MIN), |(l, h), p| (l.min(p.1), h.max(p.1)));
        let room = ((high - low) * 0.06).max(1e-9);
        let (low, high) = chart.range.unwrap_or((low - room, high + room));
        let label = |powers: bool, value: &f64| match (powers, value.fract() == 0.0) {
            (true, true) => format!("1e{value:.0}"),
            (true, false) => String::new(),
            (false, true) => format!("{value:.0}"),
            (false, false) => format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_string(),
        };
        let counted = points().all(|p| p.0.fract() == 0.0); // epochs, steps: nothing stands between
        let mut context = ChartBuilder::on(&area)
            .caption(chart.title, ("sans-serif", 16).into_font().color(&INK))
            .margin(12)
            .x_label_area_size(38)
            .y_label_area_size(54)
            .build_cartesian_2d(left..right, low..high)?;
        context
            .configure_mesh()
            .axis_style(INK)
            .bold_line_style(INK.mix(0.25))
            .light_line_style(INK.mix(0.0))
            .label_style(("sans-serif", 12).into_font().color(&INK))
            .x_label_formatter(&|x| if counted && x.fract() != 0.0 { String::new() } else { label(chart.powers.0, x) })
            .y_label_formatter(&|y| label(chart.powers.1, y))
            .x_desc(chart.x)
            .y_desc(chart.y)
            .draw()?;
        for ((name, points), colour) in all.iter().zip(COLOURS) {
            context
                .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
                .label(*name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
            if points.len() <= 40 {
                context.draw_series(points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
            }
        }
        if all.len() > 1 {
            context
                .configure_series_labels()
                .position(chart.legend)
                .label_font(("sans-serif", 12).into_font().color(&INK))
                .draw()?;
        }
        area.present()?;
    }
    Ok(out)
}
