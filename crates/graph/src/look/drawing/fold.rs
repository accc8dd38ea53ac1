//! What is drawn as one box: nodes are folded by recurrence and time step, and outside of recurrences by scope.

use super::label;
use crate::{Graph, Topology, tape::NONE};
use petgraph::{
    Incoming,
    algo::tarjan_scc,
    graph::{DiGraph, NodeIndex},
    visit::EdgeRef,
};
use std::collections::{BTreeMap, BTreeSet};

/// All that a picture is made from.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) topology: Topology,
    /// Parent and name of each scope.
    scopes: Vec<(u32, String)>,
    /// For a node that a recurrence hands on: which leaf of the state it is.
    carried: BTreeMap<usize, u32>,
    /// The norm of each node's gradient, if it is known.
    pub(super) norms: Vec<f64>,
}

impl Snapshot {
    pub(super) fn of(graph: &Graph<'_>) -> Snapshot {
        let scopes = graph.scopes.borrow().all.iter().map(|note| (note.parent, note.name.clone())).collect();
        let carried = graph.carried.borrow().iter().map(|c| (c.node as usize, c.leaf)).collect();
        Snapshot { topology: graph.topology(), scopes, carried, norms: vec![] }
    }

    /// The scopes around a scope, outermost first, itself last.
    pub(super) fn chain(&self, mut scope: u32) -> Vec<u32> {
        let mut chain = vec![];
        while scope != NONE {
            chain.push(scope);
            scope = self.scopes[scope as usize].0;
        }
        chain.reverse();
        chain
    }

    pub(super) fn name(&self, scope: u32) -> &str {
        self.scopes.get(scope as usize).map_or("", |(_, name)| name)
    }

    /// The recurrence each node runs in: one for the outermost scope with nodes of its own in a time step, and another
    /// where the steps begin anew.
    fn lanes(&self) -> Vec<Option<usize>> {
        let stepped = |v: &&crate::Vertex| v.place.step.is_some() && v.param.is_none();
        let direct: BTreeSet<u32> = self.topology.node_weights().filter(stepped).map(|v| v.scope).collect();
        let mut last: BTreeMap<u32, (usize, usize)> = BTreeMap::new();
        let mut known: Vec<(u32, usize)> = vec![];
        let of = |v: &crate::Vertex| {
            let step = v.place.step.filter(|_| v.param.is_none())?;
            let home = [NONE].into_iter().chain(self.chain(v.scope)).find(|scope| direct.contains(scope))?;
            let (before, run) = last.entry(home).or_insert((step, 0));
            if step < *before {
                *run += 1;
            }
            *before = step;
            let key = (home, *run);
            Some(known.iter().position(|k| *k == key).unwrap_or_else(|| {
                known.push(key);
                known.len() - 1
            }))
        };
        self.topology.node_weights().map(of).collect()
    }
}

/// How much is folded into one box.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Grain {
    Node,
    Cell,
    Rolled,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Input,
    Param,
    Operation,
    Cell,
}

/// A box.
pub(super) struct Item {
    pub(super) kind: Kind,
    pub(super) title: String,
    /// Lines in smaller letters: operations, parameters that only this box reads.
    pub(super) lines: Vec<String>,
    pub(super) shape: String,
    /// The recurrence it belongs to and its time step (the first, where a whole recurrence is one box).
    pub(super) lane: Option<(usize, usize)>,
    /// Even outside of recurrences, odd inside: the place in the order of both.
    pub(super) phase: usize,
    /// The scopes around it, outermost first.
    pub(super) scopes: Vec<u32>,
    /// Leaves of the state that it hands to itself.
    pub(super) loops: Vec<u32>,
}

/// A value that goes from one box into another.
pub(super) struct Link {
    pub(super) from: usize,
    pub(super) to: usize,
    /// The norm of the gradient that comes back along it.
    pub(super) norm: Option<f64>,
    /// Leaves of a state that it carries from a time step to the next.
    pub(super) leaves: Vec<u32>,
}

pub(super) struct Picture {
    pub(super) grain: Grain,
    /// In an order in which links lead from earlier to later ones.
    pub(super) items: Vec<Item>,
    pub(super) links: Vec<Link>,
    pub(super) lanes: usize,
    pub(super) names: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Node(usize),
    Cell(usize, usize),
    Scope(u32, usize, usize),
}

pub(super) fn picture(snapshot: &Snapshot, grain: Grain) -> Picture {
    let (topology, lanes) = (&snapshot.topology, snapshot.lanes());
    let lane_count = lanes.iter().flatten().max().map_or(0, |most| most + 1);
    let phases = phases(topology, &lanes, lane_count);
    let keys = keys(topology, &lanes, &phases, grain);

    // Parameters: in the box where only one reads them, else one box for all that the same boxes read.
    let mut readers: BTreeMap<usize, BTreeSet<Key>> = BTreeMap::new();
    for edge in topology.edge_references().filter(|e| topology[e.source()].param.is_some()) {
        readers.entry(edge.source().index()).or_default().insert(keys[edge.target().index()]);
    }
    let mut shared: BTreeMap<Vec<Key>, Vec<usize>> = BTreeMap::new();
    let mut own: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
    for (param, by) in readers {
        let by: Vec<Key> = by.into_iter().collect();
        match (&by[..], grain) {
            (_, Grain::Node) => shared.entry([by, vec![Key::Node(param)]].concat()).or_default().push(param),
            ([only], _) => own.entry(*only).or_default().push(param),
            _ => shared.entry(by).or_default().push(param),
        }
    }
    let home: BTreeMap<usize, Key> =
        shared.values().flat_map(|all| all.iter().map(|&p| (p, Key::Node(all[0])))).collect();
    let absorbed: BTreeSet<usize> = own.values().flatten().copied().collect();
    let key_of = |node: usize| home.get(&node).copied().unwrap_or(keys[node]);

    let mut members: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
    let unread = |node: usize| topology[NodeIndex::new(node)].param.is_some() && !home.contains_key(&node);
    for node in (0..topology.node_count()).filter(|node| !absorbed.contains(node) && !unread(*node)) {
        members.entry(key_of(node)).or_default().push(node);
    }
    let mut quotient: DiGraph<Key, ()> = DiGraph::new();
    let mut by_first: Vec<(&Key, &Vec<usize>)> = members.iter().collect();
    by_first.sort_by_key(|(_, nodes)| nodes[0]);
    let index: BTreeMap<Key, _> = by_first.iter().map(|(key, _)| (**key, quotient.add_node(**key))).collect();
    let mut links: BTreeMap<(Key, Key), (f64, bool, BTreeSet<u32>)> = BTreeMap::new();
    let mut loops: BTreeMap<Key, BTreeSet<u32>> = BTreeMap::new();
    for edge in topology.edge_references().filter(|e| !absorbed.contains(&e.source().index())) {
        let (a, b) = (edge.source().index(), edge.target().index());
        let (from, to) = (key_of(a), key_of(b));
        let step = |node| topology[NodeIndex::new(node)].place.step;
        let leaf = snapshot.carried.get(&a).filter(|_| lanes[a].is_some() && lanes[a] == lanes[b] && step(a) < step(b));
        if from == to {
            loops.entry(from).or_default().extend(leaf);
            continue;
        }
        let (square, any, leaves) = links.entry((from, to)).or_default();
        // Along this line a gradient came back only if the reader had one.
        let known = |node: usize| snapshot.norms.get(node).copied().filter(|norm| !norm.is_nan());
        if let (Some(norm), Some(_)) = (known(a), known(b)) {
            (*square, *any) = (*square + norm * norm, true);
        }
        leaves.extend(leaf);
    }
    let mut seen: Vec<_> = links.keys().copied().collect();
    seen.sort();
    seen.iter().for_each(|(from, to)| {
        quotient.update_edge(index[from], index[to], ());
    });
    let order: Vec<Key> = in_order(&quotient).into_iter().map(|i| quotient[i]).collect();
    let place: BTreeMap<Key, usize> = order.iter().enumerate().map(|(i, key)| (*key, i)).collect();

    let mut items: Vec<Item> = order
        .iter()
        .map(|key| {
            let nodes = &members[key];
            let params = own.get(key).map_or(&[][..], |all| &all[..]);
            let loops = loops.get(key).map(|set| set.iter().copied().collect()).unwrap_or_default();
            item(snapshot, grain, nodes, params, &lanes, &phases, loops)
        })
        .collect();
    let links: Vec<Link> = links
        .into_iter()
        .map(|((from, to), (square, any, leaves))| Link {
            from: place[&from],
            to: place[&to],
            norm: any.then(|| square.sqrt()),
            leaves: leaves.into_iter().collect(),
        })
        .collect();
    // What is outside of recurrences stands just in front of the first that reads it.
    for i in (0..items.len()).rev().filter(|&i| items[i].lane.is_none()).collect::<Vec<_>>() {
        if let Some(first) = links.iter().filter(|l| l.from == i).map(|l| items[l.to].phase).min() {
            items[i].phase = first - first % 2;
        }
    }
    let names = (0..snapshot.scopes.len() as u32).map(|scope| snapshot.name(scope).to_string()).collect();
    Picture { grain, items, links, lanes: lane_count, names }
}

/// The boxes in a topological order that keeps, where it can, to the order of their first nodes. In a cycle that order
/// is kept alone.
fn in_order(quotient: &DiGraph<Key, ()>) -> Vec<NodeIndex> {
    let mut waiting: Vec<usize> =
        quotient.node_indices().map(|i| quotient.neighbors_directed(i, Incoming).count()).collect();
    let mut left: BTreeSet<NodeIndex> = quotient.node_indices().collect();
    let mut order = vec![];
    while let Some(&next) = left.iter().find(|i| waiting[i.index()] == 0).or(left.first()) {
        left.remove(&next);
        order.push(next);
        quotient.neighbors(next).for_each(|i| waiting[i.index()] = waiting[i.index()].saturating_sub(1));
    }
    order
}

/// For each node its place in the order of what is inside and what outside of recurrences: the most borders on a path
/// to it.
fn phases(topology: &Topology, lanes: &[Option<usize>], count: usize) -> Vec<usize> {
    let mut of_lane = vec![1; count];
    let mut phases = vec![0; topology.node_count()];
    for _ in 0..2 * count + 2 {
        let before = of_lane.clone();
        for node in topology.node_indices() {
            let operands = topology.neighbors_directed(node, Incoming);
            let inside = |n: usize| usize::from(lanes[n].is_some());
            let own = inside(node.index());
            let least = lanes[node.index()].map_or(0, |lane| of_lane[lane]);
            let after = |o: usize| phases[o] + usize::from(inside(o) != own);
            let phase = operands.map(|o| after(o.index())).fold(least, usize::max);
            phases[node.index()] = phase;
            if let Some(lane) = lanes[node.index()] {
                of_lane[lane] = of_lane[lane].max(phase);
            }
        }
        if before == of_lane {
            break;
        }
    }
    (0..phases.len()).map(|n| lanes[n].map_or(phases[n], |lane| of_lane[lane])).collect()
}

/// Which box each node belongs to, so that boxes have no cycle among them where that can be.
fn keys(topology: &Topology, lanes: &[Option<usize>], phases: &[usize], grain: Grain) -> Vec<Key> {
    let mut keys: Vec<Key> = topology
        .node_indices()
        .map(|node| {
            let (vertex, i) = (&topology[node], node.index());
            match (grain, lanes[i]) {
                (Grain::Node, _) => Key::Node(i),
                (Grain::Cell, Some(lane)) => Key::Cell(lane, vertex.place.step.unwrap_or(0)),
                (Grain::Rolled, Some(lane)) => Key::Cell(lane, 0),
                (_, None) if vertex.operation == "input" || vertex.param.is_some() => Key::Node(i),
                (_, None) => Key::Scope(vertex.scope, phases[i], 0),
            }
        })
        .collect();
    // A scope that is left and entered again is as many boxes as it has visits.
    for _ in 0..8 {
        let mut quotient: DiGraph<Key, ()> = DiGraph::new();
        let all: BTreeSet<Key> = keys.iter().copied().collect();
        let index: BTreeMap<Key, _> = all.iter().map(|key| (*key, quotient.add_node(*key))).collect();
        for edge in topology.edge_references() {
            let (a, b) = (keys[edge.source().index()], keys[edge.target().index()]);
            if a != b {
                quotient.update_edge(index[&a], index[&b], ());
            }
        }
        let cyclic: BTreeSet<Key> =
            tarjan_scc(&quotient).into_iter().filter(|c| c.len() > 1).flatten().map(|i| quotient[i]).collect();
        if !cyclic.iter().any(|key| matches!(key, Key::Scope(..))) {
            break;
        }
        let mut visit = vec![0; keys.len()];
        for edge in topology.edge_references() {
            let (a, b) = (edge.source().index(), edge.target().index());
            let step = usize::from(keys[a] != keys[b] && cyclic.contains(&keys[a]));
            visit[b] = visit[b].max(visit[a] + step);
        }
        // Visits are numbered through: which boxes are one, and their order, is all that a number says.
        let refined = |(key, visit): (&Key, &usize)| match *key {
            Key::Scope(scope, phase, before) => {
                Some((scope, phase, before, if cyclic.contains(key) { *visit } else { 0 }))
            }
            _ => None,
        };
        let all: BTreeSet<_> = keys.iter().zip(&visit).filter_map(refined).collect();
        let number: BTreeMap<_, usize> = all.into_iter().zip(0..).collect();
        for (key, visit) in keys.iter_mut().zip(&visit) {
            if let Some(place @ (scope, phase, ..)) = refined((key, visit)) {
                *key = Key::Scope(scope, phase, number[&place]);
            }
        }
    }
    keys
}

fn item(
    snapshot: &Snapshot,
    grain: Grain,
    nodes: &[usize],
    own_params: &[usize],
    lanes: &[Option<usize>],
    phases: &[usize],
    loops: Vec<u32>,
) -> Item {
    let vertex = |n: usize| &snapshot.topology[NodeIndex::new(n)];
    let (first, last) = (vertex(nodes[0]), vertex(nodes[nodes.len() - 1]));
    let lane =
        lanes[nodes[0]].map(|lane| (lane, if grain == Grain::Rolled { 0 } else { first.place.step.unwrap_or(0) }));
    let chain = snapshot.chain(first.scope);
    let phase = nodes.iter().map(|&n| phases[n]).max().unwrap_or(0);
    let base = |kind, title: String, lines: Vec<String>, scopes: Vec<u32>| Item {
        kind,
        title,
        lines,
        shape: last.shape.to_string(),
        lane,
        phase,
        scopes,
        loops: loops.clone(),
    };
    if first.param.is_some() {
        let names: Vec<&str> = nodes.iter().filter_map(|&n| vertex(n).param.as_deref()).collect();
        let (prefix, rest) = label::common(&names);
        let mut item = match (&rest[..], prefix.as_str()) {
            ([only], _) => {
                base(Kind::Param, only.clone(), if prefix.is_empty() { vec![] } else { vec![prefix] }, vec![])
            }
            (_, "") => base(Kind::Param, "parameters".into(), label::some(&rest, 4), vec![]),
            _ => base(Kind::Param, prefix, label::some(&rest, 4), vec![]),
        };
        if names.len() > 1 {
            item.shape = String::new();
        }
        return item;
    }
    if grain == Grain::Node {
        let kind = if first.operation == "input" { Kind::Input } else { Kind::Operation };
        return base(kind, first.operation.into(), vec![], chain);
    }
    if lane.is_none() && first.operation == "input" {
        return base(Kind::Input, "input".into(), vec![], chain);
    }
    // Views say little; they are named only where there is nothing else.
    const VIEWS: [&str; 6] = ["slice", "reshape", "squeeze", "unsqueeze", "index", "input"];
    let names = || nodes.iter().map(|&n| vertex(n).operation);
    let mut operations = label::distinct(names().filter(|name| !VIEWS.contains(name)));
    if operations.is_empty() {
        operations = label::distinct(names());
    }
    let params: Vec<&str> = own_params.iter().filter_map(|&n| vertex(n).param.as_deref()).collect();
    let (prefix, rest) = label::common(&params);
    // Whose parameters a cell reads says more than the scope in which it was unrolled.
    let read: BTreeSet<usize> = nodes
        .iter()
        .flat_map(|&n| snapshot.topology.neighbors_directed(NodeIndex::new(n), Incoming))
        .map(|n| n.index())
        .collect();
    let read: Vec<&str> = read.iter().filter_map(|&n| vertex(n).param.as_deref()).collect();
    let scope = nodes.iter().map(|&n| snapshot.chain(vertex(n).scope)).min_by_key(Vec::len).unwrap_or_default();
    let title = match (lane, label::common(&read).0) {
        (Some(_), prefix) if !prefix.is_empty() => prefix,
        (None, _) if scope.is_empty() && operations.len() == 1 => operations.remove(0),
        (None, _) if scope.is_empty() => operations.remove(0),
        _ => scope.last().map_or_else(|| "cell".into(), |&s| snapshot.name(s).to_string()),
    };
    operations.retain(|name| *name != title);
    let mut lines = label::some(&operations, 4);
    if !params.is_empty() {
        let of = if prefix.is_empty() || prefix == title { String::new() } else { format!("{prefix}.") };
        lines.extend(label::some(&rest, 4).into_iter().map(|name| format!("◆ {of}{name}")));
    }
    base(if lane.is_some() { Kind::Cell } else { Kind::Operation }, title, lines, scope)
}
