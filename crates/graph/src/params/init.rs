//! Initial values, by their names in the field. Each is a function of a shape and of random numbers that are the
//! parameter's own.
//!
//! For a weight `[out, in]` (or `[out, in, height, width]`) fan-in is in·height·width and fan-out is out·height·width.
//!
//! ```
//! use unspool_graph::{Params, init};
//! let made = |seed| {
//!     let mut params = Params::seeded(seed);
//!     let w = params.scope("rnn").add("w_hh", [3, 3], init::orthogonal(1.0));
//!     params.value(w).unwrap()
//! };
//! assert_eq!(made(7), made(7));
//! assert_ne!(made(7), made(8));
//!
//! // An initializer of one's own is a function: ones, but for the second third of the elements.
//! let mut params = Params::seeded(7);
//! let forget_gate = |shape: &unspool_graph::Shape, _| {
//!     let third = shape.elements() / 3;
//!     (0..shape.elements()).map(|i| if i / third == 1 { 1.0 } else { 0.0 }).collect()
//! };
//! let bias = params.scope("gates").add("bias", [6], forget_gate);
//! assert_eq!(params.elements_of::<f32>(bias), Some(&[0.0, 0.0, 1.0, 1.0, 0.0, 0.0][..]));
//! ```

use crate::{RngKey, Shape};

/// Makes every element 0.
///
/// ```
/// use unspool_graph::{Params, init};
/// let mut params = Params::seeded(0);
/// let bias = params.scope("m").add("bias", [2], init::zeros());
/// assert_eq!(params.elements_of::<f32>(bias), Some(&[0.0, 0.0][..]));
/// ```
pub fn zeros() -> impl FnOnce(&Shape, RngKey) -> Vec<f64> {
    constant(0.0)
}
/// Makes every element `value`.
///
/// ```
/// use unspool_graph::{Params, init};
/// let mut params = Params::seeded(0);
/// let bias = params.scope("m").add("bias", [2], init::constant(1.5));
/// assert_eq!(params.elements_of::<f32>(bias), Some(&[1.5, 1.5][..]));
/// ```
pub fn constant(value: f64) -> impl FnOnce(&Shape, RngKey) -> Vec<f64> {
    move |shape, _| vec![value; shape.elements()]
}
/// Gives these elements, row by row.
///
/// ```
/// use unspool_graph::{Params, init};
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [1, 2], init::values(vec![3.0, 4.0]));
/// assert_eq!(params.elements_of::<f32>(w), Some(&[3.0, 4.0][..]));
/// ```
pub fn values(values: Vec<f64>) -> impl FnOnce(&Shape, RngKey) -> Vec<f64> {
    move |_, _| values
}
/// Draws from the uniform distribution in [−bound, bound).
///
/// ```
/// use unspool_graph::{Params, init};
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [10, 10], init::uniform(0.1));
/// assert!(params.elements_of::<f32>(w).unwrap().iter().all(|w| w.abs() <= 0.1));
/// ```
pub fn uniform(bound: f64) -> impl FnOnce(&Shape, RngKey) -> Vec<f64> {
    move |shape, draw| (0..shape.elements() as u64).map(|i| (2.0 * draw.uniform(i) - 1.0) * bound).collect()
}
/// Draws from the normal distribution with mean 0 and this standard deviation.
///
/// ```
/// use unspool_graph::{Params, init};
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [100, 100], init::normal(0.5));
/// let squares: f32 = params.elements_of::<f32>(w).unwrap().iter().map(|w| w * w).sum();
/// assert!(((squares / 1e4).sqrt() - 0.5).abs() < 0.02);
/// ```
pub fn normal(deviation: f64) -> impl FnOnce(&Shape, RngKey) -> Vec<f64> {
    move |shape, draw| (0..shape.elements() as u64).map(|i| draw.normal(i) * deviation).collect()
}
fn fans(shape: &Shape) -> (f64, f64) {
    let area: usize = shape.iter().skip(2).product();
    let (out, into) = (shape.first().copied().unwrap_or(1), shape.get(1).copied().unwrap_or(1));
    ((into * area) as f64, (out * area) as f64)
}
/// Draws from the uniform distribution with bound √(6 / (fan-in + fan-out)) (Glorot and Bengio 2010).
///
/// ```
/// use unspool_graph::{Params, init};
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [4, 2], init::xavier_uniform());
/// assert!(params.elements_of::<f32>(w).unwrap().iter().all(|w| w.abs() <= 1.0)); // √(6 / (2 + 4))
/// ```
pub fn xavier_uniform() -> impl FnOnce(&Shape, RngKey) -> Vec<f64> {
    |shape, draw| {
        let (into, out) = fans(shape);
        uniform((6.0 / (into + out)).sqrt())(shape, draw)
    }
}
/// Draws from the normal distribution with deviation √(2 / (fan-in + fan-out)) (Glorot and Bengio 2010).
///
/// ```
/// use unspool_graph::{Params, init};
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [100, 100], init::xavier_normal());
/// let squares: f32 = params.elements_of::<f32>(w).unwrap().iter().map(|w| w * w).sum();
/// assert!(((squares / 1e4).sqrt() - 0.1).abs() < 0.01); // √(2 / 200)
/// ```
pub fn xavier_normal() -> impl FnOnce(&Shape, RngKey) -> Vec<f64> {
    |shape, draw| {
        let (into, out) = fans(shape);
        normal((2.0 / (into + out)).sqrt())(shape, draw)
    }
}
/// Draws from the uniform distribution with bound √(6 / fan-in), for ReLU (He and others 2015).
///
/// ```
/// use unspool_graph::{Params, init};
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [4, 6], init::kaiming_uniform());
/// assert!(params.elements_of::<f32>(w).unwrap().iter().all(|w| w.abs() <= 1.0)); // √(6 / 6)
/// ```
pub fn kaiming_uniform() -> impl FnOnce(&Shape, RngKey) -> Vec<f64> {
    |shape, draw| uniform((6.0 / fans(shape).0).sqrt())(shape, draw)
}
/// Draws from the normal distribution with deviation √(2 / fan-in), for ReLU (He and others 2015).
///
/// ```
/// use unspool_graph::{Params, init};
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [100, 200], init::kaiming_normal());
/// let squares: f32 = params.elements_of::<f32>(w).unwrap().iter().map(|w| w * w).sum();
/// assert!(((squares / 2e4).sqrt() - 0.1).abs() < 0.01); // √(2 / 200)
/// ```
pub fn kaiming_normal() -> impl FnOnce(&Shape, RngKey) -> Vec<f64> {
    |shape, draw| normal((2.0 / fans(shape).0).sqrt())(shape, draw)
}
/// Gives ones where row and column are the same, zeros elsewhere (Le, Jaitly and Hinton 2015, for recurrent ReLU
/// layers).
///
/// ```
/// use unspool_graph::{Params, init};
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [2, 2], init::identity());
/// assert_eq!(params.elements_of::<f32>(w), Some(&[1.0, 0.0, 0.0, 1.0][..]));
/// ```
pub fn identity() -> impl FnOnce(&Shape, RngKey) -> Vec<f64> {
    |shape, _| {
        let columns = shape.last_axis();
        (0..shape.elements()).map(|i| if i / columns == i % columns { 1.0 } else { 0.0 }).collect()
    }
}
/// Makes orthonormal rows or columns, whichever are fewer, times `gain` (Saxe, McClelland and Ganguli 2014), by Gram
/// and Schmidt, done twice, on normal numbers. A stack of square blocks, as in gated layers, is made block by block.
///
/// ```
/// use unspool_graph::{Graph, Params, init};
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [4, 4], init::orthogonal(1.0));
/// let graph = Graph::new(&params);
/// let x = graph.input(ndarray::array![[3.0f32, 0.0, 4.0, 0.0]]);
/// assert!((x.matmul(w).norm(&[]).item()? - 5.0).abs() < 1e-5); // it turns, and keeps the length
/// # Ok::<(), unspool_graph::Error>(())
/// ```
pub fn orthogonal(gain: f64) -> impl FnOnce(&Shape, RngKey) -> Vec<f64> {
    move |shape, draw| {
        let columns = shape.last_axis();
        let rows = shape.elements() / columns.max(1);
        let block = if columns > 0 && rows > columns && rows.is_multiple_of(columns) { columns } else { rows };
        let mut out = Vec::with_capacity(rows * columns);
        for b in 0..rows / block.max(1) {
            out.extend(orthonormal(block, columns, draw.fold_in(b as u64)).into_iter().map(|x| x * gain));
        }
        out
    }
}

fn orthonormal(rows: usize, columns: usize, draw: RngKey) -> Vec<f64> {
    let (count, length) = (rows.min(columns), rows.max(columns));
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    for i in 0..count {
        let mut v: Vec<f64> = (0..length).map(|j| draw.normal((i * length + j) as u64)).collect();
        for u in basis.iter().chain(basis.iter()) {
            let along: f64 = u.iter().zip(&v).map(|(a, b)| a * b).sum();
            v.iter_mut().zip(u).for_each(|(v, u)| *v -= along * u);
        }
        let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        v.iter_mut().for_each(|x| *x /= norm);
        basis.push(v);
    }
    let at = |i: usize, j: usize| if rows <= columns { basis[i][j] } else { basis[j][i] };
    (0..rows * columns).map(|k| at(k / columns, k % columns)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orthogonal_blocks_are_orthogonal() {
        let w = orthogonal(1.0)(&Shape::from([6, 3]), RngKey::seed(1));
        for block in w.chunks(9) {
            for i in 0..3 {
                for j in 0..3 {
                    let dot: f64 = (0..3).map(|k| block[i * 3 + k] * block[j * 3 + k]).sum();
                    assert!((dot - f64::from(i == j)).abs() < 1e-12);
                }
            }
        }
    }
}
