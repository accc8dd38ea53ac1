//! What can a cell compute? Five problems, each a token or two per step in and a class at some of the steps out, that
//! tell cells apart. The task of each is in `recipes/abilities.rs`.

use unspool_task::Rng;

/// How many times as long as in training the longest sequences of the test are.
pub(crate) const LONGEST_TEST: usize = 8;

/// The tokens that each step reads.
pub(crate) type Inputs = Vec<Vec<u32>>;

/// A problem: which tokens come, and what is right. What is right follows from the tokens alone.
pub(crate) trait Problem: Send + Sync + 'static {
    /// The name of the task, and a line about it.
    const NAME: [&'static str; 2];
    /// How many classes there are.
    const CLASSES: usize;
    /// Time steps of the shortest sequence.
    const SHORTEST: usize = 1;
    /// How many tokens a step reads, one or two.
    const AT_ONCE: usize = 1;

    /// Returns how many different tokens there are where models are trained on sequences of up to `length` steps.
    fn tokens(length: usize) -> usize;

    /// Draws a sequence of about `time` steps, of so many different tokens.
    fn draw(rng: &mut Rng, time: usize, tokens: usize) -> Inputs;

    /// Returns the right class of each step that has one.
    fn right(inputs: &[Vec<u32>]) -> Vec<Option<u32>>;
}

/// One of `tokens` at each step.
fn uniform(rng: &mut Rng, time: usize, tokens: usize) -> Inputs {
    (0..time).map(|_| vec![rng.between(0, tokens as isize - 1) as u32]).collect()
}

/// At each step: whether the number of ones so far is odd.
pub(crate) struct Parity;

impl Problem for Parity {
    const NAME: [&'static str; 2] =
        ["parity", "What a cell can do: say at each step whether the number of ones so far is odd"];
    const CLASSES: usize = 2;

    fn tokens(_length: usize) -> usize {
        2
    }
    fn draw(rng: &mut Rng, time: usize, tokens: usize) -> Inputs {
        uniform(rng, time, tokens)
    }
    fn right(inputs: &[Vec<u32>]) -> Vec<Option<u32>> {
        sums_modulo(inputs, 2)
    }
}

/// At each step: the sum of the digits so far, modulo 5.
pub(crate) struct Modular;

impl Problem for Modular {
    const NAME: [&'static str; 2] = ["modular", "What a cell can do: say at each step the sum so far modulo 5"];
    const CLASSES: usize = 5;

    fn tokens(_length: usize) -> usize {
        5
    }
    fn draw(rng: &mut Rng, time: usize, tokens: usize) -> Inputs {
        uniform(rng, time, tokens)
    }
    fn right(inputs: &[Vec<u32>]) -> Vec<Option<u32>> {
        sums_modulo(inputs, 5)
    }
}

fn sums_modulo(inputs: &[Vec<u32>], modulus: u32) -> Vec<Option<u32>> {
    let add = |sum: &mut u32, token: &Vec<u32>| {
        *sum = (*sum + token[0]) % modulus;
        Some(Some(*sum))
    };
    inputs.iter().scan(0, add).collect()
}

/// At each step: which of the 120 permutations of five things the ones so far come to, one after the other.
pub(crate) struct Permutations;

/// What a token does: nothing, exchange the first two things, or move each to the next place. The last two generate all
/// permutations.
const MOVES: [[usize; 5]; 3] = [[0, 1, 2, 3, 4], [1, 0, 2, 3, 4], [4, 0, 1, 2, 3]];

impl Problem for Permutations {
    const NAME: [&'static str; 2] =
        ["permutations", "What a cell can do: say at each step the order of five things after the moves so far"];
    const CLASSES: usize = 120;

    fn tokens(_length: usize) -> usize {
        MOVES.len()
    }
    fn draw(rng: &mut Rng, time: usize, tokens: usize) -> Inputs {
        uniform(rng, time, tokens)
    }
    fn right(inputs: &[Vec<u32>]) -> Vec<Option<u32>> {
        let apply = |things: &mut [usize; 5], token: &Vec<u32>| {
            *things = MOVES[token[0] as usize].map(|from| things[from]);
            Some(Some(rank(things)))
        };
        inputs.iter().scan([0, 1, 2, 3, 4], apply).collect()
    }
}

/// The number of a permutation in lexicographic order.
fn rank(things: &[usize; 5]) -> u32 {
    let smaller_behind = |at: usize| things[at + 1..].iter().filter(|thing| **thing < things[at]).count();
    (0..5).fold(0, |rank, at| rank * (5 - at) + smaller_behind(at)) as u32
}

/// Pairs of a key and a value, a pair at each step, and then each key again, whose value is right.
///
/// The tokens are the values, the sign of a question, and as many keys as the longest test needs.
pub(crate) struct Recall;

const VALUES: usize = 8;
const QUESTION: u32 = VALUES as u32;

impl Problem for Recall {
    const NAME: [&'static str; 2] = ["recall", "What a cell can do: recall the values of many keys"];
    const CLASSES: usize = VALUES;
    const SHORTEST: usize = 2;
    const AT_ONCE: usize = 2;

    fn tokens(length: usize) -> usize {
        VALUES + 1 + length * LONGEST_TEST / 2
    }
    fn draw(rng: &mut Rng, time: usize, tokens: usize) -> Inputs {
        let mut keys: Vec<u32> = (QUESTION + 1..tokens as u32).collect();
        shuffle(rng, &mut keys, time / 2);
        keys.truncate(time / 2);
        let mut steps: Inputs = keys.iter().map(|key| vec![*key, rng.between(0, VALUES as isize - 1) as u32]).collect();
        let pairs = keys.len();
        shuffle(rng, &mut keys, pairs);
        steps.extend(keys.iter().map(|key| vec![*key, QUESTION]));
        steps
    }
    fn right(inputs: &[Vec<u32>]) -> Vec<Option<u32>> {
        let mut values = std::collections::BTreeMap::new();
        let step = |tokens: &Vec<u32>| match tokens[..] {
            [key, QUESTION] => values.get(&key).copied(),
            [key, value] if (value as usize) < VALUES => {
                values.insert(key, value);
                None
            }
            _ => None,
        };
        inputs.iter().map(step).collect()
    }
}

/// Puts a random choice of the items into the first `count` places (Fisher and Yates).
fn shuffle<T>(rng: &mut Rng, items: &mut [T], count: usize) {
    for at in 0..count.min(items.len()) {
        items.swap(at, rng.between(at as isize, items.len() as isize - 1) as usize);
    }
}

/// Eight symbols at random places among noise; after it eight signs, at which they are right in their order.
pub(crate) struct SelectiveCopy;

const SYMBOLS: usize = 8;
const KINDS: usize = 8;
const NOISE: u32 = KINDS as u32;
const SIGN: u32 = NOISE + 1;

impl Problem for SelectiveCopy {
    const NAME: [&'static str; 2] =
        ["selective-copy", "What a cell can do: repeat the eight symbols that were hidden in noise"];
    const CLASSES: usize = KINDS;
    const SHORTEST: usize = 2 * SYMBOLS;

    fn tokens(_length: usize) -> usize {
        KINDS + 2
    }
    fn draw(rng: &mut Rng, time: usize, _tokens: usize) -> Inputs {
        let read = time.saturating_sub(SYMBOLS);
        let mut places: Vec<usize> = (0..read).collect();
        shuffle(rng, &mut places, SYMBOLS);
        let mut steps = vec![vec![NOISE]; read];
        places.iter().take(SYMBOLS).for_each(|at| steps[*at] = vec![rng.between(0, KINDS as isize - 1) as u32]);
        steps.resize(read + SYMBOLS, vec![SIGN]);
        steps
    }
    fn right(inputs: &[Vec<u32>]) -> Vec<Option<u32>> {
        let mut symbols = inputs.iter().map(|token| token[0]).filter(|token| *token < NOISE);
        inputs.iter().map(|token| if token[0] == SIGN { symbols.next() } else { None }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unspool::graph::RngKey;

    fn drawn<P: Problem>(seed: u64, time: usize) -> (Inputs, Vec<Option<u32>>) {
        let inputs = P::draw(&mut Rng::new(RngKey::seed(seed)), time, P::tokens(32));
        assert!(inputs.iter().all(|tokens| tokens.len() == P::AT_ONCE));
        assert!(inputs.iter().flatten().all(|token| (*token as usize) < P::tokens(32)));
        let right = P::right(&inputs);
        assert_eq!((inputs.len(), right.len()), (time / P::AT_ONCE * P::AT_ONCE, inputs.len()));
        assert!(right.iter().flatten().all(|class| (*class as usize) < P::CLASSES));
        (inputs, right)
    }

    #[test]
    fn sums_are_those_of_each_prefix() {
        for (seed, time) in [(1, 1), (2, 32), (3, 256)] {
            let (bits, odd) = drawn::<Parity>(seed, time);
            let (digits, sums) = drawn::<Modular>(seed, time);
            for t in 0..time {
                let ones = bits[..=t].iter().filter(|bit| bit[0] == 1).count();
                assert_eq!(odd[t], Some(u32::from(ones % 2 == 1)));
                assert_eq!(sums[t], Some(digits[..=t].iter().flatten().sum::<u32>() % 5));
            }
        }
    }

    #[test]
    fn permutations_are_matrices_multiplied() {
        let matrix = |moved: &[usize; 5]| moved.map(|from| std::array::from_fn::<u32, 5, _>(|k| u32::from(k == from)));
        let multiply = |a: &[[u32; 5]; 5], b: &[[u32; 5]; 5]| {
            a.map(|row| std::array::from_fn::<u32, 5, _>(|j| (0..5).map(|k| row[k] * b[k][j]).sum()))
        };
        // All permutations in lexicographic order are the digits of ascending numbers.
        let digits = |number: usize| [10_000, 1000, 100, 10, 1].map(|power| number / power % 10);
        let is_permutation = |things: &[usize; 5]| (0..5).all(|thing| things.contains(&thing));
        let all: Vec<[usize; 5]> = (0..=43210).map(digits).filter(is_permutation).collect();
        assert_eq!(all.len(), 120);
        assert!(all.iter().enumerate().all(|(number, things)| rank(things) == number as u32));
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..20 {
            let (moves, right) = drawn::<Permutations>(seed, 128);
            let mut product = matrix(&[0, 1, 2, 3, 4]);
            for (token, right) in moves.iter().zip(right) {
                product = multiply(&matrix(&MOVES[token[0] as usize]), &product);
                assert_eq!(right, all.iter().position(|things| matrix(things) == product).map(|at| at as u32));
                seen.extend(right);
            }
        }
        assert_eq!(seen.len(), 120, "the moves generate all permutations");
    }

    #[test]
    fn each_key_is_asked_for_once_and_its_value_is_right() {
        for (seed, time) in [(1, 2), (2, 33), (3, 256)] {
            let (inputs, right) = drawn::<Recall>(seed, time);
            let pairs = time / 2;
            let mut asked = vec![];
            for (t, tokens) in inputs.iter().enumerate().skip(pairs) {
                let told: Vec<_> = inputs[..pairs].iter().filter(|pair| pair[0] == tokens[0]).collect();
                assert!(told.len() == 1 && tokens[1] == QUESTION && right[t] == Some(told[0][1]));
                asked.push(tokens[0]);
            }
            asked.sort_unstable();
            asked.dedup();
            assert_eq!(asked.len(), pairs);
            assert!(right[..pairs].iter().all(Option::is_none));
        }
        // Nothing is right for a key that was never told.
        assert_eq!(Recall::right(&[vec![20, 3], vec![21, QUESTION]]), [None, None]);
    }

    #[test]
    fn the_symbols_among_the_noise_are_right_in_their_order() {
        let mut places = std::collections::BTreeSet::new();
        for (seed, time) in [(1, 16), (2, 32), (3, 256), (4, 32)] {
            let (inputs, right) = drawn::<SelectiveCopy>(seed, time);
            let (read, said) = inputs.split_at(time - SYMBOLS);
            let symbols: Vec<Option<u32>> = read.iter().flatten().filter(|&&s| s != NOISE).map(|s| Some(*s)).collect();
            assert_eq!(right[time - SYMBOLS..], symbols);
            assert!(right[..time - SYMBOLS].iter().all(Option::is_none));
            assert!(symbols.len() == SYMBOLS && said.iter().flatten().all(|token| *token == SIGN));
            places.extend((0..read.len().min(24)).filter(|t| time == 32 && read[*t][0] != NOISE));
        }
        assert!(places.len() > SYMBOLS, "they stand at other places each time");
    }
}
