//! The optimizers whose formula treats each element by itself: one loop for all of them.

use super::{
    Optimizer,
    group::{Group, Setting},
};
use crate::{Error, Result};
use rayon::prelude::*;
use unspool_graph::{Element, Gradients, Params, Part, Precision, vectorize};

/// What a rule is told of one step, for one parameter.
///
/// ```
/// use unspool_graph::Element;
/// use unspool_nn::optimizer::{Rule, Step};
/// /// A rate that falls by itself: θ ← θ − rate / √t · g.
/// #[derive(Clone, Default)]
/// struct Falling;
/// impl Rule for Falling {
///     type Constants<E: Element> = E;
///     fn slots(&self) -> &'static [&'static str] { &[] }
///     fn constants<E: Element>(&self, step: &Step) -> E {
///         E::from_f64(step.rate * step.factor / (step.number as f64).sqrt())
///     }
///     fn update<E: Element>(rate: E, x: &mut [E], g: &[E], _: &mut [E], _: &mut [E]) {
///         x.iter_mut().zip(g).for_each(|(x, &g)| *x -= rate * g);
///     }
/// }
/// let step = Step { number: 4, rate: 0.1, weight_decay: 0.0, factor: 1.0 };
/// assert_eq!(Falling.constants::<f64>(&step), 0.05);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Its number, from 1.
    pub number: u64,
    /// The learning rate.
    pub rate: f64,
    /// The weight decay λ.
    pub weight_decay: f64,
    /// What the gradients are multiplied with.
    pub factor: f64,
}

/// The formula of an optimizer for some elements of one parameter, and what it keeps between steps: at most two numbers an element.
///
/// ```
/// use unspool_graph::Element;
/// use unspool_nn::optimizer::{Elementwise, Rule, Step};
///
/// /// θ ← θ − rate · sign(g) (Bernstein and others 2018).
/// #[derive(Clone, Debug, Default)]
/// struct SignSgd;
///
/// impl Rule for SignSgd {
///     type Constants<E: Element> = E;
///     fn slots(&self) -> &'static [&'static str] { &[] }
///     fn constants<E: Element>(&self, step: &Step) -> E { E::from_f64(step.rate) }
///     #[inline(always)]
///     fn update<E: Element>(rate: E, x: &mut [E], g: &[E], _: &mut [E], _: &mut [E]) {
///         for (x, &g) in x.iter_mut().zip(g) {
///             *x -= if g > E::ZERO { rate } else if g < E::ZERO { -rate } else { E::ZERO };
///         }
///     }
/// }
/// let mut optimizer = Elementwise::<SignSgd>::new();
/// # let _ = optimizer.group(unspool_nn::optimizer::Group::named("*"));
/// ```
pub trait Rule: Clone + Send + Sync + 'static {
    /// The weight decay unless told otherwise.
    const WEIGHT_DECAY: f64 = 0.0;
    /// The numbers of one step.
    type Constants<E: Element>: Copy + Send + Sync;

    /// The names of what is kept, at most two.
    fn slots(&self) -> &'static [&'static str];

    /// The numbers of one step.
    fn constants<E: Element>(&self, step: &Step) -> Self::Constants<E>;

    /// Changes elements `x` by their gradients `g` (not yet multiplied with [`Step::factor`]) and what is kept of them, which is
    /// empty where [`slots`](Rule::slots) names nothing. Mark it `#[inline(always)]`, so that it runs in vector registers.
    fn update<E: Element>(constants: Self::Constants<E>, x: &mut [E], g: &[E], first: &mut [E], second: &mut [E]);

    /// Carries out a step for all parameters. The default suits every rule. A rule that is part of a library repeats its one
    /// line: the loops are then compiled in that library, and not once more in each program that trains by the rule.
    fn apply(&self, update: Update<'_>) -> Result<()> {
        update.by(self)
    }
}

/// One step of an [`Elementwise`] optimizer that is still to be carried out by its rule: see [`Rule::apply`].
///
/// ```
/// use unspool_graph::Element;
/// use unspool_nn::{Result, optimizer::{Rule, Step, Update}};
/// /// θ ← θ − rate · g
/// #[derive(Clone)]
/// struct Plain;
/// impl Rule for Plain {
///     type Constants<E: Element> = E;
///     fn slots(&self) -> &'static [&'static str] { &[] }
///     fn constants<E: Element>(&self, step: &Step) -> E { E::from_f64(step.rate * step.factor) }
///     fn update<E: Element>(rate: E, x: &mut [E], g: &[E], _: &mut [E], _: &mut [E]) {
///         x.iter_mut().zip(g).for_each(|(x, &g)| *x -= rate * g);
///     }
///     fn apply(&self, update: Update<'_>) -> Result<()> { update.by(self) } // compiled in this crate
/// }
/// # use unspool_graph::{Gradients, Params, init};
/// # use unspool_nn::optimizer::Elementwise;
/// # let mut params = Params::seeded(0);
/// # let w = params.scope("m").add("w", [1], init::constant(1.0));
/// # let mut gradients = Gradients::none(&params);
/// # gradients.set(&params, w, vec![2.0f32])?;
/// Elementwise::of(Plain).step(&mut params, &gradients, 0.25)?;
/// assert_eq!(params.value(w)?.to_f64()[[0]], 0.5);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Update<'a> {
    common: &'a mut Common,
    params: &'a mut Params,
    gradients: &'a Gradients,
    rate: f64,
    factor: f64,
}

impl Update<'_> {
    /// Carries it out.
    ///
    /// # Errors
    /// As [`Optimizer::update`].
    pub fn by<R: Rule>(self, rule: &R) -> Result<()> {
        let Update { common, params, gradients, rate, factor } = self;
        let names = rule.slots();
        let steps = common.begin(names, params, gradients, rate, factor)?;
        let mut slots = std::mem::take(&mut common.slots);
        let one = slots.len().min(1);
        let (first, second) = slots.split_at_mut(one);
        let (first, second) = (first.first_mut(), second.first_mut());
        match params.precision() {
            Precision::F32 => {
                let kept = [first, second].map(|slot| slot.and_then(Params::f32_mut).unwrap_or(&mut []));
                common.run(rule, &steps, params.f32_mut().unwrap_or(&mut []), kept, gradients);
            }
            Precision::F64 => {
                let kept = [first, second].map(|slot| slot.and_then(Params::f64_mut).unwrap_or(&mut []));
                common.run(rule, &steps, params.f64_mut().unwrap_or(&mut []), kept, gradients);
            }
        }
        common.slots = slots;
        common.steps += 1;
        Ok(())
    }
}

/// An optimizer made of a [`Rule`].
///
/// ```
/// use unspool_graph::{Gradients, Params, init};
/// use unspool_nn::optimizer::{AdamRule, Elementwise, Group, Optimizer};
/// let mut params = Params::seeded(0);
/// let mut m = params.scope("m");
/// let (weight, bias) = (m.add("weight", [2], init::constant(1.0)), m.add("bias", [2], init::constant(1.0)));
/// let mut adamw = Elementwise::<AdamRule<true>>::new().weight_decay(0.5).group(Group::named("*bias").weight_decay(0.0));
/// let mut gradients = Gradients::none(&params);
/// gradients.set(&params, weight, vec![0.0f32; 2])?;
/// gradients.set(&params, bias, vec![0.0f32; 2])?;
/// adamw.step(&mut params, &gradients, 0.1)?;
/// assert!((params.value(weight)?.to_f64()[[0]] - 0.95).abs() < 1e-6); // 1 − 0.1 · 0.5
/// assert_eq!((params.value(bias)?.to_f64()[[0]], adamw.steps()), (1.0, 1));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Elementwise<R> {
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

impl<R: Rule + Default> Default for Elementwise<R> {
    fn default() -> Self {
        Elementwise::of(R::default())
    }
}

impl<R: Rule + Default> Elementwise<R> {
    /// With the usual constants.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<R: Rule> Elementwise<R> {
    /// With a rule of yours.
    pub fn of(rule: R) -> Self {
        let weight_decay = R::WEIGHT_DECAY;
        let common = Common { weight_decay, groups: vec![], touched_rows_only: false, steps: 0, slots: vec![] };
        Elementwise { rule, common }
    }

    /// With weight decay λ, for all parameters of which no group says otherwise.
    pub fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.common.weight_decay = weight_decay;
        self
    }

    /// With other settings for some parameters.
    pub fn group(mut self, group: Group) -> Self {
        self.common.groups.push(group);
        self
    }

    /// Leaves rows of an embedding as they are, with all that is kept of them, at steps at which they have no gradient. That is
    /// faster with a large vocabulary and is another optimizer: a rare word's moments do not decay while it is absent.
    pub fn touched_rows_only(mut self) -> Self {
        self.common.touched_rows_only = true;
        self
    }

    /// One step of size `rate`. A parameter without a gradient stays as it is.
    ///
    /// # Errors
    /// As [`Optimizer::update`].
    pub fn step(&mut self, params: &mut Params, gradients: &Gradients, rate: f64) -> Result<()> {
        self.update(params, gradients, rate, 1.0)
    }
}

impl<R> Elementwise<R> {
    pub(super) fn rule_mut(&mut self) -> &mut R {
        &mut self.rule
    }
}

impl Common {
    /// Checks what a step is given, and says what each parameter's own is; `None` for a frozen one.
    fn begin(
        &mut self,
        names: &[&str],
        params: &Params,
        gradients: &Gradients,
        rate: f64,
        factor: f64,
    ) -> Result<Vec<Option<Step>>> {
        if !gradients.fit(params) {
            return Err(Error::Foreign);
        }
        let settings = self.settings(params)?;
        if self.slots.len() != names.len() {
            self.slots = names.iter().map(|_| zeros(params)).collect();
        }
        if self.slots.iter().any(|slot| slot.len() != params.len() || slot.precision() != params.precision()) {
            return Err(Error::Foreign);
        }
        let number = self.steps + 1;
        let steps = settings.iter().map(|setting| {
            let Setting { weight_decay, rate_factor, frozen } = *setting;
            (!frozen).then_some(Step { number, rate: rate * rate_factor, weight_decay, factor })
        });
        Ok(steps.collect())
    }

    /// What holds for each parameter.
    fn settings(&self, params: &Params) -> Result<Vec<Setting>> {
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
    fn run<E: Element, R: Rule>(
        &self,
        rule: &R,
        steps: &[Option<Step>],
        values: &mut [Vec<E>],
        slots: [&mut [Vec<E>]; 2],
        gradients: &Gradients,
    ) {
        let [first, second] = slots;
        let (mut first, mut second) = (first.iter_mut(), second.iter_mut());
        let mut pieces: Vec<Piece<'_, E, R>> = Vec::with_capacity(AT_ONCE);
        for (index, (x, step)) in values.iter_mut().zip(steps).enumerate() {
            let (a, b) = (first.next(), second.next());
            let (Some(step), Some(part)) = (step, gradients.part::<E>(index)) else { continue };
            let kept = [a, b].map(|kept| kept.map_or(&mut [][..], |kept| &mut kept[..]));
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
    fn share_out<E: Element, R: Rule>(&self, pieces: &mut Vec<Piece<'_, E, R>>) {
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

/// So many pieces are shared out at a time, which keeps their list short however large the model is.
const AT_ONCE: usize = 64;

/// Below this many elements one thread is sooner done than two.
const SPLIT_FROM: usize = 1 << 16;

/// Some elements of a parameter that one thread changes.
struct Piece<'a, E: Element, R: Rule> {
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
fn cut<'a, E: Element, R: Rule>(
    constants: R::Constants<E>,
    x: &'a mut [E],
    part: Part<'a, E>,
    kept: [&'a mut [E]; 2],
    put: &mut impl FnMut(Piece<'a, E, R>),
) {
    let (size, order) = match part {
        Part::Dense(_) => (PIECE, vec![]),
        Part::Rows { rows, width, .. } => {
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
            Part::Dense(g) => Slope::Dense(&g[i * size..][..x.len()]),
            Part::Rows { width, values, .. } => {
                let (from, rows) = ((i * size / width.max(1)) as u32, (x.len() / width.max(1)) as u32);
                let here = std::iter::from_fn(|| order.next_if(|&(row, _)| row < from + rows));
                Slope::Rows { touched: here.map(|(row, place)| (row - from, place)).collect(), width, values }
            }
        };
        let kept = [first.next(), second.next()].map(|kept| kept.unwrap_or(&mut []));
        put(Piece { constants, x, gradient, kept });
    }
}

impl<E: Element, R: Rule> Piece<'_, E, R> {
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

impl<R: Rule> Optimizer for Elementwise<R> {
    fn update(&mut self, params: &mut Params, gradients: &Gradients, rate: f64, factor: f64) -> Result<()> {
        self.rule.apply(Update { common: &mut self.common, params, gradients, rate, factor })
    }

    fn steps(&self) -> u64 {
        self.common.steps
    }

    fn slots(&self) -> &'static [&'static str] {
        self.rule.slots()
    }

    fn state(&self) -> Vec<&Params> {
        self.common.slots.iter().collect()
    }

    fn restore(&mut self, steps: u64, state: Vec<Params>) {
        self.common.steps = steps;
        self.common.slots = state;
    }
}
