//! What models say, as bytes: where several processes share an evaluation, each sends the others what it found.

use ndarray::Array2;

/// Something that can go to another process and is there what it was here, to the bit.
pub(crate) trait Portable: Sized {
    /// Puts it behind what is there.
    fn write(&self, out: &mut Vec<u8>);
    /// Takes it from the front; `None` where it does not stand there.
    fn read(bytes: &mut &[u8]) -> Option<Self>;
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Portable for $number {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn read(bytes: &mut &[u8]) -> Option<Self> {
                Some(<$number>::from_le_bytes(*bytes.split_off(..size_of::<$number>())?.first_chunk()?))
            }
        }
    )*};
}

numbers!(u32, u64, f32, f64);

impl Portable for usize {
    fn write(&self, out: &mut Vec<u8>) {
        (*self as u64).write(out);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        u64::read(bytes)?.try_into().ok()
    }
}

impl Portable for String {
    fn write(&self, out: &mut Vec<u8>) {
        self.len().write(out);
        out.extend_from_slice(self.as_bytes());
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let length = usize::read(bytes)?;
        String::from_utf8(bytes.split_off(..length)?.to_vec()).ok()
    }
}

impl<P: Portable> Portable for Vec<P> {
    fn write(&self, out: &mut Vec<u8>) {
        self.len().write(out);
        self.iter().for_each(|one| one.write(out));
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        (0..usize::read(bytes)?).map(|_| P::read(bytes)).collect()
    }
}

impl<A: Portable, B: Portable> Portable for (A, B) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some((A::read(bytes)?, B::read(bytes)?))
    }
}

impl Portable for Array2<f64> {
    fn write(&self, out: &mut Vec<u8>) {
        self.dim().write(out);
        self.iter().for_each(|x| x.write(out));
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (rows, columns) = <(usize, usize)>::read(bytes)?;
        let elements = (0..rows.checked_mul(columns)?).map(|_| f64::read(bytes)).collect::<Option<_>>()?;
        Array2::from_shape_vec((rows, columns), elements).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_is_what_was_sent_and_nothing_else_is_taken_for_it() {
        type All = Vec<((u32, f64), (String, Array2<f64>))>;
        let one = |x: f64| ((7, x), ("mörk".to_owned(), ndarray::array![[x, -0.0], [1.0 / 3.0, f64::INFINITY]]));
        let sent: All = vec![one(f64::NAN), one(1e-310)];
        let mut bytes = vec![];
        sent.write(&mut bytes);
        let arrived = All::read(&mut bytes.as_slice()).unwrap();
        let bits =
            |all: &All| all.iter().map(|((_, x), (_, a))| (x.to_bits(), a.mapv(f64::to_bits))).collect::<Vec<_>>();
        assert_eq!(bits(&arrived), bits(&sent));
        assert_eq!(arrived[0].1.0, "mörk");
        assert!((0..bytes.len()).all(|length| All::read(&mut &bytes[..length]).is_none()));
        assert!(Vec::<u32>::read(&mut [255; 8].as_slice()).is_none());
    }
}
