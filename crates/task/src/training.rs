//! How a model is trained: the options, and the trainer and the optimizer that they describe.

use crate::{
    error::{Error, Result},
    groups::{choice, within},
    limits,
};
use clap::Args;
use std::path::PathBuf;
use unspool::{
    graph::{Gradients, Params, Precision},
    nn::{
        Adam, AdamW, Optimizer, Sgd, Trainer,
        exchange::Reduce,
        optimizer::{Adagrad, Averaged, ElementwiseOptimizer, Group, RmsProp, StepParams, UpdateRule},
        schedule,
        training::Every,
    },
};

/// Steps over which the learning rate rises unless `--warm-up` says otherwise, but at most a tenth of all.
const WARM_UP: u64 = 200;

/// The share of the peak to which a linear or cosine schedule falls.
const LAST_RATE: f64 = 0.05;

/// Holds how a model is trained. The defaults of the first two, and of `average`, are the task's.
#[derive(Clone, Debug, Args)]
pub(crate) struct Training {
    /// Training epochs [from 1 to 1000000]
    #[arg(long, value_name = "N", default_value = "1", value_parser = within(1..=limits::EPOCHS))]
    pub(crate) epochs: u64,
    /// Peak learning rate [from 1e-12 to 10]
    #[arg(long, value_name = "RATE", default_value = "0.001", allow_hyphen_values = true,
          value_parser = within(1e-12..=10.0))]
    learning_rate: f64,
    /// Course of the learning rate after the warm-up
    ///
    /// `linear` falls linearly to 0.05 of the peak at the last step, `cosine` falls to it along half a cosine,
    /// `inverse-square-root` falls with the square root of the step and `constant` stays at the peak. `one-cycle` rises
    /// and falls along cosines, from 1/25 of the peak to 1/250,000 of it.
    #[arg(long, value_name = "NAME", default_value = "linear",
          value_parser = choice(&["linear", "cosine", "inverse-square-root", "constant", "one-cycle"]))]
    schedule: String,
    /// Steps over which the learning rate rises to its peak [default: 200, but at most a tenth of all steps] [from 0 to
    /// 1000000000]
    #[arg(long, value_name = "STEPS", value_parser = within(0..=1_000_000_000u64))]
    warm_up: Option<u64>,
    /// Optimizer
    ///
    /// Each has the update rule and the constants of the PyTorch optimizer of that name: momentum is 0 for `sgd`, and
    /// the betas of `adam` and `adamw` are 0.9 and 0.999.
    #[arg(long, value_name = "NAME", default_value = "adam",
          value_parser = choice(&["adam", "adamw", "sgd", "rmsprop", "adagrad"]))]
    optimizer: String,
    /// Weight decay: decoupled from the gradient for adamw, an L2 penalty in the gradient for the others [from 0 to 10]
    #[arg(long, value_name = "DECAY", default_value = "0", allow_hyphen_values = true,
          value_parser = within(0.0..=10.0))]
    weight_decay: f64,
    /// Maximum norm of the gradient of the mean loss; a longer gradient is shortened to it, and 0 sets no maximum
    /// [from 0 to 1000000]
    #[arg(long, value_name = "NORM", default_value = "1", allow_hyphen_values = true,
          value_parser = within(0.0..=1e6))]
    clip_norm: f64,
    /// Batches whose gradients are summed for one step [from 1 to 1000000]
    #[arg(long, value_name = "BATCHES", default_value = "1", value_parser = within(1..=1_000_000u64))]
    pub(crate) accumulate: u64,
    /// Decay per step of a running average of the weights, which then replaces them in evaluation and in what is saved;
    /// 0 for no average [from 0 to 0.999999]
    #[arg(long, value_name = "DECAY", default_value = "0", allow_hyphen_values = true,
          value_parser = within(0.0..=0.999_999))]
    pub(crate) average: f64,
    /// Evaluate on the dev part after every N steps [default: after each epoch] [from 1 to 1000000000]
    #[arg(long, value_name = "N", value_parser = within(1..=1_000_000_000u64))]
    evaluate_every: Option<u64>,
    /// Stop after N evaluations in a row that are not better than the best before them [default: never] [from 1 to
    /// 1000000]
    #[arg(long, value_name = "N", value_parser = within(1..=1_000_000u64))]
    patience: Option<u64>,
    /// Start from the weights of another run of the task (fine-tuning)
    ///
    /// The model and its vocabulary are those of that run, so options of the model that are given must be equal to the
    /// options of that run.
    #[arg(long, value_name = "RUN_DIR")]
    pub(crate) init_from: Option<PathBuf>,
    /// Start from word vectors: a text file as word2vec and GloVe write it
    ///
    /// A token whose name is a word of the file starts from its vector, so use it with `--tokens words`. The size of
    /// the vectors must be that of --embedding-size.
    #[arg(long, value_name = "FILE", conflicts_with = "init_from")]
    pub(crate) vectors: Option<PathBuf>,
    /// Leave the parameters whose names match this pattern as they are; * stands for any characters
    ///
    /// The option may be repeated. A pattern that matches no parameter is an error.
    #[arg(long, value_name = "PATTERN")]
    freeze: Vec<String>,
    /// Probability that a merge of byte pairs is left out, so that words have other pieces in each epoch (BPE dropout)
    /// [from 0 to 1]
    ///
    /// It is for texts whose tokens are byte pairs (`--tokens bpe`), and applies in training alone: dev, test and
    /// predictions are tokenized as usual. Provilkov and others (2020) use 0.1. At 1 the tokens are single bytes. The
    /// sizes of batches are counted without it.
    #[arg(long, value_name = "RATE", default_value = "0", allow_hyphen_values = true,
          value_parser = within(0.0..=1.0))]
    pub(crate) bpe_dropout: f64,
    #[command(flatten)]
    pub(crate) begin: Begin,
    /// Shards into which a batch of 16 rows or more is divided among threads and processes; the weights depend on it
    /// slightly [from 1 to 1024]
    #[arg(long, value_name = "N", default_value = "2", value_parser = within(1..=limits::SHARDS))]
    pub(crate) shards: u64,
    /// How processes sum gradients
    ///
    /// `exact` sums shard by shard, so that the weights do not depend on the number of processes. With `fast` each
    /// process sums its own gradients first, which needs less communication.
    #[arg(long, value_name = "NAME", default_value = "exact", value_parser = choice(&["exact", "fast"]))]
    reduce: String,
}

/// Holds what the initial values of a model depend on.
#[derive(Clone, Debug, Args)]
pub(crate) struct Begin {
    /// Random seed of initial values, dropout, and the order of batches; equal seeds give equal weights
    #[arg(long, value_name = "N", default_value = "1", value_parser = within(0..=i64::MAX as u64))]
    pub(crate) seed: u64,
    /// Floating-point precision
    #[arg(long, value_name = "NAME", default_value = "f32", value_parser = choice(&["f32", "f64"]))]
    precision: String,
}

impl Begin {
    pub(crate) fn precision(&self) -> Precision {
        if self.precision == "f64" { Precision::F64 } else { Precision::F32 }
    }
}

impl Training {
    pub(crate) fn reduce(&self) -> Reduce {
        if self.reduce == "fast" { Reduce::Fast } else { Reduce::Exact }
    }

    /// Returns the number of steps of an epoch of so many batches.
    pub(crate) fn steps_per_epoch(&self, batches: usize) -> u64 {
        (batches as u64).div_ceil(self.accumulate)
    }

    /// Returns a trainer for epochs of so many batches, without a folder to write into.
    pub(crate) fn trainer<'a>(&self, batches: usize) -> Trainer<'a> {
        let trainer = Trainer::new(self.epochs, self.rate(self.epochs * self.steps_per_epoch(batches)))
            .seed(self.begin.seed)
            .clip_norm(if self.clip_norm > 0.0 { self.clip_norm } else { f64::INFINITY })
            .accumulate(self.accumulate as usize)
            .evaluate(self.evaluate_every.map_or(Every::Epoch, Every::Steps))
            .reduce(self.reduce());
        let trainer = match self.patience {
            Some(patience) => trainer.patience(patience),
            None => trainer,
        };
        match self.average {
            0.0 => trainer,
            decay => trainer.average(Averaged::exponential(decay)),
        }
    }

    /// Returns the learning rate at each of `total` steps.
    fn rate<'a>(&self, total: u64) -> impl Fn(u64) -> f64 + 'a {
        let (peak, schedule) = (self.learning_rate, self.schedule.clone());
        let warm_up = self.warm_up.unwrap_or(WARM_UP.min(total / 10));
        move |step| match schedule.as_str() {
            "inverse-square-root" => schedule::inverse_square_root(step, warm_up, peak),
            "one-cycle" => schedule::one_cycle(step, warm_up, total, peak),
            "constant" if step >= warm_up => peak,
            "cosine" if step >= warm_up => {
                schedule::cosine(step - warm_up, total.saturating_sub(warm_up), peak, LAST_RATE)
            }
            // Those two rise as this one does.
            _ => schedule::linear_with_warm_up(step, warm_up, total, peak, LAST_RATE),
        }
    }

    /// Returns the optimizer.
    ///
    /// # Errors
    /// A pattern of `--freeze` matches none of the parameters.
    pub(crate) fn optimizer(&self, params: &Params) -> Result<Box<dyn Optimizer>> {
        let build = || match self.optimizer.as_str() {
            "adamw" => self.with_groups(AdamW::new()),
            "sgd" => self.with_groups(Sgd::new()),
            "rmsprop" => self.with_groups(RmsProp::new()),
            "adagrad" => self.with_groups(Adagrad::new()),
            _ => self.with_groups(Adam::new()),
        };
        if !self.freeze.is_empty() {
            // A step without gradients changes nothing, but looks for the parameters of each group.
            let (none, step) = (Gradients::none(params), StepParams::new(0.0));
            build().update(&mut params.clone(), &none, step).map_err(|error| {
                let names: Vec<&str> = params.iter().take(6).map(|p| params.name(p)).collect();
                let hint = format!("names of parameters are {}, and so on", names.join(", "));
                Error::misuse(format!("--freeze: {error}"), hint)
            })?;
        }
        Ok(build())
    }

    fn with_groups<R: UpdateRule + 'static>(&self, optimizer: ElementwiseOptimizer<R>) -> Box<dyn Optimizer> {
        let frozen = |pattern: &String| Group::named(pattern).frozen();
        let optimizer = optimizer.weight_decay(self.weight_decay);
        Box::new(self.freeze.iter().map(frozen).fold(optimizer, ElementwiseOptimizer::group))
    }
}

/// Returns how many epochs so many steps are: 0.25 in the middle of the first half of one.
pub(crate) fn epochs_of(step: u64, steps_per_epoch: u64) -> f64 {
    step as f64 / steps_per_epoch.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Command, FromArgMatches};
    use unspool::graph::init;

    fn training(options: &[&str]) -> Training {
        let words = ["train"].iter().chain(options);
        let matches = Training::augment_args(Command::new("train")).try_get_matches_from(words).unwrap();
        Training::from_arg_matches(&matches).unwrap()
    }

    #[test]
    fn every_schedule_rises_to_the_peak_and_then_falls_or_stays() {
        for (schedule, last) in
            [("linear", 0.05), ("cosine", 0.05), ("constant", 1.0), ("inverse-square-root", 0.1), ("one-cycle", 4e-6)]
        {
            let rate = training(&["--learning-rate=1", "--schedule", schedule, "--warm-up=10"]).rate(1000);
            assert!(rate(0) < 0.2 && (rate(9) - 1.0).abs() < 1e-12, "{schedule}: {} {}", rate(0), rate(9));
            assert!((rate(999) - last).abs() < 2e-3, "{schedule}: {}", rate(999));
            assert!((1..9).all(|step| rate(step) > rate(step - 1)), "{schedule}");
            assert!((11..1000).all(|step| rate(step) <= rate(step - 1)), "{schedule}");
        }
        // Without --warm-up it is 200 steps, or a tenth of all.
        let plain = training(&["--learning-rate=1"]);
        let rate = |total| plain.rate(total);
        assert_eq!((rate(10_000)(199), rate(100)(9)), (1.0, 1.0));
        assert!(rate(10_000)(198) < 1.0 && rate(100)(8) < 1.0);
        assert_eq!(training(&["--learning-rate=1", "--warm-up=0", "--schedule=constant"]).rate(9)(0), 1.0);
    }

    #[test]
    fn a_step_of_several_batches_is_counted_once() {
        assert_eq!(training(&["--accumulate=4"]).steps_per_epoch(9), 3);
        assert_eq!(training(&[]).steps_per_epoch(9), 9);
    }

    #[test]
    fn what_is_frozen_stays_and_weight_decay_shrinks_the_rest() {
        let mut params = Params::seeded(0);
        let names = ["encoder.weight", "decoder.weight"];
        let all = names.map(|name| params.scope("").add(name, [1], init::constant(1.0)));
        let mut gradients = Gradients::none(&params);
        all.iter().try_for_each(|&p| gradients.set(&params, p, vec![0.0f32])).unwrap();
        for optimizer in ["adam", "adamw", "sgd", "rmsprop", "adagrad"] {
            let training = training(&["--optimizer", optimizer, "--weight-decay=0.1", "--freeze=enc*"]);
            let (mut trained, mut optimizer) = (params.clone(), training.optimizer(&params).unwrap());
            optimizer.update(&mut trained, &gradients, StepParams::new(0.5)).unwrap();
            let [encoder, decoder] = all.map(|p| trained.value(p).unwrap().to_f64()[[0]]);
            assert!(encoder == 1.0 && decoder < 1.0, "{}: {encoder} {decoder}", training.optimizer);
        }
        let error = training(&["--freeze=encoder"]).optimizer(&params).err().unwrap();
        assert!(error.code() == 2 && error.to_string().contains("encoder"), "{error}");
        assert!(error.lines().1.contains("encoder.weight, decoder.weight"));
    }
}
