//! What a recorded node costs in candle: the chain x ← x · w of the bench `recording`, forward and backward.
//!
//! Prints `name,peer,median_ns_per_node,min_ns_per_node`.

use candle_core::{DType, Device, Result, Var};
use std::time::{Duration, Instant};

/// Nodes in a chain, as in the bench; candle walks back by recursion, so a chain is no longer than its stack allows.
const NODES: usize = 10_000;

fn chain(shape: &[usize]) -> Result<()> {
    let w = (Var::ones(shape, DType::F32, &Device::Cpu)?.as_tensor() * 1.00001)?;
    let w = Var::from_tensor(&w)?;
    let (mut times, began) = (vec![], Instant::now());
    while times.len() < 10 || (began.elapsed() < Duration::from_secs(4) && times.len() < 500) {
        let start = Instant::now();
        let mut x = Var::ones(shape, DType::F32, &Device::Cpu)?.as_tensor().detach();
        for _ in 0..NODES {
            x = (x * w.as_tensor())?;
        }
        let gradients = x.sum_all()?.backward()?;
        assert!(gradients.get(&w).is_some());
        times.push(start.elapsed().as_nanos() as usize / NODES);
    }
    times.sort_unstable();
    let name = if shape.is_empty() { "scalar" } else { "4x4" };
    println!("{name},candle,{},{}", times[times.len() / 2], times[0]);
    Ok(())
}

fn main() -> Result<()> {
    // The drop of a long chain recurses too.
    let run = || -> Result<()> { [&[][..], &[4, 4]].into_iter().try_for_each(chain) };
    let thread = std::thread::Builder::new().stack_size(1 << 30).spawn(run)?;
    match thread.join() {
        Ok(outcome) => outcome,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
