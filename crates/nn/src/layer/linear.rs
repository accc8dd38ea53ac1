//! The affine layer and the table of word vectors, with PyTorch's names, layouts and first values.

use crate::{Layout, Sequence, sizes::uniform_bound};
use ndarray::{ArrayView, ArrayView2, AsArray, Dimension, Ix2, aview1};
use unspool_graph::{Graph, Param, Scope, Shape, Var, init};

/// Computes y = x·Wᵀ + b. Parameters `weight [out, in]` and `bias [out]`, uniform in ±1/√in, as in PyTorch.
///
/// More in [chapter 2](https://github.com/unspool/unspool/blob/main/docs/02-one-to-one.md) of the tutorial.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::Linear;
/// let mut params = Params::seeded(0);
/// let readout = Linear::new(params.scope("readout"), 8, 3);
/// let graph = Graph::new(&params);
/// assert_eq!(*readout.apply(graph.zeros([2, 5, 8])).shape()?, [2, 5, 3]);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Param,
    /// `[out]`, if there is one.
    pub bias: Option<Param>,
}

impl Linear {
    /// Adds a layer with a bias.
    pub fn new(mut scope: Scope<'_>, input_size: usize, output_size: usize) -> Linear {
        let bound = uniform_bound(input_size);
        let weight = scope.add("weight", [output_size, input_size], init::uniform(bound));
        Linear { weight, bias: Some(scope.add("bias", [output_size], init::uniform(bound))) }
    }
    /// Adds a layer without a bias.
    pub fn without_bias(mut scope: Scope<'_>, input_size: usize, output_size: usize) -> Linear {
        let bound = uniform_bound(input_size);
        Linear { weight: scope.add("weight", [output_size, input_size], init::uniform(bound)), bias: None }
    }
    /// Applies the layer: `[.., in] -> [.., out]`.
    #[track_caller]
    pub fn apply<'g>(&self, x: Var<'g>) -> Var<'g> {
        let _scope = x.graph().layer("linear");
        x.linear(self.weight, self.bias)
    }
}

/// Looks up a vector for each token id. Parameter `weight [vocabulary, width]`, normal with deviation 1, as in PyTorch.
///
/// More in [chapter 5](https://github.com/unspool/unspool/blob/main/docs/05-many-to-one.md) of the tutorial.
///
/// ```
/// use ndarray::array;
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::Embedding;
/// let mut params = Params::seeded(0);
/// let words = Embedding::new(params.scope("words"), 10, 4).padding(0);
/// let graph = Graph::new(&params);
/// let loss = words.apply(&graph, array![[3, 1, 0]].view()).sum_all();
/// let gradient = loss.backward()?.of(words.weight).unwrap().to_f64();
/// assert_eq!((gradient[[3, 0]], gradient[[0, 0]]), (1.0, 0.0)); // padding's row learns nothing
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Embedding {
    /// `[vocabulary, width]`.
    pub weight: Param,
    padding: Option<u32>,
}

impl Embedding {
    /// Adds a table of `vocabulary_size` vectors of `width` elements.
    pub fn new(scope: Scope<'_>, vocabulary_size: usize, width: usize) -> Embedding {
        Embedding::normal(scope, vocabulary_size, width, 1.0)
    }
    /// Adds a table with initial values of another standard deviation, as is usual where the table is also the output
    /// layer.
    pub fn normal(mut scope: Scope<'_>, vocabulary_size: usize, width: usize, deviation: f64) -> Embedding {
        let weight = scope.add("weight", [vocabulary_size, width], init::normal(deviation));
        Embedding { weight, padding: None }
    }
    /// Makes row `id` padding, which gets no gradient.
    pub fn padding(mut self, id: u32) -> Embedding {
        self.padding = Some(id);
        self
    }
    /// Looks up `ids: […] -> […, width]`, whatever their axes: `[batch, time]` for a padded batch, `[batch]` for one
    /// step of decoding.
    ///
    /// ```
    /// use ndarray::{array, aview1};
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::Embedding;
    /// let mut params = Params::seeded(0);
    /// let embedding = Embedding::new(params.scope("words"), 10, 4);
    /// let graph = Graph::new(&params);
    /// assert_eq!(*embedding.apply(&graph, array![[3, 1, 0], [2, 0, 0]].view()).shape()?, [2, 3, 4]);
    /// assert_eq!(*embedding.apply(&graph, aview1(&[3, 1])).shape()?, [2, 4]);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn apply<'g, D: Dimension>(&self, graph: &'g Graph<'g>, ids: ArrayView<'_, u32, D>) -> Var<'g> {
        let _scope = graph.layer("embedding");
        let Some(leading) = Shape::new(ids.shape()) else {
            graph.fail(graph.error("embedding", format!("the ids have {} axes, which are too many", ids.ndim())));
            return graph.inert();
        };
        let flat: Vec<u32> = ids.iter().copied().collect();
        graph.embedding(self.weight, &flat, leading, self.padding)
    }

    /// Looks up the real tokens of a padded batch of ids `[batch, time]`, of which row `b` has `lengths[b]`: a sequence
    /// of vectors.
    ///
    /// ```
    /// use ndarray::array;
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::Embedding;
    /// let mut params = Params::seeded(0);
    /// let embedding = Embedding::new(params.scope("words"), 10, 4);
    /// let graph = Graph::new(&params);
    /// let xs = embedding.sequence(&graph, &array![[3, 1, 5], [2, 99, 99]], &[3, 1]); // padding may hold anything
    /// assert_eq!(*xs.rows().shape()?, [4, 4]);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    ///
    /// # Errors
    /// The graph records an error for lengths that do not fit the ids, and ids that the table does not have.
    #[track_caller]
    pub fn sequence<'a, 'g>(
        &self,
        graph: &'g Graph<'g>,
        ids: impl AsArray<'a, u32, Ix2>,
        lengths: impl Into<Layout>,
    ) -> Sequence<'g> {
        let _scope = graph.layer("embedding");
        let (ids, layout): (ArrayView2<'_, u32>, Layout) = (ids.into(), lengths.into());
        let rows = match layout.pack(ids) {
            Ok(tokens) => self.apply(graph, aview1(&tokens)),
            Err(why) => {
                graph.fail(graph.error("embedding", why));
                graph.inert()
            }
        };
        Sequence::new(rows, layout.with_time(ids.ncols()))
    }
}

/// Normalizes along the last axis: (x − mean) / √(variance + ε) · weight + bias (Ba, Kiros and Hinton 2016). Parameters
/// `weight [size]`, at first 1, and `bias [size]`, at first 0; ε is 1e-5: PyTorch's `nn.LayerNorm`.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::LayerNorm;
/// let mut params = Params::seeded(0);
/// let norm = LayerNorm::new(params.scope("norm"), 2);
/// let exact = LayerNorm::without_bias(params.scope("exact"), 2).epsilon(0.0);
/// let graph = Graph::new(&params);
/// let x = graph.input(ndarray::array![[1.0f32, 3.0]]);
/// assert_eq!(exact.apply(x).to_f64()?.into_raw_vec_and_offset().0, [-1.0, 1.0]);
/// assert!(norm.apply(x).to_f64()?[[0, 1]] < 1.0);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm {
    /// `[size]`.
    pub weight: Param,
    /// `[size]`, if there is one.
    pub bias: Option<Param>,
    epsilon: f64,
}

impl LayerNorm {
    /// Adds a layer for vectors of `size` elements.
    pub fn new(mut scope: Scope<'_>, size: usize) -> LayerNorm {
        let weight = scope.add("weight", [size], init::constant(1.0));
        LayerNorm { weight, bias: Some(scope.add("bias", [size], init::zeros())), epsilon: 1e-5 }
    }
    /// Adds a layer without a bias.
    pub fn without_bias(mut scope: Scope<'_>, size: usize) -> LayerNorm {
        LayerNorm { weight: scope.add("weight", [size], init::constant(1.0)), bias: None, epsilon: 1e-5 }
    }
    /// Sets ε, which keeps the division finite.
    pub fn epsilon(mut self, epsilon: f64) -> LayerNorm {
        self.epsilon = epsilon;
        self
    }
    /// Applies the layer: `[.., size] -> [.., size]`.
    #[track_caller]
    pub fn apply<'g>(&self, x: Var<'g>) -> Var<'g> {
        let _scope = x.graph().layer("layer_norm");
        match self.bias {
            Some(bias) => x.layer_norm(self.weight, bias, self.epsilon),
            None => x.layer_norm(self.weight, 0.0, self.epsilon),
        }
    }
}
