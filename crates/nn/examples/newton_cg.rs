//! Newton's method on a small recurrent fit, its equation solved by conjugate gradients: H·v is all that is asked of
//! the Hessian H (Martens 2010, "Deep learning via Hessian-free optimization").
//!
//! `cargo run --release -p unspool-nn --example newton_cg`
//!
//! A recurrent network of three units learns the next number of a sine. The program asserts that 25 steps reach less
//! than a tenth of the loss that it began with.

use ndarray::Array3;
use unspool_graph::{Gradients, Graph, Params, Var};
use unspool_nn::{Cell, Linear, Result, Rnn, Sequence, unroll};

/// Products with the Hessian per step, at most.
const PRODUCTS: usize = 30;

fn main() -> Result<()> {
    let losses = fit(25)?;
    losses.iter().enumerate().for_each(|(step, loss)| println!("step {step}: loss {loss:.6}"));
    assert!(losses[25] < 0.1 * losses[0], "{losses:?}");
    Ok(())
}

/// The loss before and after each step.
fn fit(steps: usize) -> Result<Vec<f64>> {
    let mut params = Params::seeded(1).to_f64();
    let cell = Rnn::new(params.scope("rnn"), 1, 3);
    let readout = Linear::new(params.scope("readout"), 3, 1);
    let at = |params: &Params, damping: f64| -> Result<(f64, Gradients)> {
        let graph = Graph::new(params);
        let sine = |from: usize| Array3::from_shape_fn((6, 8, 1), |(b, t, _)| ((3 * b + t + from) as f64 * 0.6).sin());
        let (hs, _) = unroll(&cell, &Sequence::full(graph.input(sine(0))), cell.initial_state(&graph, 6));
        let loss = (readout.apply(hs.padded()) - graph.input(sine(1))).powi(2).mean(&[]);
        Ok((loss.item()?, newton_step(loss, &loss.backward()?, damping)?))
    };
    let mut damping = 0.1;
    let (mut loss, mut step) = at(&params, damping)?;
    let mut losses = vec![loss];
    for _ in 0..steps {
        let mut moved = params.clone();
        for (p, change) in step.tangents() {
            moved.set(p, params.value(p)?.to_f64() + change.to_f64())?;
        }
        // After a step that helped, the next one trusts the curvature more; after one that did not, less.
        let (there, next) = at(&moved, damping)?;
        if there < loss {
            (params, loss, step, damping) = (moved, there, next, damping / 3.0);
        } else {
            damping *= 4.0;
            step = at(&params, damping)?.1;
        }
        losses.push(loss);
    }
    Ok(losses)
}

/// Solves (H + damping)·p = −g by conjugate gradients. Where the loss curves down along a direction, it ends there.
fn newton_step(loss: Var<'_>, g: &Gradients, damping: f64) -> Result<Gradients> {
    let (mut rest, mut p) = (times(g, -1.0), times(g, 0.0));
    let mut direction = rest.clone();
    for _ in 0..PRODUCTS {
        let mut product = loss.hessian_vector(&direction.tangents())?;
        product.add(&times(&direction, damping))?;
        let (before, curvature) = (rest.dot(&rest)?, direction.dot(&product)?);
        if curvature <= 0.0 || before < 1e-20 {
            break;
        }
        p.add(&times(&direction, before / curvature))?;
        rest.add(&times(&product, -before / curvature))?;
        direction.scale(rest.dot(&rest)? / before);
        direction.add(&rest)?;
    }
    Ok(if p.norm() > 0.0 { p } else { rest })
}

fn times(gradients: &Gradients, factor: f64) -> Gradients {
    let mut scaled = gradients.clone();
    scaled.scale(factor);
    scaled
}

#[test]
fn newtons_method_reaches_a_tenth_of_the_loss_and_never_goes_up() {
    let losses = fit(25).unwrap();
    assert!(losses[25] < 0.1 * losses[0], "{losses:?}");
    assert!(losses.windows(2).all(|pair| pair[1] <= pair[0]), "{losses:?}");
}
