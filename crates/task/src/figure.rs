//! Curves as SVG without a background, in colors that read on light and on dark.

use super::{
    error::{Error, Result},
    number::significant,
    shown,
};
use crate::{figures::Curves, training::epochs_of};
use plotters::prelude::*;
use std::borrow::Cow;
use unspool::nn::training::Evaluated as Epoch;

/// Text, axes and grid: a middle gray has the same contrast with white and with near-black.
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
pub(crate) fn learning_curve(task: &str, metric: &str, history: &[Epoch], steps_per_epoch: u64) -> Result<String> {
    let point = |e: &Epoch, value: &dyn Fn(&Epoch) -> f64| (epochs_of(e.step, steps_per_epoch), value(e));
    let line = |value: &dyn Fn(&Epoch) -> f64| history.iter().map(|e| point(e, value)).collect::<Vec<_>>();
    let dev = |name: &str| line(&|e| e.evaluation.get(name).unwrap_or(f64::NAN));
    let panel =
        |title, lines| Curves { title, x: "epoch".into(), y: String::new(), log_y: false, lines, note: String::new() };
    let losses = vec![("train".into(), line(&|e| e.train_loss)), ("dev".into(), dev("loss"))];
    let left = panel(format!("{task}: loss"), losses);
    // The same color as dev's loss: the first line of the panel is empty.
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

/// The most points of a line: more would lie in one column of dots.
const MOST_POINTS: usize = 2000;

/// The numbers along an axis, as they are drawn.
///
/// What computes the marks of an axis cannot work with numbers near the largest or the smallest ones, nor with a range
/// that is narrow beside its distance from zero: it would never come to an end. So numbers are drawn divided by a power
/// of ten, which the labels multiply in again, and a range is never too narrow.
#[derive(Clone, Copy)]
struct Axis {
    /// The power of ten.
    exponent: i32,
    low: f64,
    high: f64,
}

impl Axis {
    /// For finite values.
    fn over(values: impl Iterator<Item = f64> + Clone) -> Axis {
        let largest = values.clone().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        let exponent = largest.log10().floor();
        let exponent = if exponent.abs() >= 15.0 && exponent.is_finite() { exponent as i32 } else { 0 };
        let axis = Axis { exponent, low: 0.0, high: 0.0 };
        let (low, high) =
            values.map(|value| axis.place(value)).fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        if low <= high { Axis { low, high, ..axis } } else { Axis { low: 0.0, high: 1.0, ..axis } }
    }

    /// Where a value lies on it.
    fn place(&self, value: f64) -> f64 {
        // In two steps: 10³⁰⁸ is a number, 10⁻³²⁴ is none.
        let half = self.exponent / 2;
        value / 10f64.powi(half) / 10f64.powi(self.exponent - half)
    }

    /// The same axis with this share of its length more at both ends, at least `least`, and room above.
    fn with_room(self, share: f64, least: f64, above: f64) -> std::ops::Range<f64> {
        let Axis { low, high, .. } = self;
        let narrow = high.abs().max(low.abs()) * 1e-6;
        let room = ((high - low) * share).max(least).max(narrow);
        let room = if room > 0.0 { room } else { 1.0 };
        low - room..high + room + above * (high - low)
    }

    /// The label of a mark.
    fn label(&self, place: f64) -> String {
        // Enough digits to tell the ends of a narrow range apart.
        let digits =
            ((self.high.abs().max(self.low.abs()) / (self.high - self.low)).log10().ceil() + 3.0).clamp(3.0, 9.0);
        // A mark at 0 may be off by a rounding error.
        let place = if place.abs() < 1e-9 * (self.high - self.low) { 0.0 } else { place };
        let text = significant(place, digits as usize);
        if self.exponent == 0 || text == "0" { text } else { format!("{text}e{}", self.exponent) }
    }
}

/// Returns the label of 10^`exponent`. A mark may stand above every number (10^308.5), so the power itself is not
/// computed.
fn power_of_ten(exponent: f64) -> String {
    let whole = exponent.floor();
    let digits = format!("{:.1}", 10f64.powf(exponent - whole));
    match digits.as_str() {
        "1.0" => format!("1e{whole:.0}"),
        "10.0" => format!("1e{:.0}", whole + 1.0),
        _ => format!("{digits}e{whole:.0}"),
    }
}

/// A name and the points that are drawn for it.
type Line<'a> = (Cow<'a, str>, Vec<(f64, f64)>);

fn draw(area: &Area<'_>, panel: &Curves, title: &str) -> std::result::Result<(), Failure> {
    let height = |y: f64| if panel.log_y { y.log10() } else { y };
    let seen = |(x, y): &(f64, f64)| x.is_finite() && height(*y).is_finite();
    let lines: Vec<Line<'_>> = panel
        .lines
        .iter()
        .map(|(name, points)| {
            let seen: Vec<(f64, f64)> = points.iter().copied().filter(seen).map(|(x, y)| (x, height(y))).collect();
            let every = seen.len().div_ceil(MOST_POINTS).max(1);
            let last = seen.len().saturating_sub(1);
            let kept = seen.into_iter().enumerate().filter(|(at, _)| at % every == 0 || *at == last);
            (shown::line(name), kept.map(|(_, point)| point).collect())
        })
        .collect();
    let points = || lines.iter().flat_map(|(_, points)| points);
    let (across, up) = (Axis::over(points().map(|point| point.0)), Axis::over(points().map(|point| point.1)));
    let place = |(x, y): &(f64, f64)| (across.place(*x), up.place(*y));
    // Room for the names of the lines, above them.
    let names = if lines.len() > 1 { lines.len() as f64 * 0.09 } else { 0.0 };
    let side = if across.exponent == 0 { 0.5 } else { 0.0 };
    let constant = if up.low == up.high { 0.02 * up.high.abs() } else { 0.0 };
    let mut chart = ChartBuilder::on(area)
        .caption(shown::line(title), ("sans-serif", 16).into_font().color(&INK))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(across.with_room(0.03, side, 0.0), up.with_room(0.08, constant, names))?;
    let log_label = |y: &f64| power_of_ten(*y);
    let y_label = |y: &f64| up.label(*y);
    // Epochs and time steps are whole numbers.
    let x_label = |x: &f64| if x.fract() == 0.0 || across.exponent != 0 { across.label(*x) } else { String::new() };
    chart
        .configure_mesh()
        .axis_style(INK)
        .bold_line_style(INK.mix(0.25))
        .light_line_style(INK.mix(0.0))
        .label_style(("sans-serif", 12).into_font().color(&INK))
        .x_labels(12)
        .x_label_formatter(&x_label)
        .y_label_formatter(if panel.log_y { &log_label as &dyn Fn(&f64) -> String } else { &y_label })
        .x_desc(shown::line(&panel.x))
        .y_desc(shown::line(&panel.y))
        .draw()?;
    let dots = lines.iter().all(|(_, points)| points.len() <= 60);
    for ((name, points), colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let colour = *colour;
        let series = chart.draw_series(LineSeries::new(points.iter().map(place), colour.stroke_width(2)))?;
        if !name.is_empty() {
            series
                .label(name.clone().into_owned())
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
        }
        if dots {
            chart.draw_series(points.iter().map(|point| Circle::new(place(point), 3, colour.filled())))?;
        }
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
    use proptest::prelude::*;
    use unspool::nn::training::Evaluation;

    fn panel(lines: Vec<(String, Vec<(f64, f64)>)>) -> Curves {
        Curves { title: "t".into(), x: "step".into(), y: "value".into(), log_y: false, lines, note: String::new() }
    }

    /// Numbers of every size, and those that are none.
    fn extreme() -> impl Strategy<Value = f64> {
        let special =
            [0.0, 1.7e308, -1.7e308, 1e308, -1e308, 5e-324, 2.3e-308, 1e16, 1e16 + 2.0, f64::NAN, f64::INFINITY];
        prop_oneof![proptest::sample::select(special.to_vec()), proptest::num::f64::ANY, -10.0..10.0]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn a_figure_of_any_numbers_comes_to_an_end(
            lines in prop::collection::vec(prop::collection::vec((extreme(), extreme()), 0..6), 0..3),
            log_y: bool,
        ) {
            let lines = lines.into_iter().map(|points| ("line".to_owned(), points)).collect();
            let picture = curves(&Curves { log_y, ..panel(lines) }).unwrap();
            prop_assert!(!picture.contains("NaN") && !picture.contains("inf"), "{}", picture);
            roxmltree::Document::parse(&picture).unwrap();
        }

        #[test]
        fn a_constant_and_a_narrow_range_come_to_an_end(value in extreme(), ulps in 0..4u64) {
            let next = f64::from_bits(value.to_bits().wrapping_add(ulps));
            curves(&panel(vec![("line".into(), vec![(0.0, value), (1.0, next), (2.0, value)])])).unwrap();
        }
    }

    #[test]
    fn labels_have_the_digits_of_their_numbers() {
        for (low, high, wanted) in [(0.0021, 0.0024, "0.0022<"), (-1e308, 1e308, "1e308<"), (1e-300, 3e-300, "2e-300<")]
        {
            let picture = curves(&panel(vec![("line".into(), vec![(0.0, low), (1.0, high)])])).unwrap();
            let labels = picture.replace(['\n', ' '], "");
            assert!(labels.contains(wanted), "{wanted}: {picture}");
        }
    }

    #[test]
    fn labels_of_a_logarithmic_axis_are_powers_of_ten() {
        for (exponent, label) in
            [(3.0, "1e3"), (0.5, "3.2e0"), (-4.5, "3.2e-5"), (2.9999999999, "1e3"), (0.0, "1e0"), (308.5, "3.2e308")]
        {
            assert_eq!(power_of_ten(exponent), label);
        }
        // The topmost mark of this picture lies above the largest number.
        let line = vec![("line".into(), vec![(0.0, 4.724326776262133e304), (0.0, 1.7e308)])];
        assert!(!curves(&Curves { log_y: true, ..panel(line) }).unwrap().contains("inf"));
    }

    #[test]
    fn names_from_files_leave_the_picture_well_formed() {
        let name = "a\u{1b}[31m<b>&\"'\u{0}\u{202e}\u{ffff}".to_owned();
        let panel = Curves {
            title: name.clone(),
            x: name.clone(),
            y: name.clone(),
            ..panel(vec![(name.clone(), vec![(0.0, 1.0)])])
        };
        let lines = vec![(name.clone(), vec![(0.0, 1.0)]), (name, vec![])];
        let picture = curves(&Curves { lines, ..panel }).unwrap();
        let text = roxmltree::Document::parse(&picture).unwrap();
        assert!(text.descendants().any(|node| node.text().is_some_and(|text| text.contains("a\\u{1b}[31m<b>&"))));
    }

    #[test]
    fn a_line_of_a_million_points_is_a_small_picture() {
        let points = (0..1_000_000).map(|x| (f64::from(x), f64::from(x % 7))).collect();
        let picture = curves(&panel(vec![("line".into(), points)])).unwrap();
        assert!(picture.len() < 200_000, "{}", picture.len());
    }

    #[test]
    fn one_epoch_is_enough_for_a_picture() {
        let evaluation = Evaluation::of_loss(2.0).metric("score", 0.0);
        let epoch = Epoch { step: 9, epoch: 1, train_loss: 2.0, evaluation };
        let picture = learning_curve("task", "score", &[epoch], 9).unwrap();
        assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"));
        assert!(!picture.contains("NaN"));
    }

    #[test]
    fn what_has_no_logarithm_is_left_out() {
        let lines = vec![("norm".to_owned(), vec![(0.0, 0.0), (1.0, 1e-9), (2.0, 1.0), (3.0, f64::NAN)])];
        let panel = Curves { log_y: true, ..panel(lines) };
        let picture = curves(&panel).unwrap();
        assert_eq!(picture.matches("<circle").count(), 2);
        assert!(!picture.contains("NaN") && !picture.contains("inf"));
        let nothing = Curves { lines: vec![], ..panel };
        assert!(curves(&nothing).unwrap().contains("</svg>"));
    }
}
