//! PyTorch's own numbers: outputs and all gradients of every case in `tests/vectors/`, or in the folder that `UNSPOOL_VECTORS`
//! names, to 1e-10 · max(1, |expected|) in f64 and 1e-4 in f32, recurrent cells by their fused steps and by plain operations. Cases are found
//! by their `kind` and `config`, not by file name.

use ndarray::{Array2, ArrayD, IxDyn};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::{collections::BTreeMap, path::PathBuf};
use unspool_graph::{CrossEntropy, Gradients, Graph, Param, Params, Precision, Scope, Var, init};
use unspool_nn::{
    Cell, Conv2d, Elman, Embedding, Gru, LayerNorm, Layers, Linear, Lstm, MultiheadAttention, Recurrent,
    TransformerConfig, TransformerLayer,
    ctc::Ctc,
    loss::{self, Over},
    optimizer::{Adagrad, Adam, AdamW, Optimizer, RmsProp, Sgd},
};

mod plain;
use plain::{PlainElman, PlainGru, PlainLstm};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// One file.
struct Case {
    file: String,
    kind: String,
    config: Value,
    tensors: BTreeMap<String, ArrayD<f64>>,
}

impl Case {
    fn read(path: PathBuf) -> Result<Case, Box<dyn std::error::Error>> {
        let bytes = std::fs::read(&path)?;
        let all = SafeTensors::deserialize(&bytes)?;
        let metadata = SafeTensors::read_metadata(&bytes)?.1.metadata().clone().ok_or("no metadata")?;
        let mut tensors = BTreeMap::new();
        for (name, view) in all.tensors() {
            let eights = view.data().chunks_exact(8).map(|b| <[u8; 8]>::try_from(b).unwrap_or_default());
            let values: Vec<f64> = match view.dtype() {
                Dtype::F64 => eights.map(f64::from_le_bytes).collect(),
                Dtype::I64 => eights.map(|b| i64::from_le_bytes(b) as f64).collect(),
                other => return Err(format!("{name} is {other:?}").into()),
            };
            tensors.insert(name, ArrayD::from_shape_vec(IxDyn(view.shape()), values)?);
        }
        let kind = metadata.get("kind").ok_or("no kind")?.clone();
        let config = serde_json::from_str(metadata.get("config").ok_or("no config")?)?;
        Ok(Case { file: path.display().to_string(), kind, config, tensors })
    }

    fn get(&self, name: &str) -> Result<&ArrayD<f64>, String> {
        self.tensors.get(name).ok_or_else(|| format!("{name} is not in the case"))
    }

    fn usize(&self, key: &str) -> Result<usize, String> {
        self.config[key].as_u64().map(|x| x as usize).ok_or_else(|| format!("no {key} in the configuration"))
    }

    fn f64(&self, key: &str) -> Result<f64, String> {
        self.config[key].as_f64().ok_or_else(|| format!("no {key} in the configuration"))
    }

    fn compare(&self, name: &str, actual: Option<ArrayD<f64>>, tolerance: f64) -> Result<(), String> {
        let expected = self.get(name)?;
        // No gradient at all is a gradient of zero.
        let actual = actual.unwrap_or_else(|| ArrayD::zeros(expected.raw_dim()));
        if actual.shape() != expected.shape() {
            return Err(format!("{name}: shape {:?}, expected {:?}", actual.shape(), expected.shape()));
        }
        for (i, (&a, &e)) in actual.iter().zip(expected).enumerate() {
            let off = (a - e).abs() / e.abs().max(1.0);
            if off.is_nan() || off > tolerance {
                return Err(format!("{name}[{i}]: {a:e}, expected {e:e}"));
            }
        }
        Ok(())
    }

    /// Compares the outputs, walks back from Σ output · cotangent, and compares the gradients; every `output.`, `grad.input.` and
    /// `grad.param.` of the file must be among what is given.
    fn compare_all(
        &self,
        outputs: &[(&str, Var<'_>)],
        inputs: &[(&str, Var<'_>)],
        params: &[(String, Param)],
        tolerance: f64,
    ) -> Outcome {
        let mut loss: Option<Var<'_>> = None;
        let mut compared = vec![];
        for &(name, y) in outputs {
            self.compare(&format!("output.{name}"), Some(y.value()?.to_f64()), tolerance)?;
            let part = (y * y.graph().input(self.get(&format!("cotangent.{name}"))?)).sum_all();
            loss = Some(loss.map_or(part, |loss| loss + part));
            compared.push(format!("output.{name}"));
        }
        let gradients = loss.ok_or("no output")?.backward()?;
        let value = |g: Option<unspool_graph::Tensor>| g.map(|g| g.to_f64());
        for (name, x) in inputs {
            self.compare(&format!("grad.input.{name}"), value(gradients.of(*x)), tolerance)?;
            compared.push(format!("grad.input.{name}"));
        }
        for (name, p) in params {
            self.compare(&format!("grad.param.{name}"), value(gradients.of(*p)), tolerance)?;
            compared.push(format!("grad.param.{name}"));
        }
        let wanted = |name: &&String| name.starts_with("output.") || name.starts_with("grad.");
        match self.tensors.keys().filter(wanted).find(|name| !compared.contains(name)) {
            Some(forgotten) => Err(format!("{forgotten} was not compared").into()),
            None => Ok(()),
        }
    }

    /// Gives the parameter the values of `param.NAME`.
    fn fill(&self, params: &mut Params, p: Param, name: &str) -> Outcome {
        Ok(params.set(p, self.get(&format!("param.{name}"))?)?)
    }

    /// Gives every parameter the values of its own name, and lists them.
    fn fill_all(&self, params: &mut Params) -> Result<Vec<(String, Param)>, Box<dyn std::error::Error>> {
        let named: Vec<(String, Param)> = params.iter().map(|p| (params.name(p).to_string(), p)).collect();
        for (name, p) in &named {
            self.fill(params, *p, name)?;
        }
        Ok(named)
    }
}

fn to(params: Params, precision: Precision) -> Params {
    match precision {
        Precision::F32 => params.to_f32(),
        Precision::F64 => params.to_f64(),
    }
}

/// `nn.RNN`, `nn.LSTM`, `nn.GRU`: layers and directions of cells.
fn recurrent<C: Cell>(
    case: &Case,
    precision: Precision,
    tolerance: f64,
    make: impl Fn(Scope<'_>, usize, usize) -> C,
) -> Outcome {
    let layers = Layers {
        count: case.usize("num_layers").unwrap_or(1),
        bidirectional: case.config["bidirectional"] == true,
        dropout: 0.0,
    };
    let (batch, time) = (case.usize("batch")?, case.usize("time")?);
    let output = case.usize("proj_size").ok().filter(|&size| size > 0).unwrap_or(case.usize("hidden_size")?);
    let mut params = Params::seeded(0);
    let rnn = Recurrent::new(params.scope(""), make, case.usize("input_size")?, output, layers);
    let mut params = to(params, precision);
    let mut named = vec![];
    for p in params.iter().collect::<Vec<_>>() {
        let name = params.name(p).to_string();
        // A plain cell always has biases.
        if case.config["bias"] == false && name.starts_with("bias") {
            params.set(p, ArrayD::<f64>::zeros(&*params.shape(p)))?;
            continue;
        }
        case.fill(&mut params, p, &name)?;
        named.push((name, p));
    }
    let lengths: Vec<usize> = match case.tensors.get("input.lengths") {
        Some(lengths) => lengths.iter().map(|&x| x as usize).collect(),
        None => vec![time; batch],
    };
    let graph = Graph::new(&params);
    let x = graph.input(case.get("input.x")?).watch();
    let mut inputs = vec![("x", x)];
    let mut starts = vec![];
    for name in ["h0", "c0"] {
        if let Some(start) = case.tensors.get(&format!("input.{name}")) {
            let start = graph.input(start).watch();
            starts.push(start);
            inputs.push((name, start));
        }
    }
    let states = if starts.is_empty() { rnn.initial_state(&graph, batch) } else { rnn.states_from(&graph, &starts) };
    let (ys, last) = rnn.unroll(x, &lengths, states);
    let ends = rnn.stacked(&last);
    let mut outputs = vec![("y", ys), ("hn", ends[0])];
    if case.tensors.contains_key("output.cn") {
        outputs.push(("cn", ends[1]));
    }
    case.compare_all(&outputs, &inputs, &named, tolerance)
}

fn linear(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let mut params = Params::seeded(0);
    let layer = Linear::new(params.scope(""), case.usize("i")?, case.usize("o")?);
    let bias = layer.bias.ok_or("no bias")?;
    let mut params = to(params, precision);
    case.fill(&mut params, layer.weight, "weight")?;
    case.fill(&mut params, bias, "bias")?;
    let graph = Graph::new(&params);
    let x = graph.input(case.get("input.x")?).watch();
    let named = [("weight".into(), layer.weight), ("bias".into(), bias)];
    case.compare_all(&[("y", layer.apply(x))], &[("x", x)], &named, tolerance)
}

fn convolution(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let (kernel, stride, padding) = (case.usize("kernel_size")?, case.usize("stride")?, case.usize("padding")?);
    let mut params = Params::seeded(0);
    let (from, to_channels) = (case.usize("in_channels")?, case.usize("out_channels")?);
    let layer = Conv2d::new(params.scope(""), from, to_channels, [kernel; 2]).stride([stride; 2]).padding([padding; 2]);
    let bias = layer.bias.ok_or("no bias")?;
    let mut params = to(params, precision);
    case.fill(&mut params, layer.weight, "weight")?;
    case.fill(&mut params, bias, "bias")?;
    let graph = Graph::new(&params);
    let x = graph.input(case.get("input.x")?).watch();
    let named = [("weight".into(), layer.weight), ("bias".into(), bias)];
    case.compare_all(&[("y", layer.apply(x))], &[("x", x)], &named, tolerance)
}

fn pooling(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let params = to(Params::seeded(0), precision);
    let graph = Graph::new(&params);
    let (x, window) = (graph.input(case.get("input.x")?).watch(), [case.usize("kernel_size")?; 2]);
    let y = if case.kind == "MaxPool2d" { x.max_pool2d(window, window) } else { x.mean_pool2d(window, window) };
    case.compare_all(&[("y", y)], &[("x", x)], &[], tolerance)
}

fn layer_norm(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let mut params = Params::seeded(0);
    let layer = LayerNorm::new(params.scope(""), case.get("param.weight")?.len()).epsilon(case.f64("eps")?);
    let mut params = to(params, precision);
    let named = case.fill_all(&mut params)?;
    let graph = Graph::new(&params);
    let x = graph.input(case.get("input.x")?).watch();
    case.compare_all(&[("y", layer.apply(x))], &[("x", x)], &named, tolerance)
}

/// Self-attention, causal or with the last place of row 1 hidden as a key; as a query it stays.
fn multihead_attention(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let mut params = Params::seeded(0);
    let layer = MultiheadAttention::new(params.scope(""), case.usize("embed_dim")?, case.usize("num_heads")?);
    let mut params = to(params, precision);
    let named = case.fill_all(&mut params)?;
    let x = case.get("input.x")?;
    let (batch, time) = (x.shape()[0], x.shape()[1]);
    let mut keys = vec![time; batch];
    if case.config["pad_last_of_row_1"] == true {
        keys[1] -= 1;
    }
    let graph = Graph::new(&params);
    let x = graph.input(x).watch();
    let (y, _) = layer.apply((x, &vec![time; batch]), (x, &keys), case.config["causal"] == true);
    case.compare_all(&[("y", y)], &[("x", x)], &named, tolerance)
}

fn transformer_layer(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let config = TransformerConfig {
        size: case.usize("d_model")?,
        heads: case.usize("nhead")?,
        feedforward: case.usize("dim_feedforward")?,
        dropout: 0.0,
        norm_first: case.config["norm_first"] == true,
        bias: true,
    };
    let attends = case.kind == "TransformerDecoderLayer";
    let mut params = Params::seeded(0);
    let make = if attends { TransformerLayer::decoder } else { TransformerLayer::encoder };
    let layer = make(params.scope(""), config);
    let mut params = to(params, precision);
    let named = case.fill_all(&mut params)?;
    let graph = Graph::new(&params);
    let whole = |name: &str| -> Result<_, Box<dyn std::error::Error>> {
        let x = case.get(name)?;
        Ok((graph.input(x).watch(), vec![x.shape()[1]; x.shape()[0]]))
    };
    let (x, lengths) = whole("input.x")?;
    let mut inputs = vec![("x", x)];
    let memory = if attends { Some(whole("input.memory")?) } else { None };
    inputs.extend(memory.iter().map(|(memory, _)| ("memory", *memory)));
    let seen = memory.as_ref().map(|(memory, lengths)| (*memory, &lengths[..]));
    let y = layer.apply((x, &lengths), seen, case.config["causal"] == true);
    case.compare_all(&[("y", y)], &inputs, &named, tolerance)
}

fn embedding(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let mut params = Params::seeded(0);
    let mut table = Embedding::new(params.scope(""), case.usize("num")?, case.usize("dim")?);
    if let Some(padding) = case.config["padding_idx"].as_u64() {
        table = table.padding(padding as u32);
    }
    let mut params = to(params, precision);
    case.fill(&mut params, table.weight, "weight")?;
    let ids = case.get("input.ids")?;
    let ids = Array2::from_shape_vec((ids.shape()[0], ids.shape()[1]), ids.iter().map(|&x| x as u32).collect())?;
    let graph = Graph::new(&params);
    let y = table.apply(&graph, ids.view());
    case.compare_all(&[("y", y)], &[], &[("weight".into(), table.weight)], tolerance)
}

fn cross_entropy(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let ignored = case.f64("ignore_index")?;
    let targets = case.get("input.target")?;
    let real: Vec<f32> = targets.iter().map(|&t| if t == ignored { 0.0 } else { 1.0 }).collect();
    let count: f32 = real.iter().sum();
    // The number at an ignored place must not matter, so one that is no class stays one.
    let targets: Vec<u32> = targets.iter().map(|&t| if t == ignored { u32::MAX } else { t as u32 }).collect();
    let params = to(Params::seeded(0), precision);
    let graph = Graph::new(&params);
    let x = graph.input(case.get("input.logits")?).watch();
    let options = CrossEntropy::new().smoothing(case.f64("label_smoothing")?).weights(real);
    let losses = x.cross_entropy_with(&targets, options);
    let y = match case.config["reduction"].as_str() {
        Some("none") => losses,
        Some("sum") => losses.sum_all(),
        Some("mean") => losses.sum_all() / f64::from(count),
        other => return Err(format!("reduction {other:?}").into()),
    };
    case.compare_all(&[("y", y)], &[("logits", x)], &[], tolerance)
}

fn clip_grad_norm(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let mut params = Params::seeded(0);
    let mut handles = vec![];
    while let Some(gradient) = case.tensors.get(&format!("grad.{}", handles.len())) {
        handles.push(params.scope("p").add_sized(handles.len().to_string(), gradient.shape(), init::zeros()));
    }
    let params = to(params, precision);
    let mut gradients = Gradients::none(&params);
    for (i, &p) in handles.iter().enumerate() {
        gradients.set(&params, p, case.get(&format!("grad.{i}"))?)?;
    }
    let norm = gradients.clip_norm(case.f64("max_norm")?)?;
    case.compare("norm", Some(ndarray::arr0(norm).into_dyn()), tolerance)?;
    for (i, &p) in handles.iter().enumerate() {
        case.compare(&format!("clipped.{i}"), gradients.of(p).map(|g| g.to_f64()), tolerance)?;
    }
    if handles.is_empty() { Err("no gradient".into()) } else { Ok(()) }
}

fn binary(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let params = to(Params::seeded(0), precision);
    let graph = Graph::new(&params);
    let x = graph.input(case.get("input.logits")?).watch();
    let y = loss::binary_cross_entropy(x, case.get("input.target")?, Over::all());
    case.compare_all(&[("y", y)], &[("logits", x)], &[], tolerance)
}

fn ctc(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let whole = |name: &str| Ok::<_, String>(case.get(name)?.iter().map(|&x| x as usize).collect::<Vec<_>>());
    let (lengths, counts) = (whole("input.input_lengths")?, whole("input.target_lengths")?);
    let rows = case.get("input.targets")?.rows().into_iter().zip(counts);
    let targets: Vec<Vec<u32>> = rows.map(|(row, n)| row.iter().take(n).map(|&x| x as u32).collect()).collect();
    let params = to(Params::seeded(0), precision);
    let graph = Graph::new(&params);
    let x = graph.input(case.get("input.logits")?).watch();
    let losses = Ctc::new().blank(case.usize("blank")? as u32).losses(x.transpose(0, 1), &lengths, &targets);
    if case.config["reduction"] != "sum" {
        return Err("another reduction".into());
    }
    case.compare_all(&[("y", losses.sum_all())], &[("logits", x)], &[], tolerance)
}

/// The optimizer of a case, with its constants.
fn optimizer(case: &Case) -> Result<Box<dyn Optimizer>, String> {
    Ok(match &case.kind[..] {
        "optimizer.adam" => {
            Box::new(Adam::new().betas(case.f64("beta1")?, case.f64("beta2")?).epsilon(case.f64("eps")?))
        }
        "optimizer.adamw" => {
            let adam = AdamW::new().betas(case.f64("beta1")?, case.f64("beta2")?).epsilon(case.f64("eps")?);
            Box::new(adam.weight_decay(case.f64("weight_decay")?))
        }
        "optimizer.rmsprop" => {
            let rmsprop = RmsProp::new().alpha(case.f64("alpha")?).epsilon(case.f64("eps")?);
            Box::new(rmsprop.momentum(case.f64("momentum")?))
        }
        "optimizer.adagrad" => Box::new(Adagrad::new().epsilon(case.f64("eps")?)),
        "optimizer.sgd" => Box::new(Sgd::new()),
        "optimizer.sgd_momentum_nesterov" => {
            Box::new(Sgd::new().nesterov(case.f64("momentum")?).weight_decay(case.f64("weight_decay")?))
        }
        other => return Err(format!("the kind {other:?} is unknown")),
    })
}

fn steps(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let mut params = Params::seeded(0);
    let start = case.get("param.start")?;
    let p = params.scope("m").add_sized("w", start.shape(), init::zeros());
    let mut params = to(params, precision);
    params.set(p, start)?;
    let mut optimizer = optimizer(case)?;
    let mut step = 0;
    while let Some(gradient) = case.tensors.get(&format!("grad.{step}")) {
        let mut gradients = Gradients::none(&params);
        gradients.set(&params, p, gradient)?;
        optimizer.update(&mut params, &gradients, case.f64("lr")?, 1.0)?;
        case.compare(&format!("param.{step}"), Some(params.value(p)?.to_f64()), tolerance)?;
        step += 1;
    }
    if step == 0 { Err("no step".into()) } else { Ok(()) }
}

fn compare(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let bias = case.config["bias"] != false;
    match &case.kind[..] {
        "RNN" if case.config["nonlinearity"] == "relu" => {
            recurrent(case, precision, tolerance, PlainElman::relu)?;
            let make = if bias { Elman::new } else { Elman::without_bias };
            recurrent(case, precision, tolerance, |scope, input, hidden| make(scope, input, hidden).relu())
        }
        "RNN" => {
            recurrent(case, precision, tolerance, PlainElman::tanh)?;
            recurrent(case, precision, tolerance, if bias { Elman::new } else { Elman::without_bias })
        }
        "LSTM" => match case.config["proj_size"].as_u64() {
            None | Some(0) => {
                recurrent(case, precision, tolerance, PlainLstm::new)?;
                recurrent(case, precision, tolerance, if bias { Lstm::new } else { Lstm::without_bias })
            }
            Some(_) => {
                let hidden = case.usize("hidden_size")?;
                recurrent(case, precision, tolerance, |scope, input, size| {
                    PlainLstm::projected(scope, input, hidden, size)
                })?;
                recurrent(case, precision, tolerance, |scope, input, size| Lstm::projected(scope, input, hidden, size))
            }
        },
        "GRU" => {
            recurrent(case, precision, tolerance, PlainGru::new)?;
            recurrent(case, precision, tolerance, if bias { Gru::new } else { Gru::without_bias })
        }
        "GRUResetBefore" => {
            recurrent(case, precision, tolerance, |scope, input, size| Gru::new(scope, input, size).reset_before())
        }
        "Linear" => linear(case, precision, tolerance),
        "Conv2d" => convolution(case, precision, tolerance),
        "MaxPool2d" | "AvgPool2d" => pooling(case, precision, tolerance),
        "LayerNorm" => layer_norm(case, precision, tolerance),
        "MultiheadAttention" => multihead_attention(case, precision, tolerance),
        "TransformerEncoderLayer" | "TransformerDecoderLayer" => transformer_layer(case, precision, tolerance),
        "Embedding" => embedding(case, precision, tolerance),
        "cross_entropy" => cross_entropy(case, precision, tolerance),
        "clip_grad_norm" => clip_grad_norm(case, precision, tolerance),
        "bce_with_logits" => binary(case, precision, tolerance),
        "ctc_loss" => ctc(case, precision, tolerance),
        kind if kind.starts_with("optimizer.") => steps(case, precision, tolerance),
        other => Err(format!("the kind {other:?} is unknown").into()),
    }
}

fn folder() -> PathBuf {
    let own = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    std::env::var_os("UNSPOOL_VECTORS").map_or_else(own, PathBuf::from)
}

fn cases() -> Result<Vec<Case>, Box<dyn std::error::Error>> {
    let files = std::fs::read_dir(folder())?.collect::<Result<Vec<_>, _>>()?;
    let mut files: Vec<PathBuf> = files.into_iter().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "safetensors"));
    files.sort();
    files.into_iter().map(Case::read).collect()
}

#[test]
fn every_case_agrees_with_pytorch() -> Outcome {
    let cases = cases()?;
    let mut failures = vec![];
    for case in &cases {
        for (precision, tolerance) in [(Precision::F64, 1e-10), (Precision::F32, 1e-4)] {
            if let Err(why) = compare(case, precision, tolerance) {
                failures.push(format!("{} in {precision:?}: {why}", case.file));
            }
        }
    }
    // Past the test harness, which keeps to itself what a passing test prints.
    let _ = std::io::Write::write_all(&mut std::io::stdout(), format!("{} cases\n", cases.len()).as_bytes());
    assert!(!cases.is_empty(), "no case in {}", folder().display());
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    Ok(())
}

/// The comparison itself must be able to fail: a number changed by 1e-9 and an unknown kind are found.
#[test]
fn a_wrong_number_and_an_unknown_kind_are_found() -> Outcome {
    for mut case in cases()? {
        if !case.tensors.contains_key("output.y") {
            continue;
        }
        for name in
            ["output.y", "grad.param.weight_hh_l0", "grad.param.linear1.weight", "grad.input.x", "grad.input.logits"]
        {
            let Some(tensor) = case.tensors.get_mut(name) else { continue };
            let Some(x) = tensor.iter_mut().last() else { continue };
            let before = std::mem::replace(x, *x + 1e-9 * x.abs().max(1.0));
            assert!(compare(&case, Precision::F64, 1e-10).is_err(), "{}: {name}", case.file);
            if let Some(x) = case.tensors.get_mut(name).and_then(|t| t.iter_mut().last()) {
                *x = before;
            }
        }
        case.kind = "Nonsense".into();
        assert!(compare(&case, Precision::F64, 1e-10).is_err());
    }
    Ok(())
}
