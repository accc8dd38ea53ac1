//! Films of a digit that comes, hides and goes: who is there at each frame, by a network with a memory and by one that
//! judges each frame by itself.

use super::{Result, SEED, data};
use ndarray::{Array2, Array4};
use std::fmt::Write;
use unspool::{graph::RngKey, nn::Conv2d, prelude::*, text::Csv};

const FRAMES: usize = 10;
const BATCH: usize = 32;
const STEPS: u64 = 800;

/// The class of a frame in which there is no digit.
const NOBODY: u32 = 10;

/// How far the picture is to the right in a frame, in pixels; nothing where none of it is seen.
type Places = [Option<i32>; FRAMES];

/// Nobody, then half of the digit, all of it, nothing while it hides, all of it, the other half, and nobody again.
fn script(draw: RngKey) -> (Places, [bool; FRAMES]) {
    let (wait, hides) = ((draw.uniform(1) * 3.0) as usize, 1 + (draw.uniform(2) * 3.0) as usize);
    let mut places = [None; FRAMES];
    (places[wait], places[wait + 1]) = (Some(-4), Some(0));
    (places[wait + 2 + hides], places[wait + 3 + hides]) = (Some(0), Some(4));
    (places, std::array::from_fn(|t| (wait..wait + 4 + hides).contains(&t)))
}

/// A film, and who is there at each of its frames.
struct Film {
    /// The row of the picture in the file.
    row: usize,
    places: Places,
    present: [u32; FRAMES],
}

/// Films of pictures from these rows.
fn films(draw: RngKey, rows: std::ops::Range<usize>, digits: &[u32]) -> Vec<Film> {
    let film = |b: u64| {
        let row = rows.start + (draw.fold_in(b).uniform(0) * rows.len() as f64) as usize;
        let (places, there) = script(draw.fold_in(b));
        Film { row, places, present: there.map(|there| if there { digits[row] } else { NOBODY }) }
    };
    (0..BATCH as u64).map(film).collect()
}

/// `[batch, time, 8, 8]`.
fn pixels(films: &[Film], pictures: &Array2<f32>) -> Array4<f32> {
    Array4::from_shape_fn((films.len(), FRAMES, 8, 8), |(b, t, y, x)| {
        let column = films[b].places[t].map(|place| x as i32 - place).filter(|column| (0..8).contains(column));
        column.map_or(0.0, |column| pictures[[films[b].row, 8 * y + column as usize]])
    })
}

/// The small convolution of chapter 17, a layer, and a cell or none.
struct Watcher {
    conv: Conv2d,
    eye: Linear,
    cell: Option<Gru>,
    readout: Linear,
}

impl Watcher {
    fn new(params: &mut Params, memory: bool) -> Watcher {
        Watcher {
            conv: Conv2d::new(params.scope("conv"), 1, 8, [3, 3]).padding([1, 1]),
            eye: Linear::new(params.scope("eye"), 8 * 4 * 4, 48),
            cell: memory.then(|| Gru::new(params.scope("rnn"), 48, 48)),
            readout: Linear::new(params.scope("readout"), 48, 11),
        }
    }

    /// One row of logits for each frame, film by film.
    fn logits<'g>(&self, graph: &'g Graph<'g>, films: Array4<f32>) -> Var<'g> {
        let batch = films.dim().0;
        let seen = Sequence::full(graph.input(films)).map(|frames| {
            let found = self.conv.apply(frames.unsqueeze(1)).relu().max_pool2d([2, 2], [2, 2]);
            self.eye.apply(found.reshape([batch * FRAMES, 128])).relu()
        });
        let known = match &self.cell {
            Some(cell) => unroll(cell, &seen, cell.initial_state(graph, batch)).0,
            None => seen,
        };
        known.map(|hs| self.readout.apply(hs)).padded().reshape([batch * FRAMES, 11])
    }
}

/// Trained on the first 1,400 pictures; films of the other 397.
pub(super) fn frames() -> Result<String> {
    let rows = Csv::without_header(data("digits.csv.gz")?)?.collect::<std::result::Result<Vec<_>, _>>()?;
    let numbers: Vec<f32> =
        rows.iter().flat_map(|row| &row.fields).map(|x| x.parse()).collect::<std::result::Result<_, _>>()?;
    let table = Array2::from_shape_vec([rows.len(), 65], numbers)?;
    let pictures = table.slice(ndarray::s![.., ..64]).mapv(|ink| ink / 16.0);
    let digits: Vec<u32> = table.column(64).iter().map(|&digit| digit as u32).collect();
    let labels = |films: &[Film]| films.iter().flat_map(|film| film.present).collect::<Vec<u32>>();

    // The same new films for both.
    let test: Vec<Vec<Film>> =
        (0..8).map(|part| films(RngKey::seed(1_000_000 + part), 1400..rows.len(), &digits)).collect();
    let mut answers: Vec<Vec<u32>> = vec![];
    for memory in [true, false] {
        let (mut params, mut adam) = (Params::seeded(SEED), Adam::new());
        let watcher = Watcher::new(&mut params, memory);
        for step in 0..STEPS {
            let films = films(RngKey::seed(SEED).fold_in(step), 0..1400, &digits);
            let graph = Graph::new(&params).training(SEED, step);
            let logits = watcher.logits(&graph, pixels(&films, &pictures));
            let mut gradients = logits.cross_entropy(&labels(&films)).mean(&[]).backward()?;
            gradients.clip_norm(1.0)?;
            adam.step(&mut params, &gradients, 0.003)?;
        }
        let mut of_all = vec![];
        for films in &test {
            of_all.extend(watcher.logits(&Graph::new(&params), pixels(films, &pictures)).argmax()?);
        }
        answers.push(of_all);
    }

    let mut out = String::from("film,frame,row,place,present,with memory,each frame by itself\n");
    let name = |class: u32| if class == NOBODY { "nobody".to_string() } else { class.to_string() };
    // Of the films as they come, the first three that show different pictures.
    let mut shown: Vec<usize> = vec![];
    for (b, film) in test[0].iter().enumerate() {
        if shown.len() < 3 && shown.iter().all(|&other| test[0][other].row != film.row) {
            shown.push(b);
        }
    }
    for (place, &b) in shown.iter().enumerate() {
        let film = &test[0][b];
        for t in 0..FRAMES {
            let at = film.places[t].map_or("unseen".to_string(), |place| place.to_string());
            let said = [&answers[0], &answers[1]].map(|answers| name(answers[b * FRAMES + t]));
            writeln!(out, "{place},{t},{},{at},{},{}", film.row, name(film.present[t]), said.join(","))?;
        }
    }
    let right: Vec<u32> = test.iter().flat_map(|films| labels(films)).collect();
    let unseen: Vec<bool> = test.iter().flatten().flat_map(|film| film.places.map(|place| place.is_none())).collect();
    for (who, answers) in ["with memory", "each frame by itself"].into_iter().zip(&answers) {
        let hits: Vec<bool> = answers.iter().zip(&right).map(|(a, b)| a == b).collect();
        let hidden: Vec<bool> = (0..hits.len()).filter(|&k| unseen[k] && right[k] != NOBODY).map(|k| hits[k]).collect();
        let share = |hits: &[bool]| hits.iter().filter(|hit| **hit).count() as f64 / hits.len() as f64;
        writeln!(
            out,
            "# {who}: {:.3} of all frames, {:.3} of those in which a digit hides",
            share(&hits),
            share(&hidden)
        )?;
    }
    Ok(out)
}
