//! Curves as SVG without a background, in colours that read on light and on dark.

use super::error::{Error, Result};
use crate::tasks::Curves;
use plotters::prelude::*;
use unspool::nn::training::Evaluated as Epoch;

/// Text, axes and grid: a middle grey has the same contrast with white and with near-black.
const INK: RGBColor = RGBColor(128, 128, 128);
/// Lines in their order; the first two are train and dev.
const COLOURS: [RGBColor; 6] = [
    RGBColor(217, 119, 32),
    RGBColor(59, 130, 214),
    RGBColor(46, 160, 110),
    RGBColor(190, 90, 190),
    RGBColor(200, 80, 80),
    RGBColor(130, 140, 60),
];
/// A pair of panels, and a panel alone.
const TWO: (u32, u32) = (860, 340);
const ONE: (u32, u32) = (640, 340);

/// Two panels over the epochs: losses, and the score on dev.
pub(crate) fn learning_curve(task: &str, metric: &str, history: &[Epoch]) -> Result<String> {
    let line = |value: &dyn Fn(&Epoch) -> f64| history.iter().map(|e| (e.epoch as f64, value(e))).collect::<Vec<_>>();
    let dev = |name: &str| line(&|e| e.evaluation.get(name).unwrap_or(f64::NAN));
    let panel = |title, lines| Curves { title, x: "epoch".into(), y: String::new(), log_y: false, lines };
    let losses = vec![("train".into(), line(&|e| e.train_loss)), ("dev".into(), dev("loss"))];
    let left = panel(format!("{task}: loss"), losses);
    // The same colour as dev's loss: the first line of the panel is empty.
    let right = panel(format!("{task}: {metric} on dev"), vec![(String::new(), vec![]), ("dev".into(), dev(metric))]);
    drawn(TWO, |area| {
        let (one, other) = area.split_horizontally(TWO.0 / 2);
        draw(&one, &left, &left.title)?;
        draw(&other, &right, &right.title)
    })
}

/// One panel alone, whose title stands over it in the page.
pub(crate) fn curves(panel: &Curves) -> Result<String> {
    drawn(ONE, |area| draw(area, panel, ""))
}

type Failure = Box<dyn std::error::Error>;
type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn drawn(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> std::result::Result<(), Failure>) -> Result<String> {
    let mut out = String::new();
    let area = SVGBackend::with_string(&mut out, size).into_drawing_area();
    draw(&area)
        .and_then(|()| Ok(area.present()?))
        .map_err(|why| Error::failure(format!("the curves cannot be drawn: {why}"), ""))?;
    drop(area);
    Ok(out)
}

fn draw(area: &Area<'_>, panel: &Curves, title: &str) -> std::result::Result<(), Failure> {
    let height = |y: f64| if panel.log_y { y.log10() } else { y };
    let seen = |(x, y): &(f64, f64)| x.is_finite() && height(*y).is_finite();
    let points = || panel.lines.iter().flat_map(|(_, points)| points).copied().filter(seen);
    let range = |of: &dyn Fn((f64, f64)) -> f64| {
        let (low, high) = points().map(of).fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        // An axis without an end would never be drawn.
        if low <= high { (low, high) } else { (0.0, 1.0) }
    };
    let ((first, last), (low, high)) = (range(&|p| p.0), range(&|p| height(p.1)));
    let room = ((high - low) * 0.08).max(high.abs() * 0.02).max(1e-3);
    // Room for the names of the lines, above them.
    let names = if panel.lines.len() > 1 { panel.lines.len() as f64 * 0.09 * (high - low) } else { 0.0 };
    let side = ((last - first) * 0.03).max(0.5);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16).into_font().color(&INK))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(first - side..last + side, low - room..high + room + names)?;
    let log_label =
        |y: &f64| if y.fract().abs() < 1e-9 { format!("1e{y:.0}") } else { format!("{:.1e}", 10f64.powf(*y)) };
    let label = |y: &f64| if (high - low).abs() < 0.05 { format!("{y:.3}") } else { format!("{y:.2}") };
    chart
        .configure_mesh()
        .axis_style(INK)
        .bold_line_style(INK.mix(0.25))
        .light_line_style(INK.mix(0.0))
        .label_style(("sans-serif", 12).into_font().color(&INK))
        .x_labels(12)
        .x_label_formatter(&|x| if x.fract() == 0.0 { format!("{x:.0}") } else { String::new() })
        .y_label_formatter(if panel.log_y { &log_label as &dyn Fn(&f64) -> String } else { &label })
        .x_desc(&panel.x)
        .y_desc(&panel.y)
        .draw()?;
    let dots = panel.lines.iter().all(|(_, points)| points.len() <= 60);
    for ((name, points), colour) in panel.lines.iter().zip(COLOURS.iter().cycle()) {
        let colour = *colour;
        let at: Vec<(f64, f64)> = points.iter().copied().filter(seen).map(|(x, y)| (x, height(y))).collect();
        let series = chart.draw_series(LineSeries::new(at.iter().copied(), colour.stroke_width(2)))?;
        if !name.is_empty() {
            series.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
        }
        if dots {
            chart.draw_series(at.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
        }
    }
    if panel.lines.len() > 1 {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .label_font(("sans-serif", 12).into_font().color(&INK))
            .draw()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use unspool::nn::training::Evaluation;

    #[test]
    fn one_epoch_is_enough_for_a_picture() {
        let evaluation = Evaluation::of_loss(2.0).metric("score", 0.0);
        let epoch = Epoch { step: 9, epoch: 1, train_loss: 2.0, evaluation };
        let picture = learning_curve("task", "score", &[epoch]).unwrap();
        assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"));
        assert!(!picture.contains("NaN"));
    }

    #[test]
    fn what_has_no_logarithm_is_left_out() {
        let lines = vec![("norm".to_owned(), vec![(0.0, 0.0), (1.0, 1e-9), (2.0, 1.0), (3.0, f64::NAN)])];
        let panel = Curves { title: "t".into(), x: "step".into(), y: "norm".into(), log_y: true, lines };
        let picture = curves(&panel).unwrap();
        assert_eq!(picture.matches("<circle").count(), 2);
        assert!(!picture.contains("NaN") && !picture.contains("inf"));
        let nothing = Curves { lines: vec![], ..panel };
        assert!(curves(&nothing).unwrap().contains("</svg>"));
    }
}
