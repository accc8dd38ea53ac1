//! The plain computation of `set_reference_mode` has the values and gradients of the mathematics. This is the only test
//! of its process, since the switch is the process's.

use ndarray::{Array2, array};
use unspool_graph::{Graph, Params, init, reference_mode, set_reference_mode};

/// What a step reads, and what each element of its output counts in the loss.
type Step = (Array2<f64>, Array2<f64>);

#[test]
fn the_plain_computation_has_the_exact_gradients_of_a_layer_that_two_steps_share() {
    let mut params = Params::seeded(0).to_f64();
    let mut layer = params.scope("layer");
    let weight = layer.add("weight", [2, 3], init::values(vec![1.0, -2.0, 3.0, 4.0, 5.0, -6.0]));
    let bias = layer.add("bias", [3], init::values(vec![0.5, -0.5, 0.25]));
    let w = array![[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]];
    let steps = [
        (array![[1.0, 2.0], [-3.0, 4.0]], array![[2.0, 3.0, -5.0], [0.0, 7.0, 2.0]]),
        (array![[8.0, -1.0], [0.5, 2.0]], array![[-1.0, 4.0, 6.0], [3.0, -2.0, 0.5]]),
    ];
    for plain in [false, true] {
        set_reference_mode(plain);
        assert_eq!(reference_mode(), plain);
        let graph = Graph::new(&params);
        let mut total = graph.zeros([]);
        for (x, share) in &steps {
            let y = graph.input(x).matmul(weight) + bias;
            assert_eq!(y.to_f64().unwrap(), (x.dot(&w) + array![0.5, -0.5, 0.25]).into_dyn());
            total += (y * graph.input(share)).sum_all();
        }
        let gradients = total.backward().unwrap();
        let of = |param| gradients.of(param).unwrap().to_f64();
        let sum = |each: fn(&Step) -> Array2<f64>| each(&steps[0]) + each(&steps[1]);
        assert_eq!(of(weight), sum(|(x, share)| x.t().dot(share)).into_dyn(), "plain: {plain}");
        let rows = sum(|(_, share)| share.sum_axis(ndarray::Axis(0)).insert_axis(ndarray::Axis(0)));
        assert_eq!(of(bias), rows.row(0).to_owned().into_dyn(), "plain: {plain}");
    }
    set_reference_mode(false);
}
