//! Pictures of a recording: one model of boxes and links, laid out once, written as SVG, as DOT or as text.
//!
//! Time runs from left to right; inside a time step data flows upwards, as in the textbooks. Every line is horizontal
//! or vertical and has a track of its own, so two lines cross but never run over each other, and no line runs through a
//! box.

mod dot;
mod fold;
mod grid;
mod label;
mod layout;
mod route;
mod svg;
mod text;
mod tracks;

use crate::{Gradients, Graph};
use fold::{Picture, Snapshot};

/// Says how much of a recording is drawn as one box.
///
/// ```
/// use unspool_graph::{Drawing, Detail, Graph, Params};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let mut h = graph.zeros([1, 2]);
/// {
///     let _scope = graph.scope("rnn");
///     for t in 0..3 {
///         let _step = graph.at_step(t);
///         h = (h * 0.5 + 1.0).tanh();
///         graph.carry(&[h]);
///     }
/// }
/// let drawing = Drawing::of(&graph);
/// let (every, cells) = (drawing.clone().fold(Detail::Node).to_dot(), drawing.fold(Detail::Cell).to_dot());
/// assert_eq!(every.matches("tanh").count(), 3); // a box for each node
/// assert!(cells.len() < every.len());           // a box for each step
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Nothing: every recorded node has its own box.
    Node,
    /// Each time step of a recurrence is one box, and so is what stands together in one scope outside of it.
    #[default]
    Cell,
}

/// Draws a picture of a recording.
///
/// More in [chapter 15](https://github.com/unspool/unspool/blob/main/docs/15-own-cell.md) of the tutorial.
///
/// ```
/// use unspool_graph::{Drawing, Detail, Graph, Params, init};
/// let mut params = Params::seeded(0);
/// let w = params.scope("rnn").add("w_hh", [2, 2], init::orthogonal(1.0));
/// let graph = Graph::new(&params).record_grad_norms();
/// let mut h = graph.full([1, 2], 1.0);
/// {
///     let _scope = graph.scope("rnn");
///     for t in 0..4 {
///         let _step = graph.at_step(t);
///         h = h.matmul(w).tanh();
///         graph.carry(&[h]);
///     }
/// }
/// let gradients = h.sum_all().backward()?;
/// let drawing = Drawing::of(&graph).gradients(&gradients);
/// // A box for each step, and lines as wide as their gradients are large.
/// assert!(drawing.to_svg().starts_with("<svg"));
/// let _ = drawing.clone().rolled().to_svg();                        // one cell with its loop, beside its unrolling
/// let _ = drawing.clone().fold(Detail::Node).to_dot();                // every node, for Graphviz
/// println!("{}", drawing.to_text());
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Drawing {
    snapshot: Snapshot,
    fold: Detail,
    rolled: bool,
}

impl Drawing {
    /// Makes a picture of what `graph` has recorded so far.
    pub fn of(graph: &Graph<'_>) -> Drawing {
        Drawing { snapshot: Snapshot::of(graph), fold: Detail::default(), rolled: false }
    }

    /// Chooses how much is one box: [`Detail::Cell`] where nothing is said.
    pub fn fold(mut self, fold: Detail) -> Drawing {
        self.fold = fold;
        self
    }

    /// Puts the recurrences rolled up, one cell with its loop arrow, in front of their unrolling.
    pub fn rolled(mut self) -> Drawing {
        self.rolled = true;
        self
    }

    /// Makes a line the wider, the larger ‖∂loss/∂v‖ of the value v it carries, on a scale of logarithms. The gradients
    /// must be of a graph that [records them](Graph::record_grad_norms).
    pub fn gradients(mut self, gradients: &Gradients) -> Drawing {
        self.snapshot.norms = gradients.norms.clone();
        self
    }

    /// Writes the picture as a file of scalable vector graphics that needs nothing else and is readable on light and
    /// dark pages. The same recording gives the same bytes.
    pub fn to_svg(&self) -> String {
        svg::write(&self.pictures())
    }

    /// Writes the picture in Graphviz' language.
    pub fn to_dot(&self) -> String {
        dot::write(&self.pictures())
    }

    /// Writes the picture in words: its boxes from the first to the last, and what they read.
    pub fn to_text(&self) -> String {
        text::write(&self.pictures(), &self.snapshot)
    }

    fn pictures(&self) -> Vec<Picture> {
        let rolled = self.rolled.then(|| fold::picture(&self.snapshot, fold::Grain::Rolled));
        let grain = match self.fold {
            Detail::Node => fold::Grain::Node,
            Detail::Cell => fold::Grain::Cell,
        };
        rolled.into_iter().chain([fold::picture(&self.snapshot, grain)]).collect()
    }
}
