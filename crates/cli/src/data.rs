//! The data sets inside the program; `data/LICENSES.md` has their terms.

use unspool_task::DataSet;

macro_rules! embedded {
    ($name:literal, $license:literal, $columns:expr, $($file:literal),+) => {
        DataSet {
            name: $name,
            license: $license,
            columns: $columns,
            files: &[$((concat!($name, ".", $file), {
                // A static is in the program once, a constant once for each part of the program that uses it.
                const COMPILED_IN: &[u8; include_bytes!(concat!("../data/", $name, ".", $file)).len()] =
                    include_bytes!(concat!("../data/", $name, ".", $file));
                static BYTES: [u8; COMPILED_IN.len()] = *COMPILED_IN;
                BYTES.as_slice()
            })),+],
        }
    };
}

pub(crate) const TATOEBA_SWE: DataSet =
    embedded!("tatoeba-eng-swe", "CC-BY-2.0", ["swedish", "english"], "train.tsv.gz", "dev.tsv.gz", "test.tsv.gz");
pub(crate) const TATOEBA_KOR: DataSet =
    embedded!("tatoeba-eng-kor", "CC-BY-2.0", ["korean", "english"], "train.tsv.gz", "dev.tsv.gz", "test.tsv.gz");
pub(crate) const NSMC: DataSet =
    embedded!("nsmc-sample", "CC0-1.0", ["document", "label"], "train.tsv.gz", "dev.tsv.gz", "test.tsv.gz");
pub(crate) const DIGITS: DataSet = embedded!("digits", "CC-BY-4.0", ["", ""], "csv.gz");
pub(crate) const AIRLINE: DataSet = embedded!("airline-passengers", "facts", ["Month", "Passengers"], "csv.gz");
pub(crate) const SHAKESPEARE: DataSet = embedded!("tiny-shakespeare", "public domain", ["", ""], "txt.gz");
pub(crate) const SPOKEN_DIGITS: DataSet = embedded!("spoken-digits", "CC-BY-SA-4.0", ["", ""], "tar.gz");

#[cfg(test)]
mod tests {
    use super::*;
    use unspool::text::Row;
    use unspool_task::Data;

    #[test]
    fn sets_inside_the_program_are_read_in_their_own_form() {
        let digits = Data::open(&["digits"], &[DIGITS]).csv().unwrap();
        assert_eq!((digits.rows.len(), digits.rows[0].fields.len()), (1797, 65));
        let (mut months, airline) = (vec![], Data::open(&["airline-passengers"], &[AIRLINE]));
        let second = |_: &str, names: &[String]| {
            assert_eq!(names, ["Month", "Passengers"]);
            Ok(vec![1])
        };
        let each = |_: &str, row: Row| {
            months.push(row[0].to_owned());
            Ok(())
        };
        airline.csv_columns(second, each).unwrap();
        assert_eq!((months.len(), months[143].as_str()), (144, "432"));
        assert!(Data::open(&["tiny-shakespeare"], &[SHAKESPEARE]).text(1 << 24).unwrap().len() > 1_000_000);
        assert_eq!(Data::open(&["digits"], &[DIGITS]).text(9).unwrap_err().code(), 1);
        assert_eq!(Data::open(&["nsmc-sample"], &[NSMC]).csv().err().unwrap().code(), 2);
        assert_eq!(Data::open(&["digits"], &[DIGITS]).recordings().err().unwrap().code(), 2);
    }

    #[test]
    fn spoken_digits_are_sounds_between_minus_one_and_one() {
        let recordings = Data::open(&["spoken-digits"], &[SPOKEN_DIGITS]).recordings().unwrap();
        assert_eq!(recordings.len(), 600);
        assert!(recordings.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(recordings.iter().all(|sound| sound.rate == 8000 && sound.samples.len() > 800));
        assert!(recordings.iter().flat_map(|sound| &sound.samples).all(|x| (-1.0..=1.0).contains(x)));
    }
}
