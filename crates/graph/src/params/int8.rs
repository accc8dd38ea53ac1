//! Parameters as 8-bit integers, for models that are used and no longer trained.

use super::{Param, Params};
use crate::{Error, Result, element::Either, kernels::integer, view::Packs};

/// The greatest integer; −128 is not used, so that the integers are symmetric.
const GREATEST: f32 = i8::MAX as f32;

/// Holds a matrix as 8-bit integers with a scale for each row: `w[i, j] = scales[i] · values[i, j]`.
///
/// A layer here multiplies by the transpose of its weight `[out, in]`, as PyTorch does, so that a row is a column of
/// the matrix on the right of the product, and belongs to one output.
///
/// ```
/// use unspool_graph::{Params, init};
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [2, 2], init::values(vec![1.0, -0.3, 0.0, 127.0]));
/// params.quantize(w)?;
/// let int8 = params.int8(w).unwrap();
/// assert_eq!((&int8.values[..], &int8.scales[..]), (&[127, -38, 0, 127][..], &[1.0 / 127.0, 1.0][..]));
/// assert_eq!(params.elements_of::<f32>(w).unwrap()[1], -38.0 * (1.0 / 127.0)); // the nearest there is to −0.3
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Int8 {
    /// Integers from −127 to 127, row by row.
    pub values: Vec<i8>,
    /// One positive number for each row.
    pub scales: Vec<f32>,
}

impl Int8 {
    /// Rounds a matrix of finite numbers, `columns` to a row. The scale of a row is its greatest magnitude over 127, so
    /// that the error of an element is at most half the scale. A row of zeros, or of numbers that are too small to have
    /// a scale, gives zeros.
    fn round(matrix: &[f32], columns: usize) -> Int8 {
        let greatest = |row: &[f32]| row.iter().fold(0.0f32, |greatest, w| greatest.max(w.abs()));
        let scale = |row: &[f32]| (greatest(row) / GREATEST).clamp(f32::MIN_POSITIVE, LARGEST_SCALE);
        let scales: Vec<f32> = matrix.chunks_exact(columns).map(scale).collect();
        let rows = matrix.chunks_exact(columns).zip(&scales);
        Int8 { values: rows.flat_map(|(row, &scale)| row.iter().map(move |&w| integer(w, scale))).collect(), scales }
    }
}

/// The largest scale that 127 can be multiplied by.
const LARGEST_SCALE: f32 = f32::MAX / 128.0;

impl Params {
    /// Rounds a matrix to [`Int8`], in its place: its values become those that the integers stand for, and products by
    /// it read the integers, a quarter of the bytes. A product of few rows, such as a step of decoding, waits for its
    /// weights, and takes less time for it.
    ///
    /// A product has the bits that the rounded values give in single precision, for any number of rows and threads and
    /// on every processor. A parameter that is written ([`set`](Params::set), [`f32_mut`](Params::f32_mut), an
    /// optimizer) is an ordinary one again, and so is its copy in double precision.
    ///
    /// Source: per-channel symmetric quantization of weights, Krishnamoorthi, "[Quantizing deep convolutional networks
    /// for efficient inference](https://arxiv.org/abs/1806.08342)", 2018, section 3.1.
    ///
    /// # Errors
    /// The parameter is of another store, in double precision, not finite, or has not two axes.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params, init};
    /// let mut params = Params::seeded(1);
    /// let w = params.scope("layer").add("weight", [64, 32], init::uniform(0.1));
    /// let output = |params: &Params| {
    ///     let graph = Graph::inference(params);
    ///     graph.full([1, 32], 1.0).linear(w, None::<unspool_graph::Var>).value()
    /// };
    /// let before = output(&params)?;
    /// params.quantize(w)?;
    /// let error = |(a, b): (&f64, &f64)| (a - b).abs();
    /// let errors: Vec<f64> = before.to_f64().iter().zip(&output(&params)?.to_f64()).map(error).collect();
    /// assert!(errors.iter().all(|&error| error < 32.0 * 0.1 / 127.0 / 2.0));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn quantize(&mut self, p: Param) -> Result<()> {
        let columns = self.columns(p)?;
        let values = self.elements_of::<f32>(p).unwrap_or_default();
        if !values.iter().all(|w| w.is_finite()) {
            return Err(self.not_quantized(p, "an element is not finite"));
        }
        let int8 = Int8::round(values, columns);
        self.set_int8(p, &int8)
    }

    /// Returns a parameter's integers and scales, if it is quantized.
    ///
    /// See [`Params::quantize`].
    pub fn int8(&self, p: Param) -> Option<Int8> {
        let Either::F32(arrays) = &self.arrays else { return None };
        let scales = arrays.panels[self.index(p)?].scales()?;
        let values = self.elements_of::<f32>(p)?;
        let rows = values.chunks_exact(values.len() / scales.len()).zip(scales);
        let values = rows.flat_map(|(row, &scale)| row.iter().map(move |&w| integer(w, scale))).collect();
        Some(Int8 { values, scales: scales.to_vec() })
    }

    /// Puts integers and scales in a parameter's place, as [`int8`](Params::int8) returns them.
    ///
    /// # Errors
    /// As [`quantize`](Params::quantize); there must be a value for each element and a scale for each row, and a scale
    /// is a positive normal number that 127 can be multiplied by.
    ///
    /// ```
    /// use unspool_graph::{Int8, Params, init};
    /// let mut params = Params::seeded(0);
    /// let w = params.scope("m").add("w", [2, 2], init::zeros());
    /// let int8 = Int8 { values: vec![1, -2, 3, 127], scales: vec![0.5, 0.25] };
    /// params.set_int8(w, &int8)?;
    /// assert_eq!(params.elements_of::<f32>(w), Some(&[0.5, -1.0, 0.75, 31.75][..]));
    /// assert_eq!(params.int8(w), Some(int8));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn set_int8(&mut self, p: Param, int8: &Int8) -> Result<()> {
        let columns = self.columns(p)?;
        let elements = self.shape(p).elements();
        if (int8.values.len(), int8.scales.len() * columns) != (elements, elements) {
            return Err(self.not_quantized(p, "it needs an integer for each element and a scale for each row"));
        }
        if !int8.scales.iter().all(|scale| (f32::MIN_POSITIVE..=LARGEST_SCALE).contains(scale)) {
            return Err(self.not_quantized(p, "a scale is no positive number of ordinary size"));
        }
        let (Either::F32(arrays), index) = (&mut self.arrays, p.index as usize) else {
            return Err(Error::Foreign { what: "a parameter" });
        };
        let rows = int8.values.chunks_exact(columns).zip(&int8.scales);
        let values = rows.flat_map(|(row, scale)| row.iter().map(move |&q| f32::from(q) * scale));
        arrays.one_for_writing(index).iter_mut().zip(values).for_each(|(w, value)| *w = value);
        arrays.panels[index] = Packs::of_int8(int8.scales.clone());
        Ok(())
    }

    /// The number of columns of a matrix in single precision.
    fn columns(&self, p: Param) -> Result<usize> {
        self.check_param(p)?;
        match (&self.arrays, &*self.shape(p)) {
            (Either::F64(_), _) => Err(self.not_quantized(p, "the store is in double precision")),
            (_, &[_, columns]) => Ok(columns),
            _ => Err(self.not_quantized(p, "it is no matrix")),
        }
    }

    fn not_quantized(&self, p: Param, why: &'static str) -> Error {
        Error::Quantize { name: self.name(p).to_owned(), why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Graph, Var, init};
    use proptest::prelude::*;

    fn store(rows: usize, columns: usize, values: Vec<f64>) -> (Params, Param) {
        let mut params = Params::seeded(0);
        let w = params.scope("m").add("w", [rows, columns], init::values(values));
        (params, w)
    }

    #[test]
    fn each_row_has_its_own_scale_and_zeros_outliers_and_denormals_keep_theirs() {
        let tiny = f64::from(f32::MIN_POSITIVE / 4.0);
        let rows =
            [[0.0; 3], [1.0, -2.0, 1000.0], [0.1, 0.2, -0.3], [tiny, 0.0, -tiny], [f64::from(f32::MAX), 0.0, 1.0]];
        let (mut params, w) = store(5, 3, rows.concat());
        params.quantize(w).unwrap();
        let int8 = params.int8(w).unwrap();
        let expected = [[0, 0, 0], [0, 0, 127], [42, 85, -127], [0, 0, 0], [127, 0, 0]].concat();
        assert_eq!(int8.values, expected);
        assert!(params.elements_of::<f32>(w).unwrap().iter().all(|w| w.is_finite()));
        // An element is off by at most half a scale.
        let errors = rows.concat().into_iter().zip(params.elements_of::<f32>(w).unwrap());
        for (at, (before, &after)) in errors.enumerate() {
            let half = f64::from(int8.scales[at / 3]) * 0.5001;
            assert!((before - f64::from(after)).abs() <= half || before > 1e38, "{at}: {before} {after}");
        }
    }

    proptest! {
        #[test]
        fn integers_come_back_from_the_values(
            (columns, values) in (1usize..9).prop_flat_map(|columns| {
                (Just(columns), proptest::collection::vec(-127i8..=127, columns * 4))
            }),
            scales in proptest::collection::vec(f32::MIN_POSITIVE..=LARGEST_SCALE, 4),
        ) {
            let (mut params, w) = store(4, columns, vec![0.0; 4 * columns]);
            let int8 = Int8 { values, scales };
            params.set_int8(w, &int8).unwrap();
            prop_assert_eq!(params.int8(w), Some(int8.clone()));
            // A copy has the same integers, and the same values.
            let before = params.elements_of::<f32>(w).unwrap().to_vec();
            let copy = params.clone();
            prop_assert_eq!(copy.int8(w), Some(int8));
            prop_assert_eq!(copy.elements_of::<f32>(w).unwrap(), &before[..]);
        }

        #[test]
        fn a_product_by_integers_has_the_bits_of_the_product_by_their_values(
            m in 1usize..70, k in 1usize..50, n in 1usize..60, seed in 0u64..1000,
        ) {
            let mut params = Params::seeded(seed);
            let [by_columns, by_rows] = [[n, k], [k, n]].map(|shape| {
                let name = format!("{shape:?}");
                params.scope("m").add(if n == k { "a" } else { &name }, shape, init::normal(1.0))
            });
            prop_assume!(params.check().is_ok());
            let x: Vec<f32> = params.elements_of::<f32>(by_rows).unwrap().iter().copied().cycle().take(m * k).collect();
            params.quantize(by_columns).unwrap();
            params.quantize(by_rows).unwrap();
            let mut numbers = params.clone();
            numbers.f32_mut();
            prop_assert!(numbers.int8(by_rows).is_none());
            let products = |params: &Params| {
                let graph = Graph::inference(params);
                let x = graph.input(ndarray::Array2::from_shape_vec((m, k), x.clone()).unwrap());
                (x.linear(by_columns, None::<Var>).value().unwrap(), x.matmul(by_rows).value().unwrap())
            };
            prop_assert_eq!(products(&params), products(&numbers));
        }
    }

    #[test]
    fn what_is_no_finite_matrix_in_single_precision_is_refused() {
        let (mut params, w) = store(2, 2, vec![1.0, f64::NAN, 0.0, 0.0]);
        let bias = params.scope("m").add("b", [2], init::zeros());
        let said = |result: Result<()>| result.unwrap_err().to_string();
        assert_eq!(said(params.quantize(w)), "parameter \"m.w\" cannot be quantized: an element is not finite");
        assert_eq!(said(params.quantize(bias)), "parameter \"m.b\" cannot be quantized: it is no matrix");
        assert!(said(params.to_f64().quantize(w)).contains("double precision"));
        assert!(params.int8(w).is_none());
        for (values, scales) in [(3, vec![1.0; 2]), (4, vec![1.0; 3]), (4, vec![1.0, 0.0]), (4, vec![f32::MAX, 1.0])] {
            assert!(params.set_int8(w, &Int8 { values: vec![0; values], scales }).is_err());
        }
    }
}
