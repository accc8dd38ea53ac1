//! Weights as 8-bit integers, for decoding with a trained model.

use crate::Result;
use unspool_graph::Params;

/// Rounds every matrix of a trained model to 8-bit integers with one scale for each row, by [`Params::quantize`]:
/// weights `[out, in]`, where a row makes one output, and tables of embeddings, where a row is a token. Vectors, such
/// as biases, and convolutions stay as they are. Returns how many numbers were rounded.
///
/// [`checkpoint::save`](crate::checkpoint::save) writes integers and scales, a quarter of the bytes, and
/// [`checkpoint::load`](crate::checkpoint::load) reads them. A step of decoding waits for its weights to come from
/// memory, so it also takes less time with them. An optimizer's step makes ordinary numbers of them again.
///
/// # Errors
/// The store is in double precision, or a number is not finite; then nothing of it is changed.
///
/// ```
/// use std::collections::BTreeMap;
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Gru, Cell, checkpoint, quantize};
/// let mut params = Params::seeded(7);
/// let cell = Gru::new(params.scope("rnn"), 64, 64);
/// let mut other = params.clone();
/// let output = |params: &Params| {
///     let graph = Graph::inference(params);
///     cell.step(graph.full([1, 64], 0.5), cell.initial_state(&graph, 1)).0.value()
/// };
/// let before = output(&params)?;
/// assert_eq!(quantize(&mut params)?, 2 * 3 * 64 * 64);
/// let after = output(&params)?;
/// let far = before.to_f64().iter().zip(&after.to_f64()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
/// assert!(far > 0.0 && far < 1e-2);
///
/// let path = std::env::temp_dir().join(format!("unspool-int8-{}.safetensors", std::process::id()));
/// checkpoint::save(&path, &params, &BTreeMap::new())?;
/// assert!(std::fs::metadata(&path).unwrap().len() < 32_000); // 101,376 in single precision
/// checkpoint::load(&path, &mut other)?;
/// assert_eq!(output(&other)?, after);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub fn quantize(params: &mut Params) -> Result<usize> {
    let (mut rounded, mut elements) = (params.clone(), 0);
    let matrices: Vec<_> = params.iter().filter(|&p| params.shape(p).len() == 2).collect();
    for p in matrices {
        rounded.quantize(p)?;
        elements += rounded.shape(p).elements();
    }
    *params = rounded;
    Ok(elements)
}
