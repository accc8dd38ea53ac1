//! Which path does what.

use crate::{
    api,
    batch::Batcher,
    failure::Failure,
    guard,
    limits::Limits,
    model::{Description, Input, Model, Refused},
    page,
    receive::{self, Memory, Received},
    respond::{self, Answer},
    stream,
};
use hyper::{Method, Request, StatusCode, body::Incoming};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};
use tokio::sync::Semaphore;

/// A model, what it says of itself under its name in paths, and its queue.
struct Served {
    description: Description,
    model: Arc<dyn Model>,
    batcher: Batcher,
}

/// All that is served.
pub(crate) struct Site {
    models: Vec<Served>,
    /// A further name of this server.
    host: String,
    limits: Limits,
    memory: Memory,
    /// Texts whose generation runs or waits.
    generations: Arc<Semaphore>,
}

impl Site {
    pub(crate) fn new(models: Vec<Arc<dyn Model>>, host: &str, limits: &Limits) -> io::Result<Site> {
        let mut taken = BTreeSet::new();
        let named = models.into_iter().map(|model| {
            let mut description = model.describe();
            description.name = free_name(&description.name, &mut taken);
            Ok(Served { description, batcher: Batcher::start(model.clone(), limits)?, model })
        });
        Ok(Site {
            models: named.collect::<io::Result<_>>()?,
            host: host.to_owned(),
            memory: Memory::new(limits.memory_bytes),
            generations: Arc::new(Semaphore::new(limits.generation_queue)),
            limits: limits.clone(),
        })
    }

    /// Answers a request, whatever it is.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Answer {
        self.route(request).await.unwrap_or_else(Answer::from)
    }

    async fn route(&self, request: Request<Incoming>) -> Result<Answer, Failure> {
        guard::check(request.method(), request.headers(), &self.host)?;
        let path = request.uri().path().to_owned();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match parts[..] {
            [""] => get(&request, || file("index.html")),
            ["page", name] => get(&request, || file(name)),
            ["api", "schema"] => get(&request, || Ok(respond::text("application/json", api::SCHEMA))),
            ["api", "models"] => {
                get(&request, || Ok(respond::json(&self.models.iter().map(Served::json).collect::<Vec<_>>())))
            }
            ["api", "models", name] => self.of_model(name, &request, |one| Ok(respond::json(&one.json()))),
            ["api", "models", name, "training"] => self.of_model(name, &request, |one| {
                Ok(respond::json(&json!({ "ready": one.ready().is_none(), "training": one.model.training() })))
            }),
            ["api", "models", name, "curve.svg"] => self.of_model(name, &request, |one| {
                let none = || Failure::new(StatusCode::NOT_FOUND, "the training has drawn no curve yet");
                Ok(respond::text("image/svg+xml", one.model.curve().ok_or_else(none)?))
            }),
            ["api", "models", name, "predict"] => self.predict(self.named(name)?, request).await,
            ["api", "models", name, "generate"] => self.generate(self.named(name)?, request).await,
            _ => Err(not_found()),
        }
    }

    fn of_model(
        &self,
        name: &str,
        request: &Request<Incoming>,
        answer: impl FnOnce(&Served) -> Result<Answer, Failure>,
    ) -> Result<Answer, Failure> {
        let model = self.named(name)?;
        get(request, || answer(model))
    }

    fn named(&self, name: &str) -> Result<&Served, Failure> {
        self.models.iter().find(|one| one.description.name == name).ok_or_else(|| {
            Failure::new(StatusCode::NOT_FOUND, "there is no model of that name").hint("GET /api/models lists them")
        })
    }

    async fn predict(&self, model: &Served, request: Request<Incoming>) -> Result<Answer, Failure> {
        check_post(&request)?;
        let (is_sound, limits) = (model.description.input == Input::Sound, &self.limits);
        let (allowed, most): (&[&str], usize) = match is_sound {
            true => (&["audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"], limits.sound_bytes),
            false => (&["application/json"], limits.json_bytes),
        };
        check_type(&request, allowed)?;
        model.model.ready()?;
        let (parts, body) = request.into_parts();
        let Received { bytes, memory } = receive::receive(body, most, &self.memory, limits).await?;
        let question = match is_sound {
            true => api::sound(parts.uri.query(), bytes.into())?,
            false => api::question(&bytes)?,
        };
        if question.prefix.is_some() && !model.description.takes_prefix {
            return Err(api::invalid("this model begins no answer with a given text", "leave prefix out"));
        }
        Ok(respond::json(&model.batcher.ask(question, memory).await?))
    }

    async fn generate(&self, model: &Served, request: Request<Incoming>) -> Result<Answer, Failure> {
        check_post(&request)?;
        check_type(&request, &["application/json"])?;
        if model.description.input != Input::Prompt {
            return Err(
                Failure::new(StatusCode::NOT_FOUND, "this model writes no text of its own").hint("ask it with predict")
            );
        }
        model.model.ready()?;
        let Received { bytes, memory } =
            receive::receive(request.into_body(), self.limits.json_bytes, &self.memory, &self.limits).await?;
        let ask = api::continuation(&bytes)?;
        drop((bytes, memory));
        let slot = self.generations.clone().try_acquire_owned().map_err(|_| Failure::busy())?;
        let (writer, events) = stream::stream(self.limits.unread_bytes.max(ask.prompt.len()));
        let model = model.model.clone();
        // The threads of the runtime's pool are as many as texts are written at a time; further ones wait.
        tokio::task::spawn_blocking(move || {
            let _slot = slot;
            if writer.is_closed() {
                return;
            }
            let generate = || model.generate(&ask, &mut |piece| writer.write(piece));
            let result = catch_unwind(AssertUnwindSafe(generate));
            writer.end(result.unwrap_or_else(|_| Err(Refused::Failed("the model failed".into()))));
        });
        Ok(respond::events(events))
    }
}

impl Served {
    /// Says why the model cannot be asked; nothing where it can.
    fn ready(&self) -> Option<String> {
        self.model.ready().err().map(|why| why.to_string())
    }

    fn json(&self) -> Value {
        let (Description { name, task, about, input, takes_prefix }, why) = (&self.description, self.ready());
        json!({
            "name": name, "task": task, "about": about, "input": input, "takes_prefix": takes_prefix,
            "ready": why.is_none(), "why": why
        })
    }
}

/// Returns a name that a path can hold, and that no other model has.
fn free_name(name: &str, taken: &mut BTreeSet<String>) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = name.chars().map(plain).take(100).collect();
    let name = if name.trim_matches('.').is_empty() { "model".to_owned() } else { name };
    let numbered = (2u64..).map(|number| format!("{name}-{number}"));
    let free = [name.clone()].into_iter().chain(numbered).find(|name| !taken.contains(name)).unwrap_or(name);
    taken.insert(free.clone());
    free
}

fn file(name: &str) -> Result<Answer, Failure> {
    let (content_type, text) = page::file(name).ok_or_else(not_found)?;
    Ok(respond::text(content_type, text))
}

fn not_found() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "there is no such path").hint("GET /api/schema lists them")
}

fn get(request: &Request<Incoming>, answer: impl FnOnce() -> Result<Answer, Failure>) -> Result<Answer, Failure> {
    if [Method::GET, Method::HEAD].contains(request.method()) { answer() } else { Err(Failure::method("GET, HEAD")) }
}

fn check_post(request: &Request<Incoming>) -> Result<(), Failure> {
    if request.method() == Method::POST { Ok(()) } else { Err(Failure::method("POST")) }
}

fn check_type(request: &Request<Incoming>, allowed: &[&str]) -> Result<(), Failure> {
    match allowed.contains(&receive::content_type(request).as_str()) {
        true => Ok(()),
        false => {
            Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body has another type than the model reads")
                .hint(format!("send Content-Type: {}", allowed[0])))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_has_a_name_of_its_own_that_a_path_can_hold() {
        let mut taken = BTreeSet::new();
        let names = ["run 1", "run/1", "run-1", "..", "", "한국", &"x".repeat(300)];
        let names: Vec<String> = names.iter().map(|name| free_name(name, &mut taken)).collect();
        assert_eq!(names[..6], ["run-1", "run-1-2", "run-1-3", "model", "model-2", "--"]);
        assert_eq!(names[6].len(), 100);
    }
}
