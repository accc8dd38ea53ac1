//! Every task that has a recurrent cell trains with each of them.

mod small;

use small::{options, write_data};
use unspool::nn::CellKind;

#[test]
fn every_task_takes_a_training_step_with_every_cell() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    // `digits` has no sequence.
    let tasks = unspool_cli::TASKS.iter().filter(|entry| entry.name() != "digits");
    for entry in tasks {
        let (data, more) = options(entry.name());
        for kind in CellKind::ALL {
            let cell = format!("--cell={kind}");
            let mut words: Vec<String> =
                [entry.name(), "--hidden-size=4", "--epochs=1", &cell].map(str::to_owned).into();
            words.extend(data.map(|data| format!("--data={}", folder.path().join(data).display())));
            words.extend(more.iter().filter(|word| !word.starts_with("--cell")).map(|&word| word.to_owned()));
            let losses = unspool_task::testing::step_losses(entry, &words, 2);
            let losses = losses.unwrap_or_else(|error| panic!("{} --cell {kind}: {error}", entry.name()));
            // The second loss is that of the weights which the first step changed.
            assert!(losses.len() == 2 && losses.iter().all(|loss| loss.is_finite()), "{} {kind}", entry.name());
        }
    }
}
