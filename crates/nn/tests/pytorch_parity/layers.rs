//! Layers: their outputs and all gradients.

use crate::{
    Outcome,
    case::{Case, to},
};
use ndarray::{Array2, ArrayD};
use unspool_graph::{Graph, Params, Precision, Scope};
use unspool_nn::{
    Cell, Conv2d, Embedding, LayerNorm, Linear, MultiheadAttention, Recurrent, RecurrentConfig, Sequence,
    TransformerConfig, TransformerLayer, dynamics, map_state,
};

/// `nn.RNN`, `nn.LSTM`, `nn.GRU`: layers and directions of cells.
pub(crate) fn recurrent<C: Cell>(
    case: &Case,
    precision: Precision,
    tolerance: f64,
    make: impl Fn(Scope<'_>, usize, usize) -> C,
) -> Outcome {
    let layers = RecurrentConfig {
        layers: case.usize("num_layers").unwrap_or(1),
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
    let (ys, last) = rnn.unroll(&Sequence::pack(x, &lengths), states);
    let ys = ys.padded();
    let ends = rnn.stacked(&last);
    let mut outputs = vec![("y", ys), ("hn", ends[0])];
    if case.tensors.contains_key("output.cn") {
        outputs.push(("cn", ends[1]));
    }
    case.compare_all(&outputs, &inputs, &named, tolerance)
}

/// ∂h_1/∂h_0 of one step from h_0 = 0.3, and c_0 = 0 where there is one.
pub(crate) fn state_jacobian<C: Cell>(
    case: &Case,
    precision: Precision,
    tolerance: f64,
    make: impl Fn(Scope<'_>, usize, usize) -> C,
) -> Outcome {
    let mut params = Params::seeded(0);
    let hidden = case.usize("hidden_size")?;
    let cell = make(params.scope(""), case.usize("input_size")?, hidden);
    let mut params = to(params, precision);
    case.fill_all(&mut params)?;
    let graph = Graph::new(&params);
    let x = graph.input(case.get("input.x")?).squeeze(1);
    let mut start = vec![0.3, 0.0].into_iter();
    let state = map_state(&cell.initial_state(&graph, x.shape()?[0]), |leaf| leaf + start.next().unwrap_or(0.0));
    let (jacobian, _) = dynamics::state_jacobian(&cell, x, state)?;
    let of_h = jacobian.slice(ndarray::s![.., ..hidden, ..hidden]).to_owned().into_dyn();
    Ok(case.compare("output.jacobian", Some(of_h), tolerance)?)
}

/// H·v over all parameters and the inputs, of L = Σ (y · c)²/2 over all steps.
pub(crate) fn hessian_vector<C: Cell>(
    case: &Case,
    precision: Precision,
    tolerance: f64,
    make: impl Fn(Scope<'_>, usize, usize) -> C,
) -> Outcome {
    let mut params = Params::seeded(0);
    let (input, hidden) = (case.usize("input_size")?, case.usize("hidden_size")?);
    let rnn = Recurrent::new(params.scope(""), make, input, hidden, RecurrentConfig::default());
    let mut params = to(params, precision);
    let named = case.fill_all(&mut params)?;
    let graph = Graph::new(&params);
    let x = graph.input(case.get("input.x")?).watch();
    let [batch, ..] = x.dims::<3>()?;
    let (ys, _) = rnn.unroll(&Sequence::full(x), rnn.initial_state(&graph, batch));
    let loss = ((ys.padded() * graph.input(case.get("input.c")?)).powi(2) * 0.5).sum_all();
    case.compare("output.loss", Some(loss.to_f64()?), tolerance)?;
    let mut direction = vec![(x, case.get("direction.x")?.into())];
    for (name, p) in &named {
        direction.push((graph.param(*p), case.get(&format!("direction.{name}"))?.into()));
    }
    for (prefix, of) in [("grad", loss.backward()?), ("output.hv", loss.hessian_vector(&direction)?)] {
        case.compare(&format!("{prefix}.x"), of.of(x).map(|g| g.to_f64()), tolerance)?;
        for (name, p) in &named {
            case.compare(&format!("{prefix}.{name}"), of.of(*p).map(|g| g.to_f64()), tolerance)?;
        }
    }
    Ok(())
}

pub(crate) fn linear(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let mut params = Params::seeded(0);
    let layer = Linear::new(params.scope(""), case.usize("i")?, case.usize("o")?);
    let mut params = to(params, precision);
    let named = case.fill_all(&mut params)?;
    let graph = Graph::new(&params);
    let x = graph.input(case.get("input.x")?).watch();
    case.compare_all(&[("y", layer.apply(x))], &[("x", x)], &named, tolerance)
}

pub(crate) fn convolution(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let (kernel, stride, padding) = (case.usize("kernel_size")?, case.usize("stride")?, case.usize("padding")?);
    let mut params = Params::seeded(0);
    let (from, to_channels) = (case.usize("in_channels")?, case.usize("out_channels")?);
    let layer = Conv2d::new(params.scope(""), from, to_channels, [kernel; 2]).stride([stride; 2]).padding([padding; 2]);
    let mut params = to(params, precision);
    let named = case.fill_all(&mut params)?;
    let graph = Graph::new(&params);
    let x = graph.input(case.get("input.x")?).watch();
    case.compare_all(&[("y", layer.apply(x))], &[("x", x)], &named, tolerance)
}

pub(crate) fn pooling(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let params = to(Params::seeded(0), precision);
    let graph = Graph::new(&params);
    let (x, window) = (graph.input(case.get("input.x")?).watch(), [case.usize("kernel_size")?; 2]);
    let y = if case.kind == "MaxPool2d" { x.max_pool2d(window, window) } else { x.mean_pool2d(window, window) };
    case.compare_all(&[("y", y)], &[("x", x)], &[], tolerance)
}

pub(crate) fn layer_norm(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let mut params = Params::seeded(0);
    let layer = LayerNorm::new(params.scope(""), case.get("param.weight")?.len()).epsilon(case.f64("eps")?);
    let mut params = to(params, precision);
    let named = case.fill_all(&mut params)?;
    let graph = Graph::new(&params);
    let x = graph.input(case.get("input.x")?).watch();
    case.compare_all(&[("y", layer.apply(x))], &[("x", x)], &named, tolerance)
}

/// Self-attention, causal or with the last place of row 1 hidden as a key; as a query it stays.
pub(crate) fn multihead_attention(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
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
    let (y, _) = layer.apply(&Sequence::full(x), &Sequence::pack(x, &keys), case.config["causal"] == true);
    case.compare_all(&[("y", y.padded())], &[("x", x)], &named, tolerance)
}

pub(crate) fn transformer_layer(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
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
    let whole = |name: &str| -> Result<_, Box<dyn std::error::Error>> { Ok(graph.input(case.get(name)?).watch()) };
    let x = whole("input.x")?;
    let mut inputs = vec![("x", x)];
    let memory = if attends { Some(whole("input.memory")?) } else { None };
    inputs.extend(memory.map(|memory| ("memory", memory)));
    let seen = memory.map(Sequence::full);
    let y = layer.apply(&Sequence::full(x), seen.as_ref(), case.config["causal"] == true);
    case.compare_all(&[("y", y.padded())], &inputs, &named, tolerance)
}

pub(crate) fn embedding(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
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
