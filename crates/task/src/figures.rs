//! Things to see in a report, as data.

use crate::error::Result;
use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};
use unspool::{
    nn::decoding::Hypothesis,
    text::{Padded, Tokenizer, score::Confusion},
};

/// Something to see.
#[derive(Clone, Debug)]
pub enum Figure {
    /// What was looked at (columns) while each word was written (rows).
    Attention {
        /// What stands above it.
        title: String,
        /// The weights.
        map: Attention,
    },
    /// How often each class was taken for each.
    Confusion(ClassCounts),
    /// Named lines over the same axes.
    Curves(Curves),
}

impl Figure {
    /// Of the classes that were found, the right ones, and the classes' names.
    pub fn confusion(found: &[u32], right: &[u32], labels: Vec<String>) -> Result<Figure> {
        const MOST: usize = 30;
        let confusion = Confusion::new(found, right, labels.len())?;
        let mut shown = confusion.most_frequent(MOST);
        shown.sort_unstable();
        let class = |class: &u32| *class as usize;
        Ok(Figure::Confusion(ClassCounts {
            labels: shown.iter().filter_map(|id| labels.get(class(id)).cloned()).collect(),
            counts: confusion.matrix(&shown),
            supports: shown.iter().map(|id| confusion.support(class(id))).collect(),
            others: confusion.most_frequent(usize::MAX).len() - shown.len(),
            examples: right.len() as u64,
        }))
    }
}

/// How often each of some classes was taken for each of them.
#[derive(Clone, Debug)]
pub struct ClassCounts {
    /// The names of the most frequent classes, in the order of all classes.
    pub labels: Vec<String>,
    /// `[label, prediction]`
    pub counts: ndarray::Array2<u64>,
    /// How often each is the label.
    pub supports: Vec<u64>,
    /// How many further classes occur.
    pub others: usize,
    /// How many examples there are.
    pub examples: u64,
}

/// Named lines over the same axes.
#[derive(Clone, Debug)]
pub struct Curves {
    /// What stands above them.
    pub title: String,
    /// What the x axis shows.
    pub x: String,
    /// What the y axis shows.
    pub y: String,
    /// Whether y is drawn by its logarithm; what is not positive is then left out.
    pub log_y: bool,
    /// The lines: names and points.
    pub lines: Vec<(String, Vec<(f64, f64)>)>,
    /// What is said below them, if anything.
    pub note: String,
}

impl Curves {
    /// ‖∂loss/∂h_t‖ over the time steps t.
    pub fn gradient_norms(title: String, lines: Vec<(String, Vec<(f64, f64)>)>) -> Curves {
        let (x, y) = ("time step".to_owned(), "norm of the loss's gradient by the state".to_owned());
        Curves { title, x, y, log_y: true, lines, note: String::new() }
    }
}

/// Weights of attention: a row for each thing written, a column for each thing looked at; a row's weights sum to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Attention {
    /// What was written.
    pub rows: Vec<String>,
    /// What was looked at.
    pub columns: Vec<String>,
    /// `[row][column]`.
    pub weights: Vec<Vec<f64>>,
}

impl Attention {
    /// Says what a model attended to in a row of its sources while it wrote, token for token. A character in several
    /// tokens stands at the last of them. Returns nothing where the model attends to nothing. The tokenizers are those
    /// of the source and of what is written.
    pub fn of_row(
        [source_tokenizer, tokenizer]: [&Tokenizer; 2],
        sources: &Padded,
        row: usize,
        written: &Hypothesis,
    ) -> Option<Attention> {
        let length = *sources.lengths.get(row)?;
        let source: Vec<u32> = sources.ids.row(row).iter().take(length).copied().collect();
        let (columns, mut rows) =
            (source_tokenizer.decode_pieces(&source).ok()?, tokenizer.decode_pieces(&written.tokens).ok()?);
        // In a batch with longer sources, a source is padded; padding has no weight and is not shown.
        let real = |row: ArrayView1<'_, f64>| row.iter().take(length).copied().collect();
        let weights: Vec<Vec<f64>> = written.attention.as_ref()?.rows().into_iter().map(real).collect();
        // The end token was looked for, too.
        rows.resize(weights.len(), String::new());
        Some(Attention { rows, columns, weights })
    }

    /// Whole words instead of their pieces, where a piece that begins with a space begins a word: a word written looked
    /// where its pieces did on average; a word looked at has the weight of its pieces together. A piece that completes
    /// no character belongs to the word before it, but for the last one, which is the end of the text.
    pub fn over_words(&self) -> Attention {
        fn words(pieces: &[String]) -> (Vec<String>, Vec<usize>) {
            let (mut words, mut word_of) = (Vec::<String>::new(), vec![]);
            for (place, piece) in pieces.iter().enumerate() {
                let is_end = piece.is_empty() && place + 1 == pieces.len();
                match words.last_mut() {
                    Some(word) if !piece.starts_with(char::is_whitespace) && !is_end => word.push_str(piece),
                    _ => words.push(piece.trim_start().to_owned()),
                }
                word_of.push(words.len() - 1);
            }
            (words, word_of)
        }
        let ((rows, row_of), (columns, column_of)) = (words(&self.rows), words(&self.columns));
        let mut weights = vec![vec![0.0; columns.len()]; rows.len()];
        for (row, from) in row_of.iter().zip(&self.weights) {
            let pieces = row_of.iter().filter(|other| *other == row).count() as f64;
            for (column, weight) in column_of.iter().zip(from) {
                weights[*row][*column] += weight / pieces;
            }
        }
        Attention { rows, columns, weights }
    }

    /// Returns the word of the source that each written word looked at most, as `SOURCE-TARGET` with numbers from 0:
    /// the format of Pharaoh, in the order of the written words.
    ///
    /// ```
    /// use unspool_task::Attention;
    /// let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
    /// let pieces = Attention {
    ///     rows: names(&["the", " house", ""]),                             // the last row is the end of the text
    ///     columns: names(&["hus", "et"]),
    ///     weights: vec![vec![0.1, 0.9], vec![0.8, 0.2], vec![0.5, 0.5]],
    /// };
    /// assert_eq!(pieces.pharaoh(), "0-0 0-1");                             // `huset` is one word
    /// ```
    pub fn pharaoh(&self) -> String {
        let words = self.over_words();
        let written = words.rows.iter().zip(&words.weights).enumerate().filter(|(_, (word, _))| !word.is_empty());
        let pairs = written.filter_map(|(target, (_, weights))| {
            let looked = weights.iter().enumerate().filter(|(source, _)| !words.columns[*source].is_empty());
            // Of equals the first.
            let most = looked.fold(None, |best: Option<(usize, f64)>, (source, weight)| match best {
                Some((_, most)) if *weight <= most => best,
                _ => Some((source, *weight)),
            });
            most.map(|(source, _)| format!("{source}-{target}"))
        });
        pairs.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attention_over_words_keeps_the_weight_of_each_word() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
        let pieces = Attention {
            rows: names(&["I", " kn", "ow", ""]),
            columns: names(&["Jag", " v", "et"]),
            weights: vec![vec![0.5, 0.25, 0.25], vec![0.0, 1.0, 0.0], vec![0.0, 0.5, 0.5], vec![0.25, 0.25, 0.5]],
        };
        let words = pieces.over_words();
        assert_eq!((words.rows, words.columns), (names(&["I", "know", ""]), names(&["Jag", "vet"])));
        assert_eq!(words.weights, [vec![0.5, 0.5], vec![0.0, 1.0], vec![0.25, 0.75]]);

        // The bytes of a character in several pieces: it belongs to the last of them.
        let bytes = Attention {
            rows: names(&["a", ""]),
            columns: names(&["", "두", " ", "", "지", "x"]),
            weights: vec![vec![0.1, 0.2, 0.1, 0.1, 0.25, 0.25], vec![0.0, 0.0, 0.0, 0.0, 0.0, 1.0]],
        };
        let words = bytes.over_words();
        assert_eq!((words.rows, words.columns), (names(&["a", ""]), names(&["두", "지x"])));
        assert!((words.weights[0][0] - 0.3).abs() < 1e-12 && words.weights[1] == [0.0, 1.0], "{:?}", words.weights);
    }
}
