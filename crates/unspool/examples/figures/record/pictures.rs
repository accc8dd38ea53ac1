//! Digits: curves of two networks, and what a third writes under them.

use super::{Result, SEED, data};
use ndarray::{Array2, ArrayView2};
use std::fmt::Write;
use unspool::{
    prelude::*,
    text::{Csv, DecoderInput, Specials},
};

/// One layer and two, on the first 1,400 digits; tested on the other 397.
pub(super) fn digits() -> Result<String> {
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

/// The network of chapter 7, with more steps; what it writes under the first unseen picture of each digit.
pub(super) fn captions() -> Result<String> {
    const NAMES: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let rows = Csv::without_header(data("digits.csv.gz")?)?.collect::<std::result::Result<Vec<_>, _>>()?;
    let numbers: Vec<f32> =
        rows.iter().flat_map(|row| &row.fields[..64]).map(|x| x.parse()).collect::<std::result::Result<_, _>>()?;
    let pixels = Array2::from_shape_vec([rows.len(), 64], numbers)? / 16.0;
    let digits = rows.iter().map(|row| row[64].parse()).collect::<std::result::Result<Vec<usize>, _>>()?;
    let letters = |&digit: &usize| NAMES[digit].bytes().map(|b| u32::from(b - b'a') + 4).collect::<Vec<u32>>();
    let batch = TeacherForcing::one_to_many(
        &digits[..300].iter().map(letters).collect::<Vec<_>>(),
        DecoderInput::Back,
        Specials::FIXED,
    );

    let mut params = Params::seeded(SEED);
    let eye = Linear::new(params.scope("eye"), 64, 32);
    let embedding = Embedding::new(params.scope("embedding"), 30, 8);
    let cell = Gru::new(params.scope("writer"), 8, 32);
    let readout = Linear::new(params.scope("readout"), 32, 30);
    let mut adam = Adam::new();
    for step in 0..80 {
        let graph = Graph::new(&params).training(SEED, step);
        let start = eye.apply(graph.input(pixels.slice(ndarray::s![..300, ..]))).tanh();
        let xs = embedding.sequence(&graph, &batch.input, batch.layout());
        let (hs, _) = unroll(&cell, &xs, start);
        let gradients = hs.map(|hs| readout.apply(hs)).cross_entropy(&batch.target).mean(&[]).backward()?;
        adam.step(&mut params, &gradients, 0.02)?;
    }

    // Greedily, all unseen pictures at once: how many are right, and the first of each digit.
    let unseen = rows.len() - 300;
    let graph = Graph::new(&params);
    let mut state = eye.apply(graph.input(pixels.slice(ndarray::s![300.., ..]))).tanh();
    let (mut tokens, mut words) = (vec![Specials::FIXED.bos; unseen], vec![String::new(); unseen]);
    let mut ended = vec![false; unseen];
    for _ in 0..8 {
        let (h, next) = cell.step(embedding.apply(&graph, ndarray::aview1(&tokens)), state);
        (tokens, state) = (readout.apply(h).argmax()?, next);
        for ((word, ended), &token) in words.iter_mut().zip(&mut ended).zip(&tokens) {
            *ended |= token == Specials::FIXED.eos;
            if !*ended {
                word.push(char::from(b'a' + token.saturating_sub(4) as u8));
            }
        }
    }
    let right = words.iter().zip(&digits[300..]).filter(|(word, digit)| *word == NAMES[**digit]).count();
    let mut out = String::from("row,digit,written\n");
    for digit in 0..10 {
        let first = (300..rows.len()).find(|&row| digits[row] == digit).ok_or("a digit is missing")?;
        writeln!(out, "{first},{digit},{}", words[first - 300])?;
    }
    writeln!(out, "# {right} of {unseen} unseen pictures have the right word")?;
    Ok(out)
}
