//! A task with its data, as a training and a drawing begin.

use crate::{
    chosen::Chosen,
    error::{Error, Result},
    examples::{Cut, Scored, Train},
    parts::Parts,
    processes::broadcast,
    run::{COLUMNS, MODEL_CONFIG, TASK},
    source::Source,
    task::{Learned, Task},
};
use unspool::{
    graph::{Params, Precision},
    nn::exchange::Exchange,
    text::{Part, Tokenizer},
};

/// A task with its examples and its model's first values.
pub(crate) struct Begun<T: Task> {
    pub(crate) task: T,
    /// The train part, to be read again.
    pub(crate) source: T::Source,
    pub(crate) dev: Scored<T>,
    pub(crate) test: Scored<T>,
    pub(crate) cut: Cut,
    pub(crate) params: Params,
    /// The text of model.toml, and of tokenizer.json if there is one.
    pub(crate) saved: String,
    pub(crate) tokenizer: Option<String>,
    /// The checksum of the data.
    pub(crate) data: Option<String>,
}

impl<T: Task> Begun<T> {
    /// Reads the data, and builds the model in the precision asked for. Beside it stands the train part.
    pub(crate) fn new(chosen: &Chosen<T>, exchange: &dyn Exchange) -> Result<(Begun<T>, Train<T>)> {
        let data = chosen.data(exchange);
        let Parts { train: source, dev, test } = T::read(&chosen.options, &data)?;
        let (learned, saved, tokenizer) = learn::<T>(chosen, &source, exchange)?;
        let mut params = Params::seeded(chosen.training.begin.seed);
        let task = T::build(learned.saved, learned.tokenizer, &mut params)?;
        params.check()?;
        if chosen.training.begin.precision() == Precision::F64 {
            params = params.to_f64();
        }
        let cut = Cut::default();
        let prepared_by = without_model(&saved);
        let cache = data.data_cache()?.with(&[T::SPEC.name, &prepared_by, tokenizer.as_deref().unwrap_or_default()]);
        let train = Train::new(&task, &source, &cut, &cache, exchange)?;
        let dev = Scored::new(&task, &dev, Part::Dev, &cut, &cache, exchange)?;
        let test = Scored::new(&task, &test, Part::Test, &cut, &cache, exchange)?;
        let data = data.checksum()?;
        Ok((Begun { task, source, dev, test, cut, params, saved, tokenizer, data }, train))
    }
}

/// What was saved, but for the model's own configuration, on which no example depends.
fn without_model(saved: &str) -> String {
    let mut table: toml::Table = saved.parse().unwrap_or_default();
    table.remove(MODEL_CONFIG);
    table.to_string()
}

/// What the first process learns from the train part, in every process, with the texts that the run folder keeps.
fn learn<T: Task>(
    chosen: &Chosen<T>,
    source: &T::Source,
    exchange: &dyn Exchange,
) -> Result<(Learned<T::Saved>, String, Option<String>)> {
    let mut own = None;
    let (saved, tokenizer) = broadcast(exchange, || {
        let learned = T::learn(&chosen.options, source)?;
        let mut table = toml::Table::try_from(&learned.saved)
            .map_err(|cause| Error::failure(format!("what the model needs to know is no TOML: {cause}"), ""))?;
        table.insert(TASK.into(), T::SPEC.name.into());
        if !source.columns().is_empty() {
            table.insert(COLUMNS.into(), source.columns().to_vec().into());
        }
        let tokenizer = learned.tokenizer.as_ref().map(Tokenizer::to_json).transpose()?;
        own = Some(learned);
        Ok((table.to_string(), tokenizer))
    })?;
    let learned = match own {
        Some(learned) => learned,
        None => {
            let unreadable = |cause| Error::failure(format!("what the first process learned is no TOML: {cause}"), "");
            let mut table: toml::Table = saved.parse().map_err(unreadable)?;
            table.remove(TASK);
            table.remove(COLUMNS);
            let load = |json: &String| Tokenizer::from_json("the first process's tokenizer", json);
            let tokenizer = tokenizer.as_ref().map(load).transpose()?;
            Learned { saved: table.try_into().map_err(unreadable)?, tokenizer }
        }
    };
    Ok((learned, saved, tokenizer))
}
