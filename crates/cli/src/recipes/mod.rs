//! The recipes: what is trained on what, each from top to bottom.

pub(crate) mod adding;
pub(crate) mod captioning;
pub(crate) mod clips;
pub(crate) mod copy;
pub(crate) mod digits;
mod films;
pub(crate) mod forecast;
pub(crate) mod frames;
pub(crate) mod language_model;
mod log_mel;
mod memory;
mod pictures;
pub(crate) mod sentiment;
mod series;
pub(crate) mod spacing;
pub(crate) mod speech;
pub(crate) mod tagging;
pub(crate) mod translation;
mod utterances;
mod writing;

use crate::data;
use serde::{Deserialize, Serialize};
use unspool::{
    graph::{Graph, Params, RngKey, Tensor, Var},
    nn::exchange::Exchange,
    text::{BatchSize, Normalization, Row, Tokenizer},
};
use unspool_task::{
    Arch, Ask, Attention, Curves, Data, DataSet, Error, Example, Figure, Generate, Kind, Metric, Opt, Parts,
    Prediction, Prepared, Purpose, Recipe, Result, Rng, Rows, Score, Search, Stream, Synthetic, TABLE_HELP, Task,
    UnknownLabels, all_gather, broadcast, by_name, by_number, check_sizes, check_tokenizer, count_of_known,
    cross_entropy_of_known, encode, first_field, gradients, labels_loss, limits,
    number::{self, counted},
    one_token_each, some, trained, with_unknown,
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Debug;
    use unspool::nn::exchange::run_ranks;

    /// The batches of an epoch and of dev that so many processes make, each its own, in the order of the epoch.
    fn batches<T: Task<Batch: Debug>>(data: &[String], ranks: usize) -> Vec<String> {
        let all = run_ranks(ranks, |exchange| {
            let data = Data::new(data, T::SETS, exchange);
            let Prepared { saved, tokenizer, parts: Parts { mut train, dev, .. } } =
                T::prepare(&T::Settings::default(), &data, 1).unwrap();
            let task = T::restore(saved, tokenizer, &mut Params::seeded(1)).unwrap();
            let order = task.order(&train, BatchSize::Rows(4), 1, 0).unwrap();
            let own = |rank: usize| order.iter().skip(rank).step_by(ranks);
            let needed: Vec<Vec<usize>> = (0..ranks).map(|rank| own(rank).flatten().copied().collect()).collect();
            task.fetch(&mut train, &needed, exchange).unwrap();
            // A row that nobody has given is missed.
            let other = (0..order.len()).map(|batch| task.batch(&train, &order[batch], None).is_ok());
            assert_eq!(ranks == 1, other.into_iter().all(|is_here| is_here));
            let rows: Vec<usize> = (0..task.lengths(&dev).len()).collect();
            let dev = format!("{:?}", task.batch(&dev, &rows, None).unwrap());
            let own = own(exchange.rank()).map(|rows| format!("{:?}", task.batch(&train, rows, None).unwrap()));
            (own.collect::<Vec<_>>(), dev)
        });
        let count = all.iter().map(|(own, _)| own.len()).sum();
        let mut batches: Vec<String> = (0..count).map(|batch| all[batch % ranks].0[batch / ranks].clone()).collect();
        batches.extend(all.into_iter().map(|(_, dev)| dev));
        batches.dedup();
        batches
    }

    #[test]
    fn processes_that_share_out_the_rows_make_the_batches_of_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.tsv");
        let mut rows = "swedish\tenglish\tdocument\tlabel\n".to_owned();
        for row in 0..60 {
            let (words, label) = ("ord ".repeat(1 + row % 5), ["bra", "dålig"][row % 2]);
            rows += &format!("{words}nummer {row}\tword {row}\ten {label} film, {row}\t{label}\n");
        }
        std::fs::write(&path, rows).unwrap();
        let data = [path.to_str().unwrap().to_owned()];
        for ranks in [2, 3] {
            assert_eq!(
                batches::<translation::Translation>(&data, ranks),
                batches::<translation::Translation>(&data, 1)
            );
            assert_eq!(batches::<sentiment::Sentiment>(&data, ranks), batches::<sentiment::Sentiment>(&data, 1));
        }
    }
}
