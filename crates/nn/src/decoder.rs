//! What a decoder is: a cell that reads tokens and writes tokens. One step of it serves training and decoding.

use crate::{
    Cell, Error, Result, State,
    decoding::{Prediction, StepFunction},
    leaves, unroll,
};
use ndarray::{Array2, ArrayView2, Ix2};
use std::sync::Arc;
use unspool_graph::{Graph, Params, Tensor, Var};

/// A [`Cell`] between tokens: their vectors go in, logits of the next token come out. What it attends to is part of its
/// state.
///
/// More in [chapter 11](https://github.com/unspool/unspool/blob/main/docs/11-encoder-decoder.md) of the tutorial.
///
/// Training goes through [`teacher_forcing`] or [`scheduled_sampling`](crate::scheduled_sampling()), decoding through
/// [`DecoderSteps`]; all of them run the same step. [`Cell::initial_state`] need only give a state's structure where
/// the true first one comes from an encoder.
///
/// ```
/// use ndarray::ArrayView2;
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
///     fn inputs<'g>(&self, xs: Var<'g>) -> Var<'g> { self.cell.inputs(xs) }
///     fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) { self.cell.step(x, h) }
/// }
///
/// impl Decoder for Writer {
///     fn embed<'g>(&self, graph: &'g Graph<'g>, ids: ArrayView2<'_, u32>) -> Var<'g> { self.table.apply(graph, ids) }
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
    /// The vectors of tokens, `[batch, time] -> [batch, time, input]`.
    fn embed<'g>(&self, graph: &'g Graph<'g>, ids: ArrayView2<'_, u32>) -> Var<'g>;

    /// Logits `[rows, vocabulary]` from the cell's outputs `[rows, output]` and the vectors it read, `[rows, input]`.
    fn logits<'g>(&self, outputs: Var<'g>, xs: Var<'g>) -> Var<'g>;

    /// Where the step that gave this state looked, `[batch, source]`, for those who attend.
    fn attention<'g>(&self, _graph: &'g Graph<'g>, _state: &Self::State<'g>) -> Option<Var<'g>> {
        None
    }

    /// The outputs at all places, `[batch, time, input] -> [batch, time, output]`, where all inputs are known. By
    /// default step after step; a decoder that can look at all places at once does that.
    #[track_caller]
    fn outputs<'g>(&self, xs: Var<'g>, lengths: &[usize], state: Self::State<'g>) -> Var<'g>
    where
        Self: Sized,
    {
        unroll(self, xs, lengths, state).0
    }
}

/// Logits `[Σ lengths, vocabulary]`, example by example, of a decoder that reads the true tokens `ids [batch, time]`: a
/// target shifted right by one, of which `lengths` are real.
///
/// More in [chapter 11](https://github.com/unspool/unspool/blob/main/docs/11-encoder-decoder.md) of the tutorial.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Embedding, Positions, TransformerConfig, TransformerDecoder, teacher_forcing};
/// let mut params = Params::seeded(1);
/// let config = TransformerConfig { size: 8, heads: 2, feedforward: 16, dropout: 0.0, norm_first: true, bias: true };
/// let table = Embedding::normal(params.scope("embedding"), 20, 8, 0.3);
/// let model = TransformerDecoder::language_model(params.scope("decoder"), 1, table, Positions::Sinusoidal, config);
/// let graph = Graph::new(&params).training(7, 0);
/// let (read, lengths) = (ndarray::array![[1, 5, 6, 7], [1, 8, 0, 0]], [4, 2]);
/// let logits = teacher_forcing(&model, &graph, read.view(), &lengths, model.initial_state(&graph, 2));
/// assert_eq!(*logits.shape()?, [6, 20]);                                 // real places only
/// let loss = logits.cross_entropy(&[5, 6, 7, 2, 8, 2]).mean(&[]); // the same tokens, one earlier, and the end
/// assert!(loss.backward()?.report().is_clean());
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[track_caller]
pub fn teacher_forcing<'g, D: Decoder>(
    decoder: &D,
    graph: &'g Graph<'g>,
    ids: ArrayView2<'_, u32>,
    lengths: &[usize],
    state: D::State<'g>,
) -> Var<'g> {
    let _scope = graph.layer("decoder");
    let xs = decoder.embed(graph, ids);
    let outputs = decoder.outputs(xs, lengths, state);
    decoder.logits(outputs.real_rows(lengths), xs.real_rows(lengths))
}

/// The step itself: tokens and a state of as many rows to logits `[rows, vocabulary]` and the next state.
#[track_caller]
pub(crate) fn one_step<'g, D: Decoder>(
    decoder: &D,
    graph: &'g Graph<'g>,
    tokens: &[u32],
    state: D::State<'g>,
) -> (Var<'g>, D::State<'g>) {
    let ids = Array2::from_shape_fn((tokens.len(), 1), |(row, _)| tokens[row]);
    let x = decoder.embed(graph, ids.view()).index(1, 0);
    let (output, state) = decoder.step(decoder.inputs(x), state);
    (decoder.logits(output, x), state)
}

/// A decoder as a [`StepFunction`]: its recording is forgotten after each token, and the state carried as plain arrays,
/// so any number of tokens takes the memory of one.
///
/// More in [chapter 11](https://github.com/unspool/unspool/blob/main/docs/11-encoder-decoder.md) of the tutorial.
///
/// Each search begins in the state that [`DecoderSteps::new`] was given, so one value serves any number of searches,
/// one after another.
///
/// A leaf of the state that no step changes, such as an attended memory, is kept once a sentence; its rows are laid out
/// anew for the hypotheses of each step.
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
    Ok(crate::detach(&start(graph))?.into_iter().map(Arc::new).collect())
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
            let value = graph.input(&*leaf.value);
            leaf.rows.as_ref().map_or(value, |rows| value.rows(rows))
        })
        .collect();
    let like = decoder.initial_state(graph, tokens.len());
    let state = like.rebuild(&mut given.iter().copied());
    let (logits, next) = one_step(decoder, graph, tokens, state);
    let log_probs = matrix(logits.log_softmax())?;
    let attention = decoder.attention(graph, &next).map(matrix).transpose()?;
    let changed = leaves(&next).into_iter().zip(&given).map(|(leaf, given)| {
        let same = leaf.same_node(*given);
        Ok(if same { None } else { Some(leaf.detach()?) })
    });
    Ok((Prediction { log_probs, attention }, changed.collect::<Result<_>>()?))
}

fn matrix(x: Var<'_>) -> Result<Array2<f64>> {
    let value = x.value()?.to_f64();
    let shape = value.shape().to_vec();
    let why = |_| Error::Decoding { why: format!("logits and attention are [rows, …] matrices, not {shape:?}") };
    value.into_dimensionality::<Ix2>().map_err(why)
}
