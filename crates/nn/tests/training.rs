//! Training and its results on disk: a checkpoint is read back whole or refused whole, and a small task is learned.

use ndarray::{Array2, Array3, ArrayD};
use proptest::prelude::*;
use std::{collections::BTreeMap, path::Path};
use unspool_graph::{Graph, Params, Precision, init};
use unspool_nn::{Adam, Cell, Error, Gru, Linear, Sequence, checkpoint, load_vectors, sharded, unroll};

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
    std::fs::create_dir(&path)?;
    std::fs::write(path.join("old"), "old")?;
    let failed = checkpoint::save(&path, &model(1, Precision::F32), &metadata());
    assert!(matches!(failed, Err(Error::File { .. })), "{failed:?}");
    assert_eq!(std::fs::read(path.join("old"))?, b"old");
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 1);
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

/// Writes a file as another library does, with numbers that [`checkpoint::save`] would refuse.
fn foreign_file(path: &Path, tensors: &[(&str, Vec<usize>, Vec<f32>)]) -> Outcome {
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, _, values)| values.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let mut views = vec![];
    for ((name, shape, _), bytes) in tensors.iter().zip(&bytes) {
        views.push((*name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes)?));
    }
    Ok(safetensors::serialize_to_file(views, None, path)?)
}

#[test]
fn every_finding_is_named_and_nothing_is_changed() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model");
    // The file: `fine` fits, `shape` has another one, `nan` and `infinite` are not finite, `extra` and `more` are
    // unknown.
    foreign_file(
        &path,
        &[
            ("m.fine", vec![2], vec![5.0, 5.0]),
            ("m.shape", vec![3, 2], vec![0.0; 6]),
            ("m.nan", vec![2], vec![1.0, f32::NAN]),
            ("m.infinite", vec![1], vec![f32::NEG_INFINITY]),
            ("m.more", vec![1], vec![0.0]),
            ("m.extra", vec![1], vec![0.0]),
        ],
    )?;
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

#[test]
fn a_header_of_any_claim_asks_for_no_memory() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model");
    let header = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    for claim in [
        r#"{"w":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,18446744073709551615]}}"#,
        r#"{"w":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}"#,
        r#"{"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#,
        r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#,
    ] {
        std::fs::write(&path, header(claim))?;
        assert!(matches!(refused(&path, &mut model(1, Precision::F32)), Error::Format { .. }), "{claim}");
        assert!(checkpoint::metadata(&path).is_err());
    }
    // A header that goes on for as long as it says, over a sparse file.
    let file = std::fs::File::create(&path)?;
    file.set_len(1 << 40)?;
    std::io::Write::write_all(&mut &file, &(1u64 << 39).to_le_bytes())?;
    let error = refused(&path, &mut model(1, Precision::F32)).to_string();
    assert!(error.contains("at most"), "{error}");
    Ok(())
}

/// What PyTorch's `safetensors.torch.load_file` runs is this reader.
#[test]
fn the_reader_of_safetensors_reads_our_files() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model");
    let params = model(1, Precision::F32);
    checkpoint::save(&path, &params, &metadata())?;
    let bytes = std::fs::read(&path)?;
    let file = safetensors::SafeTensors::deserialize(&bytes)?;
    assert_eq!(file.len(), params.len());
    for p in params.iter() {
        let view = file.tensor(params.name(p))?;
        assert_eq!((view.dtype(), view.shape()), (safetensors::Dtype::F32, &*params.shape(p)));
        let read = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        assert!(read.eq(params.elements_of::<f32>(p).ok_or("another precision")?.iter().copied()));
    }
    // The data are aligned, as its memory map wants it.
    let header = u64::from_le_bytes(bytes[..8].try_into()?);
    assert_eq!(header % 8, 0);
    assert_eq!(checkpoint::metadata(&path)?, metadata());
    Ok(())
}

#[test]
fn vectors_of_others_fill_their_rows() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("vectors.txt");
    let words = ["a", "b", ". . .", "ü"];
    let mut params = Params::seeded(0);
    let table = params.scope("m").add("table", [4, 2], init::constant(9.0));
    let bias = params.scope("m").add("bias", [4], init::zeros());
    let row_of = |word: &str| words.iter().position(|known| *known == word);
    std::fs::write(&path, "5 2\nb 1 -2.5e-1\n. . . 3 4\nü 5 6 \nb 7 7\nother 0 0\n")?;
    let found = load_vectors(&path, &mut params, table, row_of)?;
    assert_eq!((found.rows, found.in_file), (vec![1, 2, 3], 5));
    let expected = ndarray::array![[9.0, 9.0], [1.0, -0.25], [3.0, 4.0], [5.0, 6.0]].into_dyn();
    assert_eq!(params.value(table)?.to_f64(), expected);
    for (text, line, says) in [
        ("a 1 2\nb 1\n", 2, "too few"),
        ("a 1 x\n", 1, "\"x\""),
        ("a 1 2\n\nb inf 1\n", 3, "inf"),
        ("a 1e39 1\n", 1, "1e39"),
    ] {
        std::fs::write(&path, text)?;
        let error = load_vectors(&path, &mut params, table, row_of).expect_err("a bad line").to_string();
        assert!(error.contains(&format!("vectors.txt:{line}: ")) && error.contains(says), "{error}");
        assert_eq!(params.value(table)?.to_f64(), expected, "a bad file changed the table");
    }
    std::fs::write(&path, [b'a', b' ', 0xff])?;
    assert!(load_vectors(&path, &mut params, table, row_of).is_err());
    assert!(matches!(load_vectors(&path, &mut params, bias, row_of), Err(Error::Foreign)));
    assert!(matches!(load_vectors(Path::new("/no/file"), &mut params, table, row_of), Err(Error::File { .. })));
    Ok(())
}

proptest! {
    #![proptest_config(unspool_graph::check::strategy::config(128))]

    #[test]
    fn a_truncated_file_is_an_error(part in 0.0..1.0f64) {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("model");
        let saved = checkpoint::save(&path, &model(1, Precision::F32), &metadata());
        saved.map_err(|e| TestCaseError::fail(e.to_string()))?;
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
        let saved = checkpoint::save(&path, &model(1, Precision::F32), &metadata());
        saved.map_err(|e| TestCaseError::fail(e.to_string()))?;
        let mut bytes = std::fs::read(&path)?;
        let place = (bytes.len() as f64 * place) as usize;
        bytes[place] ^= by;
        std::fs::write(&path, bytes)?;
        let mut params = model(2, Precision::F32);
        let before = values(&params);
        match checkpoint::load(&path, &mut params) {
            // What can be changed unnoticed says the same: a space of the header, or the key that marks a file as ours.
            Ok(_) => prop_assert_eq!(values(&params), values(&model(1, Precision::F32))),
            Err(_) => prop_assert_eq!(before, values(&params)),
        }
    }

    /// Bytes taken out, put in, doubled and swapped, several at a time.
    #[test]
    fn a_mangled_file_never_panics_and_never_half_loads(
        edits in prop::collection::vec((0.0..1.0f64, 0..4u8, any::<u8>()), 1..6),
    ) {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("model");
        let saved = checkpoint::save(&path, &model(1, Precision::F32), &metadata());
        saved.map_err(|e| TestCaseError::fail(e.to_string()))?;
        let mut bytes = std::fs::read(&path)?;
        for (place, kind, by) in edits {
            let at = (bytes.len() as f64 * place) as usize;
            match kind {
                0 => drop(bytes.remove(at)),
                1 => bytes.insert(at, by),
                2 => bytes[at] = by,
                _ => bytes.swap(0, at),
            }
        }
        std::fs::write(&path, bytes)?;
        let mut params = model(2, Precision::F32);
        let before = values(&params);
        match checkpoint::load(&path, &mut params) {
            Ok(_) => prop_assert_eq!(values(&params), values(&model(1, Precision::F32))),
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
        let (_, last) = unroll(&cell, &Sequence::pack(graph.input(&xs), &lengths), cell.initial_state(&graph, batch));
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

/// Training is interrupted, saved and loaded: what follows is as if nothing had happened (plain gradient steps, without
/// moments).
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
                let (ys, _) = unroll(&cell, &Sequence::pack(xs, &[3, 2]), cell.initial_state(graph, 2));
                let ys = ys.padded();
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

/// Saves what [`checkpoint::load`] would refuse.
fn not_saved(path: &Path, params: &Params, metadata: &BTreeMap<String, String>) -> String {
    let before = std::fs::read(path).ok();
    let error = checkpoint::save(path, params, metadata).expect_err("this must not be saved");
    assert!(matches!(error, Error::NotSaved { .. } | Error::NotFinite { .. }), "{error:?}");
    assert_eq!(std::fs::read(path).ok(), before, "the old file was touched");
    error.to_string()
}

#[test]
fn what_could_not_be_loaded_is_not_saved() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model");
    let good = model(1, Precision::F32);
    checkpoint::save(&path, &good, &metadata())?;
    let entry = |key: &str, value: String| BTreeMap::from([(key.to_string(), value)]);

    assert!(not_saved(&path, &good, &entry("crc32", "mine".into())).contains("the key crc32"));
    assert!(not_saved(&path, &good, &entry("long", "x".repeat(17 << 20))).contains("its header"));
    let mut reserved = Params::seeded(1);
    reserved.scope("").add("__metadata__", [1], init::zeros());
    assert!(not_saved(&path, &reserved, &metadata()).contains("__metadata__"));
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for precision in [Precision::F32, Precision::F64] {
            let mut infinite = model(1, precision);
            let bias = infinite.find("readout.bias").ok_or("no bias")?;
            infinite.set(bias, vec![0.0, bad])?;
            assert!(not_saved(&path, &infinite, &metadata()).ends_with("not finite: readout.bias"));
        }
    }
    let twice = [("a/", &good), ("a/", &good)];
    assert!(matches!(checkpoint::save_parts(&path, &twice, &metadata()), Err(Error::NotSaved { .. })));
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 1);

    // What is just within the bounds is saved and loaded.
    let (mut long, mut loaded) = (entry("long", "x".repeat(15 << 20)), model(2, Precision::F32));
    long.insert("CRC32".into(), "mine".into());
    checkpoint::save(&path, &good, &long)?;
    assert_eq!(checkpoint::load(&path, &mut loaded)?, long);
    assert_eq!(values(&loaded), values(&good));
    Ok(())
}

#[test]
fn a_header_is_read_without_the_numbers() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model");
    let params = model(1, Precision::F32);
    checkpoint::save(&path, &params, &metadata())?;
    let header = checkpoint::header(&path)?;
    assert_eq!((&header.metadata, header.file_size), (&metadata(), std::fs::metadata(&path)?.len()));
    assert_eq!(header.elements(), params.elements() as u64);
    let expected: Vec<_> = params.iter().map(|p| (params.name(p).to_string(), params.shape(p).to_vec())).collect();
    assert_eq!(expected.len(), header.tensors.len());
    for (name, shape) in expected {
        assert_eq!((&header.tensors[&name].shape, &*header.tensors[&name].dtype), (&shape, "F32"));
    }
    // Numbers that cannot be read do not matter to it; a file that is too short does.
    let mut bytes = std::fs::read(&path)?;
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, &bytes)?;
    assert_eq!(checkpoint::header(&path)?, header);
    std::fs::write(&path, &bytes[..last])?;
    assert!(matches!(checkpoint::header(&path), Err(Error::Format { .. })));
    Ok(())
}

#[test]
fn a_checkpoint_is_read_whatever_the_length_of_its_header() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model.safetensors");
    let mut params = Params::seeded(1);
    params.scope("layer").add("weight", [2], init::normal(1.0));
    // Headers of 640, 896, 1152 and 1408 bytes are among them: their first bytes are those of a pickle.
    for filling in (0..1600).step_by(8) {
        let metadata = BTreeMap::from([("note".to_owned(), "x".repeat(filling))]);
        checkpoint::save(&path, &params, &metadata)?;
        assert_eq!(checkpoint::metadata(&path)?, metadata, "{filling}");
    }
    Ok(())
}

#[test]
fn files_of_other_formats_are_told_by_what_they_are() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model");
    for (start, says) in [
        (&b"PK\x03\x04\x00\x00\x00\x00 archive/data.pkl"[..], "zip archive of pickles"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "pickle"),
        (b"\x89HDF\r\n\x1a\n and so on", "HDF5"),
        (b"\x93NUMPY\x01\x00v\x00{'descr'", "NumPy"),
    ] {
        std::fs::write(&path, start)?;
        let error = refused(&path, &mut model(1, Precision::F32)).to_string();
        assert!(error.contains(says) && error.contains("safetensors"), "{error}");
    }
    Ok(())
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_word() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("vectors.txt");
    for text in ["\u{feff}the 1 2\ncat 3 4\n", "\u{feff}2 2\nthe 1 2\ncat 3 4\n"] {
        let mut params = Params::seeded(0);
        let table = params.scope("words").add("weight", [2, 2], init::zeros());
        std::fs::write(&path, text)?;
        let words = ["the", "cat"];
        let found = load_vectors(&path, &mut params, table, |word| words.iter().position(|known| *known == word))?;
        assert_eq!((found.rows, found.in_file), (vec![0, 1], 2));
    }
    Ok(())
}
