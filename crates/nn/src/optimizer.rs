//! Changing parameters by their gradients.

use crate::{Error, Result};
use rayon::prelude::*;
use unspool_graph::{Element, Gradients, Params, Part, Precision, vectorize};

/// Adam (Kingma and Ba 2015, algorithm 1), with the same arithmetic as PyTorch's:
///
/// m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²,  θ ← θ − rate · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
///
/// Every parameter moves at every step, also where only some rows of an embedding have a gradient.
///
/// ```
/// use unspool_graph::{Graph, Params, init};
/// use unspool_nn::Adam;
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [1], init::constant(1.0));
/// let mut adam = Adam::new();
/// for _ in 0..200 {
///     let graph = Graph::new(&params);
///     let gradients = graph.param(w).powi(2).sum_all().backward()?;
///     adam.step(&mut params, &gradients, 0.05)?;
/// }
/// assert!(params.value(w)?.to_f64()[[0]].abs() < 0.01);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Adam {
    rule: Rule,
    steps: i32,
    moments: Moments,
}

/// The formula's constants.
#[derive(Clone, Copy, Debug)]
struct Rule {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
}

impl Default for Rule {
    fn default() -> Self {
        Rule { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }
}

/// m and v of every parameter.
#[derive(Clone, Debug, Default)]
enum Moments {
    /// Before the first step, which says in which precision they are.
    #[default]
    Unknown,
    F32(Vec<[Vec<f32>; 2]>),
    F64(Vec<[Vec<f64>; 2]>),
}

impl Moments {
    fn zeros(params: &Params) -> Moments {
        let sizes = params.iter().map(|p| params.shape(p).elements());
        match params.precision() {
            Precision::F32 => Moments::F32(sizes.map(|n| [vec![0.0; n], vec![0.0; n]]).collect()),
            Precision::F64 => Moments::F64(sizes.map(|n| [vec![0.0; n], vec![0.0; n]]).collect()),
        }
    }
}

impl Adam {
    /// With β₁ = 0.9, β₂ = 0.999, ε = 1e-8.
    pub fn new() -> Adam {
        Adam::default()
    }
    /// With other decay rates.
    pub fn betas(mut self, beta1: f64, beta2: f64) -> Adam {
        (self.rule.beta1, self.rule.beta2) = (beta1, beta2);
        self
    }
    /// With another number against division by zero.
    pub fn epsilon(mut self, epsilon: f64) -> Adam {
        self.rule.epsilon = epsilon;
        self
    }

    /// One step. A parameter without a gradient stays as it is.
    ///
    /// # Errors
    /// Gradients of another store or precision; a store whose parameters have changed in number since the first step.
    pub fn step(&mut self, params: &mut Params, gradients: &Gradients, rate: f64) -> Result<()> {
        if !gradients.fit(params) {
            return Err(Error::Foreign);
        }
        if let Moments::Unknown = self.moments {
            self.moments = Moments::zeros(params);
        }
        let (rule, steps, count) = (self.rule, self.steps + 1, params.len());
        match &mut self.moments {
            Moments::F32(moments) if moments.len() == count => {
                let Some(values) = params.f32_mut() else { return Err(Error::Foreign) };
                rule.apply(steps, values, moments, gradients, rate);
            }
            Moments::F64(moments) if moments.len() == count => {
                let Some(values) = params.f64_mut() else { return Err(Error::Foreign) };
                rule.apply(steps, values, moments, gradients, rate);
            }
            _ => return Err(Error::Foreign),
        }
        self.steps = steps;
        Ok(())
    }
}

impl Rule {
    /// Step number `steps`, counted from 1.
    fn apply<E: Element>(
        self,
        steps: i32,
        values: &mut [Vec<E>],
        moments: &mut [[Vec<E>; 2]],
        gradients: &Gradients,
        rate: f64,
    ) {
        let number = E::from_f64;
        let (b1, b2) = (number(self.beta1), number(self.beta2));
        let (c1, c2) = (number(1.0 - self.beta1), number(1.0 - self.beta2));
        let size = number(rate / (1.0 - self.beta1.powi(steps)));
        let root = number(1.0 / (1.0 - self.beta2.powi(steps)).sqrt());
        let epsilon = number(self.epsilon);
        // Pieces of one size, so that threads share large parameters; each element is computed by itself, so bits stay.
        const PIECE: usize = 1 << 15;
        values.par_iter_mut().zip(moments).enumerate().for_each(|(index, (value, [m, v]))| {
            let Some(part) = gradients.part::<E>(index) else { return };
            let spread;
            let gradient = match part {
                Part::Dense(gradient) => gradient,
                Part::Rows { rows, width, values } => {
                    let mut all = vec![E::ZERO; value.len()];
                    for (i, &row) in rows.iter().enumerate() {
                        all[row as usize * width..][..width].copy_from_slice(&values[i * width..][..width]);
                    }
                    spread = all;
                    &spread[..]
                }
            };
            let pieces = value.par_chunks_mut(PIECE).zip(m.par_chunks_mut(PIECE)).zip(v.par_chunks_mut(PIECE));
            pieces.zip(gradient.par_chunks(PIECE)).for_each(|(((value, m), v), gradient)| {
                vectorize(
                    #[inline(always)]
                    || {
                        for (((x, m), v), &g) in value.iter_mut().zip(m).zip(v).zip(gradient) {
                            *m = b1 * *m + c1 * g;
                            *v = b2 * *v + c2 * g * g;
                            *x -= size * *m / ((*v).sqrt() * root + epsilon);
                        }
                    },
                );
            });
        });
    }
}
