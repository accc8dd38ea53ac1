//! A linear model of the n-grams of a text, to be added to a recurrence.

use crate::{
    graph::{Graph, Param, Params, RngKey, Scope, Var, init},
    layout::ToLayout,
    nn::{Result, Sequence},
    text::Padded,
};
use ndarray::Array2;
use std::ops::Range;

/// The longest n-grams.
const LONGEST: usize = 4;

/// The token that stands before the first and after the last of a text: no vocabulary has so many.
const EDGE: u32 = u32::MAX;

/// Adam moves a weight by about the learning rate per step, however seldom its n-gram occurs. This factor makes steps
/// that suit a recurrence large enough for weights of rare n-grams.
const GAIN: f64 = 10.0;

/// Added to the square of a norm: a text of which no n-gram was ever counted has none to be divided by.
const LEAST_NORM: f64 = 1e-9;

/// A classifier that is linear in the n-grams of 1 to 4 tokens of a text. It knows which phrases speak for a class
/// after it has seen them a few times, where a recurrence has to learn from many texts what they mean. The two together
/// are a wide and deep network (arXiv:1606.07792).
///
/// With the set F of the n-grams of a text, the logit of class c is
///
/// ```text
/// z_c = 10 · Σ_{f ∈ F} r_{f,c} · w_{f,c} / √(Σ_{f ∈ F} r_{f,c}²),
/// ```
///
/// where w is learned and r, which says how much an n-gram tells about a class, is counted once from the texts to learn
/// from: r_{f,c} = |ln p(f | c) − ln p(f | other classes)|, with counts smoothed by 1 (Wang and Manning 2012,
/// "Baselines and bigrams: simple, good sentiment and topic classification"). An n-gram's row is a hash of it, so there
/// is no list of n-grams to keep, and rare ones share a row.
///
/// Parameters `weight` and `ratio`, each `[buckets, classes]`. Training leaves `ratio` as it is.
///
/// ```
/// use unspool::{graph::{Graph, Params}, models::NgramLinear, text::Padded};
/// let mut params = Params::seeded(1);
/// let ngrams = NgramLinear::new(params.scope("ngrams"), 1 << 10, 2, 0.0);
/// ngrams.count(&mut params, [(&[5, 6, 7][..], 0), (&[5, 8], 1)])?;
/// let graph = Graph::new(&params);
/// let logits = ngrams.logits(&graph, &Padded::new(&[vec![5, 6, 7], vec![8]], 0));
/// assert_eq!(logits.to_f64()?, ndarray::array![[0.0, 0.0], [0.0, 0.0]].into_dyn());         // the weights are zero
/// assert!(logits.cross_entropy(&[0, 1]).sum_all().backward()?.norm() > 0.0);
/// # Ok::<(), unspool::nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct NgramLinear {
    weight: Param,
    ratio: Param,
    buckets: usize,
    classes: usize,
    dropout: f64,
}

impl NgramLinear {
    /// Adds the parameters: zeros. In training the share `dropout` of the n-grams of a text is left out.
    pub fn new(mut scope: Scope<'_>, buckets: usize, classes: usize, dropout: f64) -> NgramLinear {
        let mut table = |name| scope.add(name, [buckets, classes], init::zeros());
        NgramLinear { weight: table("weight"), ratio: table("ratio"), buckets: buckets.max(1), classes, dropout }
    }

    /// Counts the n-grams of texts, each with its class, and sets the ratios r.
    ///
    /// # Errors
    /// The parameters are not those that the model was made with.
    pub fn count<T: AsRef<[u32]>>(&self, params: &mut Params, texts: impl IntoIterator<Item = (T, u32)>) -> Result<()> {
        let mut counts = Array2::<f64>::zeros((self.buckets, self.classes));
        for (ids, class) in texts.into_iter().filter(|(_, class)| (*class as usize) < self.classes) {
            self.set_of(ids.as_ref()).iter().for_each(|row| counts[[*row as usize, class as usize]] += 1.0);
        }
        let of_class = counts.sum_axis(ndarray::Axis(0));
        let p = |count: f64, of: f64| (count + 1.0) / (of + self.buckets as f64);
        let mut ratios = Array2::<f32>::zeros(counts.dim());
        for (counts, mut ratios) in counts.outer_iter().zip(ratios.outer_iter_mut()).filter(|(row, _)| row.sum() > 0.0)
        {
            for ((ratio, count), of) in ratios.iter_mut().zip(counts).zip(&of_class) {
                let others = p(counts.sum() - count, of_class.sum() - of);
                *ratio = (p(*count, *of) / others).ln().abs() as f32;
            }
        }
        Ok(params.set(self.ratio, ratios)?)
    }

    /// Returns the logits `[batch, classes]` of a padded batch.
    #[track_caller]
    pub fn logits<'g>(&self, graph: &'g Graph<'g>, input: &Padded) -> Var<'g> {
        let sets: Vec<Vec<u32>> = texts(input).map(|ids| self.set_of(&ids)).collect();
        let layout = Padded::new(&sets, 0).layout();
        let rows_of_sets: Vec<u32> = layout.steps().map(|(text, place)| sets[text][place]).collect();
        let rows = |table: Param| {
            Sequence::from_rows(graph.embedding(table, &rows_of_sets, [rows_of_sets.len()], None), layout.clone())
        };
        let ratios = rows(self.ratio).map(Var::detach);
        let norms = (ratios.map(|ratios| ratios * ratios).sum() + LEAST_NORM).sqrt();
        let products = rows(self.weight).zip(&ratios, |weights, ratios| (weights * ratios).dropout(self.dropout));
        products.sum() / norms * GAIN
    }

    /// Returns what each token of each text contributes to the logit z of its text's class: the share of z of each
    /// n-gram, divided equally among the tokens of all places where the text has it. The contributions of a text add up
    /// to z.
    ///
    /// ```
    /// use unspool::{graph::Params, models::NgramLinear, text::Padded};
    /// let mut params = Params::seeded(1);
    /// let ngrams = NgramLinear::new(params.scope("ngrams"), 1 << 10, 2, 0.0);
    /// let found = ngrams.contributions(&params, &Padded::new(&[vec![5, 6, 7], vec![8]], 0), &[1, 0])?;
    /// assert_eq!(found, [vec![0.0; 3], vec![0.0]]);                                          // the weights are zero
    /// # Ok::<(), unspool::nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// The parameters are not those that the model was made with.
    pub fn contributions(&self, params: &Params, input: &Padded, classes: &[u32]) -> Result<Vec<Vec<f64>>> {
        let graph = Graph::inference(params);
        let each = |(ids, &class): (Vec<u32>, &u32)| -> Result<Vec<f64>> {
            let (mut found, class) = (vec![0.0; ids.len()], class as usize);
            if class >= self.classes {
                return Ok(found);
            }
            let mut places: Vec<(u32, Range<usize>)> = self.ngrams(&ids).collect();
            places.sort_by_key(|(row, place)| (*row, place.start, place.end));
            let of_ngrams: Vec<_> = places.chunk_by(|one, other| one.0 == other.0).collect();
            // A table is large, and a text has few of its rows.
            let rows: Vec<u32> = of_ngrams.iter().map(|places| places[0].0).collect();
            let values = |table| graph.embedding(table, &rows, [rows.len()], None).index(-1, class).to_f64();
            let (weights, ratios) = (values(self.weight)?, values(self.ratio)?);
            let scale = GAIN / (ratios.iter().map(|ratio| ratio * ratio).sum::<f64>() + LEAST_NORM).sqrt();
            for (places, (weight, ratio)) in of_ngrams.iter().zip(weights.iter().zip(&ratios)) {
                let tokens: usize = places.iter().map(|(_, place)| place.len()).sum();
                for place in places.iter().flat_map(|(_, place)| place.clone()) {
                    found[place] += scale * ratio * weight / tokens as f64;
                }
            }
            Ok(found)
        };
        texts(input).zip(classes).map(each).collect()
    }

    /// The rows of the n-grams of a text, each once.
    fn set_of(&self, ids: &[u32]) -> Vec<u32> {
        let mut rows: Vec<u32> = self.ngrams(ids).map(|(row, _)| row).collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    /// The row of each n-gram of a text, with the places of its tokens. Of two tokens and more, an n-gram may begin
    /// before the first or end after the last token, but is more than these edges.
    fn ngrams(&self, ids: &[u32]) -> impl Iterator<Item = (u32, Range<usize>)> {
        let marked: Vec<u32> = [EDGE].iter().chain(ids).chain(&[EDGE]).copied().collect();
        let (key, length, buckets) = (RngKey::seed(0).fold_in_str("ngrams"), ids.len(), self.buckets as u64);
        (1..=LONGEST).flat_map(move |n| {
            let rows: Vec<(u32, Range<usize>)> = (marked.windows(n).enumerate())
                .map(|(start, tokens)| {
                    let key = tokens.iter().fold(key.fold_in(n as u64), |key, id| key.fold_in(u64::from(*id)));
                    let place = start.saturating_sub(1)..(start + n - 1).min(length);
                    ((key.bits(0) % buckets) as u32, place)
                })
                .filter(|(_, place)| !place.is_empty())
                .collect();
            rows
        })
    }
}

/// The texts of a padded batch.
fn texts(input: &Padded) -> impl Iterator<Item = Vec<u32>> {
    input.ids.outer_iter().zip(&input.lengths).map(|(row, length)| row.iter().take(*length).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(classes: usize) -> (Params, NgramLinear) {
        let mut params = Params::seeded(1);
        let model = NgramLinear::new(params.scope("ngrams"), 1 << 12, classes, 0.0);
        (params, model)
    }

    #[test]
    fn an_ngram_has_a_place_and_two_edges_alone_are_none() {
        let (_, model) = model(2);
        let places: Vec<Range<usize>> = model.ngrams(&[7, 8]).map(|(_, place)| place).collect();
        // 7, 8; ^7, 78, 8$; ^78, 78$; ^78$
        assert_eq!(places, [0..1, 1..2, 0..1, 0..2, 1..2, 0..2, 0..2, 0..2]);
        assert_eq!((model.set_of(&[7, 8]).len(), model.set_of(&[]).len()), (8, 0));
        // 5; ^5, 55, 5$; ^55, 555, 55$; ^555, 555$: each once
        assert_eq!(model.set_of(&[5, 5, 5]).len(), 9);
    }

    #[test]
    fn ratios_are_worked_out_by_hand() {
        let (mut params, model) = model(2);
        // Class 0 has 1, ^1, 1$ and ^1$ twice, class 1 has 2, ^2, 2$ and ^2$. A text of an unknown class is left out.
        model.count(&mut params, [(&[1][..], 0), (&[1], 0), (&[2], 1), (&[3], 2)]).unwrap();
        let ratios = params.value(model.ratio).unwrap().to_f64();
        let p = |count: f64, of: f64| (count + 1.0) / (of + 4096.0);
        for row in model.set_of(&[1]) {
            let expected = (p(2.0, 8.0) / p(0.0, 4.0)).ln();
            (0..2).for_each(|class| assert!((ratios[[row as usize, class]] - expected).abs() < 1e-6));
        }
        assert!(model.set_of(&[3]).iter().all(|row| ratios[[*row as usize, 0]] == 0.0));
    }

    /// The formula of the logits, and that the contributions of a text add up to its logit.
    #[test]
    fn contributions_add_up_to_the_logit() {
        let (mut params, model) = model(3);
        let texts = [vec![5, 6, 5, 6, 7], vec![8], vec![9, 9]];
        model.count(&mut params, texts.iter().zip([0, 1, 2])).unwrap();
        let weights = Array2::from_shape_fn((1 << 12, 3), |(row, class)| (row as f32 * 0.37 + class as f32).sin());
        params.set(model.weight, weights.clone()).unwrap();
        let (params, input, classes) = (params.to_f64(), Padded::new(&texts, 0), [2u32, 1, 0]);
        let logits = model.logits(&Graph::inference(&params), &input).to_f64().unwrap();
        let ratios = params.value(model.ratio).unwrap().to_f64();
        let found = model.contributions(&params, &input, &classes).unwrap();
        for ((text, class), (row, found)) in texts.iter().zip(classes).zip(found.iter().enumerate()) {
            let class = class as usize;
            let (mut sum, mut squares) = (0.0, 0.0);
            for row in model.set_of(text) {
                let ratio = ratios[[row as usize, class]];
                sum += ratio * f64::from(weights[[row as usize, class]]);
                squares += ratio * ratio;
            }
            let expected = GAIN * sum / (squares + LEAST_NORM).sqrt();
            assert!((logits[[row, class]] - expected).abs() < 1e-9, "{} {expected}", logits[[row, class]]);
            assert!((found.iter().sum::<f64>() - expected).abs() < 1e-9);
            assert_eq!(found.len(), text.len());
        }
    }

    #[test]
    fn training_leaves_the_ratios_and_an_empty_text_or_batch_is_no_panic() {
        let (mut params, model) = model(2);
        model.count(&mut params, [(&[1, 2][..], 0), (&[2, 3], 1)]).unwrap();
        let graph = Graph::new(&params).training(0, 0);
        let logits = model.logits(&graph, &Padded::new(&[vec![1, 2], vec![]], 0));
        let values = logits.to_f64().unwrap();
        assert_eq!([values[[1, 0]], values[[1, 1]]], [0.0, 0.0]);
        let gradients = logits.cross_entropy(&[0, 1]).sum_all().backward().unwrap();
        assert!(gradients.of(model.weight).is_some() && gradients.of(model.ratio).is_none());
        assert_eq!(*model.logits(&graph, &Padded::new(&[] as &[Vec<u32>], 0)).shape().unwrap(), [0, 2]);
    }
}
