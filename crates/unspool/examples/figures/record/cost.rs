//! What a recording keeps for the walk back, by the length of the sequence.

use super::Result;
use std::fmt::Write;
use unspool::{
    nn::{Positions, TransformerConfig, TransformerEncoder},
    prelude::*,
};

/// A GRU of 32 elements, and a layer of attention as wide.
pub(super) fn by_length() -> Result<String> {
    let config = TransformerConfig { size: 32, heads: 4, feedforward: 64, dropout: 0.0, norm_first: true, bias: true };
    let mut params = Params::seeded(1);
    let cell = Gru::new(params.scope("rnn"), 32, 32);
    let encoder = TransformerEncoder::new(params.scope("encoder"), 1, Positions::Sinusoidal, config);
    let mut out = String::from("length,GRU,Transformer layer\n");
    for time in [32, 64, 128, 256, 512, 1024] {
        let graph = Graph::new(&params);
        let _ = unroll(&cell, &Sequence::full(graph.full([1, time, 32], 0.1)), cell.initial_state(&graph, 1));
        let recurrent = graph.profile().total().bytes;
        let graph = Graph::new(&params);
        let _ = encoder.apply(&Sequence::full(graph.full([1, time, 32], 0.1)));
        writeln!(out, "{time},{recurrent},{}", graph.profile().total().bytes)?;
    }
    Ok(out)
}
