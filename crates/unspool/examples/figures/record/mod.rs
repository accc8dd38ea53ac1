//! Trainings whose curves the tutorial shows: `cargo run -p unspool --example figures -- record NAME`. Each writes a
//! log with its command, seed and machine, `docs/figures/logs/NAME.csv`; drawing reads the logs and trains nothing.

mod cost;
mod forecast;
mod memory;
mod reversing;
mod times;

use super::draw::Result;
use ndarray::ArrayView2;
use std::{fmt::Write, fs, path::Path};
use unspool::{
    nn::state_to_tensors,
    prelude::*,
    text::{BpttStreams, Csv, Specials, Vocabulary, read_text, score::bits_per_character},
};

const SEED: u64 = 7;

/// Runs the training of this name and writes its log.
pub(crate) fn record(folder: &Path, name: &str) -> Result<()> {
    let rows = match name {
        "digits" => digits()?,
        "sentiment" => sentiment()?,
        "language-model" => language_model()?,
        "remembering" => memory::remembering()?,
        "adding" => memory::adding()?,
        "adding-100" => memory::adding_at_100()?,
        "own-cell" => memory::own_cell()?,
        "reversing" => reversing::by_length()?,
        "attention" => reversing::where_it_looks()?,
        "attention-cost" => cost::by_length()?,
        "attention-time" => times::by_length()?,
        "own-code" => times::of_own_code()?,
        "forecast" => forecast::next_months()?,
        "forecast-lengths" => forecast::by_steps()?,
        other => {
            let known = "digits, sentiment, language-model, remembering, adding, adding-100, own-cell, reversing, \
                         attention, attention-cost, attention-time, own-code, forecast, forecast-lengths";
            return Err(format!("no training {other:?}: there are {known}").into());
        }
    };
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let threads = std::thread::available_parallelism()?;
    let machine = format!("{}, {threads} threads", model.map_or("unknown", |(_, name)| name));
    let seeds = if name.starts_with("forecast") { "1 to 4".to_string() } else { SEED.to_string() };
    let head = format!(
        "# command: cargo run -p unspool --example figures -- record {name}\n# seed: {seeds}\n# machine: {machine}\n"
    );
    print!("{rows}");
    Ok(fs::write(folder.join(format!("logs/{name}.csv")), head + &rows)?)
}

fn data(file: &str) -> Result<Source> {
    Ok(Source::file(Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/data").join(file))?)
}

/// One layer and two, on the first 1,400 digits; tested on the other 397.
fn digits() -> Result<String> {
    let rows = Csv::without_header(data("digits.csv.gz")?)?.collect::<std::result::Result<Vec<_>, _>>()?;
    let numbers: Vec<f32> =
        rows.iter().flat_map(|row| &row.fields).map(|x| x.parse()).collect::<std::result::Result<_, _>>()?;
    let table = ndarray::Array2::from_shape_vec([rows.len(), 65], numbers)?;
    let pixels = table.slice(ndarray::s![.., ..64]).mapv(|ink| ink / 16.0);
    let right: Vec<u32> = table.column(64).iter().map(|&digit| digit as u32).collect();
    let (learned, unseen) = pixels.view().split_at(ndarray::Axis(0), 1400);

    let mut columns = vec![];
    for layers in [1, 2] {
        let mut params = Params::seeded(SEED);
        let hidden = (layers == 2).then(|| Linear::new(params.scope("hidden"), 64, 32));
        let readout = Linear::new(params.scope("readout"), if layers == 2 { 32 } else { 64 }, 10);
        fn logits<'g>(graph: &'g Graph<'g>, layers: (Option<Linear>, Linear), x: ArrayView2<'_, f32>) -> Var<'g> {
            let x = graph.input(x);
            layers.1.apply(layers.0.map_or(x, |hidden| hidden.apply(x).relu()))
        }
        let model = (hidden, readout);
        let (mut adam, mut history) = (Adam::new(), vec![]);
        for step in 0..=100 {
            let graph = Graph::new(&params).training(SEED, step);
            let loss = logits(&graph, model, learned).cross_entropy(&right[..1400]).mean(&[]);
            let answers = logits(&graph, model, unseen);
            let accuracy = answers.argmax()?.iter().zip(&right[1400..]).filter(|(a, b)| a == b).count() as f64 / 397.0;
            history.push((loss.item()?, answers.cross_entropy(&right[1400..]).mean(&[]).item()?, accuracy));
            let gradients = loss.backward()?;
            adam.step(&mut params, &gradients, 0.02)?;
        }
        columns.push(history);
    }
    let mut out = String::from(
        "step,linear train loss,linear test loss,linear accuracy,\
        perceptron train loss,perceptron test loss,perceptron accuracy\n",
    );
    for (step, (a, b)) in columns[0].iter().zip(&columns[1]).enumerate().step_by(4) {
        writeln!(out, "{step},{:.4},{:.4},{:.4},{:.4},{:.4},{:.4}", a.0, a.1, a.2, b.0, b.1, b.2)?;
    }
    Ok(out)
}

/// Characters, a GRU and mean pooling on 4,000 reviews; tested on 1,000.
fn sentiment() -> Result<String> {
    let read = |file, rows| -> Result<Vec<(Vec<String>, u32)>> {
        let table = Tsv::open(data(file)?)?.columns(["document", "label"])?.take(rows);
        let row = |row: unspool::text::Row| Ok((row[0].chars().take(60).map(String::from).collect(), row[1].parse()?));
        table.map(|found| row(found?)).collect()
    };
    let (train, dev) = (read("nsmc-sample.train.tsv.gz", 4000)?, read("nsmc-sample.dev.tsv.gz", 1000)?);
    let vocabulary = Vocabulary::count(train.iter().flat_map(|(text, _)| text), 2, 2000)?;
    let ids = |text: &Vec<String>| text.iter().map(|c| vocabulary.id_or_unknown(c)).collect::<Vec<u32>>();

    let mut params = Params::seeded(SEED);
    let embedding = Embedding::normal(params.scope("embedding"), vocabulary.len(), 32, 0.3);
    let cell = Gru::new(params.scope("rnn"), 32, 48);
    let readout = Linear::new(params.scope("readout"), 48, 2);
    fn logits<'g>(graph: &'g Graph<'g>, texts: &[Vec<u32>], model: (&Embedding, &Gru, &Linear)) -> Var<'g> {
        let padded = Padded::new(texts, Specials::FIXED.pad);
        let xs = model.0.sequence(graph, &padded.ids, padded.layout()).map(|rows| rows.dropout(0.3));
        let (hs, _) = unroll(model.1, &xs, model.1.initial_state(graph, texts.len()));
        model.2.apply(hs.mean().dropout(0.3))
    }
    let model = (&embedding, &cell, &readout);
    let buckets = Buckets::new(train.iter().map(|(text, _)| text.len()), BatchSize::Rows(50), SEED)?;
    let (mut adam, mut step) = (Adam::new(), 0);
    let mut out = String::from("epoch,train loss,test loss,accuracy\n");
    for epoch in 0..8 {
        let mut sum = 0.0;
        for batch in buckets.epoch(epoch) {
            let texts: Vec<_> = batch.iter().map(|&row| ids(&train[row].0)).collect();
            let right: Vec<u32> = batch.iter().map(|&row| train[row].1).collect();
            let graph = Graph::new(&params).training(SEED, step);
            let loss = logits(&graph, &texts, model).cross_entropy(&right).mean(&[]);
            sum += loss.item()? * batch.len() as f64;
            let gradients = loss.backward()?;
            adam.step(&mut params, &gradients, 0.003)?;
            step += 1;
        }
        let (mut right, mut loss) = (0, 0.0);
        for part in dev.chunks(100) {
            let graph = Graph::new(&params);
            let texts: Vec<_> = part.iter().map(|(text, _)| ids(text)).collect();
            let labels: Vec<u32> = part.iter().map(|(_, label)| *label).collect();
            let answers = logits(&graph, &texts, model);
            right += answers.argmax()?.iter().zip(&labels).filter(|(a, b)| a == b).count();
            loss += answers.cross_entropy(&labels).sum(&[]).item()?;
        }
        let (train_loss, dev_loss) = (sum / train.len() as f64, loss / dev.len() as f64);
        writeln!(out, "{},{train_loss:.4},{dev_loss:.4},{:.3}", epoch + 1, right as f64 / dev.len() as f64)?;
    }
    Ok(out)
}

/// A GRU over the first 200,000 characters of the plays; tested on the 20,000 behind them.
fn language_model() -> Result<String> {
    let text: Vec<String> =
        read_text(data("tiny-shakespeare.txt.gz")?, 2_000_000)?.chars().take(220_000).map(String::from).collect();
    let vocabulary = Vocabulary::count(&text, 1, 200)?;
    let ids: Vec<u32> = text.iter().map(|c| vocabulary.id_or_unknown(c)).collect();
    let (train, dev) =
        (BpttStreams::new(ids[..200_000].to_vec(), 32, 50)?, BpttStreams::new(ids[200_000..].to_vec(), 32, 50)?);

    let mut params = Params::seeded(SEED);
    let embedding = Embedding::new(params.scope("embedding"), vocabulary.len(), 32);
    let cell = Gru::new(params.scope("rnn"), 32, 96);
    let readout = Linear::new(params.scope("readout"), 96, vocabulary.len());
    let (mut adam, mut step) = (Adam::new(), 0);
    let mut out = String::from("epoch,train bits per character,test bits per character\n");
    for epoch in 1..=6 {
        let mut bits = [0.0; 2];
        for (learns, streams) in [(true, &train), (false, &dev)] {
            let (mut carried, mut sum): (Option<Vec<Tensor>>, f64) = (None, 0.0);
            for window in streams.windows() {
                let graph = Graph::new(&params).training(SEED, step);
                let start = match &carried {
                    None => cell.initial_state(&graph, 32),
                    Some(state) => cell.state_from_tensors(&graph, state),
                };
                let xs = embedding.sequence(&graph, &window.input, &window.lengths);
                let (hs, last) = unroll(&cell, &xs, start);
                let loss = hs.map(|hs| readout.apply(hs)).cross_entropy(&window.target);
                sum += loss.sum(&[]).item()?;
                carried = Some(state_to_tensors(&last)?);
                if learns {
                    let mut gradients = loss.mean(&[]).backward()?;
                    gradients.clip_norm(1.0)?;
                    adam.step(&mut params, &gradients, 0.005)?;
                    step += 1;
                }
            }
            bits[usize::from(!learns)] = bits_per_character(sum, streams.tokens() as u64)?;
        }
        writeln!(out, "{epoch},{:.3},{:.3}", bits[0], bits[1])?;
    }
    Ok(out)
}
