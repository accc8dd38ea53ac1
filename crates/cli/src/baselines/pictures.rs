//! One nearest neighbor of pictures and films.

use crate::pictures::{Digit, SIDE, darkness};
use ndarray::{ArrayView, ArrayView2, Dimension};
use unspool_baselines::{NearestNeighbor, Sample};
use unspool_task::{Result, check_signals};

/// Films of the train part that a film is compared with, and films whose frames a frame is compared with.
pub(crate) const FILMS: usize = 2000;
pub(crate) const FILMS_OF_FRAMES: usize = 50;

/// Products of numbers, at most, that the distances of all that is asked take: some seconds. With more the known ones
/// are thinned out.
const MOST_PRODUCTS: usize = 8_000_000_000;

/// The values of the nearest digits.
pub(crate) fn digits<'a>(known: &'a [Digit], asked: impl Iterator<Item = ArrayView2<'a, u8>>) -> Result<Vec<u32>> {
    nearest(known.iter().map(|digit| (digit.picture.view(), digit.value)), asked)
}

/// The labels of the nearest neighbors of some arrays of gray levels, all of one size.
pub(crate) fn nearest<'a, D: Dimension + 'a>(
    known: impl Iterator<Item = (ArrayView<'a, u8, D>, u32)>,
    asked: impl Iterator<Item = ArrayView<'a, u8, D>>,
) -> Result<Vec<u32>> {
    let numbers = |levels: &ArrayView<'a, u8, D>| levels.iter().map(|level| darkness(*level)).collect::<Vec<f32>>();
    let asked: Vec<_> = asked.collect();
    let size = asked.first().map_or(SIDE * SIDE, |levels| levels.len());
    let mut sample = Sample::new(MOST_PRODUCTS / size.max(1) / asked.len().max(1));
    known.for_each(|known| sample.add(1, known));
    let mut neighbors = NearestNeighbor::new(size);
    sample.into_items().iter().for_each(|(levels, label)| neighbors.add(&numbers(levels), *label));
    let label = |levels: &ArrayView<'a, u8, D>| {
        check_signals()?;
        Ok(neighbors.label(&numbers(levels)).unwrap_or(0))
    };
    asked.iter().map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_label_is_that_of_the_nearest() {
        let known = [(array![[0u8, 16], [0, 0]], 3), (array![[16, 0], [0, 0]], 4)];
        let asked = [array![[12u8, 1], [2, 0]], array![[0, 9], [0, 1]]];
        let known = || known.iter().map(|(levels, label)| (levels.view(), *label));
        assert_eq!(nearest(known(), asked.iter().map(|levels| levels.view())).unwrap(), [4, 3]);
        assert_eq!(nearest(known().take(0), asked.iter().map(|levels| levels.view())).unwrap(), [0, 0]);
        assert!(nearest(known(), std::iter::empty()).unwrap().is_empty());
    }
}
