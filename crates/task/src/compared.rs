//! How the model compares with cheap methods.

use crate::{baseline::Baseline, number::score, task::Metric};

/// The score of a baseline for people, with its settings and what took long.
pub(crate) fn told(baseline: &Baseline, metric: Metric) -> String {
    let Some(value) = baseline.score() else { return format!("left out: {}", baseline.about()) };
    let mut more = vec![];
    if !baseline.about().is_empty() {
        more.push(baseline.about().to_owned());
    }
    if baseline.seconds() >= 1.0 {
        more.push(format!("{:.1} s", baseline.seconds()));
    }
    let value = score(value, metric.digits);
    if more.is_empty() { value } else { format!("{value} ({})", more.join("; ")) }
}

/// The baselines than which the model does worse.
pub(crate) fn better_than(model: f64, metric: Metric, baselines: &[Baseline]) -> Vec<&Baseline> {
    let is_better = |score: f64| metric.sign(score) > metric.sign(model);
    baselines.iter().filter(|baseline| baseline.score().is_some_and(is_better)).collect()
}

/// Those baselines with their scores, as a text; none if there is none.
pub(crate) fn named(better: &[&Baseline], metric: Metric) -> Option<String> {
    let one = |baseline: &&Baseline| {
        format!("{} ({})", baseline.title(), score(baseline.score().unwrap_or(f64::NAN), metric.digits))
    };
    let all: Vec<String> = better.iter().map(one).collect();
    let (last, others) = all.split_last()?;
    Some(if others.is_empty() { last.clone() } else { format!("{} and {last}", others.join(", ")) })
}

/// A line that says so where the model does worse than a baseline.
pub(crate) fn worse_line(model: f64, metric: Metric, baselines: &[Baseline]) -> Option<String> {
    let better = named(&better_than(model, metric, baselines), metric)?;
    Some(format!("the model ({} {}) does worse than {better}", metric.name, score(model, metric.digits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_does_worse_is_told_so() {
        let baselines = [
            Baseline::new("naive_bayes", 0.8),
            Baseline::new("logistic_regression", 0.8455).settings("L2 1e-5"),
            Baseline::left_out("ridge", "too short"),
            Baseline::new("nearest_neighbor", 0.9),
        ];
        let more = |model| worse_line(model, Metric::ACCURACY, &baselines);
        assert_eq!(
            more(0.8285).unwrap(),
            "the model (accuracy 0.8285) does worse than logistic regression (0.8455) and nearest neighbor (0.9000)"
        );
        assert_eq!(more(0.9), None);
        let all = "naive bayes (0.8000), logistic regression (0.8455) and nearest neighbor (0.9000)";
        assert!(more(0.1).unwrap().ends_with(all));
        // Of errors less is better.
        let errors = [Baseline::new("drift", 16.88), Baseline::new("last_season", 49.99)];
        let less = worse_line(18.35, Metric::less("rmse", 2), &errors);
        assert_eq!(less.unwrap(), "the model (rmse 18.35) does worse than drift (16.88)");
        // A score that is no number is neither better nor worse.
        let odd = [Baseline::new("drift", f64::NAN)];
        assert_eq!(
            (worse_line(0.5, Metric::ACCURACY, &odd), worse_line(f64::NAN, Metric::ACCURACY, &odd)),
            (None, None)
        );
    }

    #[test]
    fn settings_reasons_and_seconds_are_told() {
        let plain = Baseline::new("drift", 16.88);
        let metric = Metric::less("rmse", 2);
        assert_eq!(told(&plain, metric), "16.88");
        assert_eq!(told(&plain.clone().settings("3 seasons"), metric), "16.88 (3 seasons)");
        let slow = || {
            std::thread::sleep(std::time::Duration::from_millis(1_000));
            Ok(plain.clone())
        };
        assert!(told(&Baseline::timed(slow).unwrap(), metric).ends_with(" s)"));
        assert_eq!(told(&Baseline::left_out("ridge", "too short"), metric), "left out: too short");
        assert_eq!(Baseline::timed(|| Ok(Baseline::new("a_b", 1.0))).unwrap().title(), "a b");
    }
}
