//! A task with its data, as a training and a drawing begin.

use crate::{
    chosen::Chosen,
    error::{Error, Result},
    examples::{Cut, Scored, Train},
    parts::Parts,
    processes::broadcast,
    run::{self, COLUMNS, MODEL, MODEL_CONFIG, TASK, TOKENIZER},
    say,
    source::Source,
    task::{Learned, Task},
};
use std::path::Path;
use unspool::{
    graph::{Params, Precision},
    nn::{checkpoint, exchange::Exchange, load_vectors},
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
    /// What the model needs to know, as TOML, and the text of tokenizer.json if there is one.
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
        if let Some(path) = &chosen.training.vectors {
            let line = load_word_vectors(path, &mut params, tokenizer.as_deref())?;
            if exchange.rank() == 0 {
                say::line(&line);
            }
        }
        if let Some(from) = &chosen.training.init_from {
            checkpoint::load(&from.join(MODEL), &mut params).map_err(|error| {
                Error::from(error).hint("--init-from must name a finished run of the same task with the same model")
            })?;
        }
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

/// The table of a model's token vectors.
const EMBEDDING: &str = "embedding.weight";

/// Gives the tokens that a file of word vectors has these vectors. Returns how many they are, as a line to show.
fn load_word_vectors(path: &Path, params: &mut Params, tokenizer: Option<&str>) -> Result<String> {
    let table = params.iter().find(|p| params.name(*p) == EMBEDDING);
    let (Some(table), Some(json)) = (table, tokenizer) else {
        return Err(Error::misuse("--vectors: the model has no table of token vectors", "leave --vectors out"));
    };
    let tokenizer = Tokenizer::from_json("the tokenizer", json)?;
    let found = load_vectors(path, params, table, |word| tokenizer.id(word).map(|id| id as usize))
        .map_err(|error| Error::from(error).hint("--embedding-size must be the size of the vectors"))?;
    let (rows, all) = (found.rows.len(), tokenizer.vocabulary_size());
    if rows == 0 {
        let message = format!("{}: none of its {} words is a token of the model", path.display(), found.in_file);
        return Err(Error::failure(message, "--tokens words makes tokens of words"));
    }
    Ok(format!("{rows} of {all} tokens begin with a vector of {}", path.display()))
}

/// What was saved, but for the model's own configuration, on which no example depends.
fn without_model(saved: &str) -> String {
    let mut table: toml::Table = saved.parse().unwrap_or_default();
    table.remove(MODEL_CONFIG);
    table.to_string()
}

/// What the first process learns from the train part, or takes from the run that the training starts from, in every
/// process, with the texts that the run folder keeps.
fn learn<T: Task>(
    chosen: &Chosen<T>,
    source: &T::Source,
    exchange: &dyn Exchange,
) -> Result<(Learned<T::Saved>, String, Option<String>)> {
    let mut own = None;
    let (saved, tokenizer) = broadcast(exchange, || {
        let (mut table, tokenizer) = match &chosen.training.init_from {
            Some(from) => {
                let path = from.join(TOKENIZER);
                let tokenizer = if path.exists() { Some(Tokenizer::load(path)?.to_json()?) } else { None };
                (run::read_saved(from)?, tokenizer)
            }
            None => {
                let learned = T::learn(&chosen.options, source)?;
                let table = toml::Table::try_from(&learned.saved)
                    .map_err(|cause| Error::failure(format!("what the model needs to know is no TOML: {cause}"), ""))?;
                let tokenizer = learned.tokenizer.as_ref().map(Tokenizer::to_json).transpose()?;
                own = Some(learned);
                (table, tokenizer)
            }
        };
        table.insert(TASK.into(), T::SPEC.name.into());
        if !source.columns().is_empty() {
            table.insert(COLUMNS.into(), source.columns().to_vec().into());
        }
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
