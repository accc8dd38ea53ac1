//! The samples of a wav file.

use std::io::Cursor;

/// The loudest sample that is read. Samples lie between −1 and 1; those of a program that forgot to scale them reach
/// the largest of 32 bits. The power of a louder one would be no number.
const LOUDEST: f32 = 4_294_967_296.0;

/// A sound.
#[derive(Debug)]
pub(crate) struct Wav {
    /// Samples per second.
    pub(crate) rate: u32,
    /// From −1 to 1, the mean of the channels.
    pub(crate) samples: Vec<f32>,
}

/// Why a file is no sound.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("not a wav file that can be read: {0}")]
    Format(#[from] hound::Error),
    #[error("its rate is 0 samples per second")]
    Rate,
    #[error("sample {number} (at {seconds:.3} s) is {value}")]
    Sample { number: usize, seconds: f64, value: f32 },
}

impl Fault {
    /// What would be right.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Fault::Format(_) | Fault::Rate => "convert it to 16-bit PCM",
            Fault::Sample { .. } => "a float wav has samples from -1 to 1; write it again, or convert it to 16-bit PCM",
        }
    }
}

/// Reads a file of integers or floats, of any number of channels.
pub(crate) fn read(bytes: &[u8]) -> Result<Wav, Fault> {
    let mut reader = hound::WavReader::new(Cursor::new(bytes))?;
    let spec = reader.spec();
    let (rate, channels) = (spec.sample_rate, usize::from(spec.channels.max(1)));
    if rate == 0 {
        return Err(Fault::Rate);
    }
    let samples: Vec<f32> = match spec.sample_format {
        hound::SampleFormat::Float => reader.samples::<f32>().collect::<Result<_, _>>()?,
        hound::SampleFormat::Int => {
            let scale = 1.0 / (1u64 << (spec.bits_per_sample.clamp(1, 32) - 1)) as f32;
            reader
                .samples::<i32>()
                .map(|sample| sample.map(|sample| sample as f32 * scale))
                .collect::<Result<_, _>>()?
        }
    };
    if let Some(at) = samples.iter().position(|sample| !sample.is_finite() || sample.abs() > LOUDEST) {
        let number = at / channels;
        let seconds = number as f64 / f64::from(rate);
        return Err(Fault::Sample { number: number + 1, seconds, value: samples[at] });
    }
    let samples = samples.chunks(channels).map(|all| all.iter().sum::<f32>() / channels as f32).collect();
    Ok(Wav { rate, samples })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wav file of 32-bit floats.
    fn floats(samples: &[f32], channels: u16) -> Vec<u8> {
        let spec = hound::WavSpec {
            channels,
            sample_rate: 8000,
            bits_per_sample: 32,
            sample_format: hound::SampleFormat::Float,
        };
        let mut bytes = Cursor::new(vec![]);
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        samples.iter().for_each(|sample| writer.write_sample(*sample).unwrap());
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    #[test]
    fn a_sample_that_is_no_number_is_named_with_its_place() {
        let mut samples = vec![0.5f32; 1000];
        for (value, shown) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (-1e30, "-1000000000000000000000000000000")] {
            samples[400] = value;
            assert_eq!(
                read(&floats(&samples, 1)).unwrap_err().to_string(),
                format!("sample 401 (at 0.050 s) is {shown}")
            );
            assert_eq!(
                read(&floats(&samples, 2)).unwrap_err().to_string(),
                format!("sample 201 (at 0.025 s) is {shown}")
            );
        }
        samples[400] = -4e9;
        assert_eq!(read(&floats(&samples, 1)).unwrap().samples[400], -4e9);
    }

    #[test]
    fn files_that_lie_about_themselves_are_errors() {
        let good = floats(&[0.0, 0.5, -0.5], 1);
        assert_eq!(read(&good).unwrap().samples, [0.0, 0.5, -0.5]);
        let changed = |at: usize, bytes: &[u8]| {
            let mut wav = good.clone();
            wav[at..at + bytes.len()].copy_from_slice(bytes);
            read(&wav).map(|wav| wav.samples.len()).map_err(|fault| fault.to_string())
        };
        for length in [0, 4, 12, 20, 43, good.len() - 1] {
            assert!(read(&good[..length]).is_err(), "{length}");
        }
        let rate = good.windows(4).position(|four| four == 8000u32.to_le_bytes()).unwrap();
        assert!(changed(rate, &[0; 4]).is_err());
        // No channels; more channels than a frame has room for; 4 GB of samples that are not there.
        assert!(changed(rate - 2, &[0; 2]).is_err());
        assert!(changed(rate - 2, &[0xff; 2]).is_err());
        let data = good.windows(4).position(|four| four == b"data").unwrap();
        assert!(changed(data + 4, &[0xfe, 0xff, 0xff, 0xff]).is_err());
    }
}
