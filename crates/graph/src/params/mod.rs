//! Parameters: named arrays, in one precision, that graphs borrow and an optimizer changes in place.

mod arrays;
pub mod init;
mod int8;
mod scope;

pub(crate) use arrays::Arrays;
pub use int8::Int8;
pub use scope::Scope;

use crate::{
    Buffer, Element, Error, Float, Precision, Result, RngKey, Shape, Tensor,
    element::{Either, typed},
};
use arrays::Stored;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

/// Names a parameter in code: an index, and which store it is of. Plain data, so a cell that holds it is plain data
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

/// Holds the parameters of a model. Layers add theirs under a [`scope`](Params::scope); [`Graph`](crate::Graph)s borrow
/// the store.
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
    pub(crate) arrays: Either<Stored>,
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
    /// Copies the parameters. The handles of this store fit the copy too; what is added to either from then on belongs
    /// to that one alone.
    fn clone(&self) -> Params {
        self.with_arrays(self.arrays.clone())
    }
}

impl Params {
    fn with_arrays(&self, arrays: Either<Stored>) -> Params {
        Params {
            generation: None,
            origins: self.origins.clone(),
            seed: self.seed,
            names: self.names.clone(),
            shapes: self.shapes.clone(),
            by_name: self.by_name.clone(),
            frozen: self.frozen.clone(),
            arrays,
            error: self.error.clone(),
            room: self.room,
        }
    }

    /// Makes an empty store in single precision. Initial values are a function of `seed` and each parameter's full
    /// name.
    pub fn seeded(seed: u64) -> Params {
        Params {
            generation: None,
            origins: Arc::default(),
            seed,
            names: vec![],
            shapes: vec![],
            by_name: BTreeMap::new(),
            frozen: vec![],
            arrays: Either::F32(Arrays::new(vec![])),
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

    /// Returns the same parameters in double precision. Handles of this store fit the copy too.
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
        match &self.arrays {
            Either::F32(arrays) => self.with_arrays(Either::F64(arrays.convert())),
            Either::F64(_) => self.clone(),
        }
    }

    /// Returns the same parameters in single precision, rounded. Handles of this store fit the copy too.
    pub fn to_f32(&self) -> Params {
        match &self.arrays {
            Either::F32(_) => self.clone(),
            Either::F64(arrays) => self.with_arrays(Either::F32(arrays.convert())),
        }
    }

    /// Returns in which numbers the store computes.
    pub fn precision(&self) -> Precision {
        self.arrays.precision()
    }

    /// The arrays, for a recording over this store, which is in its precision.
    pub(crate) fn arrays<E: Float>(&self) -> &Arrays<E> {
        self.arrays.of().unwrap_or_else(|| unreachable!("a recording has the precision of its parameters"))
    }

    /// Returns how many parameters (arrays) there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Returns how many numbers all parameters hold together.
    pub fn elements(&self) -> usize {
        self.shapes.iter().map(Shape::elements).sum()
    }

    /// Returns all parameters, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = Param> + use<> {
        let origins = self.origins.clone();
        (0..self.names.len() as u32).map(move |index| Param { store: origins[index as usize], index })
    }

    /// Returns the parameter of this full name.
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

    /// Returns a parameter's full name; empty for a handle of another store.
    pub fn name(&self, p: Param) -> &str {
        if self.owns(p) { &self.names[p.index as usize] } else { "" }
    }

    /// Returns a parameter's shape; rank 0 for a handle of another store.
    pub fn shape(&self, p: Param) -> Shape {
        if self.owns(p) { self.shapes[p.index as usize] } else { Shape::from([]) }
    }

    /// Returns a copy of a parameter's values.
    pub fn value(&self, p: Param) -> Result<Tensor> {
        self.check_param(p)?;
        let (shape, i) = (&self.shapes[p.index as usize], p.index as usize);
        Ok(typed!(&self.arrays, arrays => Tensor::from_elements(shape, &arrays.values[i])))
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
        typed!(&mut self.arrays, arrays => arrays.one_for_writing(i).copy_from_slice(&value.elements()));
        Ok(())
    }

    /// Returns the elements of a parameter, row by row, if the store is in precision `E`.
    pub fn elements_of<E: Float>(&self, p: Param) -> Option<&[E]> {
        self.arrays.of().filter(|_| self.owns(p)).map(|arrays| &arrays.values[p.index as usize][..])
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
        self.elements_mut()
    }

    /// Returns all parameters' elements for writing, in the order of [`Params::iter`], if the store is in precision
    /// `f64`.
    pub fn f64_mut(&mut self) -> Option<Vec<&mut [f64]>> {
        self.elements_mut()
    }

    fn elements_mut<E: Float>(&mut self) -> Option<Vec<&mut [E]>> {
        Some(self.arrays.of_mut()?.for_writing().iter_mut().map(Vec::as_mut_slice).collect())
    }

    /// Returns the first error made while parameters were added, if any.
    pub fn check(&self) -> Result<()> {
        self.error.clone().map_or(Ok(()), Err)
    }

    /// Returns whether a handle is of this store, or of one that it was cloned from before the two went separate ways.
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

    /// Hands the memory that finished recordings over these parameters have left for the next one back to the system,
    /// and the short buffers that the calling thread keeps for all recordings, at most 2 MB in single precision. It is
    /// kept so that a training loop in its steady state asks for none; after one long sequence it may be far more than
    /// is needed.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// let params = Params::seeded(0);
    /// drop(Graph::new(&params).zeros([1000, 1000]).tanh()); // 8 MB, which the parameters keep
    /// params.release_memory();
    /// ```
    pub fn release_memory(&self) {
        typed!(&self.arrays, arrays => arrays.pool.release());
    }

    /// Returns room for `len` elements of any contents, from the memory that recordings over these parameters share, if
    /// they are in precision `E`; else memory of its own.
    ///
    /// ```
    /// use unspool_graph::Params;
    /// let params = Params::seeded(0);
    /// assert_eq!(params.buffer::<f32>(3).len(), 3);
    /// ```
    pub fn buffer<E: Float>(&self, len: usize) -> Buffer<E> {
        self.arrays.of::<E>().map_or_else(|| vec![E::ZERO; len].into(), |arrays| arrays.pool.take(len))
    }

    /// Returns the place of a parameter in [`Params::iter`].
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
        typed!(&mut self.arrays, arrays => arrays.push(values.into_iter().map(Element::from_f64).collect()));
        if self.by_name.insert(name.clone(), handle.index).is_some() {
            error = error.or_else(|| Some(Error::NameTaken { name: name.clone() }));
        }
        self.shapes.push(shape);
        self.names.push(name);
        self.error = self.error.take().or(error);
        handle
    }
}
