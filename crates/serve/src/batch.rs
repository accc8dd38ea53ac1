//! Requests that wait are answered as one batch.
//!
//! Each model has a thread and a queue of bounded length. The thread takes all questions that wait, up to the size of a
//! batch, and answers them together; meanwhile others come and wait. Nobody waits for a batch to fill. Long questions
//! make smaller batches, so that a batch never takes more memory than the longest question alone may take.

use crate::{
    api::INPUT,
    failure::Failure,
    limits::Limits,
    model::{Model, Prediction, Question, Refused},
};
use std::{
    io, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// The weight of a batch of more than one question, at most: that of the longest text.
const WEIGHT: usize = INPUT;

type Answer = Result<Prediction, Refused>;

/// A question that waits, the memory that it takes, and who waits for the answer.
struct Waiting {
    question: Question,
    _memory: OwnedSemaphorePermit,
    answer: oneshot::Sender<Answer>,
}

/// The queue of a model.
pub(crate) struct Batcher(mpsc::Sender<Waiting>);

impl Batcher {
    /// Starts the thread of a model. It ends when the queue is dropped.
    pub(crate) fn start(model: Arc<dyn Model>, limits: &Limits) -> io::Result<Batcher> {
        let (sender, mut receiver) = mpsc::channel(limits.queue.max(1));
        let most = limits.batch.max(1);
        thread::Builder::new().name("batches".into()).spawn(move || {
            let mut batch = vec![];
            while receiver.blocking_recv_many(&mut batch, most) > 0 {
                parts(mem::take(&mut batch)).into_iter().for_each(|part| answer(&*model, part));
            }
        })?;
        Ok(Batcher(sender))
    }

    /// Asks and waits for the answer. Whoever stops waiting is not answered.
    pub(crate) async fn ask(&self, question: Question, memory: OwnedSemaphorePermit) -> Result<Prediction, Failure> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(Waiting { question, _memory: memory, answer }).map_err(|_| Failure::busy())?;
        let gone = |_| Refused::Failed("the model has stopped".into());
        Ok(answered.await.map_err(gone).flatten()?)
    }
}

/// Divides questions, in their order, into batches that are not too heavy.
fn parts(all: Vec<Waiting>) -> Vec<Vec<Waiting>> {
    let (mut parts, mut weight) = (vec![], usize::MAX);
    for one in all {
        let more = one.question.weight();
        match parts.last_mut() {
            Some(part) if weight.saturating_add(more) <= WEIGHT => Vec::push(part, one),
            _ => {
                parts.push(vec![one]);
                weight = 0;
            }
        }
        weight += more;
    }
    parts
}

/// Answers a batch. Clients that have left are left out.
fn answer(model: &dyn Model, mut batch: Vec<Waiting>) {
    batch.retain(|one| !one.answer.is_closed());
    let (questions, senders): (Vec<Question>, Vec<_>) =
        batch.into_iter().map(|one| (one.question, (one.answer, one._memory))).unzip();
    if questions.is_empty() {
        return;
    }
    let ask = |questions: &[Question]| {
        let found = catch_unwind(AssertUnwindSafe(|| model.predict(questions))).ok();
        found.filter(|found| found.len() == questions.len())
    };
    // A question that makes the model fail takes no other one with it.
    let alone = |question: &Question| {
        let found = ask(std::slice::from_ref(question)).and_then(|mut found| found.pop());
        found.unwrap_or_else(|| Err(Refused::Failed("the model failed".into())))
    };
    let found = ask(&questions).unwrap_or_else(|| questions.iter().map(alone).collect());
    for ((sender, memory), found) in senders.into_iter().zip(found) {
        // A client that has its answer can ask as much again.
        drop(memory);
        let _ = sender.send(found);
    }
}
