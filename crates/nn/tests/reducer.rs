//! Gradients of shards that several processes have: one sum, the same in every process, whichever way it is added.

use unspool_graph::{Gradients, Params, init};
use unspool_nn::{
    Error,
    exchange::{Exchange, OneProcess, Reduce, Reducer, ThreadExchange, run_ranks},
};

const SHARDS: usize = 5;

/// Parameters of which some get rows, some every element, and one nothing; and the table either, by the shard.
fn gradients(params: &Params, exchange: &dyn Exchange, reduce: Reduce) -> Result<(f64, Gradients), Error> {
    let shards: Vec<u32> = (0..SHARDS as u32).collect();
    let all: Vec<_> = params.iter().collect();
    let mut reducer = Reducer::new(exchange, reduce);
    let mut last = None;
    // Twice, over what the first time has left in the messages' memory.
    for rows in [9, 3] {
        last = Some(reducer.sharded(params, None, &shards, |graph, &number| {
            let ids: Vec<u32> = (0..rows).map(|i| (i * i + number) % 11).collect();
            let x = graph.embedding(all[0], &ids, [ids.len()], None);
            let scale = 0.1 + f64::from(number);
            let mixed = match number % 2 {
                0 => graph.embedding(all[1], &ids[..1], [1], None).sum_all(),
                _ => (graph.param(all[1]) * scale).powi(2).sum_all(),
            };
            (x.matmul(all[2]) * scale).tanh().sum_all() + mixed
        })?);
    }
    last.ok_or_else(|| Error::Exchange { why: "no step".into() })
}

fn params(double: bool) -> Params {
    let mut params = Params::seeded(2);
    let mut scope = params.scope("m");
    for (name, shape) in [("table", [11, 4]), ("mixed", [11, 3]), ("w", [4, 5]), ("unused", [2, 2])] {
        scope.add_sized(name, &shape, init::normal(0.5));
    }
    if double { params.to_f64() } else { params }
}

fn bits(params: &Params, (loss, gradients): &(f64, Gradients)) -> Vec<u64> {
    let elements = params.iter().filter_map(|p| gradients.of(p)).flat_map(|g| g.to_f64());
    elements.chain([*loss, gradients.norm()]).map(f64::to_bits).collect()
}

#[test]
fn an_exact_sum_has_the_bits_of_one_process_and_a_fast_one_is_the_same_everywhere() {
    for double in [false, true] {
        let params = params(double);
        let one = bits(&params, &gradients(&params, &OneProcess, Reduce::Exact).unwrap());
        for ranks in [2, 3, 4, 7] {
            let by = |reduce| {
                let of = |exchange: &ThreadExchange| bits(&params, &gradients(&params, exchange, reduce).unwrap());
                run_ranks(ranks, of)
            };
            assert!(by(Reduce::Exact).iter().all(|found| *found == one), "{ranks} processes");
            let fast = by(Reduce::Fast);
            assert!(fast.iter().all(|found| *found == fast[0]), "{ranks} processes");
            assert_eq!(fast[0].len(), one.len());
            let near = |(a, b): (&u64, &u64)| (f64::from_bits(*a) - f64::from_bits(*b)).abs() < 1e-4;
            assert!(fast[0].iter().zip(&one).all(near), "{ranks} processes");
        }
        // In another order of adding there are other bits, or the test above says nothing.
        let fast = run_ranks(2, |exchange| bits(&params, &gradients(&params, exchange, Reduce::Fast).unwrap()));
        assert_ne!(fast[0], one);
    }
}

#[test]
fn another_number_of_shards_than_are_its_own_is_refused() {
    let params = params(false);
    let refused = run_ranks(2, |exchange| {
        Reducer::new(exchange, Reduce::Exact).sum(&params, 3, vec![]).map(|_| ()).unwrap_err().to_string()
    });
    assert!(refused[0].contains("process 0 of 2 has 2 of 3 shards, not 0"), "{}", refused[0]);
    assert!(refused[1].contains("process 1 of 2 has 1 of 3 shards, not 0"), "{}", refused[1]);
}
