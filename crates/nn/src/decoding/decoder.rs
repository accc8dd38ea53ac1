//! What a decoder is: a cell that reads tokens and writes tokens. One step of it serves training and decoding.

use crate::{
    Cell, Error, Layout, Result, Sequence, State,
    decoding::{Prediction, StepFunction},
    leaves, unroll,
};
use ndarray::{Array2, ArrayView2, AsArray, Ix2};
use std::{fmt, sync::Arc};
use unspool_graph::{Graph, Params, Tensor, Var};

/// Runs a [`Cell`] between tokens: their vectors go in, and logits of the next token come out. The memory to which it
/// attends is part of its state.
///
/// More in [chapter 11](https://github.com/unspool/unspool/blob/main/docs/11-encoder-decoder.md) of the tutorial.
///
/// Training goes through [`teacher_forcing`] or [`scheduled_sampling`](crate::scheduled_sampling()), decoding through
/// [`DecoderSteps`]; all of them run the same step. [`Cell::initial_state`] need only give a state's structure where
/// the true first one comes from an encoder.
///
/// ```
/// use ndarray::aview1;
/// use unspool_graph::{Graph, Params, Var};
/// use unspool_nn::{Cell, Decoder, DecoderSteps, Embedding, Gru, Linear, decoding::Decoding};
///
/// /// A language model: a table of vectors, a cell, a readout.
/// struct Writer { table: Embedding, cell: Gru, readout: Linear }
///
/// impl Cell for Writer {
///     type State<'g> = Var<'g>;
///     fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
///         self.cell.initial_state(graph, batch)
///     }
///     fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) { self.cell.step(x, h) }
/// }
///
/// impl Decoder for Writer {
///     fn embed<'g>(&self, graph: &'g Graph<'g>, tokens: &[u32]) -> Var<'g> { self.table.apply(graph, aview1(tokens)) }
///     fn logits<'g>(&self, outputs: Var<'g>, _: Var<'g>) -> Var<'g> { self.readout.apply(outputs) }
/// }
///
/// let mut params = Params::seeded(1);
/// let writer = Writer {
///     table: Embedding::new(params.scope("table"), 9, 4),
///     cell: Gru::new(params.scope("cell"), 4, 8),
///     readout: Linear::new(params.scope("readout"), 8, 9),
/// };
/// let mut steps = DecoderSteps::new(&params, &writer, 2, |graph| writer.initial_state(graph, 2))?;
/// assert_eq!(Decoding::endless(0, 5).greedy(&mut steps)?[1].tokens.len(), 5);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub trait Decoder: Cell {
    /// Returns the vectors of tokens, `[rows, input]`.
    fn embed<'g>(&self, graph: &'g Graph<'g>, tokens: &[u32]) -> Var<'g>;

    /// Returns the logits `[rows, vocabulary]` from the cell's outputs `[rows, output]` and the vectors that it read,
    /// `[rows, input]`.
    fn logits<'g>(&self, outputs: Var<'g>, xs: Var<'g>) -> Var<'g>;

    /// Returns the attention weights `[batch, source]` of the step that gave this state, for decoders that attend.
    fn attention<'g>(&self, _graph: &'g Graph<'g>, _state: &Self::State<'g>) -> Option<Var<'g>> {
        None
    }

    /// Returns the outputs at all places, where all inputs are known. By default step after step; a decoder that can
    /// look at all places at once does that.
    #[track_caller]
    fn outputs<'g>(&self, xs: &Sequence<'g>, state: Self::State<'g>) -> Sequence<'g>
    where
        Self: Sized,
    {
        unroll(self, xs, state).0
    }
}

/// Returns the logits of a decoder that reads the true tokens `ids [batch, time]`, a target shifted right by one, of
/// which row b has `lengths[b]`.
///
/// More in [chapter 11](https://github.com/unspool/unspool/blob/main/docs/11-encoder-decoder.md) of the tutorial.
///
/// ```
/// use ndarray::array;
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Embedding, Positions, TransformerConfig, TransformerDecoder, teacher_forcing};
/// let mut params = Params::seeded(1);
/// let config = TransformerConfig { size: 8, heads: 2, feedforward: 16, dropout: 0.0, norm_first: true, bias: true };
/// let table = Embedding::normal(params.scope("embedding"), 20, 8, 0.3);
/// let model = TransformerDecoder::language_model(params.scope("decoder"), 1, table, Positions::Sinusoidal, config);
/// let graph = Graph::new(&params).training(7, 0);
/// let read = array![[1, 5, 6, 7], [1, 8, 0, 0]];
/// let logits = teacher_forcing(&model, &graph, &read, &[4, 2], model.initial_state(&graph, 2));
/// // The same tokens, one place earlier, and the end.
/// let loss = logits.cross_entropy(&array![[5, 6, 7, 2], [8, 2, 0, 0]]).mean(&[]);
/// assert!(loss.backward()?.report().is_clean());
/// # Ok::<(), unspool_nn::Error>(())
/// ```
///
/// # Errors
/// The graph records an error for lengths that do not fit the ids, and those of the decoder.
#[track_caller]
pub fn teacher_forcing<'a, 'g, D: Decoder>(
    decoder: &D,
    graph: &'g Graph<'g>,
    ids: impl AsArray<'a, u32, Ix2>,
    lengths: impl Into<Layout>,
    state: D::State<'g>,
) -> Sequence<'g> {
    let _scope = graph.layer("decoder");
    let (ids, layout): (ArrayView2<'_, u32>, Layout) = (ids.into(), lengths.into());
    let tokens = match layout.pack(ids) {
        Ok(tokens) => tokens,
        Err(why) => {
            graph.fail(graph.error("teacher_forcing", why));
            return Sequence::new(graph.inert(), layout);
        }
    };
    let embedded = {
        let _rows = graph.name_rows(layout.row_names(graph));
        decoder.embed(graph, &tokens)
    };
    let xs = Sequence::from_rows(embedded, layout.with_time(ids.ncols()));
    let outputs = decoder.outputs(&xs, state);
    outputs.zip(&xs, |outputs, xs| decoder.logits(outputs, xs))
}

/// The step itself: tokens and a state of as many rows to logits `[rows, vocabulary]` and the next state.
#[track_caller]
pub(crate) fn one_step<'g, D: Decoder>(
    decoder: &D,
    graph: &'g Graph<'g>,
    tokens: &[u32],
    state: D::State<'g>,
) -> (Var<'g>, D::State<'g>) {
    let x = decoder.embed(graph, tokens);
    let (output, state) = decoder.step(x, state);
    (decoder.logits(output, x), state)
}

/// Runs a decoder as a [`StepFunction`]: its recording is reset after each token and the state carried as plain arrays,
/// so any number of tokens takes the memory of one.
///
/// More in [chapter 11](https://github.com/unspool/unspool/blob/main/docs/11-encoder-decoder.md) of the tutorial.
///
/// Each search begins in the state that [`DecoderSteps::new`] was given, so one value serves any number of searches,
/// one after another.
///
/// A leaf of the state that no step changes, such as an attended memory, is kept once per sentence, and the hypotheses
/// of each step read it where it lies.
///
/// ```
/// use unspool_graph::Params;
/// use unspool_nn::{
///     Cell, DecoderSteps, Embedding, Positions, TransformerConfig, TransformerDecoder, decoding::StepFunction,
/// };
/// let mut params = Params::seeded(1);
/// let config = TransformerConfig { size: 8, heads: 2, feedforward: 16, dropout: 0.0, norm_first: true, bias: true };
/// let table = Embedding::normal(params.scope("embedding"), 20, 8, 0.3);
/// let model = TransformerDecoder::language_model(params.scope("decoder"), 1, table, Positions::Sinusoidal, config);
/// let mut steps = DecoderSteps::new(&params, &model, 1, |graph| model.initial_state(graph, 1))?;
/// let first = steps.step(&[0], &[1])?.log_probs;           // one sentence, which begins with token 1
/// let second = steps.step(&[0, 0], &[5, 6])?.log_probs;    // goes on in two ways
/// assert_eq!((first.dim(), second.dim()), ((1, 20), (2, 20)));
/// steps.begin()?;                                          // and from the beginning again
/// assert_eq!(steps.step(&[0], &[1])?.log_probs, first);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub struct DecoderSteps<'p, 'd, D> {
    graph: Graph<'p>,
    decoder: &'d D,
    sentences: usize,
    /// The state in which every search begins.
    start: Vec<Arc<Tensor>>,
    carried: Vec<Carried>,
}

impl<D> fmt::Debug for DecoderSteps<'_, '_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecoderSteps").field("sentences", &self.sentences).finish_non_exhaustive()
    }
}

/// A leaf of the state: row i is row `rows[i]` of `value`; all of them in order if there is no list.
struct Carried {
    value: Arc<Tensor>,
    rows: Option<Vec<u32>>,
}

impl Carried {
    fn whole(value: Arc<Tensor>) -> Carried {
        Carried { value, rows: None }
    }

    /// Row i continues what was row `parents[i]`.
    fn reorder(&mut self, parents: &[u32]) {
        let rows: Vec<u32> = match &self.rows {
            Some(rows) => parents.iter().map(|&p| rows.get(p as usize).copied().unwrap_or(u32::MAX)).collect(),
            None => parents.to_vec(),
        };
        let whole = self.value.shape().first() == Some(&rows.len());
        let in_order = whole && rows.iter().enumerate().all(|(i, &row)| i as u32 == row);
        self.rows = (!in_order).then_some(rows);
    }
}

impl<'p, 'd, D: Decoder> DecoderSteps<'p, 'd, D> {
    /// Steps of `decoder` over `params`, from the state that `start` gives for `sentences` rows: an encoder's, or
    /// [`Cell::initial_state`].
    ///
    /// # Errors
    /// The first error of the recording that `start` makes.
    pub fn new(
        params: &'p Params,
        decoder: &'d D,
        sentences: usize,
        start: impl for<'g> FnOnce(&'g Graph<'g>) -> D::State<'g>,
    ) -> Result<Self> {
        let graph = Graph::inference(params);
        let start = detached(&graph, start)?;
        if let Some(leaf) = start.iter().find(|leaf| leaf.shape().first() != Some(&sentences)) {
            let shape = leaf.shape();
            let why = format!("a state of shape {shape:?} does not have a row for each of {sentences} sentences");
            return Err(Error::Decoding { why });
        }
        let carried = start.iter().cloned().map(Carried::whole).collect();
        Ok(DecoderSteps { graph, decoder, sentences, start, carried })
    }
}

impl<D> DecoderSteps<'_, '_, D> {
    /// Returns how many nodes the last token's recording has.
    pub fn recorded(&self) -> usize {
        self.graph.len()
    }
}

fn detached<'g, S: State<'g>>(
    graph: &'g Graph<'g>,
    start: impl FnOnce(&'g Graph<'g>) -> S,
) -> Result<Vec<Arc<Tensor>>> {
    Ok(crate::state_to_tensors(&start(graph))?.into_iter().map(Arc::new).collect())
}

impl<D: Decoder> StepFunction for DecoderSteps<'_, '_, D> {
    fn sentences(&self) -> usize {
        self.sentences
    }

    fn begin(&mut self) -> Result<()> {
        self.carried = self.start.iter().cloned().map(Carried::whole).collect();
        Ok(())
    }

    fn step(&mut self, parents: &[u32], tokens: &[u32]) -> Result<Prediction> {
        self.graph.reset();
        self.carried.iter_mut().for_each(|leaf| leaf.reorder(parents));
        let (prediction, changed) = run(self.decoder, &self.graph, tokens, &self.carried)?;
        for (leaf, value) in self.carried.iter_mut().zip(changed) {
            if let Some(value) = value {
                *leaf = Carried::whole(Arc::new(value));
            }
        }
        Ok(prediction)
    }
}

/// One step on an empty recording: the prediction, and the leaves that it changed.
fn run<'g, D: Decoder>(
    decoder: &D,
    graph: &'g Graph<'g>,
    tokens: &[u32],
    carried: &[Carried],
) -> Result<(Prediction, Vec<Option<Tensor>>)> {
    let given: Vec<Var<'g>> = carried
        .iter()
        .map(|leaf| {
            let value = graph.input(leaf.value.clone());
            leaf.rows.as_ref().map_or(value, |rows| value.index_select(rows))
        })
        .collect();
    // For the structure alone: all its leaves are replaced.
    let like = decoder.initial_state(graph, 1);
    let state = like.rebuild(&mut given.iter().copied());
    let (logits, next) = one_step(decoder, graph, tokens, state);
    let log_probs = matrix(logits.log_softmax())?;
    let attention = decoder.attention(graph, &next).map(matrix).transpose()?;
    let changed = leaves(&next).into_iter().zip(&given).map(|(leaf, given)| {
        let same = leaf.same_node(*given);
        Ok(if same { None } else { Some(leaf.to_tensor()?) })
    });
    Ok((Prediction { log_probs, attention }, changed.collect::<Result<_>>()?))
}

fn matrix(x: Var<'_>) -> Result<Array2<f64>> {
    let value = x.to_f64()?;
    let shape = value.shape().to_vec();
    let why = |_| Error::Decoding { why: format!("logits and attention are [rows, …] matrices, not {shape:?}") };
    value.into_dimensionality::<Ix2>().map_err(why)
}
