//! Parameters: named arrays, in one precision, that graphs borrow and an optimizer changes in place.

use crate::{Element, Error, Precision, Result, RngKey, Shape, Tensor, buffer::Pool, operation::Packs};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

/// A parameter's name in code: an index, and which store it is of. Plain data, so a cell that holds it is plain data
/// too.
///
/// ```
/// use unspool_graph::{Graph, Param, Params, init};
/// /// A layer holds handles and sizes, no numbers: it works on any graph over the store, and over a copy of it.
/// #[derive(Clone, Copy)]
/// struct Shift(Param);
///
/// let mut params = Params::seeded(0);
/// let shift = Shift(params.scope("shift").add("bias", [2], init::constant(3.0)));
/// for store in [params.to_f64(), params] {
///     let graph = Graph::new(&store);
///     assert_eq!((graph.zeros([2]) + shift.0).sum_all().item(), Ok(6.0));
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Param {
    pub(crate) store: u32,
    pub(crate) index: u32,
}

/// The values of all parameters in one of the two precisions.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub enum Store {
    F32(Vec<Vec<f32>>),
    F64(Vec<Vec<f64>>),
}

#[derive(Clone, Debug, Default)]
pub struct Pools(pub(crate) Arc<Pool<f32>>, pub(crate) Arc<Pool<f64>>);

/// The panels of parameters that are multiplied by: all graphs over the same parameters share them, and they go when a
/// value changes.
#[derive(Debug, Default)]
pub(crate) struct Panels(pub(crate) Vec<Packs<f32>>, pub(crate) Vec<Packs<f64>>);

impl Panels {
    fn none(count: usize) -> Panels {
        let (mut single, mut double) = (vec![], vec![]);
        single.resize_with(count, Packs::default);
        double.resize_with(count, Packs::default);
        Panels(single, double)
    }
}

impl Clone for Panels {
    /// A copy makes its own when it needs them.
    fn clone(&self) -> Panels {
        Panels::none(self.0.len())
    }
}

/// The parameters of a model. Layers add theirs under a [`scope`](Params::scope); [`Graph`](crate::Graph)s borrow the
/// store.
///
/// More in [chapter 1](https://github.com/unspool/unspool/blob/main/docs/01-sequence-and-graph.md) of the tutorial.
///
/// A wrong call (a name taken twice, a size of zero) does not panic: the store keeps its first error, and a graph made
/// on it returns that error.
///
/// ```
/// use unspool_graph::{Graph, Params, init};
/// let mut params = Params::seeded(7);
/// let w = params.scope("layer").add("weight", [3, 2], init::uniform(0.1));
/// assert_eq!(params.name(w), "layer.weight");
///
/// params.scope("layer").add("weight", [3, 2], init::zeros());
/// let graph = Graph::new(&params);
/// let error = graph.zeros([1, 3]).matmul(w).value().unwrap_err();
/// assert!(error.to_string().contains("layer.weight"));
/// ```
#[derive(Debug)]
pub struct Params {
    /// Under which number parameters are added here: none yet, or one that no other store adds under.
    generation: Option<u32>,
    /// Of each parameter, the number under which it was added. With the index that tells it from any other, also from
    /// one that was added to a copy of this store.
    pub(crate) origins: Arc<Vec<u32>>,
    seed: u64,
    names: Vec<String>,
    shapes: Vec<Shape>,
    by_name: BTreeMap<String, u32>,
    frozen: Vec<bool>,
    pub(crate) store: Store,
    pub(crate) pools: Pools,
    pub(crate) panels: Panels,
    pub(crate) error: Option<Error>,
    /// How many numbers may still be added.
    room: usize,
}

/// A number that was never given before.
fn fresh_id() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Clone for Params {
    /// A copy, which the handles of this store fit too. What is added to either from then on belongs to that one alone.
    fn clone(&self) -> Params {
        Params {
            generation: None,
            origins: self.origins.clone(),
            seed: self.seed,
            names: self.names.clone(),
            shapes: self.shapes.clone(),
            by_name: self.by_name.clone(),
            frozen: self.frozen.clone(),
            store: self.store.clone(),
            pools: self.pools.clone(),
            panels: self.panels.clone(),
            error: self.error.clone(),
            room: self.room,
        }
    }
}

impl Params {
    /// An empty store in single precision. Initial values are a function of `seed` and each parameter's full name.
    pub fn seeded(seed: u64) -> Params {
        Params {
            generation: None,
            origins: Arc::default(),
            seed,
            names: vec![],
            shapes: vec![],
            by_name: BTreeMap::new(),
            frozen: vec![],
            store: Store::F32(vec![]),
            pools: Pools::default(),
            panels: Panels::default(),
            error: None,
            room: usize::MAX,
        }
    }

    /// Allows this many numbers in all parameters that are still to be added. What goes beyond is an error, and its
    /// values are not made: sizes that come from a file then cost no more memory and time than a model of that many
    /// numbers.
    ///
    /// ```
    /// use unspool_graph::{Params, init};
    /// let mut params = Params::seeded(0).at_most(6);
    /// params.scope("m").add("w", [2, 3], init::zeros());
    /// assert!(params.check().is_ok());
    /// params.scope("m").add("huge", [1 << 40, 1 << 20], init::zeros());
    /// assert!(params.check().unwrap_err().to_string().contains("more numbers than are allowed"));
    /// ```
    pub fn at_most(self, elements: usize) -> Params {
        Params { room: elements, ..self }
    }

    /// A place to add parameters under names that begin with `name` and a dot.
    pub fn scope(&mut self, name: impl AsRef<str>) -> Scope<'_> {
        Scope { prefix: name.as_ref().to_string(), ending: None, params: self }
    }

    /// The same parameters in double precision. Handles of this store fit the copy too.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params, init};
    /// let mut params = Params::seeded(0);
    /// let w = params.scope("m").add("w", [1], init::constant(0.1));
    /// let double = params.to_f64();
    /// assert_eq!(Graph::new(&double).param(w).item()?, f64::from(0.1f32)); // the handle fits both
    /// assert_eq!(double.to_f32().value(w)?, params.value(w)?);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn to_f64(&self) -> Params {
        let values = match &self.store {
            Store::F32(all) => all.iter().map(|v| v.iter().map(|&x| f64::from(x)).collect()).collect(),
            Store::F64(all) => all.clone(),
        };
        Params { store: Store::F64(values), ..self.clone() }
    }

    /// The same parameters in single precision, rounded. Handles of this store fit the copy too.
    pub fn to_f32(&self) -> Params {
        let values = match &self.store {
            Store::F32(all) => all.clone(),
            Store::F64(all) => all.iter().map(|v| v.iter().map(|&x| x as f32).collect()).collect(),
        };
        Params { store: Store::F32(values), ..self.clone() }
    }

    /// In which numbers the store computes.
    pub fn precision(&self) -> Precision {
        match self.store {
            Store::F32(_) => Precision::F32,
            Store::F64(_) => Precision::F64,
        }
    }

    /// How many parameters (arrays) there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// How many numbers all parameters hold together.
    pub fn elements(&self) -> usize {
        self.shapes.iter().map(Shape::elements).sum()
    }

    /// All parameters, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = Param> + use<> {
        let origins = self.origins.clone();
        (0..self.names.len() as u32).map(move |index| Param { store: origins[index as usize], index })
    }

    /// The parameter of this full name.
    ///
    /// ```
    /// use unspool_graph::{Params, init};
    /// let mut params = Params::seeded(0);
    /// let w = params.scope("m").add("w", [2, 3], init::zeros());
    /// assert_eq!((params.find("m.w"), params.find("m.v")), (Some(w), None));
    /// assert_eq!((params.len(), params.elements()), (1, 6));
    /// ```
    pub fn find(&self, name: &str) -> Option<Param> {
        self.by_name.get(name).map(|&index| self.handle(index))
    }

    /// The handle of the parameter at place `index`, which exists.
    pub(crate) fn handle(&self, index: u32) -> Param {
        Param { store: self.origins[index as usize], index }
    }

    /// A parameter's full name; empty for a handle of another store.
    pub fn name(&self, p: Param) -> &str {
        if self.owns(p) { &self.names[p.index as usize] } else { "" }
    }

    /// A parameter's shape; rank 0 for a handle of another store.
    pub fn shape(&self, p: Param) -> Shape {
        if self.owns(p) { self.shapes[p.index as usize] } else { Shape::from([]) }
    }

    /// A copy of a parameter's values.
    pub fn value(&self, p: Param) -> Result<Tensor> {
        self.check_param(p)?;
        let (shape, i) = (&self.shapes[p.index as usize], p.index as usize);
        Ok(match &self.store {
            Store::F32(all) => Tensor::from_elements(shape, &all[i]),
            Store::F64(all) => Tensor::from_elements(shape, &all[i]),
        })
    }

    /// Puts new values in a parameter's place, in its own storage. They must have its shape.
    ///
    /// ```
    /// use unspool_graph::{Params, init};
    /// let mut params = Params::seeded(0);
    /// let w = params.scope("m").add("w", [2], init::zeros());
    /// params.set(w, vec![1.0f32, 2.0])?;
    /// assert_eq!(params.elements_of::<f32>(w), Some(&[1.0, 2.0][..]));
    /// assert!(params.set(w, vec![1.0f32]).is_err());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn set(&mut self, p: Param, value: impl Into<Tensor>) -> Result<()> {
        self.set_tensor(p, value.into())
    }

    fn set_tensor(&mut self, p: Param, value: Tensor) -> Result<()> {
        self.check_param(p)?;
        let i = p.index as usize;
        if value.shape() != &*self.shapes[i] {
            let why = "the new values have another shape";
            return Err(Error::ParamShape { name: self.names[i].clone(), shape: value.shape().to_vec(), why });
        }
        self.panels = Panels::none(self.len());
        match &mut self.store {
            Store::F32(all) => all[i].copy_from_slice(&value.elements()),
            Store::F64(all) => all[i].copy_from_slice(&value.elements()),
        }
        Ok(())
    }

    /// The elements of a parameter, row by row, if the store is in precision `E`.
    pub fn elements_of<E: Element>(&self, p: Param) -> Option<&[E]> {
        if !self.owns(p) {
            return None;
        }
        E::store(&self.store).map(|all| &all[p.index as usize][..])
    }

    /// Returns all parameters' elements for writing, in the order of [`Params::iter`], if the store is in precision
    /// `f32`.
    ///
    /// ```
    /// use unspool_graph::{Params, init};
    /// let mut params = Params::seeded(0);
    /// let w = params.scope("m").add("w", [2], init::constant(1.0));
    /// let at = params.index(w).unwrap();
    /// params.f32_mut().unwrap()[at].iter_mut().for_each(|w| *w *= 0.5);
    /// assert_eq!(params.elements_of::<f32>(w), Some(&[0.5, 0.5][..]));
    /// assert!(params.f64_mut().is_none());
    /// ```
    pub fn f32_mut(&mut self) -> Option<Vec<&mut [f32]>> {
        self.panels = Panels::none(self.len());
        match &mut self.store {
            Store::F32(all) => Some(all.iter_mut().map(Vec::as_mut_slice).collect()),
            Store::F64(_) => None,
        }
    }

    /// Returns all parameters' elements for writing, in the order of [`Params::iter`], if the store is in precision
    /// `f64`.
    pub fn f64_mut(&mut self) -> Option<Vec<&mut [f64]>> {
        self.panels = Panels::none(self.len());
        match &mut self.store {
            Store::F32(_) => None,
            Store::F64(all) => Some(all.iter_mut().map(Vec::as_mut_slice).collect()),
        }
    }

    /// The first error made while parameters were added, if any.
    pub fn check(&self) -> Result<()> {
        self.error.clone().map_or(Ok(()), Err)
    }

    /// Whether a handle is of this store, or of one that it was cloned from before the two went separate ways.
    ///
    /// ```
    /// use unspool_graph::{Params, init};
    /// let mut params = Params::seeded(0);
    /// let w = params.scope("m").add("w", [2], init::zeros());
    /// let mut copy = params.clone();
    /// let own = params.scope("m").add("a", [2], init::zeros());
    /// let other = copy.scope("m").add("b", [3], init::zeros());
    /// assert!(params.owns(w) && copy.owns(w));
    /// assert!(params.owns(own) && copy.owns(other) && !params.owns(other) && !copy.owns(own));
    /// ```
    pub fn owns(&self, p: Param) -> bool {
        self.origins.get(p.index as usize) == Some(&p.store)
    }

    /// Freezes a parameter, or thaws it: to a frozen one no gradient flows, and nothing is computed for one. It keeps
    /// its value, as an optimizer leaves what has no gradient alone, and no [report](crate::Gradients::report) misses
    /// its gradient. A handle of another store changes nothing.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params, init};
    /// let mut params = Params::seeded(0);
    /// let body = params.scope("body").add("w", [2], init::constant(1.0));
    /// let head = params.scope("head").add("w", [2], init::constant(1.0));
    /// let all: Vec<_> = params.iter().filter(|&p| params.name(p).starts_with("body.")).collect();
    /// all.into_iter().for_each(|p| params.set_frozen(p, true));
    /// let graph = Graph::new(&params);
    /// let gradients = (graph.param(body) * head).sum_all().backward()?;
    /// assert!(gradients.of(body).is_none() && gradients.of(head).is_some());
    /// assert!(gradients.report().is_clean());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn set_frozen(&mut self, p: Param, frozen: bool) {
        if self.owns(p) {
            self.frozen[p.index as usize] = frozen;
        }
    }

    /// Returns whether a parameter is frozen.
    ///
    /// ```
    /// use unspool_graph::{Params, init};
    /// let mut params = Params::seeded(0);
    /// let w = params.scope("m").add("w", [2], init::zeros());
    /// assert!(!params.is_frozen(w));
    /// params.set_frozen(w, true);
    /// assert!(params.is_frozen(w));
    /// ```
    pub fn is_frozen(&self, p: Param) -> bool {
        self.owns(p) && self.frozen[p.index as usize]
    }

    /// Hands the memory that finished recordings over these parameters have left for the next one back to the system.
    /// It is kept so that a training loop in its steady state asks for none; after one long sequence it may be far more
    /// than is needed.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// let params = Params::seeded(0);
    /// drop(Graph::new(&params).zeros([1000, 1000]).tanh()); // 8 MB, which the parameters keep
    /// params.release_memory();
    /// ```
    pub fn release_memory(&self) {
        self.pools.0.release();
        self.pools.1.release();
    }

    /// The place of a parameter in [`Params::iter`].
    pub fn index(&self, p: Param) -> Option<usize> {
        self.owns(p).then_some(p.index as usize)
    }

    fn check_param(&self, p: Param) -> Result<()> {
        if self.owns(p) { Ok(()) } else { Err(Error::Foreign { what: "a parameter" }) }
    }

    fn insert(&mut self, name: String, sizes: &[usize], values: impl FnOnce(&Shape, RngKey) -> Vec<f64>) -> Param {
        // What is more than is allowed is refused before anything asks for memory.
        let wanted = sizes.iter().fold(1, |all: usize, &size| all.saturating_mul(size));
        let (shape, error) = if wanted > self.room {
            let why = "the model has more numbers than are allowed";
            (Shape::from([1]), Some(Error::ParamShape { name: name.clone(), shape: sizes.to_vec(), why }))
        } else {
            let (shape, error) = self.shape_for(&name, sizes);
            self.room = self.room.saturating_sub(shape.elements());
            (shape, error)
        };
        self.error = self.error.take().or(error);
        let values = values(&shape, RngKey::seed(self.seed).fold_in_str(&name));
        self.insert_values(name, shape, values)
    }

    /// The shape of a new parameter; that of one element, and an error, where it cannot have these sizes.
    fn shape_for(&self, name: &str, sizes: &[usize]) -> (Shape, Option<Error>) {
        let bad = |why| Some(Error::ParamShape { name: name.into(), shape: sizes.to_vec(), why });
        let one = Shape::from([1]);
        match Shape::new(sizes) {
            None => (one, bad("it has more axes or elements than a tensor can have")),
            Some(shape) if shape.elements() == 0 => (one, bad("a size is 0")),
            // Its first values are made in double precision.
            Some(shape) if Vec::<f64>::new().try_reserve_exact(shape.elements()).is_err() => {
                (one, bad("it needs more memory than this machine gives"))
            }
            Some(shape) => (shape, None),
        }
    }

    fn insert_values(&mut self, name: String, shape: Shape, mut values: Vec<f64>) -> Param {
        let origin = *self.generation.get_or_insert_with(fresh_id);
        let handle = Param { store: origin, index: self.names.len() as u32 };
        Arc::make_mut(&mut self.origins).push(origin);
        self.frozen.push(false);
        let mut error = None;
        if values.len() != shape.elements() {
            let why = "its values do not fill it";
            error = Some(Error::ParamShape { name: name.clone(), shape: shape.to_vec(), why });
            values.resize(shape.elements(), 0.0);
        }
        match &mut self.store {
            Store::F32(all) => all.push(values.iter().map(|&x| x as f32).collect()),
            Store::F64(all) => all.push(values),
        }
        if self.by_name.insert(name.clone(), handle.index).is_some() {
            error = error.or_else(|| Some(Error::NameTaken { name: name.clone() }));
        }
        self.shapes.push(shape);
        self.names.push(name);
        self.panels.0.push(Packs::default());
        self.panels.1.push(Packs::default());
        self.error = self.error.take().or(error);
        handle
    }
}

/// A place in [`Params`] where a layer adds its parameters under a common beginning of their names.
///
/// ```
/// use unspool_graph::{Params, Scope, init};
/// fn block(mut scope: Scope<'_>) {
///     scope.add("gain", [4], init::constant(1.0));
///     scope.scope("inner").add("weight", [4, 4], init::identity());
/// }
/// let mut params = Params::seeded(0);
/// block(params.scope("encoder"));
/// let names: Vec<&str> = params.iter().map(|p| params.name(p)).collect();
/// assert_eq!(names, ["encoder.gain", "encoder.inner.weight"]);
/// ```
#[derive(Debug)]
pub struct Scope<'p> {
    params: &'p mut Params,
    prefix: String,
    ending: Option<String>,
}

impl Scope<'_> {
    /// A place further inside, for a layer made of layers; the same place where `name` is empty.
    pub fn scope(&mut self, name: impl AsRef<str>) -> Scope<'_> {
        Scope { prefix: self.inside(name.as_ref()), ending: self.ending.clone(), params: self.params }
    }

    /// The names of what is added here, and in scopes inside, end in `ending`: the layers of one module are told apart
    /// by it, as PyTorch's `weight_ih_l0` and `weight_ih_l1_reverse` are. An ending that was given before stays: the
    /// module around a layer has the say.
    ///
    /// ```
    /// use unspool_graph::{Params, init};
    /// let mut params = Params::seeded(0);
    /// params.scope("rnn").ending("_l1").add("weight_hh", [2, 2], init::zeros());
    /// assert!(params.find("rnn.weight_hh_l1").is_some());
    /// ```
    pub fn ending(mut self, ending: impl Into<String>) -> Self {
        self.ending.get_or_insert(ending.into());
        self
    }

    /// What has been added so far, here and elsewhere.
    pub fn params(&self) -> &Params {
        self.params
    }

    /// Adds a parameter. `init` gives its elements, row by row, from its shape and its own random numbers; see
    /// [`init`].
    pub fn add<const N: usize>(
        &mut self,
        name: impl AsRef<str>,
        shape: [usize; N],
        init: impl FnOnce(&Shape, RngKey) -> Vec<f64>,
    ) -> Param {
        let name = self.full(name.as_ref());
        self.params.insert(name, &shape, init)
    }

    /// As [`add`](Scope::add), for a shape whose rank is known when the program runs.
    ///
    /// ```
    /// use unspool_graph::{Params, init};
    /// let mut params = Params::seeded(0);
    /// let sizes = vec![2; 3];
    /// let w = params.scope("m").add_sized("w", &sizes, init::zeros());
    /// assert_eq!(*params.shape(w), [2, 2, 2]);
    /// ```
    pub fn add_sized(
        &mut self,
        name: impl AsRef<str>,
        shape: &[usize],
        init: impl FnOnce(&Shape, RngKey) -> Vec<f64>,
    ) -> Param {
        let name = self.full(name.as_ref());
        self.params.insert(name, shape, init)
    }

    /// Keeps `error` as the store's first, if it has none: how a layer refuses its arguments.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// let mut params = Params::seeded(0);
    /// params.scope("attention").refuse("heads", &[3], "three heads do not divide four features");
    /// assert!(params.check().is_err());
    /// let graph = Graph::new(&params); // has the error from the start
    /// assert!(graph.zeros([1]).value().unwrap_err().to_string().contains("attention.heads"));
    /// ```
    pub fn refuse(&mut self, name: &str, shape: &[usize], why: &'static str) {
        let error = Error::ParamShape { name: self.full(name), shape: shape.to_vec(), why };
        self.params.error = self.params.error.take().or(Some(error));
    }

    fn full(&self, name: &str) -> String {
        self.inside(name) + self.ending.as_deref().unwrap_or("")
    }

    fn inside(&self, name: &str) -> String {
        let dot = if self.prefix.is_empty() || name.is_empty() { "" } else { "." };
        format!("{}{dot}{name}", self.prefix)
    }
}

/// Initial values, by their names in the field. Each is a function of a shape and of random numbers that are the
/// parameter's own.
///
/// For a weight `[out, in]` (or `[out, in, height, width]`) fan-in is in·height·width and fan-out is out·height·width.
///
/// ```
/// use unspool_graph::{Params, init};
/// let made = |seed| {
///     let mut params = Params::seeded(seed);
///     let w = params.scope("rnn").add("w_hh", [3, 3], init::orthogonal(1.0));
///     params.value(w).unwrap()
/// };
/// assert_eq!(made(7), made(7));
/// assert_ne!(made(7), made(8));
///
/// // An initializer of one's own is a function: ones, but for the second third of the elements.
/// let mut params = Params::seeded(7);
/// let forget_gate = |shape: &unspool_graph::Shape, _| {
///     let third = shape.elements() / 3;
///     (0..shape.elements()).map(|i| if i / third == 1 { 1.0 } else { 0.0 }).collect()
/// };
/// let bias = params.scope("gates").add("bias", [6], forget_gate);
/// assert_eq!(params.elements_of::<f32>(bias), Some(&[0.0, 0.0, 1.0, 1.0, 0.0, 0.0][..]));
/// ```
pub mod init {
    use super::{RngKey, Shape};

    /// Every element 0.
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
    /// Every element `value`.
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
    /// These elements, row by row.
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
    /// Uniform in [−bound, bound).
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
    /// Normal with mean 0 and this standard deviation.
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
    /// Uniform with bound √(6 / (fan-in + fan-out)) (Glorot and Bengio 2010).
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
    /// Normal with deviation √(2 / (fan-in + fan-out)) (Glorot and Bengio 2010).
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
    /// Uniform with bound √(6 / fan-in), for ReLU (He and others 2015).
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
    /// Normal with deviation √(2 / fan-in), for ReLU (He and others 2015).
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
    /// Ones where row and column are the same, zeros elsewhere (Le, Jaitly and Hinton 2015, for recurrent ReLU layers).
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
    /// Orthonormal rows or columns, whichever are fewer, times `gain` (Saxe, McClelland and Ganguli 2014), by Gram and
    /// Schmidt, done twice, on normal numbers. A stack of square blocks, as in gated layers, is made block by block.
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
}
