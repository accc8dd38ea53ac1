//! One nearest neighbor.

/// Classifies a vector as its nearest neighbor (Cover and Hart 1967): the stored vector at the smallest Euclidean
/// distance, of equally near ones the first.
///
/// ```
/// use unspool_baselines::NearestNeighbor;
/// let mut known = NearestNeighbor::new(2);
/// known.add(&[0.0, 0.0], 5);
/// known.add(&[1.0, 1.0], 6);
/// assert_eq!((known.label(&[0.9, 0.8]), known.label(&[0.5, 0.5])), (Some(6), Some(5)));
/// assert_eq!(NearestNeighbor::new(2).label(&[0.0, 0.0]), None);
/// ```
#[derive(Clone, Debug)]
pub struct NearestNeighbor {
    size: usize,
    /// `[row, element]`
    points: Vec<f32>,
    labels: Vec<u32>,
}

/// Elements that are compared before a distance is given up as too large.
const AT_ONCE: usize = 32;

impl NearestNeighbor {
    /// Returns an empty store of vectors of `size` elements.
    pub fn new(size: usize) -> NearestNeighbor {
        NearestNeighbor { size: size.max(1), points: vec![], labels: vec![] }
    }

    /// Stores a vector with its label. One of another size is cut, or filled with zeros.
    pub fn add(&mut self, point: &[f32], label: u32) {
        self.points.extend(point.iter().copied().chain(std::iter::repeat(0.0)).take(self.size));
        self.labels.push(label);
    }

    /// Returns the number of vectors that are stored.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Returns whether no vector is stored.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Returns the label of the nearest neighbor; none where no vector is stored. Elements beyond those of the stored
    /// vectors are not looked at.
    pub fn label(&self, point: &[f32]) -> Option<u32> {
        let mut nearest = (f32::INFINITY, self.labels.first().copied());
        for (stored, label) in self.points.chunks_exact(self.size).zip(&self.labels) {
            let mut distance = 0.0;
            for (a, b) in stored.chunks(AT_ONCE).zip(point.chunks(AT_ONCE)) {
                distance += squared_distance(a, b);
                if distance >= nearest.0 {
                    break;
                }
            }
            if distance < nearest.0 {
                nearest = (distance, Some(*label));
            }
        }
        nearest.1
    }
}

/// Σ (a − b)², in eight sums that fit a register of the processor. The order of the additions is fixed.
fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    let (a, b) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0f32; 8];
    for (a, b) in a.0.iter().zip(b.0) {
        for place in 0..8 {
            let difference = a[place] - b[place];
            sums[place] += difference * difference;
        }
    }
    let rest: f32 = a.1.iter().zip(b.1).map(|(a, b)| (a - b) * (a - b)).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_nearest_of_all(
            points in prop::collection::vec(prop::collection::vec(-4i8..4, 70), 1..20),
            asked in prop::collection::vec(-4i8..4, 70),
        ) {
            let wide = |point: &[i8]| point.iter().map(|x| f32::from(*x)).collect::<Vec<_>>();
            let mut known = NearestNeighbor::new(70);
            points.iter().zip(0..).for_each(|(point, label)| known.add(&wide(point), label));
            let distance = |point: &[i8]| -> i32 {
                point.iter().zip(&asked).map(|(a, b)| (i32::from(*a) - i32::from(*b)).pow(2)).sum()
            };
            let nearest = (0..points.len()).min_by_key(|row| distance(&points[*row])).unwrap();
            prop_assert_eq!(known.label(&wide(&asked)), Some(nearest as u32));
            prop_assert_eq!((known.len(), known.is_empty()), (points.len(), false));
        }
    }
}
