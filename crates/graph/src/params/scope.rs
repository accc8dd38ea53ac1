//! A place in the store where a layer adds its parameters.

use super::{Param, Params};
use crate::{Error, RngKey, Shape};

/// Marks a place in [`Params`] where a layer adds its parameters under a common beginning of their names.
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

impl Params {
    /// Opens a place to add parameters under names that begin with `name` and a dot.
    pub fn scope(&mut self, name: impl AsRef<str>) -> Scope<'_> {
        Scope { prefix: name.as_ref().to_string(), ending: None, params: self }
    }
}

impl Scope<'_> {
    /// Opens a place further inside, for a layer made of layers; the same place where `name` is empty.
    pub fn scope(&mut self, name: impl AsRef<str>) -> Scope<'_> {
        Scope { prefix: self.inside(name.as_ref()), ending: self.ending.clone(), params: self.params }
    }

    /// Makes the names of what is added here, and in scopes inside, end in `ending`: the layers of one module are told
    /// apart by it, as PyTorch's `weight_ih_l0` and `weight_ih_l1_reverse` are. An ending that was given before stays:
    /// the module around a layer has the say.
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

    /// Returns what has been added so far, here and elsewhere.
    pub fn params(&self) -> &Params {
        self.params
    }

    /// Adds a parameter. `init` gives its elements, row by row, from its shape and its own random numbers; see
    /// [`init`](crate::init).
    pub fn add<const N: usize>(
        &mut self,
        name: impl AsRef<str>,
        shape: [usize; N],
        init: impl FnOnce(&Shape, RngKey) -> Vec<f64>,
    ) -> Param {
        let name = self.full(name.as_ref());
        self.params.insert(name, &shape, init)
    }

    /// Adds a parameter as [`add`](Scope::add) does, for a shape whose rank is known when the program runs.
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
