//! What makes a run the run it is: its options, and the contents of its data and of its tokenizer. The headers of both
//! checkpoints hold it, so a training goes on with nothing else, and no file of another run passes for one of its own.

use super::{
    checksum::Checksum,
    error::{Error, Result},
};
use std::{collections::BTreeMap, path::Path};
use toml::{Table, Value};

/// What config.json holds: the task, its sizes, its labels.
const MODEL: &str = "model";
/// The options but `--data`, as config.toml has them.
const OPTIONS: &str = "options";
/// The checksum of the data's contents, wherever the files are.
const DATA: &str = "data";
/// The checksums of tokenizer.json and of source_tokenizer.json.
const TOKENIZERS: [&str; 2] = ["tokenizer", "source tokenizer"];

/// What a run was begun with. It is the same for equal runs, wherever their files are.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Identity(BTreeMap<String, String>);

impl Identity {
    /// Of a run that begins, or would go on.
    pub(crate) fn new(model: String, config: &Table, data: Option<String>, tokenizers: [Option<&str>; 2]) -> Identity {
        let mut options = config.clone();
        options.remove(DATA);
        let sum = |json: &str| Checksum::default().add(json.as_bytes()).text();
        let [tokenizer, source] = tokenizers.map(|json| json.map(sum));
        let [of_tokenizer, of_source] = TOKENIZERS;
        let all = [
            (MODEL, Some(model)),
            (OPTIONS, Some(options.to_string())),
            (DATA, data),
            (of_tokenizer, tokenizer),
            (of_source, source),
        ];
        Identity(all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
    }

    /// What the header of a checkpoint holds of it: nothing for a file from elsewhere.
    pub(crate) fn of_header(metadata: &BTreeMap<String, String>) -> Identity {
        let own =
            |(key, _): &(&String, &String)| [&[MODEL, OPTIONS, DATA][..], &TOKENIZERS].concat().contains(&key.as_str());
        Identity(metadata.iter().filter(own).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    /// As the metadata of a checkpoint.
    pub(crate) fn metadata(&self) -> BTreeMap<String, String> {
        self.0.clone()
    }

    /// Says in what `now` differs, first what explains the rest.
    pub(crate) fn difference(&self, now: &Identity) -> Option<String> {
        [&[OPTIONS, DATA, MODEL][..], &TOKENIZERS].concat().into_iter().find_map(|key| {
            let (began, now) = (self.0.get(key), now.0.get(key));
            match (began, now) {
                _ if began == now => None,
                (Some(began), Some(now)) if [MODEL, OPTIONS].contains(&key) => {
                    difference_of_tables(began, &now.parse().unwrap_or_default())
                }
                (Some(began), Some(now)) => Some(format!("the checksum of the {key} is {now} where it was {began}")),
                _ => Some(format!("the {key} is not recorded")),
            }
        })
    }

    /// Says what is not of this run in the config.json that stands beside its checkpoint.
    pub(crate) fn difference_of_model(&self, found: &Table) -> Option<String> {
        self.0.get(MODEL).and_then(|began| difference_of_tables(began, found))
    }

    /// Says whether the file of the tokenizer, or of the source's, is another than the run's.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn difference_of_tokenizer(&self, place: usize, path: &Path) -> Result<Option<String>> {
        let Some(began) = self.0.get(TOKENIZERS[place]) else { return Ok(None) };
        let now = Checksum::default().add_file(path).map_err(|cause| Error::file(path, "read", &cause))?.text();
        Ok((now != *began).then(|| format!("its checksum is {now} where it was {began}")))
    }

    /// Refuses to go on with anything but what the run in `folder` was begun with.
    pub(crate) fn check(&self, now: &Identity, folder: &Path) -> Result<()> {
        match self.difference(now) {
            None => Ok(()),
            Some(difference) => Err(Error::failure(
                format!("{}: this run began with something else: {difference}", folder.display()),
                "resume with the data and options that the run began with, or begin another run in a new folder",
            )),
        }
    }

    /// Refuses options that the run in `folder` was not begun with, before anything is read.
    pub(crate) fn check_options(&self, config: &Table, folder: &Path) -> Result<()> {
        let now = Identity::new(String::new(), config, None, [None; 2]).0.remove(OPTIONS);
        let now = now.map(|options| (OPTIONS.to_owned(), options));
        let began = self.0.get(OPTIONS).map(|options| (OPTIONS.to_owned(), options.clone()));
        Identity(began.into_iter().collect()).check(&Identity(now.into_iter().collect()), folder)
    }
}

/// Two tables are compared by what they say, not by how it is written.
fn difference_of_tables(began: &str, now: &Table) -> Option<String> {
    difference_in("", &began.parse().unwrap_or_default(), now)
}

/// The first key, in this table or in one inside of it, whose value is not what it was.
fn difference_in(within: &str, began: &Table, now: &Table) -> Option<String> {
    const LONGEST: usize = 60;
    let key = began.keys().chain(now.keys()).find(|key| began.get(*key) != now.get(*key))?;
    let (was, is) = (began.get(key), now.get(key));
    if let (Some(Value::Table(was)), Some(Value::Table(is))) = (was, is) {
        return difference_in(&format!("{within}{key}."), was, is);
    }
    let text = |value: Option<&Value>| value.map_or("missing".to_owned(), Value::to_string);
    let (was, is) = (text(was), text(is));
    Some(if was.len().max(is.len()) > LONGEST {
        format!("{within}{key} is not what it was")
    } else {
        format!("{within}{key} is {is} where it was {was}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(options: &str, data: &str, model: &str, tokenizer: &str) -> Identity {
        Identity::new(model.into(), &options.parse().unwrap(), Some(data.into()), [Some(tokenizer), None])
    }

    #[test]
    fn a_run_is_what_it_was_trained_on_and_not_where_that_lies() {
        let began = identity("epochs = 3\ndata = [\"a.tsv\"]", "d", "labels = [\"x\"]", "t");
        let of_header = Identity::of_header(&began.metadata());
        assert_eq!(of_header, began);
        for (now, difference) in [
            (identity("data = [\"/elsewhere/a.tsv\"]\nepochs = 3", "d", "labels = [\"x\"]", "t"), None),
            (identity("epochs = 4", "d", "labels = [\"x\"]", "t"), Some("epochs is 4 where it was 3")),
            (
                identity("epochs = 3", "e", "labels = [\"y\"]", "u"),
                Some("the checksum of the data is e where it was d"),
            ),
            (identity("epochs = 3", "d", "labels = [\"y\"]", "t"), Some("labels is [\"y\"] where it was [\"x\"]")),
        ] {
            assert_eq!(began.difference(&now).as_deref(), difference);
        }
        let other = identity("epochs = 3", "d", "labels = [\"x\"]", "other");
        assert!(began.difference(&other).unwrap().starts_with("the checksum of the tokenizer is "));
        assert!(began.check_options(&"epochs = 3".parse().unwrap(), Path::new("run")).is_ok());
        assert!(began.check_options(&"epochs = 2".parse().unwrap(), Path::new("run")).is_err());
        // A file from elsewhere says nothing, and is no run to go on with.
        assert!(Identity::of_header(&BTreeMap::new()).difference(&began).is_some());
    }
}
