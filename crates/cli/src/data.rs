//! The data sets inside the program; `data/LICENSES.md` has their terms.

use unspool_task::DataSet;

macro_rules! embedded {
    ($name:literal, $columns:expr, $($file:literal),+) => {
        DataSet {
            name: $name,
            columns: $columns,
            files: &[$((
                concat!($name, ".", $file),
                include_bytes!(concat!("../data/", $name, ".", $file)).as_slice(),
            )),+],
        }
    };
}

pub(crate) const TATOEBA_SWE: DataSet =
    embedded!("tatoeba-eng-swe", ["swedish", "english"], "train.tsv.gz", "dev.tsv.gz", "test.tsv.gz");
pub(crate) const TATOEBA_KOR: DataSet =
    embedded!("tatoeba-eng-kor", ["korean", "english"], "train.tsv.gz", "dev.tsv.gz", "test.tsv.gz");
pub(crate) const NSMC: DataSet =
    embedded!("nsmc-sample", ["document", "label"], "train.tsv.gz", "dev.tsv.gz", "test.tsv.gz");
pub(crate) const DIGITS: DataSet = embedded!("digits", ["", ""], "csv.gz");
pub(crate) const AIRLINE: DataSet = embedded!("airline-passengers", ["Month", "Passengers"], "csv.gz");
pub(crate) const SHAKESPEARE: DataSet = embedded!("tiny-shakespeare", ["", ""], "txt.gz");
pub(crate) const SPOKEN_DIGITS: DataSet = embedded!("spoken-digits", ["", ""], "tar.gz");
