//! Pictures of recurrent nets, drawn from their recordings: `drawing DIRECTORY` writes them there as SVG.

use unspool_graph::{Detail, Drawing, Graph, Param, Params, Scope, Tensor, Var, init};
use unspool_nn::{
    AdditiveAttention, Cell, Gru, Linear, Lstm, LstmState, Result, Rnn, Sequence, attention::padding_bias, unroll,
};

/// An LSTM in plain operations, gate by gate: i, f, o = σ(…), g = tanh(…); c' = f ∘ c + i ∘ g; h' = o ∘ tanh c'.
struct PlainLstm {
    weight_ih: Param,
    weight_hh: Param,
    bias: Param,
    hidden_size: usize,
}

impl PlainLstm {
    fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> PlainLstm {
        let rows = 4 * hidden_size;
        PlainLstm {
            weight_ih: scope.add("weight_ih", [rows, input_size], init::uniform(0.3)),
            weight_hh: scope.add("weight_hh", [rows, hidden_size], init::uniform(0.3)),
            bias: scope.add("bias", [rows], init::zeros()),
            hidden_size,
        }
    }
}

impl Cell for PlainLstm {
    type State<'g> = LstmState<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> LstmState<'g> {
        LstmState { h: graph.zeros([batch, self.hidden_size]), c: graph.zeros([batch, self.hidden_size]) }
    }
    fn step<'g>(&self, x: Var<'g>, LstmState { h, c }: LstmState<'g>) -> (Var<'g>, LstmState<'g>) {
        let sums = x.linear(self.weight_ih, Some(self.bias)) + h.linear(self.weight_hh, None::<Param>);
        let [i, f, g, o] = sums.chunk(-1);
        let c = f.sigmoid() * c + i.sigmoid() * g.tanh();
        let h = o.sigmoid() * c.tanh();
        (h, LstmState { h, c })
    }
}

unspool_nn::state! {
    /// What a decoder with attention carries; all but `h` stay as they are.
    struct Attending<'g> { h: Var<'g>, memory: Var<'g>, keys: Var<'g>, padding: Var<'g> }
}

/// A GRU that reads what its attention finds in the encoder's outputs.
struct Decoder {
    cell: Gru,
    attention: AdditiveAttention,
}

impl Cell for Decoder {
    type State<'g> = Attending<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Attending<'g> {
        let nothing = || graph.zeros([batch, 1, 8]);
        Attending { h: graph.zeros([batch, 8]), memory: nothing(), keys: nothing(), padding: graph.zeros([batch, 1]) }
    }
    fn step<'g>(&self, x: Var<'g>, state: Attending<'g>) -> (Var<'g>, Attending<'g>) {
        let (context, _) = self.attention.attend(state.h, state.keys, state.memory, state.padding);
        let x = x.graph().concat(&[x, context], -1);
        let (h, _) = self.cell.step(x, state.h);
        (h, Attending { h, ..state })
    }
}

/// Inputs `[2, steps, 3]`.
fn inputs(steps: usize) -> Tensor {
    ndarray::Array3::from_shape_fn((2, steps, 3), |(b, t, j)| ((b + 2 * t + 3 * j) % 5) as f32 / 4.0 - 0.5).into()
}

/// What to draw: every net with its recording, before and after a walk back.
fn pictures() -> Result<Vec<(&'static str, String)>> {
    let mut drawn = vec![];

    let mut params = Params::seeded(1);
    let (cell, readout) = (Rnn::new(params.scope("rnn"), 3, 8), Linear::new(params.scope("readout"), 8, 2));
    let graph = Graph::new(&params).record_grad_norms();
    let (hs, _) = unroll(&cell, &Sequence::full(graph.input(inputs(4))), cell.initial_state(&graph, 2));
    let targets = ndarray::array![[0, 1, 0, 1], [1, 0, 1, 0]];
    let loss = hs.map(|rows| readout.apply(rows)).cross_entropy(&targets).mean(&[]);
    let picture = Drawing::of(&graph);
    drawn.push(("rnn", picture.to_svg()));
    drawn.push(("rnn_rolled", picture.clone().rolled().to_svg()));
    drawn.push(("rnn_nodes", picture.clone().fold(Detail::Node).to_svg()));
    drawn.push(("rnn_gradients", picture.gradients(&loss.backward()?).to_svg()));

    let mut params = Params::seeded(1);
    let (cell, readout) = (Lstm::new(params.scope("lstm"), 3, 8), Linear::new(params.scope("readout"), 8, 2));
    let graph = Graph::new(&params).record_grad_norms();
    let (_, last) = unroll(&cell, &Sequence::full(graph.input(inputs(8))), cell.initial_state(&graph, 2));
    let loss = readout.apply(last.h).cross_entropy(&[0, 1]).mean(&[]);
    let picture = Drawing::of(&graph).gradients(&loss.backward()?);
    drawn.push(("lstm", picture.to_svg()));
    drawn.push(("lstm_rolled", Drawing::of(&graph).rolled().to_svg()));
    drawn.push(("lstm_nodes", picture.fold(Detail::Node).to_svg()));

    let mut params = Params::seeded(1);
    let (cell, readout) = (PlainLstm::new(params.scope("lstm"), 3, 8), Linear::new(params.scope("readout"), 8, 2));
    let graph = Graph::new(&params).record_grad_norms();
    let (_, last) = unroll(&cell, &Sequence::full(graph.input(inputs(8))), cell.initial_state(&graph, 2));
    let loss = readout.apply(last.h).cross_entropy(&[0, 1]).mean(&[]);
    let picture = Drawing::of(&graph);
    drawn.push(("plain_lstm", picture.to_svg()));
    drawn.push(("plain_lstm_nodes", picture.clone().fold(Detail::Node).to_svg()));
    drawn.push(("plain_lstm_gradients", picture.fold(Detail::Node).gradients(&loss.backward()?).to_svg()));

    let mut params = Params::seeded(1);
    let encoder = Gru::new(params.scope("encoder"), 3, 8);
    let mut scope = params.scope("decoder");
    let decoder = Decoder {
        cell: Gru::new(scope.scope("cell"), 3 + 8, 8),
        attention: AdditiveAttention::new(scope.scope("attention"), 8, 8, 8),
    };
    let readout = Linear::new(params.scope("readout"), 8, 4);
    let graph = Graph::new(&params).record_grad_norms();
    let (memory, h) = {
        let _scope = graph.scope("encoder");
        unroll(&encoder, &Sequence::pack(graph.input(inputs(4)), &[4, 3]), encoder.initial_state(&graph, 2))
    };
    let hs = {
        let _scope = graph.scope("decoder");
        let padding = padding_bias(&graph, memory.layout());
        let state = Attending { h, memory: memory.padded(), keys: decoder.attention.keys(&memory), padding };
        unroll(&decoder, &Sequence::full(graph.input(inputs(3))), state).0
    };
    let targets = ndarray::array![[0, 1, 2], [3, 0, 1]];
    let loss = hs.map(|rows| readout.apply(rows)).cross_entropy(&targets).mean(&[]);
    let picture = Drawing::of(&graph);
    drawn.push(("attention", picture.to_svg()));
    drawn.push(("attention_rolled", picture.clone().rolled().to_svg()));
    drawn.push(("attention_nodes", picture.clone().fold(Detail::Node).to_svg()));
    drawn.push(("attention_gradients", picture.clone().gradients(&loss.backward()?).to_svg()));
    println!("{}", picture.to_text());
    Ok(drawn)
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let Some(directory) = std::env::args().nth(1) else {
        return Err("usage: drawing DIRECTORY".into());
    };
    for (name, svg) in pictures()? {
        std::fs::write(std::path::Path::new(&directory).join(format!("{name}.svg")), svg)?;
    }
    Ok(())
}

#[test]
fn the_same_recordings_give_the_same_bytes() {
    assert_eq!(pictures().unwrap(), pictures().unwrap());
}
