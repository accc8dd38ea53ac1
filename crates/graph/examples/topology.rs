//! Questions to a recording, answered by petgraph's algorithms: on which parameters does a loss depend, and which path
//! through it is the longest in time?

use unspool_graph::{
    Graph, Param, Params, Topology, Var, init,
    petgraph::{
        algo::bellman_ford,
        graph::NodeIndex,
        visit::{Dfs, Reversed},
    },
};

/// The names of the parameters that `loss` was made from: a depth-first search against the edges.
fn parameters_of(topology: &Topology, loss: NodeIndex) -> Vec<&str> {
    let (mut search, mut found) = (Dfs::new(Reversed(topology), loss), vec![]);
    while let Some(node) = search.next(Reversed(topology)) {
        found.extend(topology[node].param.as_deref());
    }
    found.sort_unstable();
    found
}

/// The path to `loss` that goes through the most time steps: the shortest one where each step on costs −1.
fn longest_through_time(topology: &Topology, loss: NodeIndex) -> Vec<NodeIndex> {
    let step = |node: NodeIndex| topology[node].place.step;
    let cost = |from, to| if step(to) > step(from) { -1.0f64 } else { 0.0 };
    // Against the edges, so that one search from the loss finds the best way from every node.
    let mut backwards =
        topology.map(|_, _| (), |edge, _| topology.edge_endpoints(edge).map_or(0.0, |(a, b)| cost(a, b)));
    backwards.reverse();
    let Ok(paths) = bellman_ford(&backwards, loss) else { return vec![] }; // a recording has no cycle
    let distance = |node: &NodeIndex| paths.distances[node.index()];
    let start = backwards.node_indices().min_by(|a, b| distance(a).total_cmp(&distance(b)));
    std::iter::successors(start, |node| paths.predecessors[node.index()]).collect()
}

/// A recurrent net with a parameter that nobody uses.
struct Model {
    params: Params,
    w_xh: Param,
    w_hh: Param,
}

impl Model {
    fn new() -> Model {
        let mut params = Params::seeded(1);
        let mut rnn = params.scope("rnn");
        let (w_xh, w_hh) =
            (rnn.add("w_xh", [2, 4], init::uniform(0.5)), rnn.add("w_hh", [4, 4], init::orthogonal(1.0)));
        params.scope("forgotten").add("w", [4], init::zeros());
        Model { params, w_xh, w_hh }
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>) -> Var<'g> {
        let mut h = graph.zeros([1, 4]);
        {
            let _scope = graph.scope("rnn");
            for t in 0..3 {
                let _step = graph.at_step(t);
                let x = graph.full([1, 2], 1.0);
                h = (x.matmul(self.w_xh) + h.matmul(self.w_hh)).tanh();
            }
        }
        (h * h).sum_all()
    }
}

fn main() {
    let model = Model::new();
    let graph = Graph::new(&model.params);
    let loss = model.loss(&graph).vertex();
    let topology = graph.topology();
    println!("the loss depends on {}", parameters_of(&topology, loss).join(", "));
    println!("the longest path through time:");
    for node in longest_through_time(&topology, loss) {
        let vertex = &topology[node];
        let step = vertex.place.step.map_or(String::new(), |step| format!("step {step}"));
        println!("  {step:7} {:8} {}", vertex.operation, vertex.shape);
    }
}

#[test]
fn the_loss_depends_on_what_was_used_and_its_longest_path_visits_every_step() {
    let model = Model::new();
    let graph = Graph::new(&model.params);
    let loss = model.loss(&graph).vertex();
    let topology = graph.topology();
    assert_eq!(parameters_of(&topology, loss), ["rnn.w_hh", "rnn.w_xh"]);
    let path = longest_through_time(&topology, loss);
    let mut steps: Vec<_> = path.iter().filter_map(|&node| topology[node].place.step).collect();
    steps.dedup();
    assert_eq!(steps, [0, 1, 2]);
    assert_eq!(path.last(), Some(&loss));
}
