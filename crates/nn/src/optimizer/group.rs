//! Some parameters are trained in another way than the rest.

use super::not_negative;

/// Holds the settings of the parameters whose full name matches a pattern: `*` stands for any characters, including
/// none and dots.
///
/// Groups are applied in the order they were given; where two have a setting for one parameter, the later one applies.
/// A pattern that matches nothing is an error at the first step: it is most likely a typing mistake.
///
/// ```
/// use unspool_graph::{Gradients, Params, init};
/// use unspool_nn::optimizer::{Group, Sgd};
/// let mut params = Params::seeded(0);
/// let names = ["encoder.weight", "decoder.weight", "embedding.weight"];
/// let all = names.map(|name| params.scope("").add(name, [1], init::zeros()));
/// let mut gradients = Gradients::none(&params);
/// all.iter().try_for_each(|&p| gradients.set(&params, p, vec![-1.0f32]))?;
/// let mut sgd = Sgd::new()
///     .group(Group::named("encoder.*").rate_factor(0.5))
///     .group(Group::named("embedding.weight").frozen());
/// sgd.step(&mut params, &gradients, 1.0)?;
/// let after = all.map(|p| params.value(p).unwrap().to_f64()[[0]]);
/// assert_eq!(after, [0.5, 1.0, 0.0]);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Group {
    pattern: String,
    weight_decay: Option<f64>,
    rate_factor: Option<f64>,
    frozen: bool,
}

impl Group {
    /// Creates a group of the parameters whose full name matches `pattern`, without settings yet.
    pub fn named(pattern: impl Into<String>) -> Group {
        Group { pattern: pattern.into(), weight_decay: None, rate_factor: None, frozen: false }
    }
    /// Gives them their own weight decay; 0 for none.
    pub fn weight_decay(mut self, weight_decay: f64) -> Group {
        self.weight_decay = Some(weight_decay);
        self
    }
    /// Multiplies the learning rate by `factor` for them.
    pub fn rate_factor(mut self, factor: f64) -> Group {
        self.rate_factor = Some(factor);
        self
    }
    /// Leaves them as they are.
    pub fn frozen(mut self) -> Group {
        self.frozen = true;
        self
    }
    pub(super) fn pattern(&self) -> &str {
        &self.pattern
    }
    pub(super) fn matches(&self, name: &str) -> bool {
        matches(self.pattern.as_bytes(), name.as_bytes())
    }
    /// Returns what is wrong with the settings.
    pub(super) fn check(&self) -> Result<(), String> {
        let of = |what| format!("{what} of the group {:?}", self.pattern);
        self.weight_decay.map_or(Ok(()), |decay| not_negative(&of("weight decay"), decay))?;
        self.rate_factor.map_or(Ok(()), |factor| not_negative(&of("rate factor"), factor))
    }
    pub(super) fn apply(&self, setting: &mut Setting) {
        setting.weight_decay = self.weight_decay.unwrap_or(setting.weight_decay);
        setting.rate_factor = self.rate_factor.unwrap_or(setting.rate_factor);
        setting.frozen |= self.frozen;
    }
}

/// What holds for one parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) weight_decay: f64,
    pub(super) rate_factor: f64,
    pub(super) frozen: bool,
}

/// Whether `name` matches: at a mismatch the last `*` takes one letter more, so the work is at most |pattern| · |name|.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut retry) = (0, 0, None);
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            retry = Some((p, n));
            p += 1;
        } else if pattern.get(p) == Some(&name[n]) {
            (p, n) = (p + 1, n + 1);
        } else if let Some((star, from)) = retry {
            retry = Some((star, from + 1));
            (p, n) = (star + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_letters() {
        for (pattern, name, expected) in [
            ("*bias*", "rnn.bias_ih_l0", true),
            ("*bias", "rnn.bias_ih_l0", false),
            ("rnn.*", "rnn.weight", true),
            ("rnn.*", "my.rnn.weight", false),
            ("a*b*c", "aXbXbc", true),
            ("a*b*c", "acb", false),
            ("*", "", true),
            ("", "a", false),
            ("weight", "weight", true),
            ("weigh", "weight", false),
        ] {
            assert_eq!(Group::named(pattern).matches(name), expected, "{pattern} {name}");
        }
    }
}
