//! How an axis is divided, and what is written there.

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use std::ops::Range;

/// How an axis is divided. Points on a scale of powers are given by their exponents.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    /// The numbers themselves.
    Linear,
    /// Years, in halves.
    Dates,
    /// Powers of ten.
    Tens,
    /// Powers of two.
    Twos,
}

/// Numbers along an axis, about.
const TICKS: f64 = 8.0;

impl Scale {
    /// The exponents of values, or the values.
    pub(crate) fn place(self, x: f64) -> f64 {
        match self {
            Scale::Linear | Scale::Dates => x,
            Scale::Tens => x.log10(),
            Scale::Twos => x.log2(),
        }
    }

    /// Where something is written. Nothing lies between whole numbers that count.
    pub(super) fn ticks(self, low: f64, high: f64, counted: bool) -> Vec<f64> {
        let whole = counted || matches!(self, Scale::Tens | Scale::Twos);
        let steps = (-6..).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)));
        let mut steps = steps.filter(|step| !whole || *step >= 1.0);
        let step = match self {
            Scale::Dates => 0.5,
            _ => steps.find(|step| (high - low) / step <= TICKS).unwrap_or(high - low),
        };
        let multiples = |step: f64| (low / step - 1e-9).ceil() as i64..=(high / step + 1e-9).floor() as i64;
        let ticks: Vec<f64> = multiples(step).map(|k| k as f64 * step).collect();
        match self {
            // Few powers leave room for numbers between them.
            Scale::Tens if high - low < 3.0 => {
                let digits = [1.0, 2.0, 5.0f64].map(f64::log10);
                let all = (low.floor() as i64..=high.ceil() as i64).flat_map(|k| digits.map(|digit| k as f64 + digit));
                all.filter(|tick| (low..=high).contains(tick)).collect()
            }
            _ => ticks,
        }
    }

    /// What is written at a tick.
    pub(super) fn label(self, x: f64) -> String {
        match self {
            Scale::Linear => {
                let number = format!("{x:.3}").trim_end_matches('0').trim_end_matches('.').replace('-', "−");
                if number == "−0" { "0".to_string() } else { number }
            }
            Scale::Dates => format!("{} {:.0}", if x.fract() < 0.25 { "Jan" } else { "Jul" }, x.floor()),
            Scale::Twos => format!("{:.0}", x.exp2()),
            Scale::Tens if (-3.0..4.5).contains(&x) => {
                format!("{:.*}", (-x.floor()).max(0.0) as usize, 10f64.powf(x))
            }
            Scale::Tens => format!("10{}", raised(x.round() as i64)),
        }
    }
}

/// An exponent.
fn raised(exponent: i64) -> String {
    let digit = |c: char| match c.to_digit(10) {
        Some(k) => ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][k as usize],
        None => '⁻',
    };
    exponent.to_string().chars().map(digit).collect()
}

/// An axis of plotters with these ticks and no others.
pub(super) struct Axis {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) ticks: Vec<f64>,
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        let share = (value - self.from) / (self.to - self.from);
        start + (f64::from(end - start) * share).round() as i32
    }

    fn key_points<H: KeyPointHint>(&self, hint: H) -> Vec<f64> {
        if hint.weight().allow_light_points() { vec![] } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}
