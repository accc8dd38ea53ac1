//! Whole trainings: from PyTorch's first weights, 200 steps on the same batches lead through the same losses to the
//! same last weights.

use crate::{Outcome, case::Case};
use ndarray::{Array1, Array2, ArrayD, Axis, Ix1, Ix2};
use unspool_graph::{CrossEntropy, Graph, Params, Tensor, Var};
use unspool_nn::{
    Adam, AdamW, Attending, Attention, Embedding, Gru, Linear, Lstm, Optimizer, Pooling, Recurrent, RecurrentConfig,
    TokenModel, state_to_tensors, teacher_forcing,
};

/// Losses agree to 1e-9 and weights to 1e-8: a change of the first weights by 1e-14 changes them by far less.
const LOSS: f64 = 1e-9;
const WEIGHT: f64 = 1e-8;

pub(crate) fn training(case: &Case) -> Outcome {
    match &case.kind[..] {
        "training.classifier" => classifier(case),
        "training.language_model" => language_model(case),
        "training.seq2seq" => seq2seq(case),
        other => Err(format!("the training {other:?} is unknown").into()),
    }
}

/// The mean over the real steps of both directions of an LSTM, then a linear layer.
fn classifier(case: &Case) -> Outcome {
    let mut params = Params::seeded(0);
    let embedding = Embedding::new(params.scope("embedding"), 21, 7);
    let both = RecurrentConfig { bidirectional: true, ..RecurrentConfig::default() };
    let rnn = Recurrent::new(params.scope("rnn"), Lstm::new, 7, 10, both);
    let readout = Linear::new(params.scope("readout"), 20, 3);
    let mut run = Run::start(case, params, str::to_owned)?;
    for step in 0..run.steps {
        let (ids, lengths, labels) = (run.matrix("ids", step)?, run.row("lengths", step)?, run.row("labels", step)?);
        let labels: Vec<u32> = labels.iter().map(|&label| label as u32).collect();
        run.step(step, |graph| {
            let xs = embedding.sequence(graph, &ids, &lengths);
            let (hs, _) = rnn.unroll(&xs, rnn.initial_state(graph, lengths.len()));
            (readout.apply(Pooling::Mean.apply(&hs)).cross_entropy(&labels).mean(&[]), ())
        })?;
    }
    run.finish()
}

/// Truncated back-propagation through time: windows of one stream, whose state is carried and detached.
fn language_model(case: &Case) -> Outcome {
    let mut params = Params::seeded(0);
    let embedding = Embedding::new(params.scope("embedding"), 21, 7);
    let two = RecurrentConfig { layers: 2, ..RecurrentConfig::default() };
    let rnn = Recurrent::new(params.scope("rnn"), Gru::new, 7, 10, two);
    let readout = Linear::new(params.scope("readout"), 10, 21);
    let first = case.get("input.first")?.clone();
    let mut run = Run::start(case, params, str::to_owned)?;
    let mut carried: Option<Vec<Tensor>> = None;
    for step in 0..run.steps {
        let (ids, targets) = (run.matrix("ids", step)?, run.matrix("targets", step)?);
        let lengths = vec![ids.ncols(); ids.nrows()];
        let before = carried.take().filter(|_| first[[step % first.len()]] == 0.0);
        carried = run.step(step, |graph| {
            let state = match &before {
                None => rnn.initial_state(graph, lengths.len()),
                Some(carried) => {
                    let layers: Vec<Var<'_>> = carried.iter().map(|leaf| graph.input(leaf)).collect();
                    rnn.states_from(graph, &[graph.stack(&layers, 0)])
                }
            };
            let (hs, last) = rnn.unroll(&embedding.sequence(graph, &ids, &lengths), state);
            let loss = hs.map(|rows| readout.apply(rows)).cross_entropy(&targets).mean(&[]);
            (loss, state_to_tensors(&last).ok())
        })?;
    }
    run.finish()
}

/// An encoder in both directions, and a decoder that attends additively.
fn seq2seq(case: &Case) -> Outcome {
    let mut params = Params::seeded(0);
    let source = Embedding::new(params.scope("source"), 21, 7);
    let both = RecurrentConfig { bidirectional: true, ..RecurrentConfig::default() };
    let encoder = Recurrent::new(params.scope("encoder"), Gru::new, 7, 10, both);
    let bridge = Linear::new(params.scope("bridge"), 20, 20);
    let attention = Attention::additive(params.scope("attention"), 20, 20, 20);
    let decoder = TokenModel {
        embedding: Embedding::new(params.scope("target"), 21, 7),
        cell: Attending::new(Gru::new(params.scope("cell"), 27, 20), attention, 20),
        readout: Linear::new(params.scope("readout"), 40, 21),
    };
    let name = |own: &str| match own.strip_prefix("attention.") {
        Some(own) => own.replace("key.", "keys."),
        None => own.strip_suffix("_l0").filter(|own| own.starts_with("cell.")).unwrap_or(own).to_owned(),
    };
    let smoothing = CrossEntropy::new().smoothing(case.f64("label_smoothing")?);
    let mut run = Run::start(case, params, name)?;
    for step in 0..run.steps {
        let (read, lengths) = (run.matrix("source", step)?, run.row("source_lengths", step)?);
        let (input, target) = (run.matrix("decoder_input", step)?, run.matrix("decoder_target", step)?);
        let target_lengths = run.row("target_lengths", step)?;
        run.step(step, |graph| {
            let xs = source.sequence(graph, &read, &lengths);
            let (memory, _) = encoder.unroll(&xs, encoder.initial_state(graph, lengths.len()));
            let first = bridge.apply(encoder.last(&memory)).tanh();
            let state = decoder.cell.start(first, &memory);
            let logits = teacher_forcing(&decoder, graph, &input, &target_lengths, state);
            (logits.cross_entropy_with(&target, smoothing.clone()).mean(&[]), ())
        })?;
    }
    run.finish()
}

/// A training that follows the file.
struct Run<'a> {
    case: &'a Case,
    params: Params,
    optimizer: Box<dyn Optimizer>,
    steps: usize,
    /// The file's name of a parameter.
    name: fn(&str) -> String,
}

impl<'a> Run<'a> {
    fn start(case: &'a Case, params: Params, name: fn(&str) -> String) -> Result<Run<'a>, Box<dyn std::error::Error>> {
        let mut params = params.to_f64();
        for p in params.iter().collect::<Vec<_>>() {
            let file = format!("param.start.{}", name(params.name(p)));
            let values = case.get(&file)?.to_shape(&*params.shape(p)).map_err(|error| format!("{file}: {error}"))?;
            params.set(p, values)?;
        }
        let optimizer: Box<dyn Optimizer> = match case.config["optimizer"].as_str() {
            Some("Adam") => Box::new(Adam::new()),
            Some("AdamW") => Box::new(AdamW::new().weight_decay(case.f64("weight_decay")?)),
            other => return Err(format!("the optimizer {other:?} is unknown").into()),
        };
        Ok(Run { case, params, optimizer, steps: case.usize("steps")?, name })
    }

    /// The part of an input that belongs to a step: batch s mod k.
    fn batch(&self, name: &str, step: usize) -> Result<ArrayD<f64>, String> {
        let all = self.case.get(&format!("input.{name}"))?;
        Ok(all.index_axis(Axis(0), step % all.shape()[0]).to_owned())
    }

    fn matrix(&self, name: &str, step: usize) -> Result<Array2<u32>, Box<dyn std::error::Error>> {
        Ok(self.batch(name, step)?.into_dimensionality::<Ix2>()?.mapv(|id| id as u32))
    }

    fn row(&self, name: &str, step: usize) -> Result<Vec<usize>, Box<dyn std::error::Error>> {
        let row: Array1<f64> = self.batch(name, step)?.into_dimensionality::<Ix1>()?;
        Ok(row.iter().map(|&x| x as usize).collect())
    }

    /// One step on what `record` gives: the loss, and what is to be carried on.
    fn step<T>(
        &mut self,
        step: usize,
        record: impl for<'g> FnOnce(&'g Graph<'g>) -> (Var<'g>, T),
    ) -> Result<T, Box<dyn std::error::Error>> {
        let graph = Graph::new(&self.params);
        let (loss, carried) = record(&graph);
        let (found, expected) = (loss.item()?, self.case.get("output.losses")?[[step]]);
        if (found - expected).abs().is_nan() || (found - expected).abs() > LOSS {
            return Err(format!("the loss of step {step} is {found:e}, expected {expected:e}").into());
        }
        let mut gradients = loss.backward()?;
        gradients.clip_norm(self.case.f64("clip_norm")?)?;
        drop(graph);
        self.optimizer.update(&mut self.params, &gradients, self.case.f64("lr")?.into())?;
        Ok(carried)
    }

    fn finish(self) -> Outcome {
        let ends = self.case.tensors.keys().filter(|name| name.starts_with("param.end.")).count();
        if ends != self.params.len() {
            return Err(format!("the file has {ends} parameters, the model {}", self.params.len()).into());
        }
        for p in self.params.iter() {
            let file = format!("param.end.{}", (self.name)(self.params.name(p)));
            let found = self.params.value(p)?.to_f64();
            let found = found.to_shape(self.case.get(&file)?.shape())?.to_owned().into_dyn();
            self.case.compare(&file, Some(found), WEIGHT)?;
        }
        Ok(())
    }
}
