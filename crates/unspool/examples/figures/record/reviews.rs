//! Film reviews: a curve, and what the model says of single reviews.

use super::{
    Result, SEED, data,
    seeds::{by_name, table, with_each},
};
use std::fmt::Write;
use unspool::{
    prelude::*,
    text::{Specials, Vocabulary},
};

/// A classifier of characters: an embedding, a GRU, mean pooling.
struct Judge {
    params: Params,
    embedding: Embedding,
    cell: Gru,
    readout: Linear,
    vocabulary: Vocabulary,
}

/// Its text in characters, and its label: 1 is positive.
type Review = (Vec<String>, u32);

pub(super) fn sentiment() -> Result<String> {
    let epochs = 8;
    let curves = with_each(|seed| Ok(trained(seed, epochs)?.0))?;
    let names = ["train loss", "dev loss", "accuracy"];
    table("epoch", 1..=epochs as usize, &names, &by_name(&curves), 4)
}

/// Short reviews of the development set, after five epochs: the probability that they are positive,
/// and how much each character adds, the sum over its vector of value times gradient of the difference of the logits.
pub(super) fn judged() -> Result<String> {
    let (_, judge, dev) = trained(SEED, 5)?;
    let mut out = String::from("probability of positive,label,characters and what each adds\n");
    let short = dev.iter().filter(|(text, _)| (8..=22).contains(&text.len()) && !text.iter().any(|c| c == ","));
    for (text, label) in short.take(10) {
        let ids: Vec<u32> = text.iter().map(|c| judge.vocabulary.id_or_unknown(c)).collect();
        let graph = Graph::new(&judge.params);
        let xs = judge.embedding.apply(&graph, ndarray::aview1(&ids)).unsqueeze(0).watch(); // [1, time, feature]
        let (hs, _) = unroll(&judge.cell, &Sequence::full(xs), judge.cell.initial_state(&graph, 1));
        let logits = judge.readout.apply(hs.mean()).index(0, 0);
        let margin = logits.index(0, 1) - logits.index(0, 0);
        let gradient = margin.backward()?.of(xs).ok_or("not watched")?.to_f64();
        let adds = (gradient * xs.to_f64()?).sum_axis(ndarray::Axis(2));
        write!(out, "{:.3},{label},", margin.sigmoid().item()?)?;
        for (c, add) in text.iter().zip(&adds) {
            write!(out, "{c}{add:+.2} ")?;
        }
        writeln!(out)?;
    }
    Ok(out)
}

/// On 4,000 reviews; after each epoch judged on 1,000 of the development set: the losses on both, and the accuracy.
fn trained(seed: u64, epochs: u64) -> Result<(Vec<[f64; 3]>, Judge, Vec<Review>)> {
    let read = |file, rows| -> Result<Vec<Review>> {
        let table = Tsv::open(data(file)?)?.columns(["document", "label"])?.take(rows);
        let row = |row: unspool::text::Row| Ok((row[0].chars().take(60).map(String::from).collect(), row[1].parse()?));
        table.map(|found| row(found?)).collect()
    };
    let (train, dev) = (read("nsmc-sample.train.tsv.gz", 4000)?, read("nsmc-sample.dev.tsv.gz", 1000)?);
    let vocabulary = Vocabulary::count(train.iter().flat_map(|(text, _)| text), 2, 2000)?;
    let ids = |text: &Vec<String>| text.iter().map(|c| vocabulary.id_or_unknown(c)).collect::<Vec<u32>>();

    let mut params = Params::seeded(seed);
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
    let buckets = Buckets::new(train.iter().map(|(text, _)| text.len()), BatchSize::Rows(50), seed)?;
    let (mut adam, mut step) = (Adam::new(), 0);
    let mut curve = vec![];
    for epoch in 0..epochs {
        let mut sum = 0.0;
        for batch in buckets.epoch(epoch) {
            let texts: Vec<_> = batch.iter().map(|&row| ids(&train[row].0)).collect();
            let right: Vec<u32> = batch.iter().map(|&row| train[row].1).collect();
            let graph = Graph::new(&params).training(seed, step);
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
        let [shown, asked] = [&train, &dev].map(|part| part.len() as f64);
        curve.push([sum / shown, loss / asked, right as f64 / asked]);
    }
    Ok((curve, Judge { params, embedding, cell, readout, vocabulary }, dev))
}
