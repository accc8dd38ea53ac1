//! Pictures: nothing lies over anything else, shared parameters stand once, the same recording gives the same bytes.

use std::collections::BTreeMap;
use unspool_graph::{
    Detail, Drawing, Graph, Param, Params, Topology, Var, init,
    petgraph::{Incoming, algo::has_path_connecting, graph::EdgeReference, visit::EdgeRef},
};

/// A gated cell in plain operations, which reads each of its two weights at every step.
struct Model {
    params: Params,
    w: Param,
    u: Param,
}

impl Model {
    fn new() -> Model {
        let mut params = Params::seeded(2);
        let mut rnn = params.scope("rnn");
        let (w, u) = (rnn.add("w", [3, 8], init::uniform(0.5)), rnn.add("u", [4, 8], init::uniform(0.5)));
        Model { params, w, u }
    }

    /// Steps of the cell, and a loss over all its outputs.
    fn run<'g>(&self, graph: &'g Graph<'g>, steps: usize) -> Var<'g> {
        let (mut h, mut c, mut outputs) = (graph.zeros([2, 4]), graph.zeros([2, 4]), vec![]);
        let xs = graph.full([steps, 2, 3], 0.5);
        {
            let _scope = graph.scope("rnn");
            for t in 0..steps {
                let _step = graph.at_step(t);
                let [gate, new] = (xs.index(0, t).matmul(self.w) + h.matmul(self.u)).chunk(-1);
                c = c * gate.sigmoid() + new.tanh();
                h = c.tanh() * gate.sigmoid();
                graph.carry(&[h, c]);
                outputs.push(h);
            }
        }
        let _scope = graph.scope("readout");
        let ys = graph.concat(&outputs, -1);
        (ys * ys).mean(&[])
    }
}

type Box = (f64, f64, f64, f64);
/// x₀, y₀, x₁, y₁
type Stretch = (f64, f64, f64, f64);

fn attribute(tag: &str, name: &str) -> f64 {
    let from = tag.find(&format!(" {name}=\"")).map(|at| at + name.len() + 3).unwrap();
    tag[from..].split('"').next().unwrap().parse().unwrap()
}

fn boxes(svg: &str, kinds: &[&str]) -> Vec<Box> {
    let of_kind = |line: &&str| kinds.iter().any(|kind| line.starts_with(&format!("<rect class=\"{kind}\"")));
    let one =
        |line: &str| (attribute(line, "x"), attribute(line, "y"), attribute(line, "width"), attribute(line, "height"));
    svg.lines().filter(of_kind).map(one).collect()
}

const ALL: [&str; 4] = ["cell", "operation", "input", "param"];

/// The stretches of each wire.
fn wires(svg: &str) -> Vec<Vec<Stretch>> {
    let path = |line: &str| {
        let data = line.split(" d=\"").nth(1).unwrap().split('"').next().unwrap();
        data.split('M').filter(|part| !part.is_empty()).map(stretch).collect()
    };
    svg.lines().filter(|l| l.starts_with("<path class=\"line ") && !l.contains("halo")).map(path).collect()
}

fn stretch(part: &str) -> Stretch {
    let turn = part.find(['H', 'V']).unwrap();
    let (x, y) = part[..turn].split_once(' ').unwrap();
    let (x, y, end): (f64, f64, f64) = (x.parse().unwrap(), y.parse().unwrap(), part[turn + 1..].parse().unwrap());
    let (a, b) = if part.as_bytes()[turn] == b'H' { ((x, y), (end, y)) } else { ((x, y), (x, end)) };
    (a.0.min(b.0), a.1.min(b.1), a.0.max(b.0), a.1.max(b.1))
}

/// Two boxes that meet, a line through a box, two wires that run along each other, or something outside the page.
fn faults(svg: &str) -> Vec<String> {
    let (boxes, wires) = (boxes(svg, &ALL), wires(svg));
    let mut found = vec![];
    let width: f64 = attribute(svg, "width");
    let height: f64 = attribute(svg, "height");
    for (i, a) in boxes.iter().enumerate() {
        for b in &boxes[i + 1..] {
            if a.0 < b.0 + b.2 && b.0 < a.0 + a.2 && a.1 < b.1 + b.3 && b.1 < a.1 + a.3 {
                found.push(format!("boxes {a:?} and {b:?} meet"));
            }
        }
        for s in wires.iter().flatten() {
            if s.0 < a.0 + a.2 - 0.2 && a.0 + 0.2 < s.2 && s.1 < a.1 + a.3 - 0.2 && a.1 + 0.2 < s.3 {
                found.push(format!("{s:?} runs through box {a:?}"));
            }
            if s.0 == s.2 && s.0 > a.0 && s.0 < a.0 + a.2 && s.1 < a.1 + a.3 - 0.2 && a.1 + 0.2 < s.3 {
                found.push(format!("{s:?} runs up through box {a:?}"));
            }
            if s.1 == s.3 && s.1 > a.1 && s.1 < a.1 + a.3 && s.0 < a.0 + a.2 - 0.2 && a.0 + 0.2 < s.2 {
                found.push(format!("{s:?} runs across box {a:?}"));
            }
        }
    }
    let along = |a: &Stretch, b: &Stretch| {
        let shared = |lo: f64, hi: f64, lo2: f64, hi2: f64| hi.min(hi2) - lo.max(lo2);
        let level = a.1 == a.3 && b.1 == b.3 && (a.1 - b.1).abs() < 1.5 && shared(a.0, a.2, b.0, b.2) > 1.0;
        let upright = a.0 == a.2 && b.0 == b.2 && (a.0 - b.0).abs() < 1.5 && shared(a.1, a.3, b.1, b.3) > 1.0;
        level || upright
    };
    for (i, a) in wires.iter().enumerate() {
        for b in &wires[i + 1..] {
            for s in a {
                found.extend(b.iter().filter(|t| along(s, t)).map(|t| format!("{s:?} runs along {t:?}")));
            }
        }
    }
    let outside = |s: &&Stretch| s.0 < 0.0 || s.1 < 0.0 || s.2 > width || s.3 > height;
    found.extend(wires.iter().flatten().filter(outside).map(|s| format!("{s:?} leaves the page")));
    found
}

#[test]
fn no_box_and_no_line_lies_over_another() {
    let model = Model::new();
    for steps in [1, 2, 4, 8] {
        let graph = Graph::new(&model.params).record_grad_norms();
        let gradients = model.run(&graph, steps).backward().unwrap();
        for fold in [Detail::Node, Detail::Cell] {
            let svg = Drawing::of(&graph).fold(fold).gradients(&gradients).to_svg();
            assert_eq!(faults(&svg), Vec::<String>::new(), "{steps} steps, {fold:?}");
        }
    }
}

#[test]
fn the_search_for_faults_finds_them() {
    let page = |inside: &str| format!("<svg width=\"100\" height=\"100\">\n{inside}\n</svg>");
    let rect = |x: i32| format!("<rect class=\"cell\" x=\"{x}\" y=\"10\" width=\"20\" height=\"20\" rx=\"1\"/>\n");
    let line = |d: &str| format!("<path class=\"line data\" stroke-width=\"1\" d=\"{d}\"/>\n");
    assert!(faults(&page(&(rect(10) + &rect(40) + &line("M30 20H40")))).is_empty());
    assert_eq!(faults(&page(&(rect(10) + &rect(25)))).len(), 1);
    assert!(!faults(&page(&(rect(10) + &line("M20 5V50")))).is_empty());
    assert!(!faults(&page(&(rect(10) + &line("M5 20H50")))).is_empty());
    assert_eq!(faults(&page(&(line("M5 50H50") + &line("M40 50H60")))).len(), 1);
    assert_eq!(faults(&page(&line("M5 50H150"))).len(), 1);
}

#[test]
fn a_fold_has_a_box_for_each_step_and_shared_parameters_once() {
    let model = Model::new();
    let graph = Graph::new(&model.params);
    let _ = model.run(&graph, 5);
    let picture = Drawing::of(&graph);
    let count = |svg: &str, kind| boxes(svg, &[kind]).len();
    let cells = picture.to_svg();
    assert_eq!((count(&cells, "cell"), count(&cells, "param"), count(&cells, "input")), (5, 1, 3));
    let nodes = picture.clone().fold(Detail::Node).to_svg();
    assert_eq!(boxes(&nodes, &ALL).len(), graph.len());
    assert_eq!(count(&nodes, "param"), 2);
    // Rolled up, the five steps are one box more.
    assert_eq!(count(&picture.rolled().to_svg(), "cell"), 6);
    // Time runs from left to right.
    let lefts: Vec<f64> = boxes(&cells, &["cell"]).iter().map(|b| b.0).collect();
    assert!(lefts.is_sorted_by(|a, b| a < b), "{lefts:?}");
}

#[test]
fn steps_that_begin_anew_are_another_recurrence() {
    let model = Model::new();
    let graph = Graph::new(&model.params);
    let first = model.run(&graph, 3);
    let second = model.run(&graph, 2) * first;
    let _ = first + second.tanh() + model.run(&graph, 5);
    let picture = Drawing::of(&graph);
    assert_eq!(boxes(&picture.to_svg(), &["cell"]).len(), 10);
    for svg in [picture.to_svg(), picture.fold(Detail::Node).to_svg()] {
        assert_eq!(faults(&svg), Vec::<String>::new());
    }
}

#[test]
fn the_same_recording_gives_the_same_bytes() {
    let model = Model::new();
    let all = || {
        let graph = Graph::new(&model.params).record_grad_norms();
        let gradients = model.run(&graph, 4).backward().unwrap();
        let picture = Drawing::of(&graph).gradients(&gradients).rolled();
        (picture.to_svg(), picture.to_dot(), picture.to_text())
    };
    assert_eq!(all(), all());
}

#[test]
fn a_larger_gradient_makes_a_wider_line_and_no_gradient_the_thinnest() {
    let model = Model::new();
    let graph = Graph::new(&model.params).record_grad_norms();
    let loss = model.run(&graph, 4);
    let gradients = loss.backward().unwrap();
    let widths = |svg: &str| {
        let mut all: BTreeMap<String, usize> = BTreeMap::new();
        for line in svg.lines().filter(|l| l.starts_with("<path class=\"line ") && !l.contains("halo")) {
            let width = line.split("stroke-width=\"").nth(1).unwrap().split('"').next().unwrap();
            *all.entry(width.to_string()).or_default() += 1;
        }
        all
    };
    let plain = widths(&Drawing::of(&graph).to_svg());
    assert!(plain.len() == 2, "states and the rest: {plain:?}");
    let drawn = widths(&Drawing::of(&graph).gradients(&gradients).to_svg());
    assert!(drawn.len() > 3 && drawn.contains_key("0.70") && drawn.contains_key("4.20"), "{drawn:?}");
}

#[test]
fn pictures_have_colours_for_light_and_dark_pages_and_escape_names() {
    let mut params = Params::seeded(0);
    let w = params.scope("a<b>&c").add("w", [1], init::zeros());
    let graph = Graph::new(&params);
    let _scope = graph.scope("x<y>");
    let _ = (graph.param(w) * 2.0 + graph.param(w).exp()).sum_all();
    let svg = Drawing::of(&graph).fold(Detail::Node).to_svg();
    assert!(svg.contains("prefers-color-scheme:dark") && svg.contains("a&lt;b&gt;&amp;c") && !svg.contains("x<y>"));
    assert!(Drawing::of(&graph).to_dot().starts_with("digraph"));
}

#[test]
fn an_empty_recording_is_an_empty_picture() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let picture = Drawing::of(&graph).rolled();
    assert!(picture.to_svg().ends_with("</svg>\n"));
    assert!(picture.to_text().starts_with("0 nodes"));
}

#[test]
fn words_and_dot_say_what_reads_what() {
    let model = Model::new();
    let graph = Graph::new(&model.params);
    let _ = model.run(&graph, 2);
    let text = Drawing::of(&graph).to_text();
    assert!(text.starts_with(&format!("{} nodes, 2 parameters with 56 elements, 2 time steps", graph.len())), "{text}");
    assert!(text.contains("t = 1") && text.contains("(state)"), "{text}");
    let dot = Drawing::of(&graph).to_dot();
    assert_eq!(dot.matches("subgraph cluster_").count(), 1);
    assert!(dot.contains("t = 0") && dot.contains("color=\"#cf5a1f\""), "{dot}");
}

#[test]
fn a_segment_is_one_node_that_reads_its_inputs_and_the_parameters_used_inside() {
    let model = Model::new();
    let (w, u) = (model.w, model.u);
    let graph = Graph::new(&model.params);
    let (x, h) = (graph.full([2, 3], 0.5), graph.full([2, 4], 0.1));
    let segment = graph.recompute(move |_, v| (v[0].matmul(w) + v[1].matmul(u)).tanh(), &[x, h]);
    let loss = (segment * segment).mean(&[]);
    let topology = graph.topology();
    assert_eq!(topology[segment.vertex()].operation, "recompute");
    let mut read: Vec<_> =
        topology.edges_directed(segment.vertex(), Incoming).map(|edge| (*edge.weight(), edge.source())).collect();
    read.sort_unstable();
    let expected = [x, h, graph.param(w), graph.param(u)].map(|v| v.vertex());
    assert_eq!(read, expected.into_iter().enumerate().collect::<Vec<_>>());
    assert!(has_path_connecting(&topology, graph.param(u).vertex(), loss.vertex(), None));
    let drawing = Drawing::of(&graph).fold(Detail::Node);
    assert_eq!(faults(&drawing.to_svg()), Vec::<String>::new());
    assert!(drawing.to_text().contains("recompute"), "{}", drawing.to_text());
}

#[test]
fn a_recording_for_inference_shows_its_nodes_and_no_edges_of_operations() {
    let model = Model::new();
    let (whole, light) = (Graph::new(&model.params), Graph::inference(&model.params));
    assert_eq!(model.run(&whole, 3).value().unwrap(), model.run(&light, 3).value().unwrap());
    let (all, nodes) = (whole.topology(), light.topology());
    let names = |topology: &Topology| topology.node_weights().map(|v| (v.operation, v.place.step)).collect::<Vec<_>>();
    assert_eq!(names(&all), names(&nodes));
    // What an operation was made from is not kept; a view knows in what it lies.
    let views = ["chunk", "index", "slice", "reshape", "squeeze", "unsqueeze"];
    let kept = |edge: EdgeReference<'_, usize>| views.contains(&nodes[edge.target()].operation);
    assert!(all.edge_count() > nodes.edge_count() && nodes.edge_references().all(kept));
    assert_eq!(faults(&Drawing::of(&light).to_svg()), Vec::<String>::new());
}
