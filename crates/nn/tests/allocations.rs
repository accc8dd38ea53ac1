//! A small model that runs step by step asks the allocator for nothing.

use ndarray::Array2;
use unspool_graph::{Graph, Params, Tensor};
use unspool_nn::{Cell, Gru, Linear, Lstm, LstmState, Result};

#[test]
fn a_step_of_a_small_model_for_inference_allocates_nothing() {
    let mut params = Params::seeded(1);
    let (lstm, gru) = (Lstm::new(params.scope("lstm"), 6, 20), Gru::new(params.scope("gru"), 20, 24));
    let readout = Linear::new(params.scope("readout"), 24, 5);
    let tensor = |size: usize| Tensor::from(Array2::<f32>::zeros((1, size)));
    let (x, [mut h, mut c, mut g, mut y]) = (Array2::<f32>::ones((1, 6)), [20, 20, 24, 5].map(tensor));
    let mut graph = Graph::inference(&params);
    let mut step = || -> Result<()> {
        graph.reset();
        let _model = graph.scope("model");
        let (between, state) = lstm.step(graph.input(&x), LstmState { h: graph.input(&h), c: graph.input(&c) });
        let (above, next) = gru.step(between, graph.input(&g));
        readout.apply(above).softmax().assign_to(&mut y)?;
        state.h.assign_to(&mut h)?;
        state.c.assign_to(&mut c)?;
        Ok(next.assign_to(&mut g)?)
    };
    (0..3).for_each(|_| step().unwrap());
    let allocated = allocation_counter::measure(|| (0..100).for_each(|_| step().unwrap()));
    assert_eq!(allocated.count_total, 0, "allocations of a hundred steps");
    assert!(g.to_f64().iter().any(|&x| x != 0.0) && (y.to_f64().sum() - 1.0).abs() < 1e-6);
}
