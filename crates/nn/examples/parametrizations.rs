//! Weights made of weights, once per recording: weight drop and weight normalization come with the library; spectral
//! normalization, an orthogonal weight and a weight that another network writes are functions of a few lines.
//!
//! [`Graph::with_parametrization`] lets a value stand in for a parameter while a closure runs. Around a whole
//! unrolling, the value is made once, whatever the cell and however many steps it takes.

use ndarray::{Array2, Array3};
use unspool_graph::{Graph, Param, Params, Var};
use unspool_nn::{Adam, Cell, Linear, Result, Rnn, Sequence, WeightDrop, unroll};

/// Spectral normalization (Miyato and others 2018): W / σ, where σ is the largest singular value. As in PyTorch, σ is
/// uᵀ W v, and no gradient goes through the power iteration that finds u and v.
fn spectral_norm<'g>(graph: &'g Graph<'g>, weight: Param) -> Var<'g> {
    let w = graph.param(weight); // [out, in]
    let (fixed, unit) = (w.detach(), |x: Var<'g>| x / x.norm(&[]));
    let mut v = graph.full([graph.params().shape(weight)[1], 1], 1.0);
    let mut u = unit(fixed.matmul(v));
    for _ in 0..30 {
        v = unit(fixed.transpose(0, 1).matmul(u));
        u = unit(fixed.matmul(v));
    }
    w / u.transpose(0, 1).matmul(w).matmul(v)
}

/// An orthogonal matrix from any square one, as a product of reflections (Mhammedi and others 2017): for each row v,
/// Q ← Q (I − 2 vᵀv / ‖v‖²).
fn orthogonal<'g>(graph: &'g Graph<'g>, weight: Param) -> Var<'g> {
    let size = graph.params().shape(weight)[0];
    let rows = graph.param(weight);
    let mut q = graph.input(Array2::<f64>::eye(size));
    for i in 0..size {
        let v = rows.slice(0, i..i + 1); // [1, size]
        q -= q.matmul(v.transpose(0, 1)).matmul(v * 2.0) / (v * v).sum_all();
    }
    q
}

/// A weight written by a network from a code (a hypernetwork: Ha, Dai and Le 2017).
fn hyper<'g>(code: Var<'g>, network: &Linear, size: usize) -> Var<'g> {
    network.apply(code).reshape([size, size])
}

const HIDDEN: usize = 8;

struct Model {
    cell: Rnn,
    code: Param,
    network: Linear,
}

impl Model {
    fn new(params: &mut Params) -> Model {
        Model {
            cell: Rnn::new(params.scope("rnn"), 2, HIDDEN),
            code: params.scope("code").add("code", [1, 3], unspool_graph::init::normal(1.0)),
            network: Linear::new(params.scope("network"), 3, HIDDEN * HIDDEN),
        }
    }

    /// The recurrent weight that a method makes.
    fn weight<'g>(&self, graph: &'g Graph<'g>, method: &str) -> Var<'g> {
        match method {
            "spectral" => spectral_norm(graph, self.cell.weight_hh()),
            "orthogonal" => orthogonal(graph, self.cell.weight_hh()),
            _ => hyper(graph.param(self.code), &self.network, HIDDEN),
        }
    }

    /// The squared outputs of a cell whose recurrent weight is made by a method, once for all steps.
    fn loss<'g>(&self, graph: &'g Graph<'g>, method: &str) -> Var<'g> {
        let xs = Sequence::pack(graph.input(inputs()), &[20, 7]);
        let made = self.weight(graph, method);
        let (hs, _) = graph.with_parametrization(&[(self.cell.weight_hh(), made)], || {
            unroll(&self.cell, &xs, self.cell.initial_state(graph, 2))
        });
        (hs.rows() - 0.5).powi(2).mean(&[])
    }
}

fn inputs() -> Array3<f32> {
    Array3::from_shape_fn((2, 20, 2), |(b, t, k)| ((b + 2 * t + 3 * k) as f32).sin())
}

/// Trains with a method, and returns the losses of the first and the last step.
fn train(method: &str) -> Result<(Params, Model, [f64; 2])> {
    let mut params = Params::seeded(2);
    let model = Model::new(&mut params);
    let (mut adam, mut losses) = (Adam::new(), vec![]);
    for step in 0..30 {
        let graph = Graph::new(&params).training(2, step);
        let loss = model.loss(&graph, method);
        losses.push(loss.item()?);
        let gradients = loss.backward()?;
        adam.step(&mut params, &gradients, 0.02)?;
    }
    let ends = [losses[0], losses[losses.len() - 1]];
    Ok((params, model, ends))
}

fn main() -> Result<()> {
    for method in ["spectral", "orthogonal", "hyper"] {
        let (params, model, [first, last]) = train(method)?;
        let graph = Graph::new(&params);
        let norm = model.weight(&graph, method).norm(&[]).item()?;
        println!("{method:<10} loss {first:.3} to {last:.3}; the norm of the weight is {norm:.3}");
    }
    let mut params = Params::seeded(2);
    let rnn = Rnn::new(params.scope("rnn"), 2, HIDDEN);
    let weight = rnn.weight_hh();
    let cell = WeightDrop::new(rnn, [weight], 0.5); // one mask for all steps of a recording
    let graph = Graph::new(&params).training(2, 0);
    let (hs, _) = unroll(&cell, &Sequence::full(graph.input(inputs())), cell.initial_state(&graph, 2));
    println!("weight drop: {:.3}", hs.rows().powi(2).mean(&[]).item()?);
    Ok(())
}

#[test]
fn each_method_trains() {
    for method in ["spectral", "orthogonal", "hyper"] {
        let (.., [first, last]) = train(method).unwrap();
        assert!(last < first, "{method}: {first} to {last}");
    }
}

#[test]
fn an_orthogonal_weight_stays_orthogonal_while_it_is_trained() {
    let (params, model, _) = train("orthogonal").unwrap();
    let graph = Graph::new(&params);
    let q = model.weight(&graph, "orthogonal");
    let identity = graph.input(Array2::<f64>::eye(HIDDEN));
    let off = (q.transpose(0, 1).matmul(q) - identity).abs().max(&[]).item().unwrap();
    assert!(off < 1e-5, "{off}");
}

#[test]
fn a_spectrally_normalized_weight_stretches_nothing() {
    let (params, model, _) = train("spectral").unwrap();
    let graph = Graph::new(&params);
    let w = model.weight(&graph, "spectral");
    let x = graph.input(Array2::from_shape_fn((HIDDEN, 40), |(i, j)| ((i * 7 + j * 3) as f64).cos()));
    let stretched = (w.matmul(x).norm(&[0]) / x.norm(&[0])).max(&[]).item().unwrap();
    assert!(stretched < 1.001, "{stretched}");
}

#[test]
fn gradients_reach_what_a_weight_is_made_of() {
    let mut params = Params::seeded(2);
    let model = Model::new(&mut params);
    let graph = Graph::new(&params);
    let gradients = model.loss(&graph, "hyper").backward().unwrap();
    assert!(gradients.of(model.code).is_some() && gradients.of(model.network.weight).is_some());
    assert!(gradients.of(model.cell.weight_hh()).is_none()); // nothing read it
}
