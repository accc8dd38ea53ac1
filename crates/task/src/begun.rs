//! A task with its data, as a training and a drawing begin.

use crate::{
    chosen::Chosen,
    error::{Error, Result},
    examples::{Cut, Scored, Train},
    parts::Parts,
    processes::broadcast,
    restore,
    run::{self, COLUMNS, MODEL, MODEL_CONFIG, TASK},
    say,
    source::{Kind, Source},
    task::{Learned, Task},
};
use std::path::Path;
use unspool::{
    graph::{Params, Precision},
    nn::{checkpoint, exchange::Exchange, load_vectors},
    text::{Part, Tokenizer},
};

/// The texts of [`run::TOKENIZERS`], as far as there are any.
type Tokenizers = [Option<String>; 2];

/// A task with its examples and its model's first values.
pub(crate) struct Begun<T: Task> {
    pub(crate) task: T,
    /// The train part, to be read again.
    pub(crate) source: T::Source,
    pub(crate) dev: Scored<T>,
    pub(crate) test: Scored<T>,
    pub(crate) cut: Cut,
    pub(crate) params: Params,
    /// What the model needs to know, as TOML.
    pub(crate) saved: String,
    pub(crate) tokenizers: Tokenizers,
    /// The checksum of the data.
    pub(crate) data: Option<String>,
}

impl<T: Task> Begun<T> {
    /// Reads the data, and builds the model in the precision asked for. Beside it stands the train part.
    pub(crate) fn new(chosen: &Chosen, exchange: &dyn Exchange) -> Result<(Begun<T>, Train<T>)> {
        let data = chosen.data(exchange);
        let Parts { train: source, dev, test } = T::read(&chosen.own::<T>()?, &data)?;
        let (learned, saved, tokenizers) = learn::<T>(chosen, &source, exchange)?;
        let Learned { saved: of_model, tokenizer, source_tokenizer } = learned;
        let bpe_dropout = chosen.training.bpe_dropout;
        if bpe_dropout > 0.0 {
            check_bpe_dropout::<T>(&source, [&tokenizer, &source_tokenizer], bpe_dropout)?;
        }
        let mut params = Params::seeded(chosen.training.begin.seed);
        let task = T::build_with_source(of_model, source_tokenizer, tokenizer, &mut params)?;
        params.check()?;
        if chosen.training.init_from.is_none() {
            task.initialize(&source, &mut params)?;
        }
        if let Some(path) = &chosen.training.vectors {
            let line = load_word_vectors(path, &mut params, tokenizers[0].as_deref())?;
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
        let [tokenizer, source_tokenizer] = tokenizers.each_ref().map(|json| json.as_deref().unwrap_or_default());
        let cache = data.data_cache()?.with(&[T::SPEC.name, &prepared_by, tokenizer, source_tokenizer]);
        let train = Train::new(&task, &source, bpe_dropout, &cut, &cache, exchange)?;
        let dev = Scored::new(&task, &dev, Part::Dev, &cut, &cache, exchange)?;
        let test = Scored::new(&task, &test, Part::Test, &cut, &cache, exchange)?;
        let data = data.checksum()?;
        Ok((Begun { task, source, dev, test, cut, params, saved, tokenizers, data }, train))
    }

    /// The sizes, with those of the train part.
    pub(crate) fn sizes(&self, train: &Train<T>) -> Sizes {
        let (dev, test) = (self.dev.examples.len(), self.test.examples.len());
        Sizes { train: train.lengths().len(), dev, test, parameters: self.params.elements() }
    }
}

/// How many examples the parts have, and numbers the model.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) train: usize,
    pub(crate) dev: usize,
    pub(crate) test: usize,
    pub(crate) parameters: usize,
}

impl Sizes {
    /// A line to show before training.
    pub(crate) fn line(&self, task: &str) -> String {
        let Sizes { train, dev, test, parameters } = self;
        format!("{task}: {parameters} parameters; {train} rows in train, {dev} in dev, {test} in test")
    }
}

/// Refuses BPE dropout where no text of a row is cut into byte pairs.
fn check_bpe_dropout<T: Task>(source: &T::Source, tokenizers: [&Option<Tokenizer>; 2], rate: f64) -> Result<()> {
    let has_texts = matches!(source.kind(), Kind::Rows(_)) && T::Source::row_of_texts(vec![]).is_some();
    if !has_texts || tokenizers[0].is_none() {
        let message = format!("--bpe-dropout {rate}: {} does not read its examples as rows of text", T::SPEC.name);
        return Err(Error::misuse(message, "leave --bpe-dropout out"));
    }
    tokenizers.into_iter().flatten().try_for_each(|tokenizer| {
        let hint = "give --tokens bpe, or leave --bpe-dropout out";
        let refused = |error| Error::misuse(format!("--bpe-dropout {rate}: {error}"), hint);
        tokenizer.encode_with_dropout("", rate, &[]).map(drop).map_err(refused)
    })
}

/// The table of a model's token vectors.
const EMBEDDING: &str = "embedding.weight";

/// Gives the tokens that a file of word vectors has these vectors. Returns how many they are, as a line to show.
fn load_word_vectors(path: &Path, params: &mut Params, tokenizer: Option<&str>) -> Result<String> {
    let table = params.iter().find(|p| params.name(*p) == EMBEDDING);
    let (Some(table), Some(json)) = (table, tokenizer) else {
        return Err(Error::misuse("--vectors: the model has no table of token vectors", "leave --vectors out"));
    };
    std::fs::metadata(path).map_err(|cause| Error::file(path, "read", &cause))?;
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
    chosen: &Chosen,
    source: &T::Source,
    exchange: &dyn Exchange,
) -> Result<(Learned<T::Saved>, String, Tokenizers)> {
    let mut own = None;
    let texts = |[own, source]: [&Option<Tokenizer>; 2]| -> Result<Tokenizers> {
        let json = |tokenizer: &Option<Tokenizer>| tokenizer.as_ref().map(Tokenizer::to_json).transpose();
        Ok([json(own)?, json(source)?])
    };
    let (saved, tokenizers) = broadcast(exchange, || {
        let (mut table, tokenizers) = match &chosen.training.init_from {
            Some(from) => (run::read_saved(from)?, texts(restore::tokenizers(from)?.each_ref())?),
            None => {
                let learned = T::learn(&chosen.own::<T>()?, source)?;
                let table = toml::Table::try_from(&learned.saved)
                    .map_err(|cause| Error::failure(format!("cannot write the model's configuration: {cause}"), ""))?;
                let tokenizers = texts([&learned.tokenizer, &learned.source_tokenizer])?;
                own = Some(learned);
                (table, tokenizers)
            }
        };
        table.insert(TASK.into(), T::SPEC.name.into());
        if !source.columns().is_empty() {
            table.insert(COLUMNS.into(), source.columns().to_vec().into());
        }
        Ok((table.to_string(), tokenizers))
    })?;
    let learned = match own {
        Some(learned) => learned,
        None => {
            let unreadable = |cause| Error::failure(format!("cannot read the first process's message: {cause}"), "");
            let mut table: toml::Table = saved.parse().map_err(unreadable)?;
            table.remove(TASK);
            table.remove(COLUMNS);
            let load = |json: &String| Tokenizer::from_json("the first process's tokenizer", json);
            let [tokenizer, source_tokenizer] = tokenizers.each_ref().map(|json| json.as_ref().map(load).transpose());
            let saved = table.try_into().map_err(unreadable)?;
            Learned { saved, tokenizer: tokenizer?, source_tokenizer: source_tokenizer? }
        }
    };
    Ok((learned, saved, tokenizers))
}
