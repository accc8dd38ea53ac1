//! Embeddings that others trained, from their text files.

use crate::{Error, Result};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    path::Path,
};
use unspool_graph::{Param, Params};

/// The longest line that is read.
const LONGEST_LINE: u64 = 1 << 20;

/// Reports what [`load_vectors`] found.
///
/// ```
/// use unspool_graph::Params;
/// use unspool_nn::{Embedding, load_vectors};
/// # let path = std::env::temp_dir().join(format!("unspool-found-{}.txt", std::process::id()));
/// std::fs::write(&path, "cat 2 3\ncow 4 5\ncat 6 7\n").unwrap();
/// let mut params = Params::seeded(7);
/// let table = Embedding::new(params.scope("words"), 3, 2);
/// let found = load_vectors(&path, &mut params, table.weight, |word| (word == "cat").then_some(2))?;
/// assert_eq!((found.rows, found.in_file), (vec![2], 3)); // one word is known; the file has three vectors
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadedVectors {
    /// Rows of the table that have a vector from the file.
    pub rows: Vec<usize>,
    /// How many vectors the file has.
    pub in_file: usize,
}

/// Fills rows of an embedding table `[vocabulary, width]` from a text file of vectors, as word2vec and GloVe write it:
/// a word and its numbers on each line, with or without word2vec's first line of two counts. `row_of` says which row a
/// word has, if any; the other rows stay as they are. A byte order mark at the beginning is left out. If a word occurs
/// twice, its first vector is taken. A word may hold spaces, as some of GloVe's do.
///
/// Everything is checked before the table is changed.
///
/// # Errors
/// [`Error::File`]; [`Error::Line`] for a line with too few numbers, or with one that cannot be read or is not finite;
/// [`Error::Foreign`] for a table that is no matrix of `params`.
///
/// ```
/// use unspool_graph::Params;
/// use unspool_nn::{Embedding, load_vectors};
/// # let path = std::env::temp_dir().join(format!("unspool-vectors-{}.txt", std::process::id()));
/// std::fs::write(&path, "the 0.5 -1\ncat 2 3e-1\n").unwrap();
/// let words = ["<unk>", "cat", "dog"];
/// let mut params = Params::seeded(7);
/// let table = Embedding::new(params.scope("words"), 3, 2);
/// let found = load_vectors(&path, &mut params, table.weight, |word| words.iter().position(|known| *known == word))?;
/// assert_eq!((found.rows, found.in_file), (vec![1], 2));
/// assert_eq!(params.value(table.weight)?.to_f64()[[1, 0]], 2.0);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub fn load_vectors(
    path: &Path,
    params: &mut Params,
    table: Param,
    row_of: impl Fn(&str) -> Option<usize>,
) -> Result<LoadedVectors> {
    let [rows, width] = *params.shape(table) else { return Err(Error::Foreign) };
    let file_error = |source| Error::File { path: path.display().to_string(), source };
    let mut file = BufReader::new(unspool_files::open(path).map_err(file_error)?);
    let mut found: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    let (mut line, mut number, mut in_file) = (vec![], 0, 0);
    loop {
        line.clear();
        if (&mut file).take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(file_error)? == 0 {
            break;
        }
        number += 1;
        let bad = |why: String| Error::Line { path: path.display().to_string(), line: number, why };
        if line.len() as u64 == LONGEST_LINE {
            return Err(bad(format!("is longer than {LONGEST_LINE} bytes")));
        }
        let text = std::str::from_utf8(&line).map_err(|_| bad("is no UTF-8".into()))?.trim_end();
        let text = if number == 1 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
        if text.is_empty() || (number == 1 && is_head(text, width)) {
            continue;
        }
        if text.split(' ').count() <= width {
            return Err(bad(format!("has too few fields: a word and {width} numbers are needed")));
        }
        let mut fields = text.rsplitn(width + 1, ' ');
        let mut vector = Vec::with_capacity(width);
        for field in fields.by_ref().take(width) {
            match field.parse::<f64>() {
                Ok(x) if (x as f32).is_finite() => vector.push(x),
                _ => return Err(bad(format!("has {field:?} where one of its {width} numbers should stand"))),
            }
        }
        let word = fields.next().unwrap_or_default();
        in_file += 1;
        if let Some(row) = row_of(word).filter(|&row| row < rows) {
            vector.reverse();
            found.entry(row).or_insert(vector);
        }
    }
    let mut values = params.value(table)?.to_f64();
    for (&row, vector) in &found {
        values.index_axis_mut(ndarray::Axis(0), row).iter_mut().zip(vector).for_each(|(value, x)| *value = *x);
    }
    params.set(table, values)?;
    Ok(LoadedVectors { rows: found.into_keys().collect(), in_file })
}

/// Whether a first line is word2vec's: the number of words and the width. A word that is a number, with a width of 1,
/// is not.
fn is_head(text: &str, width: usize) -> bool {
    let mut fields = text.split(' ').map(str::parse::<usize>);
    let both = (fields.next(), fields.next(), fields.next());
    matches!(both, (Some(Ok(_)), Some(Ok(claimed)), None) if width != 1 && claimed == width)
}
