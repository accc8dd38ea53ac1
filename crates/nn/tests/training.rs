//! Training and its results on disk: a checkpoint is read back whole or refused whole, and a small task is learned.

use ndarray::{Array2, Array3, ArrayD};
use proptest::prelude::*;
use std::{collections::BTreeMap, path::Path};
use unspool_graph::{Graph, Params, Precision, init};
use unspool_nn::{Adam, Cell, Error, Gru, Linear, checkpoint, sharded, unroll};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn model(seed: u64, precision: Precision) -> Params {
    let mut params = Params::seeded(seed);
    Gru::new(params.scope("rnn"), 2, 3);
    Linear::new(params.scope("readout"), 3, 2);
    match precision {
        Precision::F32 => params,
        Precision::F64 => params.to_f64(),
    }
}

fn values(params: &Params) -> Vec<ArrayD<f64>> {
    params.iter().map(|p| params.value(p).expect("own parameter").to_f64()).collect()
}

fn metadata() -> BTreeMap<String, String> {
    [("task", "a \"quoted\" one\n"), ("seed", "7"), ("größe", "３"), ("a", ""), ("z", "1")]
        .into_iter()
        .map(|(k, v)| (k.to_string(), v.to_string()))
        .collect()
}

#[test]
fn a_checkpoint_comes_back_as_it_was() -> Outcome {
    let folder = tempfile::tempdir()?;
    for precision in [Precision::F32, Precision::F64] {
        let path = folder.path().join("model.safetensors");
        let saved = model(1, precision);
        checkpoint::save(&path, &saved, &metadata())?;
        let mut loaded = model(2, precision);
        assert_ne!(values(&saved), values(&loaded));
        assert_eq!(checkpoint::load(&path, &mut loaded)?, metadata());
        assert_eq!(values(&saved), values(&loaded));
        // The other precision reads it too; from f32 to f64 nothing is lost.
        let other = if precision == Precision::F32 { Precision::F64 } else { Precision::F32 };
        let mut converted = model(3, other);
        checkpoint::load(&path, &mut converted)?;
        assert_eq!(converted.precision(), other);
        assert_eq!(values(&converted.to_f32()), values(&saved.to_f32()));
    }
    Ok(())
}

#[test]
fn saving_twice_gives_equal_files_and_leaves_nothing_else() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    let params = model(1, Precision::F32);
    checkpoint::save(&a, &params, &metadata())?;
    for _ in 0..5 {
        checkpoint::save(&b, &params, &metadata())?;
        assert_eq!(std::fs::read(&a)?, std::fs::read(&b)?);
    }
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 2);
    Ok(())
}

#[test]
fn a_failed_save_leaves_the_old_file() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model");
    checkpoint::write_atomically(&path, b"old")?;
    // A folder stands where the temporary file has to go.
    std::fs::create_dir(folder.path().join("model.tmp"))?;
    let failed = checkpoint::save(&path, &model(1, Precision::F32), &metadata());
    assert!(matches!(failed, Err(Error::File { .. })), "{failed:?}");
    assert_eq!(std::fs::read(&path)?, b"old");
    let nowhere = folder.path().join("no/such/folder/model");
    assert!(matches!(checkpoint::save(&nowhere, &model(1, Precision::F32), &metadata()), Err(Error::File { .. })));
    assert!(matches!(checkpoint::load(&nowhere, &mut model(1, Precision::F32)), Err(Error::File { .. })));
    Ok(())
}

/// Loads, and holds the parameters against what they were before.
fn refused(path: &Path, params: &mut Params) -> Error {
    let before = values(params);
    let error = checkpoint::load(path, params).expect_err("this file must be refused");
    assert_eq!(before, values(params), "a refused file changed the model");
    error
}

#[test]
fn every_finding_is_named_and_nothing_is_changed() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model");
    // The file: `fine` fits, `shape` has another one, `nan` and `infinite` are not finite, `extra` and `more` are unknown.
    let mut file = Params::seeded(1);
    let mut scope = file.scope("m");
    scope.add("fine", [2], init::constant(5.0));
    scope.add("shape", [3, 2], init::zeros());
    scope.add("nan", [2], init::values(vec![1.0, f64::NAN]));
    scope.add("infinite", [1], init::constant(f64::NEG_INFINITY));
    scope.add("more", [1], init::zeros());
    scope.add("extra", [1], init::zeros());
    checkpoint::save(&path, &file, &metadata())?;
    let mut params = Params::seeded(2);
    let mut scope = params.scope("m");
    scope.add("fine", [2], init::zeros());
    scope.add("shape", [2, 3], init::zeros());
    scope.add("nan", [2], init::zeros());
    scope.add("infinite", [1], init::zeros());
    scope.add("absent", [4], init::zeros());
    let error = refused(&path, &mut params);
    assert!(matches!(error, Error::Mismatch { .. }), "{error}");
    let text = error.to_string();
    for finding in [
        "another shape: m.shape is [3, 2], the model's is [2, 3]",
        "not finite: m.nan",
        "not finite: m.infinite",
        "missing: m.absent [4]",
        "unexpected: m.extra\nunexpected: m.more",
    ] {
        assert!(text.contains(finding), "{finding:?} is not in:\n{text}");
    }
    assert!(!text.contains("m.fine"), "{text}");
    Ok(())
}

#[test]
fn a_number_too_large_for_the_model_is_refused() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model");
    let model = |value: f64| {
        let mut params = Params::seeded(1).to_f64();
        params.scope("m").add("w", [1], init::constant(value));
        params
    };
    checkpoint::save(&path, &model(1e300), &metadata())?;
    let error = refused(&path, &mut model(0.0).to_f32()).to_string();
    assert!(error.contains("not finite: m.w"), "{error}");
    checkpoint::load(&path, &mut model(0.0))?;
    Ok(())
}

#[test]
fn another_kind_of_number_and_bad_metadata_are_refused() -> Outcome {
    use safetensors::{Dtype, serialize, tensor::TensorView};
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model");
    let mut params = Params::seeded(1);
    params.scope("m").add("w", [2], init::constant(3.0));
    let write = |dtype: Dtype, bytes: &[u8], header: Option<&str>| -> Outcome {
        let header = header.map(|text| [(checkpoint::KEY.to_string(), text.to_string())].into());
        let bytes = serialize([("m.w", TensorView::new(dtype, vec![2], bytes)?)], header)?;
        Ok(std::fs::write(&path, bytes)?)
    };
    write(Dtype::I32, &[0; 8], None)?;
    let error = refused(&path, &mut params).to_string();
    assert!(error.contains("another kind of number: m.w is I32"), "{error}");
    for header in ["not JSON", "[1, 2]", "{\"a\": 1}"] {
        write(Dtype::F32, &[0; 8], Some(header))?;
        assert!(matches!(refused(&path, &mut params), Error::Format { .. }));
    }
    // A file from elsewhere has no metadata of ours.
    write(Dtype::F32, &[0; 8], None)?;
    assert!(checkpoint::load(&path, &mut params)?.is_empty());
    assert!(values(&params)[0].iter().all(|&x| x == 0.0));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_truncated_file_is_an_error(part in 0.0..1.0f64) {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("model");
        checkpoint::save(&path, &model(1, Precision::F32), &metadata()).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let whole = std::fs::read(&path)?;
        std::fs::write(&path, &whole[..(whole.len() as f64 * part) as usize])?;
        let error = refused(&path, &mut model(2, Precision::F32));
        prop_assert!(matches!(error, Error::Format { .. }), "{error}");
    }

    #[test]
    fn garbage_is_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), claimed in 0..u64::MAX) {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("model");
        std::fs::write(&path, &bytes)?;
        refused(&path, &mut model(2, Precision::F32));
        // A header that claims any size.
        std::fs::write(&path, [&claimed.to_le_bytes()[..], &bytes].concat())?;
        refused(&path, &mut model(2, Precision::F32));
    }

    #[test]
    fn a_changed_byte_never_panics_and_never_half_loads(place in 0.0..1.0f64, by in 1..=255u8) {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("model");
        checkpoint::save(&path, &model(1, Precision::F32), &metadata()).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let mut bytes = std::fs::read(&path)?;
        let place = (bytes.len() as f64 * place) as usize;
        bytes[place] ^= by;
        std::fs::write(&path, bytes)?;
        let mut params = model(2, Precision::F32);
        let before = values(&params);
        match checkpoint::load(&path, &mut params) {
            Ok(_) => prop_assert!(values(&params).iter().flatten().all(|x| x.is_finite())),
            Err(_) => prop_assert_eq!(before, values(&params)),
        }
    }
}

/// Which of two marks came first in a padded batch of unequal lengths: the GRU has to remember it to the row's end.
#[test]
fn a_gru_learns_to_remember() -> Outcome {
    let (batch, time) = (16, 8);
    let lengths: Vec<usize> = (0..batch).map(|b| 1 + (b * 5) % time).collect();
    let class = |b: usize| (b % 2) as u32;
    let xs = Array3::from_shape_fn((batch, time, 2), |(b, t, f)| {
        let mark = t == 0 && f as u32 == class(b);
        if t >= lengths[b] { f32::NAN } else { f32::from(u8::from(mark)) }
    });
    let targets: Vec<u32> = (0..batch).map(class).collect();
    let mut params = Params::seeded(3);
    let cell = Gru::new(params.scope("rnn"), 2, 8);
    let readout = Linear::new(params.scope("readout"), 8, 2);
    let mut adam = Adam::new();
    let mut losses = vec![];
    for step in 0..200 {
        let graph = Graph::new(&params).training(3, step);
        let (_, last) = unroll(&cell, graph.input(&xs), &lengths, cell.initial_state(&graph, batch));
        let loss = readout.apply(last).cross_entropy(&targets).mean(&[]);
        losses.push(loss.item()?);
        let mut gradients = loss.backward()?;
        gradients.report().is_clean().then_some(()).ok_or("a parameter was left out")?;
        gradients.clip_norm(1.0)?;
        adam.step(&mut params, &gradients, 0.02)?;
    }
    assert!(losses[0] > 0.5 && losses[199] < 0.05, "{} to {}", losses[0], losses[199]);
    Ok(())
}

/// Training is interrupted, saved and loaded: what follows is as if nothing had happened (plain gradient steps, without moments).
#[test]
fn training_goes_on_from_a_checkpoint_to_the_bit() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model");
    let mut fresh = Params::seeded(5);
    let cell = Gru::new(fresh.scope("rnn"), 2, 4);
    let shards = [1.0f32, -0.5, 0.25].map(|x| Array2::from_elem((2, 2), x));
    let train = |params: &mut Params, steps: usize| -> Outcome {
        for _ in 0..steps {
            let (_, gradients) = sharded(params, None, &shards, |graph, shard| {
                let xs = graph.input(shard).reshape([2, 1, 2]).expand([2, 3, 2]);
                let (ys, _) = unroll(&cell, xs, &[3, 2], cell.initial_state(graph, 2));
                (ys - 0.5).powi(2).sum_all()
            })?;
            for p in params.iter().collect::<Vec<_>>() {
                let gradient = gradients.of(p).ok_or("no gradient")?.to_f64();
                let moved = params.value(p)?.to_f64() - gradient * 0.01;
                params.set(p, moved)?;
            }
        }
        Ok(())
    };
    let mut whole = fresh.clone();
    train(&mut whole, 6)?;
    let mut first = fresh.clone();
    train(&mut first, 3)?;
    checkpoint::save(&path, &first, &BTreeMap::new())?;
    let mut second = fresh.clone();
    checkpoint::load(&path, &mut second)?;
    train(&mut second, 3)?;
    assert_eq!(values(&whole), values(&second));
    Ok(())
}
