//! The model of a run folder as a server asks it.
//!
//! The folder may be that of a training that still runs. Its weights are read as soon as they are there, and again once
//! the training has replaced them by better ones; its record is read each time.

use crate::{
    any_task::AnyTask,
    chosen::Chosen,
    draw::Draw,
    error::{Error, Result},
    figures::Attention,
    limits,
    lock::is_held,
    predict::{self, Form},
    restore::{Restored, restore},
    run::{CURVE, METRICS, MODEL, RunFolder},
    task::{Digits, Shown, Task},
};
use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};
use unspool::{
    nn::parallel_map,
    text::{BatchSize, Part},
};
use unspool_serve::{
    AttentionMap, Continuation, Contribution, Description, Input, Model, Prediction, Question, Ranked, Refused,
    Training,
};

/// Bytes of a file of the training's record, and the rows of it that are shown, the last ones.
const RECORD: u64 = 16 << 20;
const ROWS: usize = 2000;
/// Weights of a map of attention.
const CELLS: usize = 1 << 16;

/// Which weights they are.
type Version = (Option<SystemTime>, u64);

/// Weights that were read, and in which batches they answer.
struct Loaded<T> {
    version: Version,
    task: T,
    params: unspool::graph::Params,
    size: BatchSize,
}

/// The model of a run folder.
pub(crate) struct Served<T> {
    known: &'static dyn AnyTask,
    path: PathBuf,
    loaded: Mutex<Option<Arc<Loaded<T>>>>,
}

impl<T: Task> Served<T> {
    /// Opens a run folder. Weights that are there already are read, so that what is wrong with them is said at once.
    pub(crate) fn open(known: &'static dyn AnyTask, path: PathBuf) -> Result<Served<T>> {
        let served = Served { known, path, loaded: Mutex::default() };
        if let Some(version) = served.version() {
            *served.loaded.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(served.read(version)?));
        }
        Ok(served)
    }

    fn version(&self) -> Option<Version> {
        let found = fs::metadata(self.path.join(MODEL)).ok()?;
        Some((found.modified().ok(), found.len()))
    }

    fn read(&self, version: Version) -> Result<Loaded<T>> {
        let folder = RunFolder::open(&self.path)?;
        let Restored { task, params, .. } = restore::<T>(&folder)?;
        Ok(Loaded { version, task, params, size: Chosen::of_run(self.known, &folder)?.size })
    }

    /// The newest weights. New ones that cannot be read leave those that are there.
    fn loaded(&self) -> std::result::Result<Arc<Loaded<T>>, Refused> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let version = self.version().ok_or_else(no_weights)?;
        if let Some(known) = loaded.as_ref().filter(|known| known.version == version) {
            return Ok(known.clone());
        }
        match (self.read(version), loaded.as_ref()) {
            (Ok(read), _) => Ok(loaded.insert(Arc::new(read)).clone()),
            (Err(_), Some(known)) => Ok(known.clone()),
            (Err(error), None) => Err(Refused::NotReady(error.to_string())),
        }
    }
}

impl<T: Task> Model for Served<T> {
    fn describe(&self) -> Description {
        let path = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        let name = path.file_name().map_or_else(|| T::SPEC.name.into(), |name| name.to_string_lossy().into_owned());
        let (task, about) = (T::SPEC.name.to_owned(), T::SPEC.about.to_owned());
        Description { name, task, about, input: T::SPEC.input, takes_prefix: T::SPEC.takes_prefix }
    }

    fn ready(&self) -> std::result::Result<(), Refused> {
        self.version().map(drop).ok_or_else(no_weights)
    }

    fn predict(&self, questions: &[Question]) -> Vec<std::result::Result<Prediction, Refused>> {
        let loaded = match self.loaded() {
            Ok(loaded) => loaded,
            Err(refused) => return questions.iter().map(|_| Err(refused.clone())).collect(),
        };
        // Those of one search are a batch.
        let mut groups = BTreeMap::<(usize, bool, bool), Vec<usize>>::new();
        for (place, question) in questions.iter().enumerate() {
            let search = (question.best, question.attention, question.prefix.is_some());
            groups.entry(search).or_default().push(place);
        }
        let mut answers = BTreeMap::new();
        for ((count, attention, prefix), places) in groups {
            let form = Form { count, attention, json: true, ranked: false, prefix };
            answers.extend(loaded.answers(questions, places, form));
        }
        let lost = || Err(Refused::Failed("the model has no answer".into()));
        (0..questions.len()).map(|place| answers.remove(&place).unwrap_or_else(lost)).collect()
    }

    fn generate(&self, ask: &Continuation, write: &mut dyn FnMut(&str) -> bool) -> std::result::Result<(), Refused> {
        let loaded = self.loaded()?;
        let mut say = |piece: &str| if write(piece) { Ok(()) } else { Err(Error::Closed) };
        match loaded.task.generate(&loaded.params, ask, &mut say) {
            Ok(()) | Err(Error::Closed) => Ok(()),
            Err(error) => Err(refused(error)),
        }
    }

    fn training(&self) -> Option<Training> {
        let is_running = is_held(&self.path);
        let bytes = limits::read(&self.path.join(METRICS), RECORD).ok().flatten().unwrap_or_default();
        let text = String::from_utf8(bytes).unwrap_or_default();
        let mut lines = text.lines();
        let columns: Vec<String> =
            lines.next().into_iter().flat_map(|line| line.split(',')).map(str::to_owned).collect();
        let number = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite());
        let mut rows: Vec<Vec<Option<f64>>> = lines.map(|line| line.split(',').map(number).collect()).collect();
        rows.retain(|row| row.len() == columns.len());
        rows.drain(..rows.len().saturating_sub(ROWS));
        (is_running || !rows.is_empty()).then_some(Training { is_running, columns, rows })
    }

    fn curve(&self) -> Option<String> {
        String::from_utf8(limits::read(&self.path.join(CURVE), RECORD).ok().flatten()?).ok()
    }
}

impl<T: Task> Loaded<T> {
    /// The answers to the questions at some places, which ask for one form.
    fn answers(
        &self,
        questions: &[Question],
        places: Vec<usize>,
        form: Form,
    ) -> Vec<(usize, std::result::Result<Prediction, Refused>)> {
        let (mut told, mut asked, mut examples) = (vec![], vec![], vec![]);
        let read = parallel_map(places, |place| (place, self.example(&questions[place])));
        for (place, example) in read {
            match example {
                Ok(example) => {
                    asked.push(place);
                    examples.push(Some(example));
                }
                Err(why) => told.push((place, Err(why))),
            }
        }
        let mut found = match predict::answers(&self.task, &self.params, &examples, self.size, form) {
            Ok(found) => found,
            Err(error) => {
                let why = refused(error);
                told.extend(asked.into_iter().map(|place| (place, Err(why.clone()))));
                return told;
            }
        };
        for (number, (place, example)) in asked.iter().zip(&examples).enumerate() {
            let (Some(answer), Some((example, cut_to))) = (found.remove(&number), example) else { continue };
            let told_of = answer.and_then(|answer| self.prediction(&questions[*place], example, &answer, *cut_to));
            told.push((*place, told_of.map_err(refused)));
        }
        told
    }

    /// The example of a question, and to how many tokens it was cut.
    fn example(&self, question: &Question) -> std::result::Result<(T::Example, Option<usize>), Refused> {
        let draw = Draw::scored(0, Part::Test);
        let example = match T::SPEC.input {
            Input::Sound => self.task.read_sound(question.sound()?, &draw),
            _ => match &question.prefix {
                Some(prefix) => self.task.read_prefixed(question.text()?, prefix, &draw),
                None => self.task.read_line(question.text()?, &draw),
            },
        };
        Ok((example.map_err(refused)?, Some(draw.was_cut().1).filter(|length| *length > 0)))
    }

    fn prediction(
        &self,
        question: &Question,
        example: &T::Example,
        answer: &T::Answer,
        cut_to: Option<usize>,
    ) -> Result<Prediction> {
        let Shown { answer: text, probability, best, attention, .. } = self.task.show(example, answer, Digits::All);
        let contributions = match question.contributions {
            true => self.task.contributions(&self.params, example, answer)?,
            false => None,
        };
        let alternatives = match question.alternatives {
            0 => None,
            count => self.task.alternatives(&self.params, example, count)?,
        };
        let contribution = |(text, value)| Contribution { text, value };
        let map = |Attention { rows, columns, weights }| AttentionMap { rows, columns, weights };
        let mut best: Vec<Ranked> = best.into_iter().map(|(text, score)| Ranked { text, score: Some(score) }).collect();
        if best.is_empty() {
            best.push(Ranked { text: text.clone(), score: None });
        }
        Ok(Prediction {
            answer: text,
            probability,
            best,
            attention: attention.map(map).filter(|map| map.cells() <= CELLS),
            contributions: contributions.map(|all| all.into_iter().map(contribution).collect()),
            alternatives,
            cut_to,
        })
    }
}

fn no_weights() -> Refused {
    Refused::NotReady("the model has no weights yet: its training has not ended its first evaluation".into())
}

/// Why a question has no answer. A hint that names an option of a command is of no use here.
fn refused(error: Error) -> Refused {
    let (message, hint) = error.hint_for_options(&[], "").lines();
    Refused::question(message, hint)
}
