//! Interpolated modified Kneser–Ney smoothing.

use crate::{Interrupted, check};
use std::ops::Range;

/// Predicts the next token from those before it, by interpolated modified Kneser–Ney smoothing of n-grams (Chen and
/// Goodman 1999, "An empirical study of smoothing techniques for language modeling", equation 26):
///
/// p(w | h) = max(c(h w) − D(c(h w)), 0) / Σ_w c(h w) + γ(h) · p(w | h without its first token),
///
/// where c counts occurrences for the longest n-grams, and different tokens to the left for shorter ones. There are
/// three discounts D for each length, for counts of one, of two, and of three or more, and γ(h) is what they take away.
/// Below single tokens stands the uniform distribution over the vocabulary, so every token has a probability, and the
/// probabilities after any context sum to 1.
///
/// The n-grams are a tree in sorted arrays, of about 20 bytes per different n-gram of any length.
///
/// ```
/// use unspool_baselines::KneserNey;
/// let text: Vec<u32> = (0..400).map(|i| i % 4).collect();
/// let model = KneserNey::fit(&text, 5, 3, &|| false)?;
/// assert!(model.probability(&[0, 1], 2) > 0.9);
/// let sum: f64 = (0..5).map(|token| model.probability(&[3, 1], token)).sum();
/// assert!((sum - 1.0).abs() < 1e-12);
/// # Ok::<(), unspool_baselines::Interrupted>(())
/// ```
#[derive(Clone, Debug)]
pub struct KneserNey {
    /// 1 / the size of the vocabulary.
    uniform: f64,
    /// What all single tokens come to, and what their discounts leave to the uniform distribution.
    root: Context,
    /// Level k has the n-grams of k + 1 tokens.
    levels: Vec<Level>,
    discounts: Vec<[f64; 3]>,
}

/// The n-grams of one length, sorted. Those that begin with the same n-gram of the level above follow each other.
#[derive(Clone, Debug, Default)]
struct Level {
    /// The last token of each.
    tokens: Vec<u32>,
    /// Where in the next level the n-grams that begin with each start; one number more than there are n-grams.
    children: Vec<u32>,
    /// Occurrences on the last level; on the others, different tokens to the left.
    counts: Vec<u32>,
    /// What comes after each; empty on the last level.
    contexts: Vec<Context>,
}

/// What there is to know of a context.
#[derive(Clone, Copy, Debug, Default)]
struct Context {
    /// Σ of the counts of all tokens after it.
    total: u32,
    /// The share that goes to the shorter context.
    gamma: f64,
}

impl KneserNey {
    /// Counts the n-grams of a text of up to `order` tokens. Tokens are below `vocabulary`, the number of tokens there
    /// are.
    ///
    /// # Errors
    /// [`Interrupted`] once `stop` returns true.
    pub fn fit(
        text: &[u32],
        vocabulary: usize,
        order: usize,
        stop: &dyn Fn() -> bool,
    ) -> Result<KneserNey, Interrupted> {
        check(stop)?;
        let order = order.max(1);
        let mut levels = count(text, order);
        check(stop)?;
        count_left(&mut levels, stop)?;
        let discounts: Vec<[f64; 3]> = levels.iter().map(|level| discounts(&level.counts)).collect();
        let root = context(&levels[0].counts, discounts[0]);
        for level in 0..order - 1 {
            check(stop)?;
            let (above, below) = levels.split_at_mut(level + 1);
            let (above, below, discounts) = (&mut above[level], &below[0], discounts[level + 1]);
            let children = above.children.windows(2).map(|ends| ends[0] as usize..ends[1] as usize);
            above.contexts = children.map(|children| context(&below.counts[children], discounts)).collect();
        }
        Ok(KneserNey { uniform: 1.0 / vocabulary.max(1) as f64, root, levels, discounts })
    }

    /// Returns the probability of a token after a context, of which the last order − 1 tokens count.
    pub fn probability(&self, context: &[u32], token: u32) -> f64 {
        let longest = context.len().min(self.levels.len() - 1);
        let mut p = self.uniform;
        for length in 0..=longest {
            let Some((state, children)) = self.find(&context[context.len() - length..]) else { break };
            if state.total == 0 {
                break;
            }
            let level = &self.levels[length];
            let count = level.find(children, token).map_or(0, |place| level.counts[place]);
            let kept = f64::from(count) - discount(self.discounts[length], count);
            p = kept / f64::from(state.total) + state.gamma * p;
        }
        p
    }

    /// A context, and the places of what comes after it.
    fn find(&self, context: &[u32]) -> Option<(Context, Range<usize>)> {
        let (mut state, mut children) = (self.root, 0..self.levels[0].tokens.len());
        for (level, token) in self.levels.iter().zip(context) {
            let place = level.find(children, *token)?;
            state = level.contexts[place];
            children = level.children_of(place);
        }
        Some((state, children))
    }
}

impl Level {
    /// The place of a token among some n-grams that differ in their last token alone.
    fn find(&self, places: Range<usize>, token: u32) -> Option<usize> {
        let found = self.tokens[places.clone()].binary_search(&token);
        found.ok().map(|place| places.start + place)
    }

    fn children_of(&self, place: usize) -> Range<usize> {
        self.children[place] as usize..self.children[place + 1] as usize
    }
}

/// The n-grams of a text, of all lengths, with the occurrences of the longest.
fn count(text: &[u32], order: usize) -> Vec<Level> {
    let ngram = |place: u32| &text[place as usize..(place as usize + order).min(text.len())];
    let mut places: Vec<u32> = (0..text.len() as u32).collect();
    places.sort_unstable_by(|a, b| ngram(*a).cmp(ngram(*b)));
    let mut levels = vec![Level::default(); order];
    let mut before: &[u32] = &[];
    for place in places {
        let ngram = ngram(place);
        let shared = before.iter().zip(ngram).take_while(|(a, b)| a == b).count();
        for depth in shared..ngram.len() {
            let next = levels.get(depth + 1).map_or(0, |next| next.tokens.len());
            levels[depth].tokens.push(ngram[depth]);
            levels[depth].children.push(next as u32);
            levels[depth].counts.push(0);
        }
        if let Some(count) = levels[order - 1].counts.last_mut().filter(|_| ngram.len() == order) {
            *count += 1;
        }
        before = ngram;
    }
    for depth in 0..order {
        let next = levels.get(depth + 1).map_or(0, |next| next.tokens.len());
        levels[depth].children.push(next as u32);
    }
    levels
}

/// Counts for each n-gram but the longest how many different tokens stand to its left.
fn count_left(levels: &mut [Level], stop: &dyn Fn() -> bool) -> Result<(), Interrupted> {
    // Of each n-gram of the level at hand, where on the level above it is without its first token.
    let mut shorter = vec![0u32; levels.first().map_or(0, |level| level.tokens.len())];
    for depth in 0..levels.len().saturating_sub(1) {
        check(stop)?;
        let (level, next) = (&levels[depth], &levels[depth + 1]);
        let (mut counts, mut shorter_next) = (vec![0; level.tokens.len()], vec![0; next.tokens.len()]);
        for (place, shorter) in shorter.iter().enumerate() {
            // Without its first token a single one is empty, and what comes after that is all single tokens.
            let candidates = match depth.checked_sub(1) {
                Some(above) => levels[above].children_of(*shorter as usize),
                None => 0..level.tokens.len(),
            };
            for longer in level.children_of(place) {
                // It is always there: a part of an n-gram of the text is one.
                if let Some(found) = level.find(candidates.clone(), next.tokens[longer]) {
                    counts[found] += 1;
                    shorter_next[longer] = found as u32;
                }
            }
        }
        levels[depth].counts = counts;
        shorter = shorter_next;
    }
    Ok(())
}

/// The discounts of one length for counts of one, two, and three or more, from how many n-grams have counts of one to
/// four (Chen and Goodman 1999, equation 27). Where a count of counts is 0, as in small texts, a half, one, and one and
/// a half.
fn discounts(counts: &[u32]) -> [f64; 3] {
    let mut of = [0.0; 5];
    counts.iter().filter(|count| (1..5).contains(*count)).for_each(|count| of[*count as usize] += 1.0);
    let y = of[1] / (of[1] + 2.0 * of[2]);
    [1.0, 2.0, 3.0].map(|n: f64| {
        let place = n as usize;
        let usual = n - (n + 1.0) * y * of[place + 1] / of[place];
        if usual.is_finite() && usual > 0.0 && of[place + 1] > 0.0 { usual } else { n / 2.0 }
    })
}

fn discount(discounts: [f64; 3], count: u32) -> f64 {
    match count {
        0 => 0.0,
        1 | 2 => discounts[count as usize - 1],
        _ => discounts[2],
    }
}

/// What there is to know of a context whose tokens have these counts.
fn context(counts: &[u32], discounts: [f64; 3]) -> Context {
    let total: u32 = counts.iter().sum();
    let taken: f64 = counts.iter().map(|count| discount(discounts, *count)).sum();
    Context { total, gamma: if total == 0 { 1.0 } else { taken / f64::from(total) } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn fit(text: &[u32], vocabulary: usize, order: usize) -> KneserNey {
        KneserNey::fit(text, vocabulary, order, &|| false).unwrap()
    }

    /// The formula as the paper has it, over sets and maps.
    struct Plain<'a> {
        text: &'a [u32],
        vocabulary: usize,
        order: usize,
    }

    impl Plain<'_> {
        /// Counts of all n-grams of a length: occurrences of the longest, tokens to the left of the others.
        fn counts(&self, length: usize) -> BTreeMap<&[u32], u32> {
            let mut counts = BTreeMap::new();
            if length == self.order {
                self.text.windows(length).for_each(|ngram| *counts.entry(ngram).or_default() += 1);
            } else {
                let longer: BTreeSet<&[u32]> = self.text.windows(length + 1).collect();
                longer.into_iter().for_each(|ngram| *counts.entry(&ngram[1..]).or_default() += 1);
            }
            counts
        }

        fn probability(&self, context: &[u32], token: u32) -> f64 {
            let context = &context[context.len().saturating_sub(self.order - 1)..];
            let shorter = match context.split_first() {
                Some((_, shorter)) => self.probability(shorter, token),
                None => 1.0 / self.vocabulary as f64,
            };
            let counts = self.counts(context.len() + 1);
            let after: Vec<(u32, u32)> = counts
                .iter()
                .filter(|(ngram, _)| ngram.starts_with(context))
                .map(|(ngram, count)| (ngram[context.len()], *count))
                .collect();
            let total: u32 = after.iter().map(|(_, count)| count).sum();
            if total == 0 {
                return shorter;
            }
            let of = discounts(&counts.values().copied().collect::<Vec<_>>());
            let kept: f64 = after
                .iter()
                .filter(|(other, _)| *other == token)
                .map(|(_, count)| f64::from(*count) - discount(of, *count))
                .sum();
            let taken: f64 = after.iter().map(|(_, count)| discount(of, *count)).sum();
            (kept + taken * shorter) / f64::from(total)
        }
    }

    #[test]
    fn discounts_are_those_of_the_paper() {
        // Four n-grams occur once, three twice, two three times, one four times: Y = 4 / (4 + 2 · 3) = 0.4.
        let found = discounts(&[1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 9, 9, 0]);
        let right = [1.0 - 2.0 * 0.4 * 3.0 / 4.0, 2.0 - 3.0 * 0.4 * 2.0 / 3.0, 3.0 - 4.0 * 0.4 * 1.0 / 2.0];
        assert!(found.iter().zip(right).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        assert_eq!((discounts(&[]), discounts(&[1, 1])), ([0.5, 1.0, 1.5], [0.5, 1.0, 1.5]));
    }

    #[test]
    fn a_tiny_text_is_worked_out_by_hand() {
        // In 0 1 0 2, of bigrams 01, 10 and 02 each occur once. Left of 0 stands 1, of 1 stands 0, of 2 stands 0.
        let model = fit(&[0, 1, 0, 2], 4, 2);
        let unigram = |seen: bool| if seen { 0.5 / 3.0 + 0.5 * 0.25 } else { 0.5 * 0.25 };
        assert!((model.probability(&[], 1) - unigram(true)).abs() < 1e-12);
        assert!((model.probability(&[], 3) - unigram(false)).abs() < 1e-12);
        // After 0 come 1 and 2, once each: each keeps a half of two, and a half goes to the single tokens.
        assert!((model.probability(&[0], 1) - (0.5 / 2.0 + 0.5 * unigram(true))).abs() < 1e-12);
        assert!((model.probability(&[0], 3) - 0.5 * unigram(false)).abs() < 1e-12);
        // Nothing was seen after 2.
        assert!((model.probability(&[2], 1) - unigram(true)).abs() < 1e-12);
    }

    #[test]
    fn a_text_of_nothing_has_the_uniform_distribution() {
        for order in 0..4 {
            assert_eq!(fit(&[], 4, order).probability(&[1, 2], 3), 0.25);
            let sum: f64 = (0..4).map(|token| fit(&[1], 4, order).probability(&[1], token)).sum();
            assert!((sum - 1.0).abs() < 1e-12);
        }
        assert_eq!(fit(&[], 0, 3).probability(&[], 0), 1.0);
    }

    proptest! {
        #[test]
        fn it_is_the_formula_and_sums_to_one(
            text in prop::collection::vec(0u32..5, 0..60),
            context in prop::collection::vec(0u32..6, 0..6),
            order in 1usize..5,
        ) {
            let (model, plain) = (fit(&text, 6, order), Plain { text: &text, vocabulary: 6, order });
            let found: Vec<f64> = (0..6).map(|token| model.probability(&context, token)).collect();
            prop_assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            for (token, found) in found.into_iter().enumerate() {
                let right = plain.probability(&context, token as u32);
                prop_assert!((found - right).abs() < 1e-12, "{found} is not {right}");
                prop_assert!(found > 0.0);
            }
        }
    }
}
