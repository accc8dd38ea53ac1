//! Optimizations change what a task learns by rounding alone: the losses of the first 20 steps of every task, with and
//! without them, stay together.
//!
//! The plain computation gathers no gradients, packs no weights, and has no fused cells and no vector code
//! (`set_reference_mode`). This is the only test of its process, since the switch is the process's.

mod small;

use small::{options, write_data};
use unspool::graph::set_reference_mode;

const STEPS: usize = 20;

/// The greatest relative difference of a loss in single precision.
const SINGLE: f64 = 2e-5;

/// The greatest relative difference of a loss in double precision.
const DOUBLE: f64 = 1e-13;

#[test]
fn the_first_twenty_steps_of_every_task_are_those_of_the_plain_computation() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    for entry in &unspool_cli::TASKS {
        let name = entry.name();
        let (data, more) = options(name);
        for (precision, bound) in [("f32", SINGLE), ("f64", DOUBLE)] {
            let mut words: Vec<String> = [name, "--hidden-size=12", "--epochs=20", &format!("--precision={precision}")]
                .map(str::to_owned)
                .into();
            words.extend(data.map(|data| format!("--data={}", folder.path().join(data).display())));
            words.extend(more.iter().map(|&word| word.to_owned()));
            let losses = || unspool_task::testing::step_losses(entry, &words, STEPS).unwrap();
            let fast = losses();
            set_reference_mode(true);
            let plain = losses();
            set_reference_mode(false);
            assert_eq!((fast.len(), plain.len()), (STEPS, STEPS), "{name}");
            // In double precision all bits of a few losses may be the same.
            assert!(precision == "f64" || fast != plain, "{name} does not feel the switch");
            assert!((plain[STEPS - 1] / plain[0] - 1.0).abs() > 1e-3, "{name} does not move: {plain:?}");
            let differs = |(a, b): (&f64, &f64)| (a - b).abs() / b.abs();
            let greatest = fast.iter().zip(&plain).map(differs).fold(0.0, f64::max);
            println!("{name} in {precision}: losses differ by at most {greatest:.1e}");
            assert!(greatest <= bound, "{name} in {precision}: {greatest:e}\nfast  {fast:?}\nplain {plain:?}");
        }
    }
}
