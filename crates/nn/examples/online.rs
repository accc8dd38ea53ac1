//! Learning online from a stream without an end, in constant memory, by real-time recurrent learning.
//!
//! `cargo run --release -p unspool-nn --example online -- [steps]`
//!
//! At each step a coin is thrown, and the answer is what it showed at the step before: the input does not say it, so it
//! must be held in the state. The cell answers, is told the right answer, and changes its weights, at every step of one
//! stream. Nothing is ever unrolled: [`Rtrl`] carries the gradient forward beside the state. A linear recurrence with a
//! decay per unit ([`MinGru`]) is diagonal, so the memory for that is one number per parameter; a [`Gru`] of a few
//! units does it with its whole influence matrix.
//!
//! The program asserts that both learn, and that what is carried has the same size at the end as after the first step.

use unspool_graph::{Params, RngKey, Scope};
use unspool_nn::{Adam, Cell, Gru, Linear, Result, Rtrl, cells::MinGru};

/// The coin of a step: +1 or −1.
fn coin(step: u64) -> f32 {
    if RngKey::seed(3).uniform(step) < 0.5 { -1.0 } else { 1.0 }
}

/// Learns for so many steps. Returns the mean squared errors of the first and the last tenth.
fn learn<C: Cell>(name: &str, steps: u64, size: usize, make: impl FnOnce(Scope<'_>) -> C) -> Result<(f64, f64)> {
    let mut params = Params::seeded(1);
    let cell = make(params.scope("cell"));
    let readout = Linear::new(params.scope("readout"), size, 1);
    let mut rtrl = match cell.is_diagonal() {
        true => Rtrl::diagonal(&cell, &params, 1)?,
        false => Rtrl::new(&cell, &params, 1)?,
    };
    let mut adam = Adam::new();
    let (mut first, mut last, mut carried) = (0.0, 0.0, None);
    let tenth = (steps / 10).max(1);
    for step in 0..steps {
        let x = ndarray::array![[coin(step + 1)]];
        let wanted = ndarray::array![[coin(step)]];
        let (loss, mut gradients) =
            rtrl.step(&cell, &params, x, |h| (readout.apply(h) - h.graph().input(wanted)).powi(2).sum_all())?;
        gradients.clip_norm(1.0)?;
        adam.step(&mut params, &gradients, 0.003)?;
        // The influence has its size after one step, and keeps it.
        let elements = *carried.get_or_insert(rtrl.elements());
        assert_eq!(rtrl.elements(), elements);
        if step < tenth {
            first += loss / tenth as f64;
        }
        if step >= steps - tenth {
            last += loss / tenth as f64;
        }
        if step % tenth == 0 {
            println!("{name}, step {step}: loss {loss:.3}, {elements} numbers carried");
        }
    }
    println!("{name}: mean squared error {first:.3} at first, {last:.4} at last");
    Ok((first, last))
}

fn main() -> Result<()> {
    let steps = std::env::args().nth(1).and_then(|steps| steps.parse().ok()).unwrap_or(8000);
    let (first, last) = learn("gru", steps, 8, |scope| Gru::new(scope, 1, 8))?;
    assert!(last < 0.1 * first, "the GRU does not learn");
    let (first, last) = learn("min-gru", steps, 32, |scope| MinGru::new(scope, 1, 32))?;
    assert!(last < 0.2 * first, "the minGRU does not learn");
    Ok(())
}
