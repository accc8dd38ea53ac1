//! Puts the modules of a crate into layers: what uses stands above what is used.
//!
//! The steps are those of Sugiyama, Tagawa and Toda (1981): leave out the arrows that close a cycle, give every
//! module a layer, let a long arrow have a place in every layer that it passes, and order the places of each layer so
//! that few arrows cross.

use crate::imports::Crate;
use petgraph::{
    algo::{
        feedback_arc_set::greedy_feedback_arc_set,
        toposort,
        tred::{dag_to_toposorted_adjacency_list, dag_transitive_reduction_closure},
    },
    graph::{DiGraph, NodeIndex},
    visit::{EdgeRef, IntoEdgeReferences},
};
use std::collections::BTreeSet;

/// A place in a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A module, by its number.
    Module(usize),
    /// Where an arrow, by its number, passes through.
    Arrow(usize),
}

/// An arrow from a module to one that it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// The upper end.
    pub from: usize,
    /// The lower end.
    pub to: usize,
    /// Whether it closes a cycle: it is the lower end that uses the upper one.
    pub cycle: bool,
}

/// The modules of a crate in layers.
#[derive(Clone, Debug)]
pub struct Layers {
    /// From the highest layer to the lowest, each from left to right.
    pub rows: Vec<Vec<Place>>,
    /// The arrows that are drawn. One that follows from two others is left out.
    pub arrows: Vec<Arrow>,
}

impl Layers {
    /// Puts the modules of `of` into rows that are at most `width` wide, where a module is as wide as `size` says.
    pub fn new(of: &Crate, width: f64, size: impl Fn(usize) -> f64) -> Layers {
        let count = of.modules.len();
        let mut graph: DiGraph<usize, ()> = DiGraph::new();
        for module in 0..count {
            graph.add_node(module);
        }
        for &(from, to) in &of.imports {
            graph.add_edge(NodeIndex::new(from), NodeIndex::new(to), ());
        }
        let ends = |edge: petgraph::graph::EdgeReference<'_, ()>| (edge.source().index(), edge.target().index());
        let back: BTreeSet<(usize, usize)> = greedy_feedback_arc_set(&graph).map(ends).collect();
        graph.retain_edges(|graph, edge| {
            graph.edge_endpoints(edge).is_some_and(|(from, to)| !back.contains(&(from.index(), to.index())))
        });
        let order: Vec<usize> = toposort(&graph, None).unwrap_or_default().into_iter().map(NodeIndex::index).collect();

        // The layer of a module is one above the highest of those that it uses.
        let mut layer = vec![0; count];
        for &module in order.iter().rev() {
            let below = graph.neighbors(NodeIndex::new(module)).map(|used| layer[used.index()] + 1);
            layer[module] = below.max().unwrap_or(0);
        }
        let mut row = vec![0; count];
        let mut rows = 0;
        for level in (0..=layer.iter().copied().max().unwrap_or(0)).rev() {
            let mut free = width;
            for module in (0..count).filter(|&module| layer[module] == level) {
                if size(module) > free {
                    (rows, free) = (rows + 1, width);
                }
                row[module] = rows;
                free -= size(module);
            }
            rows += 1;
        }

        let mut arrows = essential(&graph, &order);
        arrows.extend(back.iter().map(|&(from, to)| Arrow { from: to, to: from, cycle: true }));
        let mut layers = Layers { rows: vec![vec![]; rows], arrows };
        for (module, &row) in row.iter().enumerate() {
            layers.rows[row].push(Place::Module(module));
        }
        for (arrow, ends) in layers.arrows.iter().enumerate() {
            for passed in row[ends.from] + 1..row[ends.to] {
                layers.rows[passed].push(Place::Arrow(arrow));
            }
        }
        layers.order(&row);
        layers
    }

    /// Orders each row by where the neighbors in the row above are, then below, and so on.
    fn order(&mut self, row: &[usize]) {
        for round in 0..24 {
            let down = round % 2 == 0;
            let last = self.rows.len() - 1;
            for step in 1..self.rows.len() {
                let (here, there) = if down { (step, step - 1) } else { (last - step, last - step + 1) };
                let beside = &self.rows[there];
                let at = |place: Place| beside.iter().position(|&other| other == place);
                let ends_at = |module: usize, arrow: usize| {
                    if row[module] == there { Place::Module(module) } else { Place::Arrow(arrow) }
                };
                let wanted = |place: Place, old: usize| {
                    let ends = self.arrows.iter().enumerate().filter_map(|(number, arrow)| {
                        let end = match place {
                            Place::Arrow(passing) if passing == number && down => arrow.from,
                            Place::Arrow(passing) if passing == number => arrow.to,
                            Place::Module(module) if module == arrow.to && down => arrow.from,
                            Place::Module(module) if module == arrow.from && !down => arrow.to,
                            _ => return None,
                        };
                        at(ends_at(end, number))
                    });
                    let ends: Vec<usize> = ends.collect();
                    // A place in thousandths: whole numbers compare alike on every machine.
                    match ends.len() {
                        0 => 1000 * old * beside.len().max(1) / self.rows[here].len().max(1),
                        n => 1000 * ends.iter().sum::<usize>() / n,
                    }
                };
                let mut order: Vec<(usize, usize)> =
                    self.rows[here].iter().enumerate().map(|(old, &place)| (wanted(place, old), old)).collect();
                order.sort();
                self.rows[here] = order.into_iter().map(|(_, old)| self.rows[here][old]).collect();
            }
        }
    }
}

/// The arrows of a graph without cycles that follow from no others.
fn essential(graph: &DiGraph<usize, ()>, order: &[usize]) -> Vec<Arrow> {
    let order: Vec<NodeIndex> = order.iter().map(|&module| NodeIndex::new(module)).collect();
    let (list, _) = dag_to_toposorted_adjacency_list::<_, u32>(graph, &order);
    let (reduced, _) = dag_transitive_reduction_closure(&list);
    let mut arrows: Vec<Arrow> = reduced
        .edge_references()
        .map(|edge| Arrow {
            from: order[edge.source() as usize].index(),
            to: order[edge.target() as usize].index(),
            cycle: false,
        })
        .collect();
    arrows.sort_by_key(|arrow| (arrow.from, arrow.to));
    arrows
}
