//! Vectors that tell attention where in a sequence a place is.

use crate::{Layout, sizes};
use ndarray::Array2;
use unspool_graph::{Graph, Param, Scope, Var, init};

/// Chooses the vectors that are added to inputs so that attention can tell their positions.
///
/// More in [chapter 13](https://github.com/unspool/unspool/blob/main/docs/13-self-attention.md) of the tutorial.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::Positions;
/// let mut params = Params::seeded(0);
/// let learned = Positions::learned(params.scope("positions"), 50, 8);
/// let graph = Graph::new(&params);
/// for positions in [Positions::Sinusoidal, learned] {
///     assert_eq!(*positions.of(&graph, &[0, 1, 2], 8).shape()?, [3, 8]);
/// }
/// assert!(learned.of(&graph, &[50], 8).shape().is_err()); // a learned table has an end
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Positions {
    /// sin(p / 10000^{2i/size}) at element 2i and the cosine at 2i + 1 (Vaswani and others 2017, section 3.5): any
    /// length, no parameters.
    Sinusoidal,
    /// A learned vector for each place up to a greatest one: `[places, size]`.
    Learned(Param),
}

impl Positions {
    /// Adds learned vectors for `max_length` positions; parameter `weight`, normal with deviation 0.02.
    pub fn learned(mut scope: Scope<'_>, max_length: usize, size: usize) -> Positions {
        Positions::Learned(scope.add("weight", [max_length, size], init::normal(0.02)))
    }

    /// Returns the vectors of these positions, `[places, size]`. A learned table has an end; a position after it is an
    /// error of the graph.
    #[track_caller]
    pub fn of<'g>(&self, graph: &'g Graph<'g>, places: &[u32], size: usize) -> Var<'g> {
        match self {
            Positions::Learned(table) => graph.embedding(*table, places, [places.len()], None),
            Positions::Sinusoidal if sizes::elements(graph, "positions", &[places.len(), size]).is_none() => {
                graph.inert()
            }
            Positions::Sinusoidal => graph.input(Array2::from_shape_fn((places.len(), size), |(row, j)| {
                let angle = f64::from(places[row]) / 10000f64.powf((j / 2 * 2) as f64 / size as f64);
                if j % 2 == 0 { angle.sin() } else { angle.cos() }
            })),
        }
    }

    /// The vectors of each step's place: `[Σ lengths, size]`.
    pub(super) fn of_steps<'g>(&self, graph: &'g Graph<'g>, layout: &Layout, size: usize) -> Var<'g> {
        let places: Vec<u32> = layout.steps().map(|(_, t)| t as u32).collect();
        self.of(graph, &places, size)
    }
}
