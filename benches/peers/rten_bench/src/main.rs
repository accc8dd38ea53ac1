//! The workload `infer_step` in rten: `rten_bench MODEL.onnx`, with as many threads as RTEN_NUM_THREADS says.
//!
//! The model is the one that write_onnx.py writes. Prints name,peer,threads,median_ms,min_ms,tokens_per_s.

use rten::{ModelOptions, Value};
use rten_tensor::NdTensor;
use std::{error::Error, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: rten_bench MODEL.onnx")?;
    let length: f64 = std::env::var("SECONDS_PER").map_or(Ok(2.0), |text| text.parse())?;
    let threads = std::env::var("RTEN_NUM_THREADS").unwrap_or_default();
    let model = ModelOptions::with_all_ops().prepack_weights(true).load_file(path)?;
    eprintln!("infer_step in rten: {} numbers in the model", model.total_params());
    let [token, h, c] = ["token", "h", "c"].map(|name| model.node_id(name));
    let [next_token, next_h, next_c] = ["next_token", "next_h", "next_c"].map(|name| model.node_id(name));
    let (inputs, outputs) = ([token?, h?, c?], [next_token?, next_h?, next_c?]);

    let hidden_size = 512;
    let zeros = || Value::from(NdTensor::<f32, 3>::zeros([1, 1, hidden_size]));
    let mut state = [Value::from(NdTensor::<i32, 2>::zeros([1, 1])), zeros(), zeros()];
    let mut step = || -> Result<(), Box<dyn Error>> {
        let taken = std::mem::replace(&mut state, [0, 0, 0].map(Value::from));
        let named = inputs.into_iter().zip(taken.map(Into::into)).collect();
        state = model.run_n(named, outputs, None)?;
        Ok(())
    };
    for _ in 0..3 {
        step()?;
    }
    let (mut times, begin) = (vec![], Instant::now());
    while times.len() < 5 || (begin.elapsed().as_secs_f64() < length && times.len() < 2000) {
        let before = Instant::now();
        step()?;
        times.push(before.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let (median, least) = (times[times.len() / 2], times[0]);
    println!("infer_step,rten,{threads},{:.3},{:.3},{:.0}", median * 1e3, least * 1e3, 1.0 / median);
    Ok(())
}
