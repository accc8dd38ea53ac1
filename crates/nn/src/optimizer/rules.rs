//! The formulas, each with PyTorch's arithmetic. θ is the parameter, g its gradient, λ its weight decay.

use super::{
    elementwise::{ElementwiseOptimizer, Update, UpdateParams, UpdateRule},
    fraction, not_negative,
};
use crate::Result;
use std::marker::PhantomData;
use unspool_graph::Element;

/// Runs stochastic gradient descent, with optional momentum (Polyak 1964) or Nesterov momentum (Sutskever and others
/// 2013):
///
/// g ← g + λ θ,  b ← μ b + g,  θ ← θ − rate · b,  or with Nesterov's θ ← θ − rate · (g + μ b); without momentum b is g.
///
/// ```
/// use unspool_graph::{Gradients, Params, init};
/// use unspool_nn::Sgd;
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [1], init::constant(1.0));
/// let mut gradients = Gradients::none(&params);
/// gradients.set(&params, w, vec![1.0f32])?;
/// let mut sgd = Sgd::new().momentum(0.5);
/// for expected in [0.9, 0.75, 0.575] {
///     sgd.step(&mut params, &gradients, 0.1)?;
///     assert!((params.value(w)?.to_f64()[[0]] - expected).abs() < 1e-6);
/// }
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub type Sgd = ElementwiseOptimizer<SgdRule>;

/// Is the rule of [`Sgd`].
///
/// ```
/// use unspool_nn::optimizer::{ElementwiseOptimizer, Optimizer, UpdateRule, SgdRule};
/// assert!(SgdRule::default().state_names().is_empty());
/// let with_momentum = ElementwiseOptimizer::of(SgdRule::default()).momentum(0.9);
/// assert_eq!(with_momentum.state_names(), ["momentum_buffer"]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct SgdRule {
    momentum: f64,
    nesterov: bool,
}

impl Sgd {
    /// Sets the momentum μ.
    pub fn momentum(mut self, momentum: f64) -> Sgd {
        self.rule_mut().momentum = momentum;
        self
    }
    /// Sets the momentum μ, as Nesterov's.
    pub fn nesterov(mut self, momentum: f64) -> Sgd {
        *self.rule_mut() = SgdRule { momentum, nesterov: true };
        self
    }
}

impl UpdateRule for SgdRule {
    /// rate, λ, factor, μ, and whether Nesterov's.
    type Constants<E: Element> = (E, E, E, E, bool);

    fn state_names(&self) -> &'static [&'static str] {
        if self.momentum == 0.0 { &[] } else { &["momentum_buffer"] }
    }
    fn check(&self) -> Result<(), String> {
        not_negative("momentum", self.momentum)
    }
    fn constants<E: Element>(&self, update: &UpdateParams) -> Self::Constants<E> {
        let n = E::from_f64;
        (n(update.rate), n(update.weight_decay), n(update.gradient_factor), n(self.momentum), self.nesterov)
    }
    #[inline(always)]
    fn update<E: Element>(c: Self::Constants<E>, x: &mut [E], g: &[E], b: &mut [E], _: &mut [E]) {
        let (rate, decay, factor, momentum, nesterov) = c;
        if b.is_empty() {
            x.iter_mut().zip(g).for_each(|(x, &g)| *x -= rate * (g * factor + decay * *x));
            return;
        }
        // Nesterov's is g + μ b, the other 0·g + 1·b: one loop without a branch inside.
        let (of_g, of_b) = if nesterov { (E::ONE, momentum) } else { (E::ZERO, E::ONE) };
        for ((x, &g), b) in x.iter_mut().zip(g).zip(b) {
            let g = g * factor + decay * *x;
            *b = momentum * *b + g;
            *x -= rate * (of_g * g + of_b * *b);
        }
    }
    fn apply(&self, update: Update<'_>) -> Result<f64> {
        update.by(self)
    }
}

/// Runs Adam (Kingma and Ba 2015, algorithm 1):
///
/// g ← g + λ θ,  m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²,  θ ← θ − rate · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) +
/// ε)
///
/// Every parameter moves at every step, also where only some rows of an embedding have a gradient; see
/// [`touched_rows_only`](ElementwiseOptimizer::touched_rows_only).
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
pub type Adam = ElementwiseOptimizer<AdamRule<Coupled>>;

/// Runs Adam with decoupled weight decay (Loshchilov and Hutter 2019): θ ← θ − rate · λ θ, then [`Adam`] without λ. The
/// default λ is 0.01.
///
/// ```
/// use unspool_graph::{Gradients, Params, init};
/// use unspool_nn::AdamW;
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [1], init::constant(1.0));
/// let mut gradients = Gradients::none(&params);
/// gradients.set(&params, w, vec![3.0f32])?;
/// AdamW::new().betas((0.9, 0.98)).step(&mut params, &gradients, 0.1)?;
/// assert!((params.value(w)?.to_f64()[[0]] - 0.899).abs() < 1e-5); // 1 − 0.1 · 0.01, and a first step of the rate
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub type AdamW = ElementwiseOptimizer<AdamRule<Decoupled>>;

/// Marks the weight decay of [`Adam`]: λ θ is added to the gradient.
///
/// See [`AdamRule`].
#[derive(Clone, Copy, Debug)]
pub enum Coupled {}

/// Marks the weight decay of [`AdamW`]: λ θ is subtracted from the parameter.
///
/// See [`AdamRule`].
#[derive(Clone, Copy, Debug)]
pub enum Decoupled {}

/// Is the rule of [`Adam`] and [`AdamW`], which differ in the place of the weight decay: [`Coupled`] to the gradient or
/// [`Decoupled`] from it.
///
/// ```
/// use unspool_nn::optimizer::{AdamRule, Coupled, Decoupled, UpdateRule};
/// assert_eq!(AdamRule::<Coupled>::WEIGHT_DECAY, 0.0);
/// assert_eq!(AdamRule::<Decoupled>::WEIGHT_DECAY, 0.01);
/// ```
#[derive(Clone, Debug)]
pub struct AdamRule<D> {
    betas: (f64, f64),
    epsilon: f64,
    decay: PhantomData<D>,
}

impl<D> Default for AdamRule<D> {
    fn default() -> Self {
        AdamRule { betas: (0.9, 0.999), epsilon: 1e-8, decay: PhantomData }
    }
}

impl<D> ElementwiseOptimizer<AdamRule<D>> {
    /// Sets the decay rates (β₁, β₂) of the moments, in place of (0.9, 0.999).
    pub fn betas(mut self, betas: (f64, f64)) -> Self {
        self.rule_mut().betas = betas;
        self
    }
    /// Sets the ε against division by zero, in place of 1e-8.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.rule_mut().epsilon = epsilon;
        self
    }
}

/// Holds Adam's numbers of one step.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct AdamConstants<E> {
    betas: [E; 2],
    rest: [E; 2],
    size: E,
    root: E,
    epsilon: E,
    coupled: E,
    kept: E,
    factor: E,
}

/// Two rules and no generic one, so that each is compiled here: see [`UpdateRule::apply`].
macro_rules! adam {
    ($decay:ty, $decoupled:literal) => {
        impl UpdateRule for AdamRule<$decay> {
            const WEIGHT_DECAY: f64 = if $decoupled { 0.01 } else { 0.0 };
            type Constants<E: Element> = AdamConstants<E>;

            fn state_names(&self) -> &'static [&'static str] {
                &["exp_avg", "exp_avg_sq"]
            }
            fn check(&self) -> Result<(), String> {
                fraction("beta of the first moment", self.betas.0)?;
                fraction("beta of the second moment", self.betas.1)?;
                not_negative("epsilon", self.epsilon)
            }
            fn constants<E: Element>(&self, update: &UpdateParams) -> AdamConstants<E> {
                AdamConstants::new(self.betas, self.epsilon, update, $decoupled)
            }
            #[inline(always)]
            fn update<E: Element>(c: AdamConstants<E>, x: &mut [E], g: &[E], m: &mut [E], v: &mut [E]) {
                c.update(x, g, m, v)
            }
            fn apply(&self, update: Update<'_>) -> Result<f64> {
                update.by(self)
            }
        }
    };
}
adam!(Coupled, false);
adam!(Decoupled, true);

impl<E: Element> AdamConstants<E> {
    fn new((beta1, beta2): (f64, f64), epsilon: f64, update: &UpdateParams, decoupled: bool) -> AdamConstants<E> {
        let number = E::from_f64;
        let t = i32::try_from(update.step).unwrap_or(i32::MAX);
        AdamConstants {
            betas: [number(beta1), number(beta2)],
            rest: [number(1.0 - beta1), number(1.0 - beta2)],
            size: number(update.rate / (1.0 - beta1.powi(t))),
            root: number(1.0 / (1.0 - beta2.powi(t)).sqrt()),
            epsilon: number(epsilon),
            coupled: number(if decoupled { 0.0 } else { update.weight_decay }),
            kept: number(if decoupled { 1.0 - update.rate * update.weight_decay } else { 1.0 }),
            factor: number(update.gradient_factor),
        }
    }
    #[inline(always)]
    fn update(self, x: &mut [E], g: &[E], m: &mut [E], v: &mut [E]) {
        let c = self;
        for (((x, &g), m), v) in x.iter_mut().zip(g).zip(m).zip(v) {
            let g = g * c.factor + c.coupled * *x;
            *m = c.betas[0] * *m + c.rest[0] * g;
            *v = c.betas[1] * *v + c.rest[1] * g * g;
            *x = c.kept * *x - c.size * *m / ((*v).sqrt() * c.root + c.epsilon);
        }
    }
}

/// Runs RMSprop (Tieleman and Hinton 2012), with optional momentum:
///
/// g ← g + λ θ,  v ← α v + (1 − α) g²,  b ← μ b + g / (√v + ε),  θ ← θ − rate · b
///
/// ```
/// use unspool_graph::{Gradients, Params, init};
/// use unspool_nn::optimizer::RmsProp;
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [1], init::constant(1.0));
/// let mut gradients = Gradients::none(&params);
/// gradients.set(&params, w, vec![3.0f32])?;
/// RmsProp::new().alpha(0.75).step(&mut params, &gradients, 0.1)?;
/// assert!((params.value(w)?.to_f64()[[0]] - 0.8).abs() < 1e-5); // 3 / √(¼ · 3²) = 2
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub type RmsProp = ElementwiseOptimizer<RmsPropRule>;

/// Is the rule of [`RmsProp`].
///
/// ```
/// use unspool_nn::optimizer::{UpdateRule, RmsPropRule};
/// assert_eq!(RmsPropRule::default().state_names(), ["square_avg"]);
/// ```
#[derive(Clone, Debug)]
pub struct RmsPropRule {
    alpha: f64,
    epsilon: f64,
    momentum: f64,
}

impl Default for RmsPropRule {
    fn default() -> Self {
        RmsPropRule { alpha: 0.99, epsilon: 1e-8, momentum: 0.0 }
    }
}

impl RmsProp {
    /// Sets the decay rate α of the squares, in place of 0.99.
    pub fn alpha(mut self, alpha: f64) -> RmsProp {
        self.rule_mut().alpha = alpha;
        self
    }
    /// Sets the ε against division by zero, in place of 1e-8.
    pub fn epsilon(mut self, epsilon: f64) -> RmsProp {
        self.rule_mut().epsilon = epsilon;
        self
    }
    /// Sets the momentum μ.
    pub fn momentum(mut self, momentum: f64) -> RmsProp {
        self.rule_mut().momentum = momentum;
        self
    }
}

impl UpdateRule for RmsPropRule {
    /// rate, λ, factor, α, 1 − α, ε, μ.
    type Constants<E: Element> = [E; 7];

    fn state_names(&self) -> &'static [&'static str] {
        if self.momentum == 0.0 { &["square_avg"] } else { &["square_avg", "momentum_buffer"] }
    }
    fn check(&self) -> Result<(), String> {
        fraction("alpha", self.alpha)?;
        not_negative("epsilon", self.epsilon)?;
        not_negative("momentum", self.momentum)
    }
    fn constants<E: Element>(&self, update: &UpdateParams) -> [E; 7] {
        let alpha = self.alpha;
        [update.rate, update.weight_decay, update.gradient_factor, alpha, 1.0 - alpha, self.epsilon, self.momentum]
            .map(E::from_f64)
    }
    #[inline(always)]
    fn update<E: Element>(c: [E; 7], x: &mut [E], g: &[E], v: &mut [E], b: &mut [E]) {
        let [rate, decay, factor, alpha, rest, epsilon, momentum] = c;
        if b.is_empty() {
            for ((x, &g), v) in x.iter_mut().zip(g).zip(v) {
                let g = g * factor + decay * *x;
                *v = alpha * *v + rest * g * g;
                *x -= rate * g / ((*v).sqrt() + epsilon);
            }
            return;
        }
        for (((x, &g), v), b) in x.iter_mut().zip(g).zip(v).zip(b) {
            let g = g * factor + decay * *x;
            *v = alpha * *v + rest * g * g;
            *b = momentum * *b + g / ((*v).sqrt() + epsilon);
            *x -= rate * *b;
        }
    }
    fn apply(&self, update: Update<'_>) -> Result<f64> {
        update.by(self)
    }
}

/// Runs Adagrad (Duchi, Hazan and Singer 2011):  g ← g + λ θ,  s ← s + g²,  θ ← θ − rate · g / (√s + ε)
///
/// ```
/// use unspool_graph::{Gradients, Params, init};
/// use unspool_nn::optimizer::Adagrad;
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [1], init::constant(1.0));
/// let mut gradients = Gradients::none(&params);
/// gradients.set(&params, w, vec![3.0f32])?;
/// Adagrad::new().step(&mut params, &gradients, 0.1)?;
/// assert!((params.value(w)?.to_f64()[[0]] - 0.9).abs() < 1e-5);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub type Adagrad = ElementwiseOptimizer<AdagradRule>;

/// Is the rule of [`Adagrad`].
///
/// ```
/// use unspool_nn::optimizer::{AdagradRule, UpdateRule};
/// assert_eq!(AdagradRule::default().state_names(), ["sum"]);
/// ```
#[derive(Clone, Debug)]
pub struct AdagradRule {
    epsilon: f64,
}

impl Default for AdagradRule {
    fn default() -> Self {
        AdagradRule { epsilon: 1e-10 }
    }
}

impl Adagrad {
    /// Sets the ε against division by zero, in place of 1e-10.
    pub fn epsilon(mut self, epsilon: f64) -> Adagrad {
        self.rule_mut().epsilon = epsilon;
        self
    }
}

impl UpdateRule for AdagradRule {
    /// rate, λ, factor, ε.
    type Constants<E: Element> = [E; 4];

    fn state_names(&self) -> &'static [&'static str] {
        &["sum"]
    }
    fn check(&self) -> Result<(), String> {
        not_negative("epsilon", self.epsilon)
    }
    fn constants<E: Element>(&self, update: &UpdateParams) -> [E; 4] {
        [update.rate, update.weight_decay, update.gradient_factor, self.epsilon].map(E::from_f64)
    }
    #[inline(always)]
    fn update<E: Element>([rate, decay, factor, epsilon]: [E; 4], x: &mut [E], g: &[E], s: &mut [E], _: &mut [E]) {
        for ((x, &g), s) in x.iter_mut().zip(g).zip(s) {
            let g = g * factor + decay * *x;
            *s += g * g;
            *x -= rate * g / ((*s).sqrt() + epsilon);
        }
    }
    fn apply(&self, update: Update<'_>) -> Result<f64> {
        update.by(self)
    }
}
