//! How many gates are saturated: where a sigmoid or a tanh is nearly flat, nearly no gradient passes.

use crate::{Activation, Element, Graph, Place, element::typed, record::with_views, recording::Maker};

/// Counts the saturated elements of one gate at one time step; see [`Graph::saturation`].
///
/// ```
/// use unspool_graph::{Graph, Params};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let _gate = graph.scope("gate");
/// let _ = graph.input(vec![9.0f32, 0.0, 0.1, -0.1]).sigmoid();
/// let found = &graph.saturation(0.9)[0];
/// assert_eq!((found.saturated, found.elements, found.share()), (1, 4, 0.25));
/// assert_eq!(found.at.scope, "gate");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Saturation {
    /// The gate's name: `sigmoid` or `tanh`, or what a fused operation calls it.
    pub gate: &'static str,
    /// Scope, time step and line.
    pub at: Place,
    /// How many elements are saturated.
    pub saturated: usize,
    /// Of how many.
    pub elements: usize,
}

impl Saturation {
    /// Returns the share of saturated elements, from 0 to 1; 0 of none.
    pub fn share(&self) -> f64 {
        if self.elements == 0 { 0.0 } else { self.saturated as f64 / self.elements as f64 }
    }
}

impl Graph<'_> {
    /// Returns, for each sigmoid and tanh, those inside fused gates too, by scope, line and time step: how many of its
    /// outputs lie beyond `threshold` of the way from the middle of their range to its ends. At 0.9 a tanh beyond ±0.9
    /// counts, and a sigmoid below 0.05 or above 0.95; there they pass on less than a fifth of the gradient that they
    /// pass in the middle.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// let params = Params::seeded(0);
    /// let graph = Graph::new(&params);
    /// let _ = graph.input(vec![-9.0f32, 0.1, 0.2, 9.0]).tanh();
    /// assert_eq!(graph.saturation(0.9)[0].share(), 0.5);
    /// ```
    pub fn saturation(&self, threshold: f64) -> Vec<Saturation> {
        let mut found: Vec<((u32, u32, usize), Saturation)> = vec![];
        typed!(&*self.recording.borrow(), recording => {
            let tape = &recording.tape;
            for (id, node) in tape.nodes.iter().enumerate() {
                let Some(Maker::Operation(operation)) = &recording.makers[id] else { continue };
                let key = (node.mark.scope, node.mark.step, std::ptr::from_ref(node.mark.line) as usize);
                let mut show = |gate: &'static str, squash: Activation, values: &[_]| {
                    let saturated = values.iter().filter(|y| squash.reach(Element::to_f64(**y)) > threshold).count();
                    // The same gate at the same place, row after row, is one entry.
                    let recent = found.iter_mut().rev().take_while(|(known, _)| *known == key);
                    match { recent }.find(|(_, s)| s.gate == gate) {
                        Some((_, s)) => {
                            (s.saturated, s.elements) = (s.saturated + saturated, s.elements + values.len());
                        }
                        None => {
                            let at = self.place_of(node.mark);
                            found.push((key, Saturation { gate, at, saturated, elements: values.len() }));
                        }
                    }
                };
                let operands = node.operands.as_slice();
                with_views(
                    operands.len(),
                    |i| tape.view(self.params, operands[i]),
                    |inputs| operation.gates(inputs, tape.view(self.params, id as u32), &mut show),
                );
            }
        });
        found.into_iter().map(|(_, saturation)| saturation).collect()
    }
}
