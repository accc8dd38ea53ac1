//! The steps of one chunk of one head at once, as products of matrices.
//!
//! Inside a chunk, step i multiplies the state at the chunk's start by D_i = α_1 ⋯ α_i, and what step j wrote by
//! M_ij = α_{j+1} ⋯ α_i. With U for what the steps write, row by row,
//!
//! - S_i = D_i S_0 + Σ_{j ≤ i} M_ij u_j k_jᵀ
//! - o_i = S_i q_i:  O = D ∘ (Q S_0ᵀ) + (M ∘ Q Kᵀ) U
//!
//! Without the delta term u_j = v_j. With it u_i = β_i (v_i − α_i S_{i−1} k_i), a triangular system:
//!
//! - (1 + A) U = β ∘ (V − D ∘ (K S_0ᵀ)),  A_ij = β_i M_ij (k_i · k_j) for j < i
//!
//! (Yang and others 2024, "Parallelizing Linear Transformers with the Delta Rule over Sequence Length", section 3, and
//! "Gated Delta Networks", section 3.3.) The products of decays are made by multiplication, from one row of M to the
//! next, never as quotients or differences of long sums: nothing overflows, and a decay of 0 is an ordinary number.
//! Likewise no gradient of a decay is a difference of sums.

use unspool_graph::{Element, Matrix, Precision, lane_sum, matrix_product};

/// The operands of a chunk's steps, each row by row.
pub(super) struct Chunk<E> {
    pub(super) steps: usize,
    pub(super) key: usize,
    pub(super) value: usize,
    /// `[step, key]`
    pub(super) q: Vec<E>,
    pub(super) k: Vec<E>,
    /// `[step, value]`
    pub(super) v: Vec<E>,
    /// `[step]`
    pub(super) log_alpha: Vec<E>,
    /// `[step]`, with the delta term.
    pub(super) beta: Option<Vec<E>>,
}

/// What is computed on the way, and again for the backward pass.
struct Inside<E> {
    /// D, `[step]`.
    decay: Vec<E>,
    /// M, `[step, step]`, zero above the diagonal.
    within: Vec<E>,
    /// Q Kᵀ, `[step, step]`.
    scores: Vec<E>,
    /// U, `[step, value]`.
    written: Vec<E>,
    delta: Option<Delta<E>>,
}

/// What the delta term needs.
struct Delta<E> {
    /// K Kᵀ, `[step, step]`.
    products: Vec<E>,
    /// K S_0ᵀ, `[step, value]`.
    read: Vec<E>,
    /// −A, `[step, step]`, zero on and above the diagonal.
    system: Vec<E>,
}

/// The gradients of a chunk's operands.
pub(super) struct Slopes<E> {
    pub(super) q: Vec<E>,
    pub(super) k: Vec<E>,
    pub(super) v: Vec<E>,
    pub(super) log_alpha: Vec<E>,
    pub(super) beta: Vec<E>,
}

/// A·B.
fn product<E: Element>((m, k, n): (usize, usize, usize), a: Matrix<'_, E>, b: Matrix<'_, E>) -> Vec<E> {
    let mut c = vec![E::ZERO; m * n];
    matrix_product((m, k, n), a, b, &mut c, false);
    c
}

/// A product of decays below this is taken for 0: the root of the least normal number, 1e-19 in single precision. Where
/// subnormal numbers came of it, the products of matrices would take several times as long.
fn nothing<E: Element>() -> E {
    E::from_f64(match E::PRECISION {
        Precision::F32 => f64::from(f32::MIN_POSITIVE).sqrt(),
        Precision::F64 => f64::MIN_POSITIVE.sqrt(),
    })
}

/// The dot product of each row of `x` with that of `y`.
fn row_dots<E: Element>(x: &[E], y: &[E], width: usize) -> Vec<E> {
    let products: Vec<E> = x.iter().zip(y).map(|(&x, &y)| x * y).collect();
    products.chunks_exact(width).map(lane_sum).collect()
}

/// to += factor · x.
#[inline(always)]
fn add_scaled<E: Element>(factor: E, x: &[E], to: &mut [E]) {
    to.iter_mut().zip(x).for_each(|(to, &x)| *to += factor * x);
}

/// As many rows of a triangular system are solved one by one; what lies below is a product.
const BLOCK: usize = 16;

/// Solves (1 − L) X = R for the rows of X, which hold R at first; L `[size, size]` is zero on and above its diagonal.
fn solve<E: Element>(l: &[E], x: &mut [E], size: usize) {
    let width = x.len() / size;
    for first in (0..size).step_by(BLOCK) {
        let last = (first + BLOCK).min(size);
        let (done, rest) = x.split_at_mut(first * width);
        let block = &mut rest[..(last - first) * width];
        let below = Matrix::rows(&l[first * size..], size);
        matrix_product((last - first, first, width), below, Matrix::rows(done, width), block, true);
        E::vectorize(
            #[inline(always)]
            || {
                for i in first..last {
                    let (above, row) = block.split_at_mut((i - first) * width);
                    for (x, &factor) in above.chunks_exact(width).zip(&l[i * size + first..]) {
                        add_scaled(factor, x, &mut row[..width]);
                    }
                }
            },
        );
    }
}

/// Solves (1 − Lᵀ) X = R as [`solve`] does, from the last row up.
fn solve_transposed<E: Element>(l: &[E], x: &mut [E], size: usize) {
    let width = x.len() / size;
    for first in (0..size).step_by(BLOCK).rev() {
        let last = (first + BLOCK).min(size);
        let (rest, done) = x.split_at_mut(last * width);
        let block = &mut rest[first * width..];
        if last < size {
            let beside = Matrix::transposed(&l[last * size + first..], size);
            matrix_product((last - first, size - last, width), beside, Matrix::rows(done, width), block, true);
        }
        E::vectorize(
            #[inline(always)]
            || {
                for i in (first..last).rev() {
                    let (above, row) = block.split_at_mut((i - first) * width);
                    for (x, &factor) in above.chunks_exact_mut(width).zip(&l[i * size + first..]) {
                        add_scaled(factor, &row[..width], x);
                    }
                }
            },
        );
    }
}

/// Each row of `x` times its factor.
fn scale_rows<E: Element>(factors: &[E], x: &mut [E]) {
    let width = x.len() / factors.len();
    for (row, &factor) in x.chunks_exact_mut(width).zip(factors) {
        row.iter_mut().for_each(|x| *x *= factor);
    }
}

/// The lower triangle of `x [size, size]` times that of `factors`; zeros above, whatever was there.
fn scale_lower<E: Element>(factors: &[E], x: &mut [E], size: usize) {
    for (i, (row, factors)) in x.chunks_exact_mut(size).zip(factors.chunks_exact(size)).enumerate() {
        let (lower, upper) = row.split_at_mut(i + 1);
        lower.iter_mut().zip(factors).for_each(|(x, &factor)| *x *= factor);
        upper.fill(E::ZERO);
    }
}

impl<E: Element> Chunk<E> {
    fn inside(&self, state: &[E]) -> Inside<E> {
        let (steps, key, value) = (self.steps, self.key, self.value);
        let (mut decay, mut within) = (vec![E::ONE; steps], vec![E::ZERO; steps * steps]);
        let nothing = nothing::<E>();
        let times = |x: E, alpha: E| if x * alpha < nothing { E::ZERO } else { x * alpha };
        for i in 0..steps {
            let alpha = self.log_alpha[i].exp();
            let (before, row) = within.split_at_mut(i * steps);
            row[i] = E::ONE;
            decay[i] = times(if i == 0 { E::ONE } else { decay[i - 1] }, alpha);
            if let Some(before) = before.rchunks_exact(steps).next() {
                row[..i].iter_mut().zip(before).for_each(|(row, &before)| *row = times(before, alpha));
            }
        }
        let (q, k) = (Matrix::rows(&self.q, key), Matrix::rows(&self.k, key));
        let keys = Matrix::transposed(&self.k, key);
        let scores = product((steps, key, steps), q, keys);
        let mut written = self.v.clone();
        let delta = self.beta.as_ref().map(|beta| {
            let products = product((steps, key, steps), k, keys);
            let read = product((steps, key, value), k, Matrix::transposed(state, key));
            let mut system = products.clone();
            for (i, (row, within)) in system.chunks_exact_mut(steps).zip(within.chunks_exact(steps)).enumerate() {
                row[..i].iter_mut().zip(within).for_each(|(a, &within)| *a *= -beta[i] * within);
                row[i..].fill(E::ZERO);
                let (row, read) = (&mut written[i * value..][..value], &read[i * value..][..value]);
                row.iter_mut().zip(read).for_each(|(u, &read)| *u = beta[i] * (*u - decay[i] * read));
            }
            solve(&system, &mut written, steps);
            Delta { products, read, system }
        });
        Inside { decay, within, scores, written, delta }
    }

    /// Writes the outputs `[step, value]`, and takes the state `[value, key]` to the chunk's end.
    pub(super) fn forward(&self, state: &mut [E], output: &mut [E]) {
        let (steps, key, value) = (self.steps, self.key, self.value);
        let Inside { decay, within, mut scores, written, .. } = self.inside(state);
        scale_lower(&within, &mut scores, steps);
        matrix_product((steps, key, value), Matrix::rows(&self.q, key), Matrix::transposed(state, key), output, false);
        scale_rows(&decay, output);
        matrix_product(
            (steps, steps, value),
            Matrix::rows(&scores, steps),
            Matrix::rows(&written, value),
            output,
            true,
        );
        let mut keys = self.k.clone();
        scale_rows(&within[(steps - 1) * steps..], &mut keys);
        state.iter_mut().for_each(|s| *s *= decay[steps - 1]);
        matrix_product((value, steps, key), Matrix::transposed(&written, value), Matrix::rows(&keys, key), state, true);
    }

    /// Takes the gradient of the state from the chunk's end to its start, and returns those of the operands. `state` is
    /// S_0; `to_output` is ∂L/∂O.
    ///
    /// The names are those of the [forward](self) formulas; W_ij = ∂L/∂M_ij · M_ij and w_i = ∂L/∂D_i · D_i collect what
    /// reaches the decays, of which ∂L/∂ln α_l = Σ_{i ≥ l} (w_i + Σ_{j < l} W_ij).
    pub(super) fn backward(&self, state: &[E], to_output: &[E], to_state: &mut [E]) -> Slopes<E> {
        let (steps, key, value) = (self.steps, self.key, self.value);
        let (q, k) = (Matrix::rows(&self.q, key), Matrix::rows(&self.k, key));
        let Inside { decay, within, scores, written, delta } = self.inside(state);
        let (to_o, u) = (Matrix::rows(to_output, value), Matrix::rows(&written, value));
        let kept = &within[(steps - 1) * steps..]; // M of the chunk's end
        let mut to_within = vec![E::ZERO; steps * steps];
        let mut to_decay = vec![E::ZERO; steps];

        // S_C = D_C S_0 + Σ_j M_Cj u_j k_jᵀ
        let mut to_u = product((steps, key, value), k, Matrix::transposed(to_state, key));
        let mut to_k = product((steps, value, key), u, Matrix::rows(to_state, key));
        let to_kept = row_dots(&written, &to_u, value);
        for ((to, kept), slope) in to_within[(steps - 1) * steps..].iter_mut().zip(kept).zip(to_kept) {
            *to = *kept * slope;
        }
        scale_rows(kept, &mut to_u);
        scale_rows(kept, &mut to_k);
        to_decay[steps - 1] = decay[steps - 1] * row_dots(to_state, state, key * value)[0];
        to_state.iter_mut().for_each(|s| *s *= decay[steps - 1]);

        // O = D ∘ (Q S_0ᵀ) + (M ∘ Q Kᵀ) U
        let read = product((steps, key, value), q, Matrix::transposed(state, key));
        let mut to_read = to_output.to_vec();
        scale_rows(&decay, &mut to_read);
        add_scaled(E::ONE, &row_dots(&to_read, &read, value), &mut to_decay);
        let mut to_q = product((steps, value, key), Matrix::rows(&to_read, value), Matrix::rows(state, key));
        let from_q = Matrix::transposed(&to_read, value);
        matrix_product((value, steps, key), from_q, q, to_state, true);
        let mut to_scores = product((steps, value, steps), to_o, Matrix::transposed(&written, value));
        let mut weights = scores;
        scale_lower(&within, &mut weights, steps);
        let to_weights = to_scores.clone();
        scale_lower(&within, &mut to_scores, steps);
        for i in 0..steps {
            for at in i * steps..i * steps + i {
                to_within[at] += to_weights[at] * weights[at];
            }
        }
        matrix_product((steps, steps, value), Matrix::transposed(&weights, steps), to_o, &mut to_u, true);
        matrix_product((steps, steps, key), Matrix::rows(&to_scores, steps), k, &mut to_q, true);
        matrix_product((steps, steps, key), Matrix::transposed(&to_scores, steps), q, &mut to_k, true);

        let mut to_beta = vec![];
        if let (Some(beta), Some(Delta { products, read, system })) = (&self.beta, &delta) {
            // (1 + A) U = β ∘ (V − D ∘ (K S_0ᵀ)): first the transposed system.
            solve_transposed(system, &mut to_u, steps);
            let to_a = product((steps, value, steps), Matrix::rows(&to_u, value), Matrix::transposed(&written, value));
            let (mut to_products, mut to_read) = (vec![E::ZERO; steps * steps], to_u.clone());
            let (reads, writes) = (row_dots(&to_u, read, value), row_dots(&to_u, &self.v, value));
            to_beta = writes;
            for i in 0..steps {
                for at in i * steps..i * steps + i {
                    let to_a = -to_a[at] * within[at];
                    to_beta[i] += to_a * products[at];
                    to_within[at] += to_a * products[at] * beta[i];
                    // K Kᵀ is symmetric: its gradient reaches K from both sides.
                    to_products[at] = to_a * beta[i];
                    to_products[(at - i * steps) * steps + i] = to_a * beta[i];
                }
                to_beta[i] -= decay[i] * reads[i];
                to_decay[i] -= decay[i] * beta[i] * reads[i];
            }
            scale_rows(&beta.iter().zip(&decay).map(|(&b, &d)| -b * d).collect::<Vec<E>>(), &mut to_read);
            scale_rows(beta, &mut to_u);
            matrix_product((steps, steps, key), Matrix::rows(&to_products, steps), k, &mut to_k, true);
            let rows = Matrix::rows(&to_read, value);
            matrix_product((steps, value, key), rows, Matrix::rows(state, key), &mut to_k, true);
            matrix_product((value, steps, key), Matrix::transposed(&to_read, value), k, to_state, true);
        }

        let mut to_log_alpha = vec![E::ZERO; steps];
        for (i, row) in to_within.chunks_exact(steps).enumerate() {
            let mut sum = to_decay[i];
            for (to, &w) in to_log_alpha[..=i].iter_mut().zip(row) {
                *to += sum;
                sum += w;
            }
        }
        Slopes { q: to_q, k: to_k, v: to_u, log_alpha: to_log_alpha, beta: to_beta }
    }
}
