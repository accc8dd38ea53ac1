//! Whole Jacobians, against finite differences and against each other.

use ndarray::{Array2, ArrayD, Axis, IxDyn, array};
use unspool_graph::{
    Element, GradSink, Graph, OpContext, Operation, Param, Params, Result, RngKey, Shape, Var, View, init,
};

fn random(shape: &[usize], seed: u64) -> ArrayD<f64> {
    let (key, mut place) = (RngKey::seed(seed), 0);
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        place += 1;
        key.uniform(place) * 2.0 - 1.0
    })
}

fn function<'g>(x: Var<'g>, w: Param) -> Var<'g> {
    (x.matmul(w).tanh() * x.sum(&[-1]).unsqueeze(-1)).exp()
}

/// [axes of y…, axes of x…] by central differences.
fn differences(x: &ArrayD<f64>, f: impl Fn(&ArrayD<f64>) -> Result<ArrayD<f64>>) -> Result<ArrayD<f64>> {
    let h = 1e-5;
    let mut columns = vec![];
    for element in 0..x.len() {
        let at = |by: f64| {
            let mut moved = x.clone();
            *moved.iter_mut().nth(element).unwrap() += by;
            f(&moved)
        };
        columns.push((at(h)? - at(-h)?) / (2.0 * h));
    }
    let views: Vec<_> = columns.iter().map(|column| column.view()).collect();
    let all = ndarray::stack(Axis(columns[0].ndim()), &views).unwrap();
    let shape = [columns[0].shape(), x.shape()].concat();
    Ok(all.to_shape(IxDyn(&shape)).unwrap().to_owned())
}

/// Both ways: `[2, 3] -> [2, 5]` has fewer columns, `[2, 3] -> [2, 1]` fewer rows.
#[test]
fn rows_and_columns_equal_finite_differences() -> Result<()> {
    for out in [1, 5] {
        let mut params = Params::seeded(3);
        let w = params.scope("m").add("w", [3, out], init::uniform(0.9));
        let params = params.to_f64();
        let value = random(&[2, 3], 5);
        let graph = Graph::new(&params);
        let x = graph.input(&value).watch();
        let found = graph.jacobian(function(x, w), x)?;
        assert_eq!(found.shape(), [2, out, 2, 3]);
        let expected = differences(&value, |x| {
            let graph = Graph::new(&params);
            function(graph.input(x), w).to_f64()
        })?;
        let off = (&found - &expected).iter().fold(0.0f64, |most, x| most.max(x.abs()));
        assert!(off < 1e-8, "{out}: {off}");

        let by_parameter = graph.jacobian(function(x, w), w)?;
        assert_eq!(by_parameter.shape(), [2, out, 3, out]);
        let start = params.value(w)?.to_f64();
        let mut moved = params;
        let expected = {
            let cell = std::cell::RefCell::new(&mut moved);
            differences(&start, |values| {
                let mut params = cell.borrow_mut();
                params.set(w, values)?;
                let graph = Graph::new(&params);
                function(graph.input(&value), w).to_f64()
            })?
        };
        let off = (&by_parameter - &expected).iter().fold(0.0f64, |most, x| most.max(x.abs()));
        assert!(off < 1e-8, "{out}: {off}");
    }
    Ok(())
}

/// y = x², without a forward mode.
struct Square;

impl Operation for Square {
    type Saved<E: Element> = ();
    fn name(&self) -> &'static str {
        "square"
    }
    fn shape(&self, inputs: &[Shape]) -> std::result::Result<Shape, String> {
        Ok(inputs[0])
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        output.iter_mut().zip(inputs[0].data()).for_each(|(y, &x)| *y = x * x);
    }
    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let (x, g) = (ctx.inputs[0].data(), gradient.data());
        into.accumulate(0, |slot| slot.iter_mut().zip(x).zip(g).for_each(|((s, &x), &g)| *s += (x + x) * g));
    }
}

#[test]
fn an_operation_without_forward_mode_is_differentiated_by_rows() -> Result<()> {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let x = graph.input(array![2.0f64]).watch();
    let y = graph.concat(&[graph.apply(Square, &[x]), x * 3.0], 0);
    assert_eq!(graph.jacobian(y, x)?, array![[4.0], [3.0]].into_dyn());
    Ok(())
}

#[test]
fn what_does_not_depend_has_a_jacobian_of_zeros() -> Result<()> {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let (x, other) = (graph.input(array![2.0f32]).watch(), graph.input(array![1.0f32, 2.0]));
    assert_eq!(graph.jacobian(other * 2.0, x)?, Array2::<f64>::zeros((2, 1)).into_dyn());
    assert_eq!(graph.jacobian(other.sum_all(), x)?, array![0.0].into_dyn());
    Ok(())
}

#[test]
fn a_node_that_is_not_followed_is_an_error_and_not_zeros() {
    let mut params = Params::seeded(0);
    let w = params.scope("m").add("w", [2], init::constant(1.0));
    params.set_frozen(w, true);
    let graph = Graph::new(&params);
    let x = graph.input(array![2.0f32, 1.0]);
    let expected = "jacobian: the node to move is not watched, or a parameter that is frozen";
    for why in [graph.jacobian(x * w, x).unwrap_err(), graph.jacobian(x * w, w).unwrap_err()] {
        assert!(why.to_string().starts_with(expected), "{why}");
    }
    let inference = Graph::inference(&params);
    let x = inference.input(array![2.0f32, 1.0]).watch();
    assert!(inference.jacobian(x * 2.0, x).is_err());
}
