//! MNIST-1D (Greydanus and Kobak 2024): ten shapes of twelve points, each padded, stretched, shifted, sheared and
//! covered with noise, so that a signal of 40 steps is about as hard for a linear model as a picture of MNIST is not.
//!
//! The signals come from the published distribution. They are not those of the published file, which NumPy's generator
//! drew.

use clap::Args;
use serde::{Deserialize, Serialize};
use unspool::{graph::RngKey, models::SignalClassifierConfig, text::Part};
use unspool_task::{Drawn, Error, Parts, ReaderOptions, RecurrentOptions, Result, Rng, count};

/// Steps of a signal.
pub(crate) const LENGTH: usize = 40;

/// The names of the classes.
pub(crate) const NAMES: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// The shapes, whose constants are those of the data set.
const SHAPES: [[f64; 12]; 10] = [
    [5.0, 6.0, 6.5, 6.75, 7.0, 7.0, 7.0, 7.0, 6.75, 6.5, 6.0, 5.0],
    [5.0, 3.0, 3.0, 3.4, 3.8, 4.2, 4.6, 5.0, 5.4, 5.8, 5.0, 5.0],
    [5.0, 6.0, 6.5, 6.5, 6.0, 5.25, 4.75, 4.0, 3.5, 3.5, 4.0, 5.0],
    [5.0, 6.0, 6.5, 6.5, 6.0, 5.0, 5.0, 6.0, 6.5, 6.5, 6.0, 5.0],
    [5.0, 4.4, 3.8, 3.2, 2.6, 2.6, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0],
    [5.0, 3.0, 3.0, 3.0, 3.0, 5.0, 6.0, 6.5, 6.5, 6.0, 4.5, 5.0],
    [5.0, 4.0, 3.5, 3.25, 3.0, 3.0, 3.0, 3.0, 3.25, 3.5, 4.0, 5.0],
    [5.0, 7.0, 7.0, 6.6, 6.2, 5.8, 5.4, 5.0, 4.6, 4.2, 5.0, 5.0],
    [5.0, 4.0, 3.5, 3.5, 4.0, 5.0, 5.0, 4.0, 3.5, 3.5, 4.0, 5.0],
    [5.0, 4.0, 3.5, 3.5, 4.0, 5.0, 5.0, 5.0, 5.0, 4.7, 4.3, 5.0],
];

/// Steps of a signal before it is sampled at [`LENGTH`] steps, and the padding after a shape.
const STEPS: usize = 72;
const PADDING: (isize, isize) = (36, 60);
/// The longest shift, and the strengths of what is done to a shape.
const SHIFT: isize = 48;
const SCALE: f64 = 0.4;
const SHEAR: f64 = 0.75;
/// Deviations of the smoothed noise where there is no shape, and of the noise everywhere.
const SMOOTHED: f64 = 0.25;
const NOISE: f64 = 0.02;

/// Mean and deviation of all signals, measured over 100,000 of them.
const MEAN: f64 = -0.0060;
const DEVIATION: f64 = 0.1546;

/// A signal and the digit that it shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Signal {
    /// [`LENGTH`] numbers.
    pub(crate) values: Vec<f32>,
    /// From 0 to 9.
    pub(crate) digit: u32,
}

/// Signals of dev, and of the test.
const HELD_OUT: usize = 1000;

#[derive(Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    reader: ReaderOptions,
    /// Synthetic signals to train on, the same in every epoch [from 1 to 1000000]
    #[arg(long, value_name = "N", default_value = "4000", value_parser = count(1..=1_000_000))]
    signals: usize,
}

impl Options {
    /// The model's sizes.
    pub(crate) fn model(&self) -> SignalClassifierConfig {
        let RecurrentOptions { cell, layers, hidden_size } = self.reader.recurrent;
        let (channels, bidirectional, classes, dropout) = (32, self.reader.bidirectional, NAMES.len(), 0.2);
        SignalClassifierConfig { channels, cell, layers, hidden_size, bidirectional, classes, dropout }
    }

    /// The signals of the three parts.
    pub(crate) fn parts(&self) -> Parts<Drawn<Vec<Signal>>> {
        let held_out = |part| drawn(part, HELD_OUT.min(self.signals));
        Parts { train: drawn(Part::Train, self.signals), dev: held_out(Part::Dev), test: held_out(Part::Test) }
    }
}

/// The signals that a trained model is scored on.
pub(crate) fn to_score() -> Drawn<Vec<Signal>> {
    drawn(Part::Test, HELD_OUT)
}

fn drawn(part: Part, count: usize) -> Drawn<Vec<Signal>> {
    Drawn::new(signals(part, count), vec![(0, 1); count])
}

/// The signals of a part, `count` of them; each digit is as frequent as the others.
fn signals(part: Part, count: usize) -> Vec<Signal> {
    let key = RngKey::seed(42).fold_in(part as u64);
    let one = |number: usize| signal((number % NAMES.len()) as u32, &mut Rng::new(key.fold_in(number as u64)));
    (0..count).map(one).collect()
}

/// A signal of one digit.
fn signal(digit: u32, rng: &mut Rng) -> Signal {
    let shape = &SHAPES[digit as usize];
    let mean = shape.iter().sum::<f64>() / shape.len() as f64;
    let deviation = (shape.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / shape.len() as f64).sqrt();
    // It begins and ends at 0, and a little more, by which it is told from the padding.
    let mut points: Vec<f64> = shape.iter().map(|x| (x - shape[0]) / deviation / 6.0 + 1e-8).collect();
    points.resize(points.len() + rng.between(PADDING.0, PADDING.1) as usize, 0.0);
    let scale = 1.0 + SCALE * (rng.uniform() - 0.5);
    let mut steps: Vec<f64> = sampled(&points, STEPS).into_iter().map(|x| scale * x).collect();
    steps.rotate_right(rng.between(0, SHIFT - 1) as usize);
    let smooth = smoothed(&(0..STEPS).map(|_| SMOOTHED * rng.normal()).collect::<Vec<_>>());
    let shear = SHEAR * (rng.uniform() - 0.5);
    for (t, (x, smooth)) in steps.iter_mut().zip(smooth).enumerate() {
        let shape = if *x == 0.0 { smooth } else { *x };
        *x = shape + NOISE * rng.normal() - shear * (t as f64 / (STEPS - 1) as f64 - 0.5);
    }
    let values = sampled(&steps, LENGTH).into_iter().map(|x| ((x - MEAN) / DEVIATION) as f32).collect();
    Signal { values, digit }
}

/// So many points at even distances, from the first to the last, on the lines between the points.
fn sampled(points: &[f64], count: usize) -> Vec<f64> {
    let last = points.len() - 1;
    let at = |i: usize| {
        let place = (i * last) as f64 / (count - 1) as f64;
        let (before, share) = (place as usize, place.fract());
        points[before] + share * (points[(before + 1).min(last)] - points[before])
    };
    (0..count).map(at).collect()
}

/// A Gaussian filter with a deviation of two steps, cut off at four deviations; at the ends the points are mirrored.
fn smoothed(points: &[f64]) -> Vec<f64> {
    const REACH: isize = 8;
    let count = points.len() as isize;
    let weight = |k: isize| (-(k * k) as f64 / 8.0).exp();
    let all: f64 = (-REACH..=REACH).map(weight).sum();
    let mirrored = |i: isize| {
        if i < 0 {
            -i - 1
        } else if i < count {
            i
        } else {
            2 * count - 1 - i
        }
    };
    let at = |i: isize| (-REACH..=REACH).map(|k| weight(k) * points[mirrored(i + k) as usize]).sum::<f64>() / all;
    (0..count).map(at).collect()
}

/// A signal from a line of numbers, with commas or spaces between.
pub(crate) fn read(line: &str) -> Result<Signal> {
    let hint = format!("a line is {LENGTH} numbers with commas or spaces between");
    let number = |word: &str| {
        let value = word.parse::<f32>().ok().filter(|x| x.is_finite() && x.abs() <= 1e6);
        value.ok_or_else(|| Error::failure(format!("{word:?} is not a number up to a million"), hint.clone()))
    };
    let words = line.split([',', ' ', '\t']).filter(|word| !word.is_empty());
    let values = words.map(number).collect::<Result<Vec<f32>>>()?;
    match values.len() {
        LENGTH => Ok(Signal { values, digit: 0 }),
        count => Err(Error::failure(format!("{count} numbers where there should be {LENGTH}"), hint)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_between_are_on_the_lines_between() {
        assert_eq!(sampled(&[0.0, 2.0, 6.0], 5), [0.0, 1.0, 2.0, 4.0, 6.0]);
        assert_eq!(sampled(&[1.0, 3.0], 2), [1.0, 3.0]);
    }

    #[test]
    fn a_filter_keeps_a_constant_and_the_mean_of_noise() {
        assert!(smoothed(&[0.5; 20]).iter().all(|x| (x - 0.5).abs() < 1e-12));
        let mut one = vec![0.0; 41];
        one[20] = 1.0;
        let found = smoothed(&one);
        // exp(−1/8) of the middle at a distance of one step, and nothing beyond four deviations.
        assert!((found[21] / found[20] - (-0.125f64).exp()).abs() < 1e-12 && found[28] > 0.0 && found[29] == 0.0);
        assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn signals_are_standardized_balanced_and_others_in_each_part() {
        let [train, test] = [Part::Train, Part::Test].map(|part| signals(part, 4000));
        assert_eq!(train, signals(Part::Train, 4000));
        assert_ne!(train[0].values, test[0].values);
        assert!(NAMES.iter().zip(0..).all(|(_, digit)| train.iter().filter(|one| one.digit == digit).count() == 400));
        let all: Vec<f64> = train.iter().flat_map(|one| &one.values).map(|x| f64::from(*x)).collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / all.len() as f64;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }

    #[test]
    fn a_line_is_forty_numbers() {
        let line = |count: usize| vec!["-0.5"; count].join(", ");
        assert_eq!(read(&line(LENGTH)).unwrap().values, [-0.5; LENGTH]);
        assert!(read(&line(39)).unwrap_err().to_string().contains("39 numbers where there should be 40"));
        for bad in ["x", "NaN", "1e9"] {
            assert!(read(&format!("{bad},{}", line(39))).unwrap_err().to_string().contains(bad));
        }
    }
}
