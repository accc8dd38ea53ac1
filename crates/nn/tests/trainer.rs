//! The training loop: stopped or killed anywhere and resumed, it ends with the same bits as if never stopped.

use ndarray::Array2;
use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};
use unspool_graph::{Graph, Params, RngKey, Tensor, Var};
use unspool_nn::{
    Adam, CarriedStates, Cell, Embedding, Error, Gru, Linear, Sequence, Sgd, checkpoint,
    exchange::{Exchange, Reduce, run_ranks},
    optimizer::{Averaged, Group, Optimizer},
    schedule::{OnPlateau, linear_with_warm_up},
    state_to_tensors,
    training::{BEST, Evaluation, Event, Every, LAST, Objective, Outcome, StopReason, Trainer},
    unroll,
};

type Tested = Result<(), Box<dyn std::error::Error>>;

/// Which of two tokens came first: a GRU over embedded tokens, with dropout.
struct First {
    words: Embedding,
    cell: Gru,
    readout: Linear,
    /// The shard that fails, counted over the whole run.
    dies_at: u64,
    shards: AtomicU64,
    scores: Option<Vec<f64>>,
    evaluations: AtomicU64,
    /// The evaluation that fails.
    gives_up_at: u64,
}

const ROWS: usize = 40;
const TIME: usize = 5;

impl First {
    fn new(params: &mut Params) -> First {
        First {
            words: Embedding::new(params.scope("words"), 9, 4),
            cell: Gru::new(params.scope("rnn"), 4, 5),
            readout: Linear::new(params.scope("readout"), 5, 2),
            dies_at: u64::MAX,
            shards: AtomicU64::new(0),
            scores: None,
            evaluations: AtomicU64::new(0),
            gives_up_at: u64::MAX,
        }
    }

    fn tokens(row: usize) -> Vec<u32> {
        (0..TIME).map(|t| (RngKey::seed(row as u64).bits(t as u64) % 9) as u32).collect()
    }
}

impl Objective for First {
    type Batch = Vec<usize>;
    type Shard = Vec<usize>;
    type Error = Error;

    fn epoch(&self, epoch: u64) -> Result<Vec<Vec<usize>>, Error> {
        let mut rows: Vec<usize> = (0..ROWS).collect();
        rows.sort_by_key(|&row| RngKey::seed(epoch).bits(row as u64));
        Ok(rows.chunks(9).map(<[usize]>::to_vec).collect()) // 9 9 9 9 4
    }
    fn shards(&self, batch: &Vec<usize>) -> usize {
        batch.len().div_ceil(4)
    }
    fn shard(&self, batch: &Vec<usize>, number: usize) -> Result<Vec<usize>, Error> {
        if self.shards.fetch_add(1, Ordering::Relaxed) >= self.dies_at {
            return Err(Error::Training { what: "killed".into(), right: String::new() });
        }
        Ok(batch.chunks(4).nth(number).unwrap_or(&[]).to_vec())
    }
    fn weight(&self, shard: &Vec<usize>) -> f64 {
        shard.len() as f64
    }
    fn loss<'g>(&self, graph: &'g Graph<'g>, shard: &Vec<usize>) -> Var<'g> {
        let tokens = Array2::from_shape_fn((shard.len(), TIME), |(b, t)| First::tokens(shard[b])[t]);
        let targets: Vec<u32> = shard.iter().map(|&row| First::tokens(row)[0] % 2).collect();
        let xs = self.words.apply(graph, tokens.view()).dropout(0.2);
        let (_, last) = unroll(&self.cell, &Sequence::full(xs), self.cell.initial_state(graph, shard.len()));
        self.readout.apply(last.dropout(0.2)).cross_entropy(&targets).sum_all()
    }
    fn evaluate(&self, params: &Params) -> Result<Evaluation, Error> {
        let n = self.evaluations.fetch_add(1, Ordering::Relaxed);
        if n >= self.gives_up_at {
            return Err(Error::Training { what: "given up".into(), right: String::new() });
        }
        if let Some(scores) = &self.scores {
            return Ok(Evaluation::of_score(scores[n as usize]));
        }
        let graph = Graph::new(params);
        Ok(Evaluation::of_loss(first_loss(self, &graph)?).metric("third", 1.0 / 3.0))
    }
}

fn first_loss<'g>(objective: &First, graph: &'g Graph<'g>) -> Result<f64, Error> {
    Ok(objective.loss(graph, &(0..ROWS).collect()).item()? / ROWS as f64)
}

fn trainer(folder: &Path) -> Trainer<'_> {
    Trainer::new(4, |step| linear_with_warm_up(step, 3, 12, 0.03, 0.1))
        .seed(11)
        .clip_norm(0.5)
        .accumulate(2)
        .average(Averaged::exponential(0.9))
        .on_plateau(OnPlateau { factor: 0.5, patience: 0, least: 0.1 })
        .evaluate(Every::Steps(2))
        .checkpoints(folder)
        .checkpoint_interval(Duration::ZERO)
        .metadata(BTreeMap::from([("task".into(), "first".into())]))
}

fn optimizer() -> Adam {
    Adam::new().weight_decay(0.01).group(Group::named("*bias*").weight_decay(0.0))
}

/// Trains in `folder`, from there on where there is something; dies at the given shard.
fn run(folder: &Path, dies_at: u64) -> Result<(Outcome, Params), Error> {
    let mut params = Params::seeded(5);
    let mut objective = First::new(&mut params);
    objective.dies_at = dies_at;
    let outcome = trainer(folder).resume().run(&mut params, &mut optimizer(), &objective, |_| {})?;
    Ok((outcome, params))
}

#[test]
fn killed_at_any_shard_and_resumed_it_ends_with_the_same_files() -> Tested {
    let whole = tempfile::tempdir()?;
    let (outcome, _) = run(whole.path(), u64::MAX)?;
    assert_eq!((outcome.stop_reason, outcome.steps), (StopReason::Finished, 12));
    assert_eq!(outcome.history.len(), 6);
    let files = |folder: &Path| [BEST, LAST].map(|file| std::fs::read(folder.join(file)).expect("a checkpoint"));
    let expected = files(whole.path());
    // 13 shards an epoch, 4 epochs.
    for dies_at in (0..52).step_by(7) {
        let folder = tempfile::tempdir()?;
        let died = run(folder.path(), dies_at).expect_err("it dies").to_string();
        assert!(died.contains("killed"), "{died}");
        let (resumed, params) = run(folder.path(), u64::MAX)?;
        assert_eq!(resumed.history, outcome.history);
        assert!(files(folder.path()) == expected, "killed at shard {dies_at}");
        // The last file is also a plain checkpoint of the model.
        let mut loaded = Params::seeded(0);
        First::new(&mut loaded);
        let metadata = checkpoint::load(&folder.path().join(LAST), &mut loaded)?;
        assert_eq!(metadata["task"], "first");
        for p in loaded.iter() {
            let same = params.find(loaded.name(p)).ok_or("a name")?;
            assert_eq!(loaded.value(p)?, params.value(same)?);
        }
    }
    Ok(())
}

#[test]
fn any_number_of_threads_gives_the_same_files() -> Tested {
    let mut files = vec![];
    for threads in [1, 2, 5] {
        let folder = tempfile::tempdir()?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        pool.install(|| run(folder.path(), u64::MAX))?;
        files.push(std::fs::read(folder.path().join(LAST))?);
    }
    assert!(files[0] == files[1] && files[1] == files[2]);
    Ok(())
}

#[test]
fn asked_to_stop_it_saves_the_step_and_goes_on_from_there() -> Tested {
    let (whole, folder) = (tempfile::tempdir()?, tempfile::tempdir()?);
    run(whole.path(), u64::MAX)?;
    let stop = AtomicBool::new(false);
    let mut params = Params::seeded(5);
    let objective = First::new(&mut params);
    // An hour between checkpoints: what is saved is saved because of the stop.
    let outcome = trainer(folder.path()).checkpoint_interval(Duration::from_secs(3600)).stop(&stop).run(
        &mut params,
        &mut optimizer(),
        &objective,
        |event| {
            if let Event::Step(step) = event {
                stop.store(step.step == 5, Ordering::Relaxed);
            }
        },
    )?;
    assert_eq!((outcome.stop_reason, outcome.steps), (StopReason::Stopped, 5));
    let mut resumed_at = None;
    let mut params = Params::seeded(5);
    let objective = First::new(&mut params);
    trainer(folder.path()).resume().run(&mut params, &mut optimizer(), &objective, |event| {
        if let Event::Resumed { step, .. } = event {
            resumed_at = Some(step);
        }
    })?;
    assert_eq!(resumed_at, Some(5));
    assert!(std::fs::read(whole.path().join(LAST))? == std::fs::read(folder.path().join(LAST))?);
    Ok(())
}

#[test]
fn an_evaluation_that_gives_up_when_asked_to_stop_is_repeated_on_resuming() -> Tested {
    let (whole, folder) = (tempfile::tempdir()?, tempfile::tempdir()?);
    run(whole.path(), u64::MAX)?;
    let stop = AtomicBool::new(false);
    let mut params = Params::seeded(5);
    let objective = First { gives_up_at: 1, ..First::new(&mut params) };
    let mut evaluations = 0;
    let outcome = trainer(folder.path()).checkpoint_interval(Duration::from_secs(3600)).stop(&stop).run(
        &mut params,
        &mut optimizer(),
        &objective,
        |event| {
            if let Event::Evaluating = event {
                stop.store(evaluations == 1, Ordering::Relaxed);
                evaluations += 1;
            }
        },
    )?;
    assert_eq!((outcome.stop_reason, outcome.history.len(), evaluations), (StopReason::Stopped, 1, 2));
    let mut params = Params::seeded(5);
    let objective = First::new(&mut params);
    trainer(folder.path()).resume().run(&mut params, &mut optimizer(), &objective, |_| {})?;
    assert!(std::fs::read(whole.path().join(LAST))? == std::fs::read(folder.path().join(LAST))?);

    // The negative control: an evaluation that fails for another reason is an error.
    let (folder, mut params) = (tempfile::tempdir()?, Params::seeded(5));
    let objective = First { gives_up_at: 1, ..First::new(&mut params) };
    let failed =
        trainer(folder.path()).stop(&AtomicBool::new(false)).run(&mut params, &mut optimizer(), &objective, |_| {});
    assert!(failed.is_err());
    Ok(())
}

#[test]
fn other_settings_do_not_go_on_and_change_nothing() -> Tested {
    let folder = tempfile::tempdir()?;
    run(folder.path(), 20).expect_err("it dies");
    let refuse = |trainer: Trainer<'_>, optimizer: &mut dyn Optimizer, wanted: &str| -> Tested {
        let mut params = Params::seeded(77);
        let objective = First::new(&mut params);
        let before = params.clone();
        let error = trainer.run(&mut params, optimizer, &objective, |_| {}).expect_err("other settings").to_string();
        assert!(error.contains(wanted), "{error}");
        assert_eq!(optimizer.steps(), 0);
        for p in params.iter() {
            assert_eq!(params.value(p)?, before.value(p)?);
        }
        Ok(())
    };
    refuse(trainer(folder.path()).resume().seed(12), &mut Adam::new(), "seed 11, not 12")?;
    refuse(trainer(folder.path()).resume().accumulate(3), &mut Adam::new(), "accumulate 2, not 3")?;
    refuse(trainer(folder.path()).resume(), &mut Sgd::new().momentum(0.9), "exp_avg")?;
    let plain = Trainer::new(4, |_| 0.1).seed(11).accumulate(2).checkpoints(folder.path()).resume();
    refuse(plain, &mut Adam::new(), "with averaged weights")?;
    // A file cut short, and a plain model in the place of a training's file.
    let last = folder.path().join(LAST);
    let bytes = std::fs::read(&last)?;
    std::fs::write(&last, &bytes[..bytes.len() - 5])?;
    refuse(trainer(folder.path()).resume(), &mut Adam::new(), "bytes")?;
    let mut params = Params::seeded(5);
    First::new(&mut params);
    checkpoint::save(&last, &params, &BTreeMap::new())?;
    refuse(trainer(folder.path()).resume(), &mut Adam::new(), "no checkpoint of a training")
}

#[test]
fn patience_ends_it_and_the_best_are_kept() -> Tested {
    let mut params = Params::seeded(5);
    let mut objective = First::new(&mut params);
    objective.scores = Some(vec![1.0, 3.0, f64::NAN, 3.0, 2.0, 9.0]);
    let mut at_best = None;
    let outcome = Trainer::new(9, |_| 0.1).patience(3).run(&mut params, &mut Sgd::new(), &objective, |event| {
        if let Event::Evaluated { evaluated, is_best: true } = event {
            at_best = Some(evaluated.clone());
        }
    })?;
    // 3.0 again is no improvement, but of equals the later is the best.
    assert_eq!((outcome.stop_reason, outcome.history.len()), (StopReason::Early, 5));
    assert_eq!(outcome.best().map(|best| best.epoch), Some(4));
    assert_eq!(outcome.best().cloned(), at_best);
    let best = outcome.best_params.ok_or("no best")?;
    let p = params.find("readout.weight").ok_or("a name")?;
    assert_ne!(best.value(p)?, params.value(p)?);
    Ok(())
}

#[test]
fn nowhere_to_write_and_nothing_to_train_on_are_errors_at_once() {
    let mut params = Params::seeded(5);
    let objective = First::new(&mut params);
    let mut steps = 0;
    let failed = trainer(Path::new("/no/such/folder")).run(&mut params, &mut optimizer(), &objective, |_| steps += 1);
    assert!(matches!(failed, Err(Error::File { .. })) && steps == 0);
    struct Nothing(First);
    impl Objective for Nothing {
        type Batch = Vec<usize>;
        type Shard = Vec<usize>;
        type Error = Error;
        fn epoch(&self, _: u64) -> Result<Vec<Vec<usize>>, Error> {
            Ok(vec![])
        }
        fn shard(&self, batch: &Vec<usize>, number: usize) -> Result<Vec<usize>, Error> {
            self.0.shard(batch, number)
        }
        fn weight(&self, shard: &Vec<usize>) -> f64 {
            self.0.weight(shard)
        }
        fn loss<'g>(&self, graph: &'g Graph<'g>, _: &Vec<usize>) -> Var<'g> {
            graph.zeros([1]).sum_all()
        }
        fn evaluate(&self, params: &Params) -> Result<Evaluation, Error> {
            self.0.evaluate(params)
        }
    }
    let failed = Trainer::new(1, |_| 0.1).run(&mut params, &mut optimizer(), &Nothing(objective), |_| {});
    assert!(matches!(failed, Err(Error::Training { .. })));
}

/// Four streams whose state is carried from window to window, two of them a shard.
struct Streaming {
    cell: Gru,
    readout: Linear,
    carried: CarriedStates,
}

impl Objective for Streaming {
    type Batch = usize;
    type Shard = (usize, usize);
    type Error = Error;

    fn epoch(&self, _: u64) -> Result<Vec<usize>, Error> {
        Ok((0..5).collect())
    }
    fn shards(&self, _: &usize) -> usize {
        2
    }
    fn shard(&self, window: &usize, number: usize) -> Result<(usize, usize), Error> {
        Ok((*window, number))
    }
    fn weight(&self, _: &(usize, usize)) -> f64 {
        2.0
    }
    fn loss<'g>(&self, graph: &'g Graph<'g>, &(window, shard): &(usize, usize)) -> Var<'g> {
        let streams = 2 * shard..2 * shard + 2;
        let xs = ndarray::Array3::from_shape_fn((2, 3, 1), |(b, t, _)| ((5 * window + 3 * shard + b + t) % 4) as f32);
        let state = match self.carried.rows(streams.clone()).filter(|_| window > 0 && graph.is_training()) {
            Some(carried) => self.cell.state_from_tensors(graph, &carried),
            None => self.cell.initial_state(graph, 2),
        };
        let (_, state) = unroll(&self.cell, &Sequence::pack(graph.input(xs), &[3, 3]), state);
        if let Ok(leaves) = state_to_tensors(&state) {
            self.carried.put(streams, &leaves).expect("a state of these streams");
        }
        self.readout.apply(state).powi(2).sum_all()
    }
    fn carried(&self) -> Vec<Tensor> {
        self.carried.all()
    }
    fn carry(&self, carried: Vec<Tensor>) -> Result<(), Error> {
        self.carried.restore(carried)
    }
    fn share(&self, exchange: &dyn Exchange) -> Result<(), Error> {
        self.carried.share(exchange)
    }
    fn evaluate(&self, _: &Params) -> Result<Evaluation, Error> {
        Ok(Evaluation::of_score(0.0))
    }
}

#[test]
fn what_is_carried_goes_on_too() -> Tested {
    let train = |folder: &Path, stops_at: u64| -> Result<Outcome, Error> {
        let mut params = Params::seeded(5);
        let cell = Gru::new(params.scope("rnn"), 1, 4);
        let readout = Linear::new(params.scope("readout"), 4, 1);
        let (objective, stop) = (Streaming { cell, readout, carried: CarriedStates::new(4) }, AtomicBool::new(false));
        let trainer = Trainer::new(3, |_| 0.03).checkpoints(folder).resume().stop(&stop);
        trainer.run(&mut params, &mut Adam::new(), &objective, |event| {
            if let Event::Step(step) = event {
                stop.store(step.step == stops_at, Ordering::Relaxed);
            }
        })
    };
    let whole = tempfile::tempdir()?;
    train(whole.path(), 0)?;
    let expected = std::fs::read(whole.path().join(LAST))?;
    for stops_at in [1, 4, 5, 8] {
        let folder = tempfile::tempdir()?;
        assert_eq!(train(folder.path(), stops_at)?.stop_reason, StopReason::Stopped);
        train(folder.path(), 0)?;
        assert!(std::fs::read(folder.path().join(LAST))? == expected, "stopped at step {stops_at}");
    }
    Ok(())
}

#[test]
fn any_number_of_processes_ends_with_the_same_file_as_one() -> Tested {
    let whole = tempfile::tempdir()?;
    run(whole.path(), u64::MAX)?;
    let expected = std::fs::read(whole.path().join(LAST))?;
    let mut start = Params::seeded(5);
    let objective = First::new(&mut start);
    for ranks in [1, 2, 3, 4] {
        let folder = tempfile::tempdir()?;
        let all = run_ranks(ranks, |exchange| {
            let mut params = start.clone();
            let trainer = trainer(folder.path()).exchange(exchange);
            trainer.run(&mut params, &mut optimizer(), &objective, |_| {}).map(|_| params)
        });
        assert!(std::fs::read(folder.path().join(LAST))? == expected, "{ranks} processes");
        let all: Vec<Params> = all.into_iter().collect::<Result<_, _>>()?;
        for p in start.iter() {
            assert!(all.iter().all(|params| params.elements_of::<f32>(p) == all[0].elements_of::<f32>(p)));
        }
    }
    Ok(())
}

#[test]
fn each_process_adding_its_own_first_gives_other_bits_for_another_number_of_them() -> Tested {
    let mut start = Params::seeded(5);
    let objective = First::new(&mut start);
    let norm = |ranks: usize, reduce: Reduce| -> Result<u64, Error> {
        let mut norms = run_ranks(ranks, |exchange| {
            let (mut params, mut norm) = (start.clone(), 0.0);
            let trainer = Trainer::new(1, |_| 0.0).seed(11).accumulate(4).exchange(exchange).reduce(reduce);
            let done = trainer.run(&mut params, &mut Sgd::new(), &objective, |event| {
                if let Event::Step(step) = event {
                    norm += step.norm;
                }
            });
            done.map(|_| norm.to_bits())
        });
        norms.remove(0)
    };
    let one = norm(1, Reduce::Exact)?;
    assert_eq!([norm(2, Reduce::Exact)?, norm(3, Reduce::Exact)?, norm(1, Reduce::Fast)?], [one; 3]);
    // Near, but not the same: the order of adding is another.
    let fast = norm(2, Reduce::Fast)?;
    assert!(fast != one && (f64::from_bits(fast) / f64::from_bits(one) - 1.0).abs() < 1e-5);
    Ok(())
}

#[test]
fn a_checkpoint_of_four_processes_goes_on_with_any_number() -> Tested {
    let whole = tempfile::tempdir()?;
    run(whole.path(), u64::MAX)?;
    let expected = std::fs::read(whole.path().join(LAST))?;
    for ranks in [1, 2, 3] {
        let folder = tempfile::tempdir()?;
        let stopped = |ranks: usize, stops_at: u64| {
            run_ranks(ranks, |exchange| {
                let mut params = Params::seeded(5);
                let (objective, stop) = (First::new(&mut params), AtomicBool::new(false));
                let trainer = trainer(folder.path()).resume().exchange(exchange).stop(&stop);
                trainer.run(&mut params, &mut optimizer(), &objective, |event| {
                    if let Event::Step(step) = event {
                        stop.store(step.step == stops_at && exchange.rank() == 0, Ordering::Relaxed);
                    }
                })
            })
        };
        // The first alone is asked to stop, and all do.
        assert!(
            stopped(4, 5)
                .into_iter()
                .all(|outcome| outcome.is_ok_and(|o| o.stop_reason == StopReason::Stopped && o.steps == 5))
        );
        assert!(
            stopped(ranks, 0).into_iter().all(|outcome| outcome.is_ok_and(|o| o.stop_reason == StopReason::Finished))
        );
        assert!(std::fs::read(folder.path().join(LAST))? == expected, "{ranks} processes");
    }
    Ok(())
}

#[test]
fn a_process_that_fails_ends_all_and_leaves_a_whole_checkpoint() -> Tested {
    let whole = tempfile::tempdir()?;
    run(whole.path(), u64::MAX)?;
    let folder = tempfile::tempdir()?;
    let ended = run_ranks(3, |exchange| {
        let mut params = Params::seeded(5);
        let mut objective = First::new(&mut params);
        if exchange.rank() == 1 {
            objective.dies_at = 6;
        }
        trainer(folder.path()).exchange(exchange).run(&mut params, &mut optimizer(), &objective, |_| {}).map(|_| ())
    });
    assert!(matches!(
        ended[..],
        [Err(Error::Exchange { .. }), Err(Error::Training { .. }), Err(Error::Exchange { .. })]
    ));
    let mut params = Params::seeded(5);
    let objective = First::new(&mut params);
    trainer(folder.path()).resume().run(&mut params, &mut optimizer(), &objective, |_| {})?;
    assert!(std::fs::read(folder.path().join(LAST))? == std::fs::read(whole.path().join(LAST))?);
    Ok(())
}

#[test]
fn processes_that_differ_are_refused_before_a_step() {
    let refused = |settings: &(dyn Fn(Trainer<'static>) -> Trainer<'static> + Sync), seed: u64| {
        run_ranks(3, |exchange| {
            let odd = exchange.rank() == 2;
            let mut params = Params::seeded(if odd { seed } else { 5 });
            let objective = First::new(&mut params);
            let mut steps = 0;
            let trainer = Trainer::new(2, |_| 0.1).seed(3);
            let trainer = if odd { settings(trainer) } else { trainer };
            let done = trainer.exchange(exchange).run(&mut params, &mut Sgd::new(), &objective, |_| steps += 1);
            assert_eq!(steps > 0, done.is_ok());
            done.err().map(|error| error.to_string())
        })
    };
    assert_eq!(refused(&|same| same, 5), [None, None, None]);
    let said = refused(&|trainer| trainer.seed(4), 5);
    let expected = "the seed of process 2 on thread-2 is 4, of process 0 it is 3: all must be alike";
    assert_eq!(said, vec![Some(expected.to_owned()); 3]);
    let said = refused(&|same| same, 6);
    assert!(
        said.iter().flatten().all(|said| said.starts_with("the checksum of the parameters of process 2")),
        "{said:?}"
    );
    assert_eq!(said.iter().flatten().count(), 3);
}

#[test]
fn what_is_carried_is_every_process_s() -> Tested {
    let train = |folder: &Path, ranks: usize| -> Result<(), Error> {
        let done = run_ranks(ranks, |exchange| {
            let mut params = Params::seeded(5);
            let cell = Gru::new(params.scope("rnn"), 1, 4);
            let readout = Linear::new(params.scope("readout"), 4, 1);
            let objective = Streaming { cell, readout, carried: CarriedStates::new(4) };
            let trainer = Trainer::new(3, |_| 0.03).checkpoints(folder).exchange(exchange);
            trainer.run(&mut params, &mut Adam::new(), &objective, |_| {}).map(|_| objective.carried.all())
        });
        let all = done.into_iter().collect::<Result<Vec<_>, _>>()?;
        assert!(all.iter().all(|carried| *carried == all[0] && carried.len() == 1));
        Ok(())
    };
    let whole = tempfile::tempdir()?;
    train(whole.path(), 1)?;
    // Of three processes one has no shard.
    for ranks in [2, 3] {
        let folder = tempfile::tempdir()?;
        train(folder.path(), ranks)?;
        assert!(
            std::fs::read(folder.path().join(LAST))? == std::fs::read(whole.path().join(LAST))?,
            "{ranks} processes"
        );
    }
    Ok(())
}

/// y = x · w from one example, so that a step costs next to nothing.
struct OneWeight {
    weight: unspool_graph::Param,
    /// The step, from 0, at which the gradient is so large that the weight overflows.
    explodes_at: u64,
    steps: AtomicU64,
}

impl OneWeight {
    fn new(params: &mut Params, explodes_at: u64) -> OneWeight {
        let weight = params.scope("m").add("weight", [1], unspool_graph::init::constant(1.0));
        OneWeight { weight, explodes_at, steps: AtomicU64::new(0) }
    }
}

impl Objective for OneWeight {
    type Batch = ();
    type Shard = ();
    type Error = Error;

    fn epoch(&self, _: u64) -> Result<Vec<()>, Error> {
        Ok(vec![(); 100])
    }
    fn shard(&self, (): &(), _: usize) -> Result<(), Error> {
        Ok(())
    }
    fn weight(&self, (): &()) -> f64 {
        1.0
    }
    fn loss<'g>(&self, graph: &'g Graph<'g>, (): &()) -> Var<'g> {
        let step = self.steps.fetch_add(1, Ordering::Relaxed);
        let factor = if step == self.explodes_at { 3e38 } else { 1e-3 };
        graph.param(self.weight).sum_all() * factor
    }
    fn evaluate(&self, _: &Params) -> Result<Evaluation, Error> {
        Ok(Evaluation::of_score(0.0).metric("a metric with a long name", 1.0 / 3.0))
    }
}

#[test]
fn a_step_out_of_the_finite_numbers_leaves_the_last_good_checkpoint() -> Tested {
    let folder = tempfile::tempdir()?;
    let train = |explodes_at: u64, resume: bool| {
        let mut params = Params::seeded(1);
        let objective = OneWeight::new(&mut params, explodes_at);
        let trainer = Trainer::new(1, |_| 10.0).checkpoints(folder.path()).checkpoint_interval(Duration::ZERO);
        let trainer = if resume { trainer.resume() } else { trainer };
        let outcome = trainer.run(&mut params, &mut Sgd::new(), &objective, |_| {});
        (outcome, params)
    };
    let (outcome, _) = train(5, false);
    let error = outcome.expect_err("the weight has overflowed");
    assert!(matches!(error, Error::Diverged { .. }), "{error:?}");
    let says = error.to_string();
    assert!(says.contains("training diverged: not finite: m.weight at step 6"), "{says}");
    let (resumed, params) = train(u64::MAX, true);
    assert_eq!(resumed?.steps, 100);
    assert!(checkpoint::load(&folder.path().join(LAST), &mut params.clone()).is_ok());

    // Without a folder nothing is saved, but the end is not a success either.
    let mut params = Params::seeded(1);
    let objective = OneWeight::new(&mut params, 99);
    let ended = Trainer::new(1, |_| 10.0).run(&mut params, &mut Sgd::new(), &objective, |_| {});
    assert!(matches!(ended, Err(Error::Diverged { .. })), "{ended:?}");
    Ok(())
}

/// The header of a checkpoint was full after about 110,000 evaluations, and such a training could not be resumed.
#[test]
fn a_training_of_many_evaluations_is_resumed() -> Tested {
    let folder = tempfile::tempdir()?;
    let train = |epochs: u64| {
        let mut params = Params::seeded(1);
        let objective = OneWeight::new(&mut params, u64::MAX);
        let trainer = Trainer::new(epochs, |_| 1e-6).evaluate(Every::Steps(1)).checkpoints(folder.path()).resume();
        trainer.run(&mut params, &mut Sgd::new(), &objective, |_| {})
    };
    assert_eq!(train(1_500)?.history.len(), 150_000);
    let size = std::fs::metadata(folder.path().join(LAST))?.len();
    assert!(size > 16 << 20, "the history alone would have filled a header: {size}");
    let outcome = train(1_501)?;
    assert_eq!((outcome.history.len(), outcome.steps), (150_100, 150_100));
    assert!(outcome.history.iter().zip(1..).all(|(evaluated, step)| evaluated.step == step));
    Ok(())
}

#[test]
fn settings_without_a_meaning_are_refused_before_the_first_step() {
    let refused = |trainer: Trainer<'_>, says: &str| {
        let mut params = Params::seeded(1);
        let objective = OneWeight::new(&mut params, u64::MAX);
        let error = trainer.run(&mut params, &mut Sgd::new(), &objective, |_| {}).expect_err(says).to_string();
        assert!(error.contains(says), "{error}");
        assert_eq!(params.value(objective.weight).unwrap(), vec![1.0f32].into());
    };
    let trainer = || Trainer::new(1, |_| 0.1);
    refused(trainer().accumulate(0), "0 batches");
    refused(trainer().evaluate(Every::Steps(0)), "every 0 steps");
    refused(trainer().patience(0), "patience of 0");
    for (factor, least) in [(f64::NAN, 0.1), (1.5, 0.1), (0.0, 0.1), (0.5, f64::NAN), (0.5, 2.0)] {
        refused(trainer().on_plateau(OnPlateau { factor, patience: 1, least }), "plateau is");
    }
    for max_norm in [f64::NAN, -1.0, 0.0] {
        refused(trainer().clip_norm(max_norm), "greatest norm");
    }
    for rate in [f64::NAN, -0.1] {
        refused(Trainer::new(1, move |_| rate), "learning rate");
    }
    refused(trainer().average(Averaged::exponential(5.0)), "decay of the average");
}

#[test]
fn carried_states_refuse_what_does_not_fit() -> Tested {
    let array = |rows: usize, width: usize| Tensor::from(Array2::<f32>::from_elem((rows, width), 1.0));
    let carried = CarriedStates::new(4);
    carried.put(0..2, &[array(2, 3)])?;
    let kept = carried.all();
    for (streams, leaves) in [
        (3..5, vec![array(2, 3)]),
        (0..2, vec![array(3, 3)]),
        (0..2, vec![array(2, 4)]),
        (0..2, vec![array(2, 3), array(2, 3)]),
        (0..2, vec![Tensor::from(Array2::<f64>::zeros((2, 3)))]),
        (0..1, vec![Tensor::from(1.0f32)]),
        (std::ops::Range { start: 2, end: 1 }, vec![]),
    ] {
        assert!(matches!(carried.put(streams, &leaves), Err(Error::Carried { .. })), "{leaves:?}");
        assert_eq!(carried.all(), kept);
    }
    // The same number of elements in another shape.
    for leaves in [vec![array(2, 6)], vec![array(12, 1)], vec![array(1, 12)]] {
        assert!(matches!(carried.restore(leaves), Err(Error::Carried { .. })));
        assert_eq!(carried.all(), kept);
    }
    // Sizes that no memory holds.
    let endless = CarriedStates::new(usize::MAX);
    assert!(matches!(endless.put(0..1, &[array(1, 1)]), Err(Error::Carried { .. })));
    assert!(endless.rows(0..usize::MAX).is_none());
    Ok(())
}
