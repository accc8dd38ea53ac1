//! Which cell can do what? Trains every cell on each of the five tasks of abilities, with several seeds, and writes a
//! table of test accuracies at 1, 2, 4 and 8 times the trained length: as JSON, as Markdown and as a heat map.
//!
//! ```console
//! $ cargo run --release -p unspool-cli --example which_cell -- --cells lstm,gated-delta-net --out runs/which-cell
//! ```
//!
//! Each finished run is kept in the folder, so the same command goes on where it was stopped.

use clap::{Parser, value_parser};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use std::{
    fmt::Write,
    fs,
    io::IsTerminal,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use unspool::nn::CellKind;
use unspool_task::{Entry, Error, Result};

const TASKS: [&str; 5] = ["parity", "modular", "permutations", "recall", "selective-copy"];

/// Test sequences are so many times as long as the longest in training.
const TIMES: [usize; 4] = [1, 2, 4, 8];

/// The time between two plain lines, where there is no terminal.
const BETWEEN: Duration = Duration::from_secs(60);

#[derive(Parser)]
#[command(about = "Train cells on the tasks of abilities and write a table of their test accuracies")]
struct Options {
    /// Recurrent cells, with commas between
    #[arg(long, value_delimiter = ',', value_parser = cell,
          default_value = "lstm,slstm,gru,min-gru,lru,rg-lru,linear-attention,gated-delta-net")]
    cells: Vec<CellKind>,
    /// Tasks, with commas between
    #[arg(long, value_delimiter = ',', value_parser = TASKS, default_values = TASKS)]
    tasks: Vec<String>,
    /// Number of runs per cell and task, with the seeds 1, 2, …
    #[arg(long, value_name = "N", default_value = "5", value_parser = value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Folder for finished runs and the table
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Options of each training, such as `--hidden-size=32`, after `--`
    #[arg(last = true)]
    training: Vec<String>,
}

fn cell(name: &str) -> std::result::Result<CellKind, String> {
    name.parse().map_err(|error: unspool::nn::Error| error.to_string())
}

/// A finished run, as its file holds it.
#[derive(Serialize, Deserialize)]
struct Run {
    task: String,
    cell: CellKind,
    seed: u64,
    training: Vec<String>,
    /// At each of [`TIMES`].
    accuracies: [f64; 4],
}

impl Run {
    fn new(cell: CellKind, task: &str, seed: u64, options: &Options) -> Run {
        Run { task: task.to_owned(), cell, seed, training: options.training.clone(), accuracies: [f64::NAN; 4] }
    }

    fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}-{}-{}.json", self.task, self.cell, self.seed))
    }

    /// Reads the accuracies from the file of a finished run.
    ///
    /// # Errors
    /// The file is not readable, or is that of a run with other options.
    fn find(&mut self, folder: &Path) -> Result<bool> {
        let path = self.path(folder);
        let text = match fs::read_to_string(&path) {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            read => read.map_err(|cause| failed(&path, "read", &cause))?,
        };
        let hint = "give --out another folder, or remove the file";
        let found: Run = serde_json::from_str(&text)
            .map_err(|cause| Error::failure(format!("{}: no finished run: {cause}", path.display()), hint))?;
        if (&found.task, found.cell, found.seed, &found.training) != (&self.task, self.cell, self.seed, &self.training)
        {
            let options = found.training.join(" ");
            return Err(Error::misuse(format!("{}: a run with other options: `{options}`", path.display()), hint));
        }
        self.accuracies = found.accuracies;
        Ok(true)
    }

    /// Trains, and writes the file.
    fn train(&mut self, folder: &Path) -> Result<()> {
        let entry: Option<&Entry> = unspool_cli::TASKS.iter().find(|entry| entry.name() == self.task);
        let entry = entry.ok_or_else(|| Error::failure(format!("there is no task {}", self.task), ""))?;
        // The runs share out the threads; a run itself has one.
        let mut words = vec![format!("--cell={}", self.cell), format!("--seed={}", self.seed), "--shards=1".into()];
        words.extend(self.training.iter().cloned());
        let score = entry.train_and_score(&words)?;
        let longer = score.more.iter().map(|(_, value)| *value);
        self.accuracies.iter_mut().zip([score.value].into_iter().chain(longer)).for_each(|(to, value)| *to = value);
        write(&self.path(folder), &json(self)?)
    }
}

/// The mean over seeds of a cell's accuracies on a task.
#[derive(Serialize, Deserialize)]
struct Row {
    cell: CellKind,
    task: String,
    seeds: u64,
    mean: [f64; 4],
    lowest: [f64; 4],
    highest: [f64; 4],
}

/// Everything that `table.json` says.
#[derive(Serialize, Deserialize)]
struct Table {
    times_the_trained_length: [usize; 4],
    training: Vec<String>,
    rows: Vec<Row>,
}

impl Table {
    /// Returns the names of the tasks: those of the first cell, since every cell has a row for each.
    fn tasks(&self) -> Vec<&str> {
        let first = self.rows.first().map(|row| row.cell);
        self.rows.iter().filter(|row| Some(row.cell) == first).map(|row| row.task.as_str()).collect()
    }
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.code())
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let folder = options.out.join("runs");
    fs::create_dir_all(&folder).map_err(|cause| failed(&folder, "create", &cause))?;
    let mut runs = vec![];
    // Seed by seed, so that a table of fewer seeds is there early.
    for seed in 1..=options.seeds {
        for cell in &options.cells {
            runs.extend(options.tasks.iter().map(|task| Run::new(*cell, task, seed, options)));
        }
    }
    let (mut done, mut missing) = (vec![], vec![]);
    for mut run in runs {
        if run.find(&folder)? { done.push(run) } else { missing.push(run) }
    }
    done.extend(train(missing, done.len(), &folder)?);
    let training = options.training.clone();
    let table = Table { times_the_trained_length: TIMES, training, rows: rows(&done, options) };
    write(&options.out.join("table.json"), &json(&table)?)?;
    write(&options.out.join("table.md"), &markdown(&table))?;
    write(&options.out.join("heat-map.svg"), &heat_map(&table))
}

/// Trains on all threads, a run on each. The first error ends it after the runs at hand, which are kept.
fn train(missing: Vec<Run>, done: usize, folder: &Path) -> Result<Vec<Run>> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let progress = Progress::new(done, missing.len());
    let missing: Vec<Mutex<Option<Run>>> = missing.into_iter().map(|run| Mutex::new(Some(run))).collect();
    let work = || -> Result<Vec<Run>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let pool = pool.map_err(|cause| Error::failure(format!("cannot start a thread: {cause}"), ""))?;
        let mut trained = vec![];
        while !failed.load(Ordering::Relaxed)
            && let Some(run) = missing.get(next.fetch_add(1, Ordering::Relaxed))
        {
            let Some(mut run) = run.lock().unwrap_or_else(PoisonError::into_inner).take() else { continue };
            let name = format!("{} on {}, seed {}", run.cell, run.task, run.seed);
            if let Err(error) = pool.install(|| run.train(folder)) {
                failed.store(true, Ordering::Relaxed);
                return Err(Error::failure(format!("{name}: {error}"), "the finished runs are kept"));
            }
            progress.finished(&name, run.accuracies);
            trained.push(run);
        }
        Ok(trained)
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let results: Vec<Result<Vec<Run>>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err(Error::failure("a run panicked", ""))))
            .collect()
    });
    progress.bar.finish_and_clear();
    Ok(results.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// A bar on a terminal, elsewhere a plain line about once per minute.
struct Progress {
    bar: ProgressBar,
    /// When the last plain line was written; none on a terminal.
    said: Option<Mutex<Instant>>,
}

impl Progress {
    fn new(done: usize, missing: usize) -> Progress {
        let plain = !std::io::stderr().is_terminal();
        let bar = if plain { ProgressBar::hidden() } else { ProgressBar::no_length() };
        bar.set_length((done + missing) as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} · {msg} · {eta} left") {
            bar.set_style(style);
        }
        bar.set_position(done as u64);
        bar.reset_eta();
        Progress { bar, said: plain.then(|| Mutex::new(Instant::now())) }
    }

    fn finished(&self, name: &str, accuracies: [f64; 4]) {
        self.bar.inc(1);
        let message = format!("{name}: {}", accuracies.map(percent).join(" "));
        if let Some(said) = &self.said {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            if said.elapsed() >= BETWEEN {
                *said = Instant::now();
                eprintln!("{}/{} runs · {message}", self.bar.position(), self.bar.length().unwrap_or(0));
            }
        }
        self.bar.set_message(message);
    }
}

fn rows(runs: &[Run], options: &Options) -> Vec<Row> {
    let row = |cell: CellKind, task: &String| {
        let mut of: Vec<&Run> = runs.iter().filter(|run| run.cell == cell && run.task == *task).collect();
        // Sums in the order of the seeds, whichever run ended first.
        of.sort_by_key(|run| run.seed);
        let fold = |first: f64, join: fn(f64, f64) -> f64| {
            std::array::from_fn(|at| of.iter().map(|run| run.accuracies[at]).fold(first, join))
        };
        let sums: [f64; 4] = fold(0.0, |sum, one| sum + one);
        Row {
            cell,
            task: task.clone(),
            seeds: of.len() as u64,
            mean: sums.map(|sum| sum / of.len() as f64),
            lowest: fold(f64::INFINITY, f64::min),
            highest: fold(f64::NEG_INFINITY, f64::max),
        }
    };
    options.cells.iter().flat_map(|cell| options.tasks.iter().map(|task| row(*cell, task))).collect()
}

fn percent(share: f64) -> String {
    format!("{:.0}", 100.0 * share)
}

/// A row per cell, a column per task: the accuracies in percent at each length.
fn markdown(table: &Table) -> String {
    let tasks = table.tasks();
    let mut text = format!("| cell | {} |\n|{}\n", tasks.join(" | "), " --- |".repeat(tasks.len() + 1));
    for of_cell in table.rows.chunks(tasks.len().max(1)) {
        let cells: Vec<String> = of_cell.iter().map(|row| row.mean.map(percent).join(", ")).collect();
        let _ = writeln!(text, "| `{}` | {} |", of_cell[0].cell, cells.join(" | "));
    }
    text
}

/// Sizes of the heat map in pixels.
const LEFT: usize = 140;
const TOP: usize = 64;
const WIDTH: usize = 40;
const HEIGHT: usize = 28;
const GAP: usize = 12;

/// A row per cell, for each task a column per length. The values stand in the cells in percent.
fn heat_map(table: &Table) -> String {
    let tasks = table.tasks();
    let (block, cells) = (TIMES.len() * WIDTH + GAP, table.rows.len() / tasks.len().max(1));
    let (width, height) = (LEFT + tasks.len() * block, TOP + cells * HEIGHT + GAP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"14\" text-anchor=\"middle\" role=\"img\">\n\
         <title>Test accuracy in percent, by cell, task and length</title>\n\
         <desc>A row for each cell and a column for each length; the stronger the color, the higher the accuracy, \
         which is in each square.</desc>\n\
         <style>.page{{fill:#ffffff}}.cell{{fill:#56b4e9}}text{{fill:#1f2328}}\n\
         @media (prefers-color-scheme:dark){{.page{{fill:#0d1117}}.cell{{fill:#1f5f9e}}text{{fill:#e6edf3}}}}</style>\n\
         <rect class=\"page\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>\n"
    );
    let label = |svg: &mut String, x: usize, y: usize, more: &str, text: &str| {
        let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\"{more}>{text}</text>");
    };
    for (number, task) in tasks.iter().enumerate() {
        let left = LEFT + number * block;
        label(&mut svg, left + 2 * WIDTH, 24, " font-weight=\"bold\"", task);
        for (column, times) in TIMES.iter().enumerate() {
            label(&mut svg, left + column * WIDTH + WIDTH / 2, 50, "", &format!("×{times}"));
        }
    }
    for (line, of_cell) in table.rows.chunks(tasks.len().max(1)).enumerate() {
        let top = TOP + line * HEIGHT;
        label(&mut svg, LEFT - GAP, top + 19, " text-anchor=\"end\"", of_cell[0].cell.name());
        for (number, row) in of_cell.iter().enumerate() {
            for (column, mean) in row.mean.iter().enumerate() {
                let x = LEFT + number * block + column * WIDTH;
                // Both full colors leave the number on them easy to read.
                let (w, h, strong) = (WIDTH - 1, HEIGHT - 1, mean.clamp(0.0, 1.0));
                let _ = writeln!(
                    svg,
                    "<rect class=\"cell\" x=\"{x}\" y=\"{top}\" width=\"{w}\" height=\"{h}\" \
                     fill-opacity=\"{strong:.2}\"/>"
                );
                label(&mut svg, x + WIDTH / 2, top + 19, "", &percent(*mean));
            }
        }
    }
    svg + "</svg>\n"
}

fn json(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| text + "\n").map_err(|cause| Error::failure(format!("a result is no JSON: {cause}"), ""))
}

fn write(path: &Path, text: &str) -> Result<()> {
    unspool_files::write(path, text).map_err(|cause| failed(path, "write", &cause))
}

fn failed(path: &Path, what: &str, cause: &std::io::Error) -> Error {
    Error::failure(format!("{}: cannot {what} it: {cause}", path.display()), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(words: &[&str]) -> Options {
        Options::parse_from([&["which_cell"][..], words].concat())
    }

    #[test]
    fn runs_are_trained_kept_and_made_a_table() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().to_str().unwrap();
        let small = ["--", "--hidden-size=4", "--length=16", "--sequences=8", "--epochs=1"];
        let words = ["--cells=lstm,min-gru", "--tasks=parity,recall", "--seeds=2", "--out", out];
        let options = options(&[&words[..], &small].concat());
        run(&options).unwrap();
        let files = || fs::read_dir(folder.path().join("runs")).unwrap().count();
        assert_eq!(files(), 8);
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let (table, markdown, picture) = (read("table.json"), read("table.md"), read("heat-map.svg"));
        // What is there is not trained again: the mean is that of the files.
        let kept = folder.path().join("runs/parity-lstm-1.json");
        let mut changed: Run = serde_json::from_str(&fs::read_to_string(&kept).unwrap()).unwrap();
        let mut other: Run = serde_json::from_str(&read("runs/parity-lstm-2.json")).unwrap();
        let mean = |one: &Run, two: &Run| (one.accuracies[3] + two.accuracies[3]) / 2.0;
        let value: serde_json::Value = serde_json::from_str(&table).unwrap();
        assert_eq!(value["rows"][0]["mean"][3].as_f64(), Some(mean(&changed, &other)));
        changed.accuracies = [0.25; 4];
        other.accuracies = [0.75; 4];
        for run in [&changed, &other] {
            run.path(&folder.path().join("runs")).metadata().unwrap();
            write(&run.path(&folder.path().join("runs")), &json(run).unwrap()).unwrap();
        }
        run(&options).unwrap();
        let again: serde_json::Value = serde_json::from_str(&read("table.json")).unwrap();
        assert_eq!(again["rows"][0]["mean"][3].as_f64(), Some(0.5));
        assert_eq!(again["rows"][3], value["rows"][3]);
        assert!(read("table.md").contains("| `lstm` | 50, 50, 50, 50 |"), "{}", read("table.md"));
        assert!(markdown.starts_with("| cell | parity | recall |\n| --- | --- | --- |\n"), "{markdown}");
        assert_eq!(picture.matches("<rect").count(), 1 + 2 * 2 * 4);
        // Runs with other options are not mixed with these.
        let mixed = self::options(&[&words[..], &["--", "--hidden-size=5"]].concat());
        let error = super::run(&mixed).unwrap_err();
        assert!(error.code() == 2 && error.to_string().contains("a run with other options"), "{error}");
    }

    #[test]
    fn the_page_shows_the_recorded_runs() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let Ok(recorded) = fs::read_to_string(docs.join("figures/logs/which-cell.json")) else {
            return; // A package has no pages.
        };
        let table: Table = serde_json::from_str(&recorded).unwrap();
        let page = fs::read_to_string(docs.join("which-cell.md")).unwrap();
        assert!(page.contains(&markdown(&table)), "the page lacks this table:\n{}", markdown(&table));
        assert_eq!(fs::read_to_string(docs.join("figures/which-cell.svg")).unwrap(), heat_map(&table));
    }

    #[test]
    fn wrong_options_are_refused_in_a_line() {
        let error = Options::try_parse_from(["which_cell", "--cells=lsmt", "--out=x"]).err().unwrap().to_string();
        assert!(error.lines().next().unwrap().contains("there is no cell \"lsmt\""), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().to_str().unwrap();
        let words = ["--cells=lstm", "--tasks=parity", "--seeds=1", "--out", out, "--", "--length=8"];
        let error = run(&options(&words)).unwrap_err().to_string();
        assert!(error.lines().count() == 1 && error.contains("`8` is not from 16 to 4096"), "{error}");
    }
}
