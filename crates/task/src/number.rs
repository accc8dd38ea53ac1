//! Numbers for people, with the digits that they have.

/// A number with `digits` significant digits, at least those before the point: `0.0023`, `417.3`, `1e300`. Zeros at
/// the end are left out.
pub(crate) fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".to_owned() } else { value.to_string() };
    }
    let rounded = format!("{value:.*e}", digits.max(1) - 1);
    let (mantissa, exponent) = rounded.split_once('e').unwrap_or((&rounded, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-5..15).contains(&exponent) {
        let decimals = usize::try_from(digits as i64 - 1 - i64::from(exponent)).unwrap_or(0);
        trimmed(&format!("{value:.decimals$}")).to_owned()
    } else {
        format!("{}e{exponent}", trimmed(mantissa))
    }
}

/// A score with so many decimals, as scores are compared; with four significant digits where the decimals would hide
/// it or the number is large.
pub(crate) fn score(value: f64, decimals: usize) -> String {
    let size = value.abs();
    let hidden = size > 0.0 && size < 10f64.powi(2 - decimals.min(300) as i32);
    if hidden || size >= 1e15 { significant(value, 4) } else { format!("{value:.decimals$}") }
}

/// All digits: the shortest text that stands for this number and no other.
pub(crate) fn all(value: f64) -> String {
    let text = format!("{value:?}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

/// So many of something, whose plural is regular: `1 row`, `2 rows`.
pub(crate) fn counted(count: u64, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_and_large_numbers_keep_their_digits() {
        for (value, text) in [
            (0.002_345_6, "0.0023"),
            (417.0, "417"),
            (123_456.7, "123457"),
            (9.96, "10"),
            (-0.5, "-0.5"),
            (1e300, "1e300"),
            (1.26e-9, "1.3e-9"),
            (0.0, "0"),
            (-0.0, "0"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(significant(value, 2), text);
        }
        let scores = [0.8731, 1.0, 0.0, 0.000_023_4, 1e300, f64::NAN].map(|value| score(value, 4));
        assert_eq!(scores, ["0.8731", "1.0000", "0.0000", "0.0000234", "1e300", "NaN"]);
        assert_eq!([417.256, 0.0023].map(|value| score(value, 2)), ["417.26", "0.0023"]);
        assert_eq!([0.1, 2.0, 1e300, -1e-7].map(all), ["0.1", "2", "1e300", "-1e-7"]);
    }

    proptest! {
        #[test]
        fn a_number_is_read_back_as_closely_as_its_digits_allow(
            value in proptest::num::f64::NORMAL, digits in 1..17usize,
        ) {
            let read: f64 = significant(value, digits).parse().unwrap();
            // A number that rounds up beyond the largest is infinite.
            prop_assert!(read.is_infinite() || ((read - value) / value).abs() <= 10f64.powi(1 - digits as i32));
            prop_assert_eq!(all(value).parse::<f64>().unwrap().to_bits(), value.to_bits());
            prop_assert!(significant(value, digits).len() < 32);
        }
    }
}
