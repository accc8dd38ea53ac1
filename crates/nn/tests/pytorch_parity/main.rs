//! PyTorch's own numbers: outputs and all gradients of every case in `tests/vectors/`, or in the folder that
//! `UNSPOOL_VECTORS` names, to 1e-10 · max(1, |expected|) in f64 and 1e-4 in f32, recurrent cells by their fused steps
//! and by plain operations, cells that have a scan by their scan and by their steps. Cases are found by their `kind`
//! and `config`, not by file name.

mod case;
mod gallery;
mod layers;
#[path = "../plain/mod.rs"]
mod plain;
mod scans;
mod training;
mod trainings;

use case::Case;
use gallery::gallery;
use layers::{
    convolution, embedding, hessian_vector, layer_norm, linear, multihead_attention, pooling, recurrent,
    state_jacobian, transformer_layer,
};
use plain::{PlainGru, PlainLstm, PlainRnn};
use scans::{lru, matrix_state, min_gru, min_lstm, mlstm, recurrence, rg_lru};
use std::path::PathBuf;
use training::{binary, clip_grad_norm, cross_entropy, ctc, steps};
use trainings::training;
use unspool_graph::Precision;
use unspool_nn::{
    Gru, GruConfig, Lstm, LstmConfig, Nonlinearity, Rnn, RnnConfig,
    cells::{ForgetGate, Slstm, SlstmConfig},
};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn compare(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let bias = case.config["bias"] != false;
    match &case.kind[..] {
        "RNN" if case.config["nonlinearity"] == "relu" => {
            recurrent(case, precision, tolerance, PlainRnn::relu)?;
            let config = RnnConfig { nonlinearity: Nonlinearity::Relu, bias, ..RnnConfig::default() };
            recurrent(case, precision, tolerance, |s, input, hidden| Rnn::with_config(s, input, hidden, config))
        }
        "RNN" => {
            recurrent(case, precision, tolerance, PlainRnn::tanh)?;
            let config = RnnConfig { bias, ..RnnConfig::default() };
            recurrent(case, precision, tolerance, |s, input, hidden| Rnn::with_config(s, input, hidden, config))
        }
        "LSTM" => match case.config["proj_size"].as_u64() {
            None | Some(0) => {
                recurrent(case, precision, tolerance, PlainLstm::new)?;
                let config = LstmConfig { bias, ..LstmConfig::default() };
                recurrent(case, precision, tolerance, |s, input, hidden| Lstm::with_config(s, input, hidden, config))
            }
            Some(_) => {
                let hidden = case.usize("hidden_size")?;
                recurrent(case, precision, tolerance, |s, input, size| PlainLstm::projected(s, input, hidden, size))?;
                recurrent(case, precision, tolerance, |s, input, size| {
                    Lstm::with_config(s, input, hidden, LstmConfig { projection: Some(size), ..LstmConfig::default() })
                })
            }
        },
        "GRU" => {
            recurrent(case, precision, tolerance, PlainGru::new)?;
            let config = GruConfig { bias, ..GruConfig::default() };
            recurrent(case, precision, tolerance, |s, input, hidden| Gru::with_config(s, input, hidden, config))
        }
        "GRUResetBefore" => {
            let config = GruConfig { reset_after: false, ..GruConfig::default() };
            recurrent(case, precision, tolerance, |s, input, hidden| Gru::with_config(s, input, hidden, config))
        }
        "Slstm" => {
            let forget = if case.config["forget"] == "exp" { ForgetGate::Exp } else { ForgetGate::Sigmoid };
            let config = SlstmConfig { heads: 1, forget };
            gallery(case, precision, tolerance, |s, input, hidden| Slstm::with_config(s, input, hidden, config))
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
        "state_jacobian" => match case.config["layer"].as_str() {
            Some("RNN") => state_jacobian(case, precision, tolerance, Rnn::new),
            Some("LSTM") => state_jacobian(case, precision, tolerance, Lstm::new),
            Some("GRU") => state_jacobian(case, precision, tolerance, Gru::new),
            other => Err(format!("the layer {other:?} is unknown").into()),
        },
        "hessian_vector" => match case.config["layer"].as_str() {
            Some("RNN") => {
                hessian_vector(case, precision, tolerance, PlainRnn::tanh)?;
                hessian_vector(case, precision, tolerance, Rnn::new)
            }
            Some("LSTM") => {
                hessian_vector(case, precision, tolerance, PlainLstm::new)?;
                hessian_vector(case, precision, tolerance, Lstm::new)
            }
            Some("GRU") => {
                hessian_vector(case, precision, tolerance, PlainGru::new)?;
                hessian_vector(case, precision, tolerance, Gru::new)
            }
            other => Err(format!("the layer {other:?} is unknown").into()),
        },
        kind if kind.starts_with("training.") => match precision {
            Precision::F64 => training(case),
            // Over 200 steps rounding in single precision says nothing about a rule.
            Precision::F32 => Ok(()),
        },
        "linear_recurrence" => recurrence(case, precision, tolerance),
        "MinGru" => min_gru(case, precision, tolerance),
        "MinLstm" => min_lstm(case, precision, tolerance),
        "RgLru" => rg_lru(case, precision, tolerance),
        "Lru" => lru(case, precision, tolerance),
        "mlstm" => mlstm(case, precision, tolerance),
        "gated_delta_rule" | "linear_attention" => matrix_state(case, precision, tolerance),
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
        if let Some(losses) = case.tensors.get_mut("output.losses") {
            // The last loss, and the last weight that is compared.
            losses[[199]] += 1e-8;
            assert!(compare(&case, Precision::F64, 1e-10).is_err(), "{}", case.file);
            case.tensors.get_mut("output.losses").unwrap()[[199]] -= 1e-8;
            *case.tensors.get_mut("param.end.readout.bias").unwrap().last_mut().unwrap() += 1e-7;
            assert!(compare(&case, Precision::F64, 1e-10).is_err(), "{}", case.file);
            continue;
        }
        if !case.tensors.contains_key("output.y") && case.kind != "hessian_vector" {
            continue;
        }
        for name in [
            "output.y",
            "grad.param.weight_hh_l0",
            "grad.param.weight_hh",
            "grad.param.linear1.weight",
            "grad.input.x",
            "grad.input.logits",
            "output.hv.weight_hh_l0",
        ] {
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
