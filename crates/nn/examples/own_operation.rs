//! An operation of your own, checked against finite differences; and one whose gradient is wrong, caught by the same
//! check.

use ndarray::ArrayD;
use unspool_graph::{
    Element, GradSink, Graph, OpContext, Operation, Params, Shape, View,
    check::{self, Checked, Failure},
};
use unspool_nn::Result;

/// y = x / (1 + |x|), elementwise.  ∂L/∂x = ∂L/∂y · 1 / (1 + |x|)²
struct Softsign;

fn slope<E: Element>(x: E) -> E {
    let d = E::ONE + x.abs();
    E::ONE / (d * d)
}

impl Operation for Softsign {
    type Saved<E: Element> = ();

    fn name(&self) -> &'static str {
        "softsign"
    }

    fn shape(&self, inputs: &[Shape]) -> std::result::Result<Shape, String> {
        let [x] = inputs else { return Err("needs one operand".into()) };
        Ok(*x)
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        output.iter_mut().zip(inputs[0].data()).for_each(|(y, &x)| *y = x / (E::ONE + x.abs()));
    }

    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        into.add(0, ctx.inputs[0].data().iter().zip(gradient.data()).map(|(&x, &g)| g * slope(x)).collect());
    }

    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let Some(v) = tangents[0] else { return };
        output.iter_mut().zip(ctx.inputs[0].data()).zip(v.data()).for_each(|((y, &x), &v)| *y = slope(x) * v);
    }
}

/// The same, written in haste: its backward forgets the square.
struct Hasty;

impl Operation for Hasty {
    type Saved<E: Element> = ();

    fn name(&self) -> &'static str {
        "hasty"
    }

    fn shape(&self, inputs: &[Shape]) -> std::result::Result<Shape, String> {
        Softsign.shape(inputs)
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        Softsign.forward(inputs, output);
    }

    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let x = ctx.inputs[0].data();
        into.add(0, x.iter().zip(gradient.data()).map(|(&x, &g)| g / (E::ONE + x.abs())).collect());
    }

    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        Softsign.jvp(ctx, tangents, output);
    }
}

fn points() -> ArrayD<f64> {
    ndarray::array![[-2.0, -0.5, 0.25], [0.75, 1.5, 4.0]].into_dyn()
}

/// What the check says of both.
fn run() -> (std::result::Result<Checked, Failure>, std::result::Result<Checked, Failure>) {
    let right = check::function(&[points()], |graph, xs| graph.apply(Softsign, xs));
    let wrong = check::function(&[points()], |graph, xs| graph.apply(Hasty, xs));
    (right, wrong)
}

fn main() -> Result<()> {
    let (right, wrong) = run();
    println!("softsign: {}", right.map_or_else(|failure| failure.to_string(), |checked| checked.to_string()));
    println!("hasty: {}", wrong.map_or_else(|failure| failure.to_string(), |checked| checked.to_string()));

    // It stands in a model like any other operation.
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let x = graph.input(vec![1.0f32, -3.0]).watch();
    let gradients = graph.apply(Softsign, &[x]).sum_all().backward()?;
    println!("slopes at 1 and -3: {:?}", gradients.of(x).map(|g| g.to_f64().into_raw_vec_and_offset().0));
    Ok(())
}

#[test]
fn the_check_passes_the_right_one_and_catches_the_wrong_one() {
    let (right, wrong) = run();
    assert_eq!(right.unwrap().skipped, None);
    assert!(matches!(wrong, Err(Failure::Gradient(_))), "{wrong:?}");
}
