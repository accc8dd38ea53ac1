//! Weights to PyTorch and back. Each layer is saved with an input and what it makes of it; `pytorch.py` beside this
//! file loads the weights into PyTorch's layer of the same name, compares, and saves weights and numbers of its own,
//! which are loaded and compared here:
//!
//! ```console
//! $ cargo run -p unspool-nn --example pytorch -- write /tmp/weights
//! $ python crates/nn/examples/pytorch.py /tmp/weights       # needs the packages torch and safetensors
//! $ cargo run -p unspool-nn --example pytorch -- check /tmp/weights
//! ```

use serde_json::{Value, json};
use std::{collections::BTreeMap, error::Error, path::Path};
use unspool_graph::{Graph, Params, RngKey, Scope, Var, init};
use unspool_nn::{
    Cell, Conv2d, Embedding, Gru, GruConfig, LayerNorm, Linear, Lstm, LstmConfig, MultiheadAttention, Nonlinearity,
    Recurrent, RecurrentConfig, Rnn, RnnConfig, Sequence, TransformerConfig, TransformerLayer, checkpoint,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// From a layer's inputs to its outputs.
type Run = Box<dyn for<'g> Fn(&[Var<'g>]) -> Vec<Var<'g>>>;

/// A layer and how it is run, and PyTorch's class and arguments for the same.
struct Case {
    name: &'static str,
    class: &'static str,
    arguments: Value,
    inputs: Vec<Vec<usize>>,
    params: Params,
    run: Run,
}

/// What cases are made with.
struct Cases {
    seed: u64,
    all: Vec<Case>,
}

impl Cases {
    fn add<L: 'static>(
        &mut self,
        (name, class, arguments): (&'static str, &'static str, Value),
        inputs: &[&[usize]],
        make: impl FnOnce(Scope<'_>) -> L,
        run: for<'g> fn(&L, &[Var<'g>]) -> Vec<Var<'g>>,
    ) {
        let mut params = Params::seeded(self.seed);
        let layer = make(params.scope(""));
        let params = params.to_f64();
        let inputs = inputs.iter().map(|shape| shape.to_vec()).collect();
        self.all.push(Case { name, class, arguments, inputs, params, run: Box::new(move |xs| run(&layer, xs)) });
    }

    /// Two layers, both directions. Outputs as PyTorch's: `y`, `h_n`, and an LSTM's `c_n`.
    fn recurrent<C: Cell + 'static>(
        &mut self,
        name: &'static str,
        class: &'static str,
        more: Value,
        make: impl Fn(Scope<'_>, usize, usize) -> C,
    ) {
        let mut arguments =
            json!({"input_size": 3, "hidden_size": 5, "num_layers": 2, "bidirectional": true, "batch_first": true});
        if let (Some(all), Some(more)) = (arguments.as_object_mut(), more.as_object()) {
            all.extend(more.clone());
        }
        let output = arguments["proj_size"].as_u64().unwrap_or(5) as usize;
        let layers = RecurrentConfig { layers: 2, bidirectional: true, dropout: 0.0 };
        self.add(
            (name, class, arguments),
            &[&[2, 4, 3]],
            |scope| Recurrent::new(scope, make, 3, output, layers),
            |rnn, xs| {
                let (ys, last) = rnn.unroll(&Sequence::full(xs[0]), rnn.initial_state(xs[0].graph(), 2));
                let mut all = rnn.stacked(&last);
                all.insert(0, ys.padded());
                all
            },
        );
    }

    /// Pre- and post-norm.
    fn transformer(&mut self, names: [&'static str; 2], decoder: bool, bias: bool) {
        for (name, norm_first) in names.into_iter().zip([false, true]) {
            let class = if decoder { "TransformerDecoderLayer" } else { "TransformerEncoderLayer" };
            let config = TransformerConfig { size: 8, heads: 2, feedforward: 12, dropout: 0.0, norm_first, bias };
            let arguments = json!({"d_model": 8, "nhead": 2, "dim_feedforward": 12, "dropout": 0.0,
                "norm_first": norm_first, "bias": bias, "batch_first": true});
            let inputs: &[&[usize]] = if decoder { &[&[2, 4, 8], &[2, 3, 8]] } else { &[&[2, 4, 8]] };
            let make = if decoder { TransformerLayer::decoder } else { TransformerLayer::encoder };
            self.add(
                (name, class, arguments),
                inputs,
                |scope| make(scope, config),
                |layer, xs| {
                    let memory = xs.get(1).map(|&memory| Sequence::full(memory));
                    vec![layer.apply(&Sequence::full(xs[0]), memory.as_ref(), false).padded()]
                },
            );
        }
    }

    fn attention(&mut self, name: &'static str, more: Value, memory: usize, make: fn(Scope<'_>) -> MultiheadAttention) {
        let mut arguments = json!({"embed_dim": 8, "num_heads": 2, "batch_first": true});
        if let (Some(all), Some(more)) = (arguments.as_object_mut(), more.as_object()) {
            all.extend(more.clone());
        }
        self.add((name, "MultiheadAttention", arguments), &[&[2, 4, 8], &[2, 3, memory]], make, |layer, xs| {
            let (ys, weights) = layer.apply(&Sequence::full(xs[0]), &Sequence::full(xs[1]), false);
            vec![ys.padded(), weights.mean(&[1])]
        });
    }
}

fn cases(seed: u64) -> Vec<Case> {
    let mut cases = Cases { seed, all: vec![] };
    let none = || json!({"bias": false});
    cases.recurrent("rnn", "RNN", json!({}), Rnn::new);
    cases.recurrent("rnn_relu", "RNN", json!({"nonlinearity": "relu"}), |s, i, h| {
        Rnn::with_config(s, i, h, RnnConfig { nonlinearity: Nonlinearity::Relu, ..RnnConfig::default() })
    });
    cases.recurrent("rnn_bare", "RNN", none(), |s, i, h| {
        Rnn::with_config(s, i, h, RnnConfig { bias: false, ..RnnConfig::default() })
    });
    cases.recurrent("lstm", "LSTM", json!({}), Lstm::new);
    cases.recurrent("lstm_bare", "LSTM", none(), |s, i, h| {
        Lstm::with_config(s, i, h, LstmConfig { bias: false, ..LstmConfig::default() })
    });
    cases.recurrent("lstm_narrow", "LSTM", json!({"proj_size": 2}), |s, i, size| {
        Lstm::with_config(s, i, 5, LstmConfig { projection: Some(size), ..LstmConfig::default() })
    });
    cases.recurrent("lstm_narrow_bare", "LSTM", json!({"proj_size": 2, "bias": false}), |s, i, size| {
        Lstm::with_config(s, i, 5, LstmConfig { bias: false, projection: Some(size), ..LstmConfig::default() })
    });
    cases.recurrent("gru", "GRU", json!({}), Gru::new);
    cases.recurrent("gru_bare", "GRU", none(), |s, i, h| {
        Gru::with_config(s, i, h, GruConfig { bias: false, ..GruConfig::default() })
    });
    cases.attention("attention", json!({}), 8, |s| MultiheadAttention::new(s, 8, 2));
    cases.attention("attention_bare", none(), 8, |s| MultiheadAttention::without_bias(s, 8, 2));
    cases.attention("attention_over", json!({"kdim": 5, "vdim": 5}), 5, |s| MultiheadAttention::over(s, 8, 5, 2));
    cases.transformer(["encoder_post", "encoder_pre"], false, true);
    cases.transformer(["encoder_post_bare", "encoder_pre_bare"], false, false);
    cases.transformer(["decoder_post", "decoder_pre"], true, true);
    cases.transformer(["decoder_post_bare", "decoder_pre_bare"], true, false);
    let linear = |bias: bool| json!({"in_features": 3, "out_features": 4, "bias": bias});
    cases.add(("linear", "Linear", linear(true)), &[&[2, 3]], |s| Linear::new(s, 3, 4), |l, xs| vec![l.apply(xs[0])]);
    cases.add(
        ("linear_bare", "Linear", linear(false)),
        &[&[2, 3]],
        |s| Linear::without_bias(s, 3, 4),
        |l, xs| vec![l.apply(xs[0])],
    );
    cases.add(
        ("layer_norm", "LayerNorm", json!({"normalized_shape": 6})),
        &[&[2, 3, 6]],
        |s| LayerNorm::new(s, 6),
        |l, xs| vec![l.apply(xs[0])],
    );
    cases.add(
        ("layer_norm_bare", "LayerNorm", json!({"normalized_shape": 6, "bias": false})),
        &[&[2, 3, 6]],
        |s| LayerNorm::without_bias(s, 6),
        |l, xs| vec![l.apply(xs[0])],
    );
    let conv = |bias: bool| {
        json!({"in_channels": 2, "out_channels": 3, "kernel_size": [3, 2], "stride": [2, 1], "padding": [1, 0],
            "bias": bias})
    };
    let picture: &[&[usize]] = &[&[2, 2, 6, 5]];
    cases.add(
        ("conv2d", "Conv2d", conv(true)),
        picture,
        |s| Conv2d::new(s, 2, 3, [3, 2]).stride([2, 1]).padding([1, 0]),
        |l, xs| vec![l.apply(xs[0])],
    );
    cases.add(
        ("conv2d_bare", "Conv2d", conv(false)),
        picture,
        |s| Conv2d::without_bias(s, 2, 3, [3, 2]).stride([2, 1]).padding([1, 0]),
        |l, xs| vec![l.apply(xs[0])],
    );
    // Its input is whole numbers: each element of [−1, 1) names one of ten rows.
    cases.add(
        ("embedding", "Embedding", json!({"num_embeddings": 10, "embedding_dim": 4})),
        &[&[2, 3]],
        |s| Embedding::new(s, 10, 4),
        |table, xs| {
            let graph = xs[0].graph();
            let ids = xs[0].value().map(|x| x.to_f64().mapv(|x| ((x + 1.0) * 5.0) as u32));
            vec![ids.map_or_else(|_| graph.inert(), |ids| table.apply(graph, ids.view()))]
        },
    );
    cases.all
}

impl Case {
    /// Inputs `x0`, … and outputs `y0`, … as a store of its own, which is saved and loaded like any other.
    fn numbers(&self, seed: u64) -> Outcome<Params> {
        let mut numbers = Params::seeded(seed);
        for (i, shape) in self.inputs.iter().enumerate() {
            numbers.scope("").add_sized(format!("x{i}"), shape, init::uniform(1.0));
        }
        let numbers = numbers.to_f64();
        let outputs = self.outputs(&numbers)?;
        let mut all = numbers;
        for (i, y) in outputs.into_iter().enumerate() {
            let values = y.iter().copied().collect();
            all.scope("").add_sized(format!("y{i}"), y.shape(), init::values(values));
        }
        Ok(all)
    }

    fn outputs(&self, numbers: &Params) -> Outcome<Vec<ndarray::ArrayD<f64>>> {
        let graph = Graph::new(&self.params);
        let mut xs = vec![];
        for i in 0..self.inputs.len() {
            let x = numbers.find(&format!("x{i}")).ok_or("no input")?;
            xs.push(graph.input(numbers.value(x)?));
        }
        (self.run)(&xs).into_iter().map(|y| Ok(y.to_f64()?)).collect()
    }
}

/// `NAME.safetensors` is the state dict, with PyTorch's class and arguments among its metadata;
/// `NAME.numbers.safetensors` are inputs and outputs.
fn write(folder: &Path, seed: u64) -> Outcome<usize> {
    std::fs::create_dir_all(folder)?;
    let cases = cases(seed);
    for case in &cases {
        let about = [("class", case.class.to_string()), ("arguments", case.arguments.to_string())];
        let about: BTreeMap<String, String> = about.map(|(key, value)| (key.into(), value)).into();
        checkpoint::save(&folder.join(format!("{}.safetensors", case.name)), &case.params, &about)?;
        let numbers = case.numbers(seed + 1)?;
        checkpoint::save(&folder.join(format!("{}.numbers.safetensors", case.name)), &numbers, &BTreeMap::new())?;
    }
    Ok(cases.len())
}

/// Loads every layer's weights and compares what it makes of the inputs with the outputs, to 1e-10 · max(1,
/// |expected|).
fn check(folder: &Path) -> Outcome<usize> {
    let cases = cases(RngKey::seed(0).bits(0));
    let count = cases.len();
    for mut case in cases {
        checkpoint::load(&folder.join(format!("{}.safetensors", case.name)), &mut case.params)?;
        let mut numbers = case.numbers(0)?;
        checkpoint::load(&folder.join(format!("{}.numbers.safetensors", case.name)), &mut numbers)?;
        for (i, y) in case.outputs(&numbers)?.into_iter().enumerate() {
            let expected = numbers.value(numbers.find(&format!("y{i}")).ok_or("no output")?)?.to_f64();
            let off = y.iter().zip(&expected).map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max);
            if off.is_nan() || off > 1e-10 {
                return Err(format!("{}: output {i} is {off:e} off", case.name).into());
            }
        }
    }
    Ok(count)
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["write", folder] => {
            println!("{} layers written", write(&Path::new(folder).join("from_unspool"), 1)?);
        }
        ["check", folder] => {
            println!("{} layers of PyTorch's loaded and equal", check(&Path::new(folder).join("from_pytorch"))?);
        }
        _ => return Err("write FOLDER, or check FOLDER".into()),
    }
    Ok(())
}

#[test]
fn what_is_written_is_read_and_a_changed_number_is_found() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let count = write(folder.path(), 1)?;
    assert_eq!(check(folder.path())?, count);
    let case = &cases(1)[0];
    let mut numbers = case.numbers(2)?;
    let y = numbers.find("y0").ok_or("no output")?;
    let mut values = numbers.value(y)?.to_f64();
    values[[0, 0, 0]] += 1e-9;
    numbers.set(y, values)?;
    let path = folder.path().join(format!("{}.numbers.safetensors", case.name));
    checkpoint::save(&path, &numbers, &BTreeMap::new())?;
    assert!(check(folder.path()).unwrap_err().to_string().contains("rnn: output 0"));
    Ok(())
}
