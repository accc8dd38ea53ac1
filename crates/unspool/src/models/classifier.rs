//! Many-to-one: a text in, a class out.

use super::{NgramLinear, PairEmbedding, config, labels};
use crate::{
    graph::{Graph, Params, Var},
    layout::ToLayout,
    nn::{AnyCell, CellKind, Embedding, Error, Linear, Recurrent, RecurrentConfig, Result, Sequence},
    text::Padded,
};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// Holds the sizes of a [`Classifier`] of texts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierConfig {
    /// Number of token ids.
    pub vocabulary_size: usize,
    /// Number of vectors that pairs of neighboring tokens share.
    pub bigram_buckets: usize,
    /// Number of weights per class that the n-grams of up to four tokens share; 0 for a model without them.
    pub ngram_buckets: usize,
    /// Size of the vectors of tokens and of pairs.
    pub embedding_size: usize,
    /// The kind of cell.
    pub cell: CellKind,
    /// Number of stacked layers of cells.
    pub layers: usize,
    /// Size of the state in each direction.
    pub hidden_size: usize,
    /// Whether the text is also read from its end.
    pub bidirectional: bool,
    /// Number of classes.
    pub classes: usize,
    /// The share of elements dropped in training: of the tokens' vectors, between layers, before the readout, and of
    /// the n-grams.
    pub dropout: f64,
}

/// The most weights per class that n-grams share.
const MOST_NGRAM_BUCKETS: usize = 1 << 20;

impl ClassifierConfig {
    /// Checks that there are at most 1,048,576 buckets of n-grams, that every other size is between 1 and 65536, and
    /// that the dropout is in [0, 1).
    ///
    /// # Errors
    /// [`Error::Config`](crate::nn::Error::Config) names the first that is not.
    pub fn check(&self) -> Result<()> {
        if self.ngram_buckets > MOST_NGRAM_BUCKETS {
            let right = format!("it must be at most {MOST_NGRAM_BUCKETS}");
            return Err(Error::Config { what: format!("ngram_buckets is {}", self.ngram_buckets), right });
        }
        config::check(
            &[
                ("vocabulary_size", self.vocabulary_size),
                ("bigram_buckets", self.bigram_buckets),
                ("embedding_size", self.embedding_size),
                ("layers", self.layers),
                ("hidden_size", self.hidden_size),
                ("classes", self.classes),
            ],
            self.dropout,
        )
    }
}

/// A recurrence over a text, which reads of each token its own vector and that of it with the one before. The last
/// outputs, and the mean and the greatest of the outputs over the real places, decide on the class, together with the
/// n-grams of the text ([`NgramLinear`]).
///
/// ```
/// use unspool::{graph::{Graph, Params}, models::{Classifier, ClassifierConfig}, nn::CellKind, text::Padded};
/// let config = ClassifierConfig {
///     vocabulary_size: 30, bigram_buckets: 64, ngram_buckets: 99, embedding_size: 8, cell: CellKind::Lstm, layers: 1,
///     hidden_size: 8, bidirectional: true, classes: 2, dropout: 0.3,
/// };
/// let mut params = Params::seeded(0);
/// let model = Classifier::new(&mut params, &config);
/// let graph = Graph::new(&params);
/// let logits = model.logits(&graph, &Padded::new(&[vec![5, 6, 7, 8], vec![9]], 0));
/// assert_eq!(*logits.shape()?, [2, 2]);
/// let alone = model.logits(&graph, &Padded::new(&[vec![9]], 0));
/// assert_eq!(logits.index(0, 1).value()?, alone.index(0, 0).value()?);              // padding changes nothing
/// # Ok::<(), unspool::graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Classifier {
    embedding: Embedding,
    pairs: PairEmbedding,
    encoder: Recurrent<AnyCell>,
    readout: Linear,
    ngrams: Option<NgramLinear>,
    dropout: f64,
}

impl Classifier {
    /// Adds the model's parameters.
    pub fn new(params: &mut Params, config: &ClassifierConfig) -> Classifier {
        let ClassifierConfig { embedding_size, hidden_size, bidirectional, dropout, .. } = *config;
        let layers = RecurrentConfig { layers: config.layers, bidirectional, dropout };
        Classifier {
            embedding: Embedding::normal(params.scope("embedding"), config.vocabulary_size, embedding_size, 0.3),
            pairs: PairEmbedding::new(params.scope("pairs"), config.bigram_buckets, embedding_size),
            encoder: Recurrent::of(config.cell, params.scope("encoder"), embedding_size, hidden_size, layers),
            readout: Linear::new(params.scope("readout"), 3 * layers.output_size(hidden_size), config.classes),
            ngrams: (config.ngram_buckets > 0)
                .then(|| NgramLinear::new(params.scope("ngrams"), config.ngram_buckets, config.classes, dropout)),
            dropout,
        }
    }

    /// Counts the n-grams of the texts to learn from, each with its class, before training: [`NgramLinear::count`].
    ///
    /// # Errors
    /// The parameters are not those of the model.
    pub fn count_ngrams<T: AsRef<[u32]>>(
        &self,
        params: &mut Params,
        texts: impl IntoIterator<Item = (T, u32)>,
    ) -> Result<()> {
        self.ngrams.as_ref().map_or(Ok(()), |ngrams| ngrams.count(params, texts))
    }

    /// Returns the logits `[batch, classes]` of a padded batch: those of the recurrence plus those of the n-grams.
    #[track_caller]
    pub fn logits<'g>(&self, graph: &'g Graph<'g>, input: &Padded) -> Var<'g> {
        let logits = self.read(&self.vectors(graph, input));
        self.ngrams.iter().fold(logits, |logits, ngrams| logits + ngrams.logits(graph, input))
    }

    /// The vectors that the recurrence reads.
    #[track_caller]
    fn vectors<'g>(&self, graph: &'g Graph<'g>, input: &Padded) -> Sequence<'g> {
        let layout = input.layout();
        let words = self.embedding.sequence(graph, &input.ids, &layout);
        let pairs = self.pairs.sequence(graph, &input.ids, &layout);
        words.zip(&pairs, |words, pairs| (words + pairs).dropout(self.dropout))
    }

    /// The recurrence's part of the logits of a batch of vectors.
    #[track_caller]
    fn read<'g>(&self, xs: &Sequence<'g>) -> Var<'g> {
        let graph = xs.graph();
        let (hs, _) = self.encoder.unroll(xs, self.encoder.initial_state(graph, xs.batch()));
        let features = graph.concat(&[self.encoder.last(&hs), hs.mean(), hs.max()], -1);
        self.readout.apply(features.dropout(self.dropout))
    }

    /// Returns what each real token contributes to the logit z of its row's class: gradient × input,
    /// Σᵢ xᵢ · ∂z/∂xᵢ over the elements of the vector x that the recurrence reads at that token, which is the token's
    /// own vector and that of the pair with the token before it (Shrikumar and others 2016). To first order it is by
    /// how much z falls when the vector shrinks to nothing, in logits: above 0 the token speaks for the class. What the
    /// n-grams with the token contribute is added ([`NgramLinear::contributions`]).
    ///
    /// ```
    /// use unspool::{graph::Params, models::{Classifier, ClassifierConfig}, nn::CellKind, text::Padded};
    /// let config = ClassifierConfig {
    ///     vocabulary_size: 30, bigram_buckets: 64, ngram_buckets: 99, embedding_size: 8, cell: CellKind::Lstm,
    ///     layers: 1,
    ///     hidden_size: 8, bidirectional: true, classes: 2, dropout: 0.3,
    /// };
    /// let mut params = Params::seeded(0);
    /// let model = Classifier::new(&mut params, &config);
    /// let found = model.contributions(&params, &Padded::new(&[vec![5, 6, 7], vec![9]], 0), &[1, 0])?;
    /// assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1]);
    /// # Ok::<(), unspool::nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first error of the recording.
    pub fn contributions(&self, params: &Params, input: &Padded, classes: &[u32]) -> Result<Vec<Vec<f64>>> {
        let graph = Graph::new(params);
        let vectors = self.vectors(&graph, input);
        let rows = vectors.rows().watch();
        let logits = self.read(&Sequence::from_rows(rows, vectors.layout().clone()));
        let known = logits.shape()?.last_axis();
        let chosen = Array2::from_shape_fn((input.len(), known), |(row, class)| {
            f32::from(classes.get(row).is_some_and(|chosen| *chosen as usize == class))
        });
        let gradients = (logits * graph.input(&chosen)).sum_all().backward()?;
        let Some(gradient) = gradients.of(rows) else { return Ok(vec![vec![]; input.len()]) };
        let products = gradient.to_f64() * rows.to_f64()?;
        let sums: Vec<f64> = products.rows().into_iter().map(|row| row.sum()).collect();
        let mut found = vectors.layout().unpack(&sums);
        if let Some(ngrams) = &self.ngrams {
            let of_ngrams = ngrams.contributions(params, input, classes)?;
            for (sum, of_ngrams) in found.iter_mut().flatten().zip(of_ngrams.iter().flatten()) {
                *sum += of_ngrams;
            }
        }
        Ok(found)
    }

    /// Returns Σ of the cross-entropy over the rows. A class that the model does not have, numbered as one more, costs
    /// nothing.
    ///
    /// The recurrence and the n-grams each have a loss of their own, and the mean of the two is returned. The ratios of
    /// the n-grams were counted on the same texts, and soon explain all of them, so a loss of the summed logits would
    /// leave the recurrence nothing to learn. Trained separately, the two make different mistakes, and their sum is an
    /// ensemble (a product of experts).
    #[track_caller]
    pub fn loss<'g>(&self, graph: &'g Graph<'g>, input: &Padded, classes: &[u32]) -> Var<'g> {
        let cost = |logits: Var<'g>| {
            let known = logits.known_shape().map_or(0, |shape| shape.last_axis());
            labels::cross_entropy_of_known(logits, classes, known).sum_all()
        };
        let recurrent = cost(self.read(&self.vectors(graph, input)));
        self.ngrams.iter().fold(recurrent, |loss, ngrams| (loss + cost(ngrams.logits(graph, input))) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// d z(s·x) / ds at s = 1 is Σᵢ xᵢ · ∂z/∂xᵢ; what the n-grams contribute is added.
    #[test]
    fn a_contribution_is_how_the_logit_follows_the_scale_of_the_tokens_vector() {
        let config = ClassifierConfig {
            vocabulary_size: 12,
            bigram_buckets: 16,
            ngram_buckets: 64,
            embedding_size: 5,
            cell: CellKind::Gru,
            layers: 2,
            hidden_size: 4,
            bidirectional: true,
            classes: 3,
            dropout: 0.5,
        };
        let mut params = Params::seeded(3);
        let model = Classifier::new(&mut params, &config);
        let ngrams = model.ngrams.clone().unwrap();
        model.count_ngrams(&mut params, [(vec![5, 6, 7], 2), (vec![9], 0), (vec![8], 1)]).unwrap();
        let name = |params: &Params, name: &str| params.iter().find(|p| params.name(*p) == name).unwrap();
        let weight = name(&params, "ngrams.weight");
        params.set(weight, Array2::from_shape_fn((64, 3), |(row, class)| (row + 7 * class) as f32 / 50.0)).unwrap();
        let params = params.to_f64();
        let (input, classes) = (Padded::new(&[vec![5, 6, 7, 8], vec![9, 5]], 0), [2u32, 0]);
        let found = model.contributions(&params, &input, &classes).unwrap();
        let of_ngrams = ngrams.contributions(&params, &input, &classes).unwrap();
        let logit = |place: (usize, usize), scale: f64| {
            let graph = Graph::inference(&params);
            let xs = model.vectors(&graph, &input);
            let scales: Vec<f64> = xs.layout().steps().map(|step| if step == place { scale } else { 1.0 }).collect();
            let scales = graph.input(Array2::from_shape_fn((scales.len(), 1), |(row, _)| scales[row]));
            model.read(&xs.map(|rows| rows * scales)).to_f64().unwrap()[[place.0, classes[place.0] as usize]]
        };
        let step = 1e-5;
        for place in [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1)] {
            let slope = (logit(place, 1.0 + step) - logit(place, 1.0 - step)) / (2.0 * step);
            let contribution = found[place.0][place.1] - of_ngrams[place.0][place.1];
            assert!(of_ngrams[place.0][place.1] != 0.0);
            assert!((slope - contribution).abs() < 1e-8 && contribution != 0.0, "{place:?}: {slope}, {contribution}");
        }
    }
}
