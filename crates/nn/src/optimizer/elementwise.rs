//! The optimizers whose formula treats each element by itself: one loop for all of them.

use super::{
    GradientScale, Optimizer, StepParams,
    group::{Group, Setting},
    not_negative,
};
use crate::{Error, Result};
use rayon::prelude::*;
use unspool_graph::{Element, Float, Gradients, ParamGrad, Params, Precision, vectorize};

/// Holds the numbers of one step for one parameter, from which an [`UpdateRule`] makes its constants.
///
/// ```
/// use unspool_graph::Element;
/// use unspool_nn::optimizer::{UpdateParams, UpdateRule};
/// /// A rate that falls by itself: θ ← θ − rate / √t · g.
/// #[derive(Clone, Default)]
/// struct Falling;
/// impl UpdateRule for Falling {
///     type Constants<E: Element> = E;
///     fn state_names(&self) -> &'static [&'static str] { &[] }
///     fn constants<E: Element>(&self, update: &UpdateParams) -> E {
///         E::from_f64(update.rate * update.gradient_factor / (update.step as f64).sqrt())
///     }
///     fn update<E: Element>(rate: E, x: &mut [E], g: &[E], _: &mut [E], _: &mut [E]) {
///         x.iter_mut().zip(g).for_each(|(x, &g)| *x -= rate * g);
///     }
/// }
/// let update = UpdateParams { step: 4, rate: 0.1, weight_decay: 0.0, gradient_factor: 1.0 };
/// assert_eq!(Falling.constants::<f64>(&update), 0.05);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct UpdateParams {
    /// The number of the step, from 1.
    pub step: u64,
    /// The learning rate.
    pub rate: f64,
    /// The weight decay λ.
    pub weight_decay: f64,
    /// The factor by which the gradients are multiplied first.
    pub gradient_factor: f64,
}

/// Defines the formula of an optimizer for some elements of one parameter, and what it keeps between steps: at most two
/// numbers per element.
///
/// ```
/// use unspool_graph::{Element, Float, Gradients, Params, init};
/// use unspool_nn::optimizer::{ElementwiseOptimizer, UpdateParams, UpdateRule};
///
/// /// θ ← θ − rate · sign(g) (Bernstein and others 2018).
/// #[derive(Clone, Debug, Default)]
/// struct SignSgd;
///
/// impl UpdateRule for SignSgd {
///     type Constants<E: Element> = E;
///     fn state_names(&self) -> &'static [&'static str] { &[] }
///     fn constants<E: Element>(&self, update: &UpdateParams) -> E { E::from_f64(update.rate) }
///     #[inline(always)]
///     fn update<E: Element>(rate: E, x: &mut [E], g: &[E], _: &mut [E], _: &mut [E]) {
///         for (x, &g) in x.iter_mut().zip(g) {
///             *x -= if g > E::ZERO { rate } else if g < E::ZERO { -rate } else { E::ZERO };
///         }
///     }
/// }
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [2], init::constant(1.0));
/// let mut gradients = Gradients::none(&params);
/// gradients.set(&params, w, vec![0.001f32, -1000.0])?;
/// ElementwiseOptimizer::<SignSgd>::new().step(&mut params, &gradients, 0.5)?;
/// assert_eq!(params.value(w)?, vec![0.5f32, 1.5].into()); // only the sign of a gradient counts
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub trait UpdateRule: Clone + Send + Sync + 'static {
    /// Is the weight decay by default.
    const WEIGHT_DECAY: f64 = 0.0;
    /// Holds the numbers of one step.
    type Constants<E: Element>: Copy + Send + Sync;

    /// Returns the names of what is kept, at most two.
    fn state_names(&self) -> &'static [&'static str];

    /// Returns what is wrong with the settings of the rule. It is asked before each step, and its answer is the error
    /// of the step.
    ///
    /// # Errors
    /// A setting that has no meaning: what it is, and what would be right.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Returns the numbers of one step.
    fn constants<E: Element>(&self, update: &UpdateParams) -> Self::Constants<E>;

    /// Changes elements `x` by their gradients `g` (not yet multiplied by [`UpdateParams::gradient_factor`]) and what
    /// is kept of them, which is empty where [`state_names`](UpdateRule::state_names) names nothing. Mark it
    /// `#[inline(always)]`, so that it runs in vector registers.
    fn update<E: Element>(constants: Self::Constants<E>, x: &mut [E], g: &[E], first: &mut [E], second: &mut [E]);

    /// Applies a step to all parameters and returns the norm of the mean gradient. The default suits every rule. A rule
    /// that is part of a library repeats its one line: the loops are then compiled in that library, and not again in
    /// each program that trains with the rule.
    ///
    /// # Errors
    /// As [`Optimizer::update`].
    fn apply(&self, update: Update<'_>) -> Result<f64> {
        update.by(self)
    }
}

/// Holds one step of an [`ElementwiseOptimizer`] that its rule has yet to apply: see [`UpdateRule::apply`].
///
/// ```
/// use unspool_graph::Element;
/// use unspool_nn::{Result, optimizer::{Update, UpdateParams, UpdateRule}};
/// /// θ ← θ − rate · g
/// #[derive(Clone)]
/// struct Plain;
/// impl UpdateRule for Plain {
///     type Constants<E: Element> = E;
///     fn state_names(&self) -> &'static [&'static str] { &[] }
///     fn constants<E: Element>(&self, update: &UpdateParams) -> E {
///         E::from_f64(update.rate * update.gradient_factor)
///     }
///     fn update<E: Element>(rate: E, x: &mut [E], g: &[E], _: &mut [E], _: &mut [E]) {
///         x.iter_mut().zip(g).for_each(|(x, &g)| *x -= rate * g);
///     }
///     fn apply(&self, update: Update<'_>) -> Result<f64> { update.by(self) } // compiled in this crate
/// }
/// # use unspool_graph::{Gradients, Params, init};
/// # use unspool_nn::optimizer::ElementwiseOptimizer;
/// # let mut params = Params::seeded(0);
/// # let w = params.scope("m").add("w", [1], init::constant(1.0));
/// # let mut gradients = Gradients::none(&params);
/// # gradients.set(&params, w, vec![2.0f32])?;
/// ElementwiseOptimizer::of(Plain).step(&mut params, &gradients, 0.25)?;
/// assert_eq!(params.value(w)?.to_f64()[[0]], 0.5);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Update<'a> {
    common: &'a mut Common,
    params: &'a mut Params,
    gradients: &'a Gradients,
    step: StepParams,
}

impl Update<'_> {
    /// Applies the step by `rule` and returns the norm of the mean gradient.
    ///
    /// # Errors
    /// As [`Optimizer::update`].
    pub fn by<R: UpdateRule>(self, rule: &R) -> Result<f64> {
        let Update { common, params, gradients, step } = self;
        rule.check().map_err(|why| Error::Optimizer { why })?;
        let (norm, steps) = common.begin(rule.state_names(), params, gradients, step)?;
        let mut slots = std::mem::take(&mut common.slots);
        let one = slots.len().min(1);
        let (first, second) = slots.split_at_mut(one);
        let (first, second) = (first.first_mut(), second.first_mut());
        match params.precision() {
            Precision::F32 => {
                let kept = [first, second].map(|slot| slot.and_then(Params::f32_mut).unwrap_or_default());
                common.run(rule, &steps, params.f32_mut().unwrap_or_default(), kept, gradients);
            }
            Precision::F64 => {
                let kept = [first, second].map(|slot| slot.and_then(Params::f64_mut).unwrap_or_default());
                common.run(rule, &steps, params.f64_mut().unwrap_or_default(), kept, gradients);
            }
        }
        common.slots = slots;
        common.steps += 1;
        Ok(norm)
    }
}

/// Applies an [`UpdateRule`] to every element of every parameter.
///
/// ```
/// use unspool_graph::{Gradients, Params, init};
/// use unspool_nn::optimizer::{AdamRule, Decoupled, ElementwiseOptimizer, Group, Optimizer};
/// let mut params = Params::seeded(0);
/// let mut m = params.scope("m");
/// let (weight, bias) = (m.add("weight", [2], init::constant(1.0)), m.add("bias", [2], init::constant(1.0)));
/// let biases = Group::named("*bias").weight_decay(0.0);
/// let mut adamw = ElementwiseOptimizer::<AdamRule<Decoupled>>::new().weight_decay(0.5).group(biases);
/// let mut gradients = Gradients::none(&params);
/// gradients.set(&params, weight, vec![0.0f32; 2])?;
/// gradients.set(&params, bias, vec![0.0f32; 2])?;
/// adamw.step(&mut params, &gradients, 0.1)?;
/// assert!((params.value(weight)?.to_f64()[[0]] - 0.95).abs() < 1e-6); // 1 − 0.1 · 0.5
/// assert_eq!((params.value(bias)?.to_f64()[[0]], adamw.steps()), (1.0, 1));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ElementwiseOptimizer<R> {
    rule: R,
    common: Common,
}

/// What every elementwise optimizer has, whatever its rule.
#[derive(Clone, Debug)]
struct Common {
    weight_decay: f64,
    groups: Vec<Group>,
    touched_rows_only: bool,
    steps: u64,
    slots: Vec<Params>,
}

impl<R: UpdateRule + Default> Default for ElementwiseOptimizer<R> {
    fn default() -> Self {
        ElementwiseOptimizer::of(R::default())
    }
}

impl<R: UpdateRule + Default> ElementwiseOptimizer<R> {
    /// Creates an optimizer with the usual constants.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<R: UpdateRule> ElementwiseOptimizer<R> {
    /// Creates an optimizer with a rule of your own.
    pub fn of(rule: R) -> Self {
        let weight_decay = R::WEIGHT_DECAY;
        let common = Common { weight_decay, groups: vec![], touched_rows_only: false, steps: 0, slots: vec![] };
        ElementwiseOptimizer { rule, common }
    }

    /// Sets the weight decay λ of all parameters of which no group says otherwise.
    pub fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.common.weight_decay = weight_decay;
        self
    }

    /// Gives some parameters other settings.
    pub fn group(mut self, group: Group) -> Self {
        self.common.groups.push(group);
        self
    }

    /// Leaves rows of an embedding as they are, with all that is kept of them, at steps at which they have no gradient.
    /// That is faster with a large vocabulary and is another optimizer: a rare word's moments do not decay while it is
    /// absent.
    pub fn touched_rows_only(mut self) -> Self {
        self.common.touched_rows_only = true;
        self
    }

    /// Makes one step: [`Optimizer::update`], where a number stands for a step at that learning rate. A parameter
    /// without a gradient stays as it is.
    ///
    /// # Errors
    /// As [`Optimizer::update`].
    ///
    /// ```
    /// use unspool_graph::{Gradients, Params, init};
    /// use unspool_nn::{Sgd, optimizer::StepParams};
    /// let mut params = Params::seeded(0);
    /// let w = params.scope("m").add("w", [2], init::zeros());
    /// let mut gradients = Gradients::none(&params);
    /// gradients.set(&params, w, vec![30.0f32, 40.0])?;
    /// assert_eq!(Sgd::new().step(&mut params, &gradients, 0.1)?, 50.0);                  // the norm of the gradient
    /// let mean = StepParams { count: 10.0, ..StepParams::new(0.1) };
    /// assert_eq!(Sgd::new().step(&mut params, &gradients, mean)?, 5.0);
    /// assert!(Sgd::new().step(&mut params, &gradients, f64::NAN).is_err());
    /// # Ok::<(), unspool_nn::Error>(())
    /// ```
    pub fn step(&mut self, params: &mut Params, gradients: &Gradients, step: impl Into<StepParams>) -> Result<f64> {
        self.update(params, gradients, step.into())
    }
}

impl<R> ElementwiseOptimizer<R> {
    pub(super) fn rule_mut(&mut self) -> &mut R {
        &mut self.rule
    }
}

impl Common {
    /// Checks what a step is given. Returns the norm of the mean gradient, and the numbers of each parameter; `None`
    /// for a frozen one.
    fn begin(
        &mut self,
        names: &[&str],
        params: &Params,
        gradients: &Gradients,
        step: StepParams,
    ) -> Result<(f64, Vec<Option<UpdateParams>>)> {
        if !gradients.belong_to(params) {
            return Err(Error::Foreign);
        }
        let settings = self.settings(params)?;
        let GradientScale { norm, factor } = step.gradient_scale(gradients, params.precision())?;
        if self.slots.len() != names.len() {
            self.slots = names.iter().map(|_| zeros(params)).collect();
        }
        if self.slots.iter().any(|slot| slot.len() != params.len() || slot.precision() != params.precision()) {
            return Err(Error::Foreign);
        }
        let number = self.steps + 1;
        let steps = settings.iter().map(|setting| {
            let Setting { weight_decay, rate_factor, frozen } = *setting;
            let rate = step.rate * rate_factor;
            (!frozen).then_some(UpdateParams { step: number, rate, weight_decay, gradient_factor: factor })
        });
        Ok((norm, steps.collect()))
    }

    /// What holds for each parameter.
    fn settings(&self, params: &Params) -> Result<Vec<Setting>> {
        let own = not_negative("weight decay", self.weight_decay);
        let all = own.and_then(|()| self.groups.iter().try_for_each(Group::check));
        all.map_err(|why| Error::Optimizer { why })?;
        let usual = Setting { weight_decay: self.weight_decay, rate_factor: 1.0, frozen: false };
        let mut settings = vec![usual; params.len()];
        for group in &self.groups {
            let mut any = false;
            for (p, setting) in params.iter().zip(&mut settings) {
                if group.matches(params.name(p)) {
                    any = true;
                    group.apply(setting);
                }
            }
            if !any {
                return Err(Error::Group { pattern: group.pattern().into() });
            }
        }
        Ok(settings)
    }

    /// Changes all parameters, in one precision.
    fn run<E: Float, R: UpdateRule>(
        &self,
        rule: &R,
        steps: &[Option<UpdateParams>],
        values: Vec<&mut [E]>,
        slots: [Vec<&mut [E]>; 2],
        gradients: &Gradients,
    ) {
        let [first, second] = slots;
        let (mut first, mut second) = (first.into_iter(), second.into_iter());
        let mut pieces: Vec<Piece<'_, E, R>> = Vec::with_capacity(AT_ONCE);
        for (index, (x, step)) in values.into_iter().zip(steps).enumerate() {
            let (a, b) = (first.next(), second.next());
            let (Some(step), Some(part)) = (step, gradients.param_grad::<E>(index)) else { continue };
            let kept = [a, b].map(|kept| kept.unwrap_or_default());
            cut(rule.constants(step), x, part, kept, &mut |piece| {
                pieces.push(piece);
                if pieces.len() == AT_ONCE {
                    self.share_out(&mut pieces);
                }
            });
        }
        self.share_out(&mut pieces);
    }

    /// Runs the pieces that there are, on all threads where that is worth it.
    fn share_out<E: Element, R: UpdateRule>(&self, pieces: &mut Vec<Piece<'_, E, R>>) {
        let touched_rows_only = self.touched_rows_only;
        if pieces.len() <= 1 || pieces.iter().map(|piece| piece.x.len()).sum::<usize>() < SPLIT_FROM {
            pieces.drain(..).for_each(|piece| piece.run(touched_rows_only));
        } else {
            pieces.par_drain(..).for_each(|piece| piece.run(touched_rows_only));
        }
    }
}

/// Elements to a piece: each is computed by itself, so the pieces change no bits, only who computes them.
const PIECE: usize = 1 << 15;

/// The number of pieces that are distributed at a time, which keeps their list short however large the model is.
const AT_ONCE: usize = 64;

/// Below this many elements one thread is sooner done than two.
const SPLIT_FROM: usize = 1 << 16;

/// Some elements of a parameter that one thread changes.
struct Piece<'a, E: Element, R: UpdateRule> {
    constants: R::Constants<E>,
    x: &'a mut [E],
    gradient: Slope<'a, E>,
    kept: [&'a mut [E]; 2],
}

/// The gradient of a piece.
enum Slope<'a, E> {
    Dense(&'a [E]),
    /// Rows of an embedding; `touched` has those that have a gradient, by their number in the piece, and where it lies.
    Rows {
        touched: Vec<(u32, u32)>,
        width: usize,
        values: &'a [E],
    },
}

/// Cuts a parameter into pieces.
fn cut<'a, E: Element, R: UpdateRule>(
    constants: R::Constants<E>,
    x: &'a mut [E],
    part: ParamGrad<'a, E>,
    kept: [&'a mut [E]; 2],
    put: &mut impl FnMut(Piece<'a, E, R>),
) {
    let (size, order) = match part {
        ParamGrad::Dense(_) => (PIECE, vec![]),
        ParamGrad::SparseRows { rows, width, .. } => {
            let mut order: Vec<(u32, u32)> = rows.iter().zip(0..).map(|(&row, place)| (row, place)).collect();
            order.sort_unstable();
            ((PIECE / width.max(1)).max(1) * width.max(1), order)
        }
    };
    let mut order = order.into_iter().peekable();
    let [first, second] = kept;
    let (mut first, mut second) = (first.chunks_mut(size), second.chunks_mut(size));
    for (i, x) in x.chunks_mut(size).enumerate() {
        let gradient = match part {
            ParamGrad::Dense(g) => Slope::Dense(&g[i * size..][..x.len()]),
            ParamGrad::SparseRows { width, values, .. } => {
                let (from, rows) = ((i * size / width.max(1)) as u32, (x.len() / width.max(1)) as u32);
                let here = std::iter::from_fn(|| order.next_if(|&(row, _)| row < from + rows));
                Slope::Rows { touched: here.map(|(row, place)| (row - from, place)).collect(), width, values }
            }
        };
        let kept = [first.next(), second.next()].map(|kept| kept.unwrap_or(&mut []));
        put(Piece { constants, x, gradient, kept });
    }
}

impl<E: Element, R: UpdateRule> Piece<'_, E, R> {
    fn run(self, touched_rows_only: bool) {
        let Piece { constants, x, gradient, kept: [first, second] } = self;
        match gradient {
            Slope::Dense(g) => vectorize(
                #[inline(always)]
                || R::update(constants, x, g, first, second),
            ),
            Slope::Rows { touched, width, values } => {
                let mut touched = touched.into_iter().peekable();
                let zeros = vec![E::ZERO; width];
                vectorize(
                    #[inline(always)]
                    || {
                        let (mut first, mut second) = (first.chunks_exact_mut(width), second.chunks_exact_mut(width));
                        for (x, row) in x.chunks_exact_mut(width).zip(0..) {
                            let (a, b) = (first.next().unwrap_or(&mut []), second.next().unwrap_or(&mut []));
                            let g = match touched.next_if(|&(touched, _)| touched == row) {
                                Some((_, i)) => &values[i as usize * width..][..width],
                                None if touched_rows_only => continue,
                                None => &zeros,
                            };
                            R::update(constants, x, g, a, b);
                        }
                    },
                );
            }
        }
    }
}

/// Zeros in the place of every parameter's values.
fn zeros(params: &Params) -> Params {
    let mut zeros = params.clone();
    zeros.f32_mut().into_iter().flatten().for_each(|values| values.fill(0.0));
    zeros.f64_mut().into_iter().flatten().for_each(|values| values.fill(0.0));
    zeros
}

impl<R: UpdateRule> Optimizer for ElementwiseOptimizer<R> {
    fn update(&mut self, params: &mut Params, gradients: &Gradients, step: StepParams) -> Result<f64> {
        self.rule.apply(Update { common: &mut self.common, params, gradients, step })
    }

    fn steps(&self) -> u64 {
        self.common.steps
    }

    fn state_names(&self) -> &'static [&'static str] {
        self.rule.state_names()
    }

    fn state(&self) -> Vec<&Params> {
        self.common.slots.iter().collect()
    }

    fn restore(&mut self, steps: u64, state: Vec<Params>) {
        self.common.steps = steps;
        self.common.slots = state;
    }
}
