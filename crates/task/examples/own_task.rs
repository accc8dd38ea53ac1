//! A task of one's own with a cell of one's own: after some steps up and down, is one above where one began?
//!
//! ```console
//! $ cargo run --release -p unspool-task --example own_task -- train steps
//! $ echo "+ + - + -" | cargo run --release -p unspool-task --example own_task -- predict --model runs/steps-1
//! ```

use clap::Args;
use ndarray::Array3;
use serde::{Deserialize, Serialize};
use std::process::ExitCode;
use unspool::{graph::Scope, prelude::*};
use unspool_task::{
    Baselines, Data, Digits, Draw, Drawn, Error, Learned, Metric, Parts, Result, Score, Search, Shown, Spec, Task,
    count,
};

/// h' = tanh(x·W_xh + h·W_hh + b)
struct MyCell {
    w_xh: Param,
    w_hh: Param,
    bias: Param,
    hidden_size: usize,
}

impl MyCell {
    fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> MyCell {
        MyCell {
            w_xh: scope.add("w_xh", [input_size, hidden_size], init::uniform(0.3)),
            w_hh: scope.add("w_hh", [hidden_size, hidden_size], init::orthogonal(1.0)),
            bias: scope.add("bias", [hidden_size], init::zeros()),
            hidden_size,
        }
    }
}

impl Cell for MyCell {
    type State<'g> = Var<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, self.hidden_size])
    }

    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let h = (x.matmul(self.w_xh) + h.matmul(self.w_hh) + self.bias).tanh();
        (h, h)
    }
}

struct Steps {
    cell: MyCell,
    readout: Linear,
}

#[derive(Clone, Args)]
struct Options {
    /// Elements of the state [from 1 to 1024]
    #[arg(long, value_name = "N", default_value = "16", value_parser = count(1..=1024))]
    hidden_size: usize,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    hidden_size: usize,
}

/// Steps of 1 and −1.
#[derive(Serialize, Deserialize)]
struct Walk(Vec<f32>);

impl Walk {
    fn is_above(&self) -> u32 {
        u32::from(self.0.iter().sum::<f32>() > 0.0)
    }
}

/// Numbers `[batch, time, 1]`, how many of each row are real, and the classes.
struct Batch {
    steps: Array3<f32>,
    lengths: Vec<usize>,
    classes: Vec<u32>,
}

impl unspool_task::Batch for Batch {
    fn loss_count(&self) -> usize {
        self.classes.len()
    }
}

impl Steps {
    /// `[batch, 2]`
    fn logits<'g>(&self, graph: &'g Graph<'g>, batch: &Batch) -> Var<'g> {
        let xs = Sequence::pack(graph.input(&batch.steps), &batch.lengths);
        let (_, last) = unroll(&self.cell, &xs, self.cell.initial_state(graph, xs.batch()));
        self.readout.apply(last)
    }
}

const NAMES: [&str; 2] = ["not above", "above"];

impl Baselines for Steps {}

impl Task for Steps {
    const SPEC: Spec = Spec::new("steps", "Say whether steps up and down end above where they began", Metric::ACCURACY)
        .training(4, 1e-2, 32)
        .unit("walks");

    type Options = Options;
    type Saved = Saved;
    type Source = Drawn<()>;
    type Example = Walk;
    type Batch = Batch;
    type Answer = Vec<(u32, f64)>;

    fn read(_options: &Options, _data: &Data) -> Result<Parts<Drawn<()>>> {
        let drawn = |count| Drawn::new((), vec![(0, 1); count]);
        Ok(Parts { train: drawn(2000), dev: drawn(200), test: drawn(200) })
    }

    fn learn(options: &Options, _train: &Drawn<()>) -> Result<Learned<Saved>> {
        Ok(Saved { hidden_size: options.hidden_size }.into())
    }

    fn build(saved: Saved, _: Option<Tokenizer>, params: &mut Params) -> Result<Steps> {
        let cell = MyCell::new(params.scope("cell"), 1, saved.hidden_size);
        Ok(Steps { cell, readout: Linear::new(params.scope("readout"), saved.hidden_size, 2) })
    }

    fn read_to_score(&self, _data: &Data) -> Result<Drawn<()>> {
        Ok(Drawn::new((), vec![(0, 1); 200]))
    }

    fn example(&self, _: &(), draw: &Draw) -> Result<Walk> {
        let mut rng = draw.rng();
        let length = rng.between(1, 10);
        Ok(Walk((0..length).map(|_| *rng.choose(&[1.0, -1.0])).collect()))
    }

    fn read_line(&self, line: &str, _draw: &Draw) -> Result<Walk> {
        let step = |word: &str| match word {
            "+" => Ok(1.0),
            "-" => Ok(-1.0),
            _ => Err(Error::failure(format!("{word:?} is not a step"), "a line is steps: `+ + - +`")),
        };
        Ok(Walk(line.split_whitespace().map(step).collect::<Result<_>>()?))
    }

    fn batch(&self, walks: &[&Walk]) -> Result<Batch> {
        let lengths: Vec<usize> = walks.iter().map(|walk| walk.0.len()).collect();
        let time = lengths.iter().copied().max().unwrap_or(0);
        let steps =
            Array3::from_shape_fn((walks.len(), time, 1), |(b, t, _)| walks[b].0.get(t).copied().unwrap_or(0.0));
        Ok(Batch { steps, lengths, classes: walks.iter().map(|walk| walk.is_above()).collect() })
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, batch: &Batch) -> Var<'g> {
        self.logits(graph, batch).cross_entropy(&batch.classes).sum_all()
    }

    fn answers(&self, params: &Params, batch: &Batch, search: Search) -> Result<Vec<Vec<(u32, f64)>>> {
        Ok(self.logits(&Graph::inference(params), batch).softmax().top_k(search.count().min(2))?)
    }

    fn score(&self, walks: &[Walk], answers: &[Vec<(u32, f64)>]) -> Result<Score> {
        let right: Vec<u32> = walks.iter().map(Walk::is_above).collect();
        Score::classes(answers.iter().map(|best| best[0].0), &right, &NAMES.map(str::to_owned))
    }

    fn show(&self, walk: &Walk, answer: &Vec<(u32, f64)>, _digits: Digits) -> Shown {
        let steps = walk.0.iter().map(|step| if *step > 0.0 { "+" } else { "-" }).collect::<Vec<_>>().join(" ");
        let given = vec![("steps", steps), ("right", NAMES[walk.is_above() as usize].to_owned())];
        Shown::probable(given, answer.iter().map(|(class, p)| (NAMES[*class as usize].to_owned(), *p)).collect())
    }
}

fn main() -> ExitCode {
    unspool_task::main(&[unspool_task::task::<Steps>()])
}

#[test]
fn it_trains_and_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let out = out.to_str().unwrap();
    let tasks = [unspool_task::task::<Steps>()];
    let run = |words: &[&str]| unspool_task::run(&tasks, words.iter().map(Into::into));
    run(&["own_task", "train", "steps", "--out", out]).unwrap();
    let metrics = std::fs::read_to_string(format!("{out}/metrics.csv")).unwrap();
    let accuracy: f64 = metrics.lines().last().unwrap().rsplit(',').next().unwrap().parse().unwrap();
    assert!(accuracy > 0.9, "{metrics}");
    assert!(std::fs::read_to_string(format!("{out}/report.html")).unwrap().contains("not above"));
    run(&["own_task", "evaluate", "--model", out, "--data", ""]).unwrap();
    assert_eq!(run(&["own_task", "train", "walks"]).unwrap_err().code(), 2);
}
