//! Any bytes as a genome, whose program's gradients in single precision must be as near to those in double precision as
//! rounding explains.
//!
//! How much rounding can do differs from graph to graph by many powers of ten, so it is measured: the program is run in
//! double precision with every element of every value moved at random by up to one unit in single precision's last
//! place, as single precision itself moves it. The gradients may be apart by what that does, times a margin for what
//! lies inside of an operation.

use ndarray::ArrayD;
use unspool_graph::{
    Graph, Params, RngKey,
    check::{Genome, Program},
};

/// Single precision's unit in the last place, relative.
const UNIT: f64 = f32::EPSILON as f64;
/// Inside of an operation there are sums, and a backward with as many roundings again.
const MARGIN: f64 = 64.0;
/// Runs with moved values.
const NOISY: u64 = 3;

/// Runs it. Whether it could be judged: where rounding alone takes the gradients' second digit, nothing can be said.
pub(crate) fn run(data: &[u8]) -> bool {
    let program = Genome::from_bytes(data).program();
    let params = program.params();
    let exact = gradients(&program, params, None);
    let mut noise: Vec<ArrayD<f64>> = exact.iter().map(|g| ArrayD::zeros(g.raw_dim())).collect();
    for seed in 0..NOISY {
        for (noise, (moved, exact)) in noise.iter_mut().zip(gradients(&program, params, Some(seed)).iter().zip(&exact))
        {
            noise.zip_mut_with(&(moved - exact), |noise, off| *noise = off.abs().max(*noise));
        }
    }
    let greatest = exact.iter().flatten().fold(1.0, |m: f64, g| m.max(g.abs()));
    let loudest = noise.iter().flatten().fold(0.0, |m: f64, g| m.max(g.abs()));
    assert!(greatest.is_finite() && loudest.is_finite(), "a gradient that is not finite:\n{program}");
    if loudest > 1e-2 * greatest {
        return false;
    }
    // Three draws of noise may all miss one element, so the loudest counts for all.
    let allowed = MARGIN * (loudest + UNIT * greatest);
    for (i, (single, exact)) in gradients(&program, &params.to_f32(), None).iter().zip(&exact).enumerate() {
        for (single, exact) in single.iter().zip(exact) {
            let off = (single - exact).abs();
            assert!(off <= allowed, "v{i}: {single:e} for {exact:e}, {off:e} apart, {allowed:e} allowed:\n{program}");
        }
    }
    true
}

/// The gradients of the sum of all results, with values moved where there is a `seed` to move them by.
fn gradients(program: &Program, params: &Params, seed: Option<u64>) -> Vec<ArrayD<f64>> {
    let graph = Graph::new(params);
    let mut place = 0;
    let out = program.run_through(&graph, |value| {
        let (Some(seed), Some(shape)) = (seed, value.known_shape()) else { return value };
        place += 1;
        let (key, mut i) = (RngKey::seed(seed).fold_in(place), 0);
        let factors = ArrayD::from_shape_simple_fn(shape.to_vec(), || {
            i += 1;
            1.0 + UNIT * (2.0 * key.uniform(i) - 1.0)
        });
        value * graph.input(factors)
    });
    let gradients = out.sum_all().backward().expect("a genome decodes to a valid program");
    let of = |p| gradients.of(p).map_or_else(|| ArrayD::zeros(params.shape(p).to_vec()), |g| g.to_f64());
    params.iter().map(of).collect()
}
