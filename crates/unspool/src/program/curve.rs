//! The learning curve as an SVG without a background, in colours that read on light and on dark.

use super::error::{Error, Result};
use plotters::prelude::*;
use unspool::nn::training::Evaluated as Epoch;

/// Text, axes and grid: a middle grey has the same contrast with white and with near-black.
const INK: RGBColor = RGBColor(128, 128, 128);
const TRAIN: RGBColor = RGBColor(217, 119, 32);
const DEV: RGBColor = RGBColor(59, 130, 214);
const SIZE: (u32, u32) = (860, 340);

/// Two panels over the epochs: losses, and the score on dev.
pub(crate) fn svg(task: &str, metric: &str, history: &[Epoch]) -> Result<String> {
    let mut out = String::new();
    draw(&mut out, task, metric, history)
        .map_err(|why| Error::failure(format!("the learning curve cannot be drawn: {why}"), ""))?;
    Ok(out)
}

/// Its name, its colour and its points.
type Line<'a> = (&'a str, RGBColor, Vec<(f64, f64)>);

type Failure = Box<dyn std::error::Error>;

fn draw(out: &mut String, task: &str, metric: &str, history: &[Epoch]) -> std::result::Result<(), Failure> {
    let area = SVGBackend::with_string(out, SIZE).into_drawing_area();
    let (left, right) = area.split_horizontally(SIZE.0 / 2);
    let line = |value: &dyn Fn(&Epoch) -> f64| history.iter().map(|e| (e.epoch as f64, value(e))).collect::<Vec<_>>();
    let dev = |name: &str| line(&|e| e.evaluation.get(name).unwrap_or(f64::NAN));
    let losses = [("train", TRAIN, line(&|e| e.train_loss)), ("dev", DEV, dev("loss"))];
    panel(&left, &format!("{task}: loss"), &losses)?;
    panel(&right, &format!("{task}: {metric} on dev"), &[("dev", DEV, dev(metric))])?;
    area.present()?;
    Ok(())
}

fn panel<B: DrawingBackend>(
    area: &DrawingArea<B, plotters::coord::Shift>,
    title: &str,
    lines: &[Line<'_>],
) -> std::result::Result<(), Failure>
where
    B::ErrorType: 'static,
{
    let points = || lines.iter().flat_map(|(_, _, points)| points).filter(|(_, y)| y.is_finite());
    let last = points().map(|p| p.0).fold(1.0, f64::max);
    let (low, high) = points().fold((f64::MAX, f64::MIN), |(low, high), p| (low.min(p.1), high.max(p.1)));
    let room = ((high - low) * 0.08).max(high.abs() * 0.02).max(1e-3);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16).into_font().color(&INK))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(0.5..last + 0.5, low - room..high + room)?;
    chart
        .configure_mesh()
        .axis_style(INK)
        .bold_line_style(INK.mix(0.25))
        .light_line_style(INK.mix(0.0))
        .label_style(("sans-serif", 12).into_font().color(&INK))
        .x_labels(12)
        .x_label_formatter(&|x| if x.fract() == 0.0 { format!("{x:.0}") } else { String::new() })
        .x_desc("epoch")
        .draw()?;
    for (name, colour, points) in lines {
        let colour = *colour;
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
    }
    if lines.len() > 1 {
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
        let picture = svg("task", "score", &[epoch]).unwrap();
        assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"));
        assert!(!picture.contains("NaN"));
    }
}
