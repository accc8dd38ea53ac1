//! The table of edit distances that TER shifts words by: its values within a beam around the diagonal, which operation
//! led to each, and the alignment of words that follows.

/// Cells on each side of the diagonal.
const BEAM: usize = 25;

/// More than any real cost.
const FAR: u32 = u32::MAX / 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit {
    Keep,
    Replace,
    /// A word of the hypothesis that the reference lacks.
    Delete,
    /// A word of the reference that the hypothesis lacks.
    Insert,
}

/// A row of the table: the cells of one hypothesis word that are within the beam.
#[derive(Clone, Debug, Default)]
struct Row {
    /// The column of the first.
    start: usize,
    cells: Vec<(u32, Edit)>,
}

impl Row {
    fn cost(&self, column: usize) -> u32 {
        let place = column.checked_sub(self.start);
        place.and_then(|place| self.cells.get(place)).map_or(FAR, |(cost, _)| *cost)
    }
}

/// Holds the edit distances between the beginnings of a hypothesis and those of a reference.
///
/// Row i and column j stand for the first i words of the one and the first j words of the other. Memory grows with
/// the sum of both lengths, not with their product.
#[derive(Debug)]
pub(super) struct EditMatrix<'a> {
    words: &'a [u32],
    reference: &'a [u32],
    rows: Vec<Row>,
}

/// Holds which words of two sentences correspond.
pub(super) struct Alignment {
    /// For each word of the reference, the word of the hypothesis that it is aligned to, or the last one before; −1
    /// before the first.
    pub(super) hypothesis_of: Vec<isize>,
    /// Whether each word of the reference has no equal word.
    pub(super) reference_errors: Vec<bool>,
    /// Whether each word of the hypothesis has no equal word.
    pub(super) hypothesis_errors: Vec<bool>,
}

impl<'a> EditMatrix<'a> {
    pub(super) fn new(words: &'a [u32], reference: &'a [u32]) -> Self {
        let first = (0..=reference.len() as u32).map(|cost| (cost, Edit::Insert)).collect();
        let mut matrix = EditMatrix { words, reference, rows: vec![Row { start: 0, cells: first }] };
        for number in 1..=words.len() {
            let mut row = Row::default();
            matrix.fill(words, number, &matrix.rows[number - 1], &mut row);
            matrix.rows.push(row);
        }
        matrix
    }

    /// Returns the edit distance of the whole sentences.
    pub(super) fn distance(&self) -> u32 {
        self.rows.last().map_or(0, |row| row.cost(self.reference.len()))
    }

    /// Returns the edit distance of another hypothesis with the same words in another order. The rows of the words with
    /// which both begin are used again.
    pub(super) fn distance_of(&self, other: &[u32]) -> u32 {
        let same = self.words.iter().zip(other).take_while(|(a, b)| a == b).count();
        if same == self.words.len() {
            return self.distance();
        }
        let (mut above, mut row) = (Row::default(), Row::default());
        self.fill(other, same + 1, &self.rows[same], &mut above);
        for number in same + 2..=other.len() {
            self.fill(other, number, &above, &mut row);
            std::mem::swap(&mut above, &mut row);
        }
        above.cost(self.reference.len())
    }

    /// Computes row `number` of the table of a hypothesis from the row above.
    fn fill(&self, words: &[u32], number: usize, above: &Row, row: &mut Row) {
        let columns = self.reference.len() + 1;
        // The diagonal is steep where the hypothesis is shorter. Wide steps need a wider beam, so that rows overlap.
        let slope = self.reference.len() as f64 / words.len() as f64;
        let beam = if (BEAM as f64) < slope / 2.0 { (slope / 2.0 + BEAM as f64).ceil() as usize } else { BEAM };
        let diagonal = (number as f64 * slope).floor() as usize;
        row.start = diagonal.saturating_sub(beam);
        let end = if number == words.len() { columns } else { columns.min(diagonal + beam) };
        row.cells.clear();
        let word = words[number - 1];
        let (mut diagonal, mut left) = (row.start.checked_sub(1).map_or(FAR, |column| above.cost(column)), FAR);
        for column in row.start..end {
            let over = above.cost(column);
            let cell = match column.checked_sub(1).map(|before| self.reference[before] == word) {
                None => (over + 1, Edit::Delete),
                Some(is_same) => {
                    let kept = if is_same { (diagonal, Edit::Keep) } else { (diagonal + 1, Edit::Replace) };
                    // Of equal costs the first counts.
                    [kept, (over + 1, Edit::Delete), (left + 1, Edit::Insert)]
                        .into_iter()
                        .fold((FAR, Edit::Replace), |best, cell| if cell.0 < best.0 { cell } else { best })
                }
            };
            row.cells.push(cell);
            (diagonal, left) = (over, cell.0);
        }
    }

    /// Returns which words correspond along the path of the fewest edits.
    pub(super) fn alignment(&self) -> Alignment {
        let (mut i, mut j) = (self.words.len(), self.reference.len());
        let mut alignment =
            Alignment { hypothesis_of: vec![-1; j], reference_errors: vec![true; j], hypothesis_errors: vec![true; i] };
        while i > 0 || j > 0 {
            let row = &self.rows[i];
            let edit = j.checked_sub(row.start).and_then(|place| row.cells.get(place)).map(|(_, edit)| *edit);
            match edit {
                Some(Edit::Insert) if j > 0 => {
                    j -= 1;
                    alignment.hypothesis_of[j] = i as isize - 1;
                }
                Some(Edit::Keep | Edit::Replace) if i > 0 && j > 0 => {
                    (i, j) = (i - 1, j - 1);
                    alignment.hypothesis_of[j] = i as isize;
                    alignment.hypothesis_errors[i] = edit == Some(Edit::Replace);
                    alignment.reference_errors[j] = edit == Some(Edit::Replace);
                }
                _ if i > 0 => i -= 1,
                _ => j -= 1,
            }
        }
        alignment
    }
}

#[cfg(test)]
mod tests {
    use super::super::edit::Edits;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn within_the_beam_the_distance_is_the_edit_distance(
            words in prop::collection::vec(0u32..4, 0..20), reference in prop::collection::vec(0u32..4, 1..20),
            seed in any::<usize>(),
        ) {
            let matrix = EditMatrix::new(&words, &reference);
            prop_assert_eq!(u64::from(matrix.distance()), Edits::between(&words, &reference).total());
            let mut other = words.clone();
            if !other.is_empty() {
                let middle = seed % other.len();
                other.rotate_left(middle);
            }
            prop_assert_eq!(u64::from(matrix.distance_of(&other)), Edits::between(&other, &reference).total());
            // Each word without an error has its equal, and the errors are as many as the distance at least.
            let alignment = matrix.alignment();
            for (place, _) in alignment.reference_errors.iter().enumerate().filter(|(_, error)| !**error) {
                prop_assert_eq!(words[alignment.hypothesis_of[place] as usize], reference[place]);
            }
            let errors = |errors: &[bool]| errors.iter().filter(|error| **error).count();
            let (wrong, missing) = (errors(&alignment.hypothesis_errors), errors(&alignment.reference_errors));
            prop_assert!(wrong.max(missing) as u32 <= matrix.distance());
        }
    }

    #[test]
    fn lengths_that_differ_a_hundredfold_have_a_distance() {
        let long: Vec<u32> = (0..5000).collect();
        assert_eq!(EditMatrix::new(&[4990], &long).distance(), 4999);
        // As in sacrebleu, an equal word that is too far from the diagonal is not found.
        assert_eq!(EditMatrix::new(&[7], &long).distance(), 5000);
        assert_eq!(EditMatrix::new(&long, &[7]).distance(), 4999);
        assert_eq!(EditMatrix::new(&[], &long).distance(), 5000);
        for words in [50, 99, 100, 101] {
            // The slope at which a wider beam begins is 50.
            assert_eq!(EditMatrix::new(&vec![5001; words], &long).distance(), 5000);
        }
    }
}
