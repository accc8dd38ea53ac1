//! Sound as a recurrence reads it: the logarithm of the energy in bands that are as wide as hearing tells apart.

use ndarray::{Array2, ArrayView1, Axis};
use realfft::{RealFftPlanner, RealToComplex};
use std::{f64::consts::TAU, sync::Arc};

/// Seconds of a window, and from one to the next.
const WINDOW: f64 = 0.025;
const HOP: f64 = 0.010;
/// Where the lowest band begins, in Hz: below is hum.
const LOWEST: f64 = 60.0;
/// The energy of silence, so that it has a logarithm.
const FLOOR: f32 = 1e-6;

/// Hz as mel, by which equal steps sound equally far apart: 2595 log₁₀(1 + f/700) (O'Shaughnessy 1987).
fn mel(hertz: f64) -> f64 {
    2595.0 * (1.0 + hertz / 700.0).log10()
}

/// Log-mel features (Davis and Mermelstein 1980, without the cosine transform): windows of 25 ms, every 10 ms, Hann's;
/// of each the power at each frequency; triangular bands, evenly spaced in mel from 60 Hz to half the rate, each
/// reaching to its neighbors' centers; the natural logarithm.
#[derive(Clone)]
pub(crate) struct LogMel {
    hop: usize,
    window: Vec<f32>,
    transform: Arc<dyn RealToComplex<f32>>,
    /// `[band, frequency]`.
    bands: Array2<f32>,
}

impl LogMel {
    /// Of `bands` bands, for sounds of `rate` samples a second.
    pub(crate) fn new(rate: u32, bands: usize) -> LogMel {
        let rate = f64::from(rate);
        let samples = |seconds: f64| ((seconds * rate).round() as usize).max(1);
        let length = samples(WINDOW).max(2);
        let size = length.next_power_of_two();
        let (low, high) = (mel(LOWEST), mel(rate / 2.0));
        let step = (high - low) / (bands + 1) as f64;
        let weight = |(band, frequency): (usize, usize)| {
            let centre = low + step * (band + 1) as f64;
            let away = (mel(frequency as f64 * rate / size as f64) - centre).abs() / step;
            (1.0 - away).max(0.0) as f32
        };
        LogMel {
            hop: samples(HOP),
            window: (0..length).map(|i| (0.5 - 0.5 * (TAU * i as f64 / length as f64).cos()) as f32).collect(),
            transform: RealFftPlanner::new().plan_fft_forward(size),
            bands: Array2::from_shape_fn((bands, size / 2 + 1), weight),
        }
    }

    /// How many frames a sound of so many samples has; a short one has one.
    pub(crate) fn frames(&self, samples: usize) -> usize {
        1 + samples.saturating_sub(self.window.len()) / self.hop
    }

    /// `[frame, band]`.
    pub(crate) fn of(&self, samples: &[f32]) -> Array2<f32> {
        let mut out = Array2::zeros((self.frames(samples.len()), self.bands.nrows()));
        let (mut wave, mut spectrum) = (self.transform.make_input_vec(), self.transform.make_output_vec());
        for (number, mut row) in out.outer_iter_mut().enumerate() {
            wave.fill(0.0);
            let heard = samples.iter().skip(number * self.hop).zip(&self.window);
            wave.iter_mut().zip(heard).for_each(|(wave, (sample, weight))| *wave = sample * weight);
            // It fails only where lengths do not fit; these are the transform's own.
            let _ = self.transform.process(&mut wave, &mut spectrum);
            let power: Vec<f32> = spectrum.iter().map(|z| z.norm_sqr()).collect();
            row.assign(&self.bands.dot(&ArrayView1::from(&power)).mapv(|energy| (energy + FLOOR).ln()));
        }
        out
    }
}

/// Each band with mean 0 and deviation 1 over the frames: loudness and the microphone no longer matter.
pub(crate) fn normalise(frames: &mut Array2<f32>) {
    for mut band in frames.axis_iter_mut(Axis(1)) {
        let mean = band.mean().unwrap_or(0.0);
        let deviation = band.std(0.0).max(1e-3);
        band.mapv_inplace(|x| (x - mean) / deviation);
    }
}

/// Every `count` frames side by side as one: `[frame, band] -> [frame / count, count · band]`. The last is filled up
/// with zeros.
pub(crate) fn join(frames: &Array2<f32>, count: usize) -> Array2<f32> {
    let (time, bands) = frames.dim();
    Array2::from_shape_fn((time.div_ceil(count), count * bands), |(t, k)| {
        frames.get((count * t + k / bands, k % bands)).copied().unwrap_or(0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hertz: f64, samples: usize) -> Vec<f32> {
        (0..samples).map(|i| (0.5 * (TAU * hertz * i as f64 / 8000.0).sin()) as f32).collect()
    }

    #[test]
    fn a_sine_lands_in_its_band() {
        let features = LogMel::new(8000, 30);
        // mel(60) = 92.6 and mel(4000) = 2146.1, so a band's center is 66.24 mel after the one before it. 1000 Hz are
        // 1000 mel (that is what the scale is made for): (1000 − 92.6) / 66.24 = 13.7, which is nearest to the 14th
        // center. 250 Hz are 344.2 mel: 3.8, the 4th. 3000 Hz are 1876.4 mel: 26.9, the 27th.
        for (hertz, band) in [(1000.0, 13usize), (250.0, 3), (3000.0, 26)] {
            let frames = features.of(&sine(hertz, 800));
            assert_eq!(frames.dim(), (8, 30));
            for frame in frames.outer_iter() {
                let loudest = (0..30).max_by(|a, b| frame[*a].total_cmp(&frame[*b])).unwrap();
                assert_eq!(loudest, band, "{hertz} Hz: {frame}");
                // Far away there is next to nothing.
                assert!((0usize..30).filter(|k| k.abs_diff(band) > 4).all(|k| frame[k] < frame[band] - 5.0), "{frame}");
            }
        }
    }

    #[test]
    fn the_energy_of_a_sine_is_what_its_amplitude_and_the_window_make_it() {
        // At the frequency of a point of the transform (32 · 31.25 Hz) of a window of n = 200, |X| = amplitude · n / 4
        // there, as Hann's window has the mean ½: power 625. Around it, for the whole of the window's spectrum, Σ|X|² =
        // N · Σ(window · wave)² / 2 = 256 · (0.25/2 · 3/8 · 200) / 2 = 1200.
        let features = LogMel::new(8000, 30);
        let energy: f32 = features.of(&sine(1000.0, 200)).mapv(f32::exp).sum();
        // The bands overlap so that their weights add up to 1.
        assert!((energy - 1200.0).abs() < 5.0, "{energy}");
        let weights = features.bands.sum_axis(Axis(0));
        let inside = |k: &usize| (mel(*k as f64 * 31.25) - 92.6) > 67.0 && (2146.0 - mel(*k as f64 * 31.25)) > 67.0;
        assert!((0..129).filter(inside).all(|k| (weights[k] - 1.0).abs() < 1e-5), "{weights}");
    }

    #[test]
    fn short_and_silent_sounds_have_features_too() {
        let features = LogMel::new(8000, 30);
        for samples in [0, 1, 199, 200, 279, 280, 8000] {
            let frames = features.of(&vec![0.0; samples]);
            assert_eq!(frames.nrows(), features.frames(samples));
            assert!(frames.iter().all(|x| (x - FLOOR.ln()).abs() < 1e-3));
        }
        assert_eq!([199, 200, 279, 280, 8000].map(|n| features.frames(n)), [1, 1, 1, 2, 98]);
    }

    #[test]
    fn frames_are_normalised_and_joined() {
        let mut frames = ndarray::array![[1.0, 5.0], [3.0, 5.0], [5.0, 5.0]];
        normalise(&mut frames);
        assert!((frames[[0, 0]] + 1.5f32.sqrt()).abs() < 1e-5 && frames.column(1).iter().all(|x| *x == 0.0));
        let frames = ndarray::array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
        assert_eq!(join(&frames, 2), ndarray::array![[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 0.0, 0.0]]);
    }
}
