//! Times matrix products of the workloads' shapes: `products [--threads N]`.
//!
//! `benches/products.csv` has the shapes. Two peers: `unspool` is [`matrix_product`] of matrices as they lie, which is
//! what every library's product does; `unspool packed` multiplies by a parameter in a graph, whose layout is made once
//! and kept, as at every time step of a recurrence but the first. A line of CSV for each:
//! m,k,n,transposed,peer,threads,GFLOP/s, of the fastest of many batches of calls.

#[path = "../product_shapes.rs"]
mod product_shapes;

use ndarray::Array2;
use product_shapes::{Shape, fill, length, seconds};
use std::{error::Error, hint::black_box};
use unspool_graph::{Graph, Matrix, Params, Tensor, init, matrix_product};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let threads = match &arguments[..] {
        [] => 1,
        [flag, number] if flag == "--threads" => number.parse()?,
        _ => return Err("usage: products [--threads N]".into()),
    };
    let length = length()?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    println!("m,k,n,transposed,peer,threads,gflops");
    for shape in Shape::all()? {
        shape.report("unspool", threads, pool.install(|| seconds(length, plain(&shape))));
        if shape.transposed == "none" {
            shape.report("unspool packed", threads, pool.install(|| packed(shape.sizes, length)));
        }
    }
    Ok(())
}

/// Returns a product of matrices in memory.
fn plain(Shape { sizes: (m, k, n), transposed }: &Shape) -> impl FnMut() + use<> {
    let (m, k, n) = (*m, *k, *n);
    let (left, right, mut product) = (fill(m * k), fill(k * n), vec![0.0; m * n]);
    let (turn_left, turn_right) = (transposed == "A", transposed == "B");
    move || {
        let a = if turn_left { Matrix::transposed(&left, m) } else { Matrix::rows(&left, k) };
        let b = if turn_right { Matrix::transposed(&right, k) } else { Matrix::rows(&right, n) };
        matrix_product((m, k, n), a, b, &mut product, false);
        black_box(&mut product);
    }
}

/// Returns the seconds of a product by a parameter, which includes recording it.
fn packed((m, k, n): (usize, usize, usize), length: f64) -> f64 {
    let mut params = Params::seeded(0);
    let weight = params.scope("readout").add("weight", [k, n], init::normal(1.0));
    let rows = Tensor::from(Array2::from_shape_fn((m, k), |(i, j)| (i * k + j) as f32 % 7.0 - 3.0).into_dyn());
    let mut graph = Graph::inference(&params);
    seconds(length, || {
        graph.reset();
        let _ = black_box(graph.input(&rows).matmul(weight));
    })
}
