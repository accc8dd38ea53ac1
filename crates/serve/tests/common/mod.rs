//! A server of models that need no training, and a client that sends what it is told to, byte for byte.
#![allow(dead_code)] // Not every test uses all of these.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use unspool_serve::{
    Alternative, AttentionMap, Continuation, Contribution, Description, Input, Limits, Model, Prediction, Question,
    Ranked, Refused, Training, serve,
};

/// A server that stops when this is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Server {
    pub(crate) fn start(models: Vec<Arc<dyn Model>>, limits: Limits) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let asked = stop.clone();
        let thread = Some(thread::spawn(move || serve(listener, models, &limits, &asked)));
        Server { address, stop, thread }
    }

    /// A server of a [`Reverse`].
    pub(crate) fn of_reverse(limits: Limits) -> (Server, Arc<Reverse>) {
        let model = Arc::new(Reverse::default());
        (Server::start(vec![model.clone()], limits), model)
    }

    pub(crate) fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) {
        self.ask_to_stop();
        self.thread.take().unwrap().join().unwrap().unwrap();
    }

    /// A connection whose reads end after a while, so that a server that hangs fails a test.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// Sends bytes, and reads all that comes back until the connection ends.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Reply {
        let mut stream = self.connect();
        // A server that refuses a request does not read the rest of it.
        let _ = stream.write_all(bytes);
        Reply::read(&mut stream)
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.raw(format!("GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address).as_bytes())
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Reply {
        self.raw(&self.request(path, body.as_bytes(), "application/json"))
    }

    /// A whole request whose answer ends the connection.
    pub(crate) fn request(&self, path: &str, body: &[u8], content_type: &str) -> Vec<u8> {
        let head = format!(
            "POST {path} HTTP/1.0\r\nHost: {}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    /// Asks the model `reverse`.
    pub(crate) fn reverse(&self, text: &str) -> Reply {
        self.post("/api/models/reverse/predict", &serde_json::json!({ "input": text }).to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ask_to_stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(thread::panicking() || ended.is_ok_and(|served| served.is_ok()));
        }
    }
}

/// What came back; all empty where the connection just ended.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn read(stream: &mut TcpStream) -> Reply {
        let mut bytes = vec![];
        // A reset ends the connection, too; a timeout does not.
        if let Err(cause) = stream.read_to_end(&mut bytes) {
            let timeouts = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
            assert!(!timeouts.contains(&cause.kind()), "the server hangs after {:?}", String::from_utf8_lossy(&bytes));
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return Reply::default() };
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        Reply { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    /// The message of an error, after checks that it is one in one form.
    pub(crate) fn error(&self) -> String {
        let json = self.json();
        assert_eq!(json["error"]["status"], self.status, "{self:?}");
        assert_eq!(json["error"].as_object().unwrap().len(), 3, "{self:?}");
        json["error"]["message"].as_str().unwrap().to_owned()
    }
}

/// A gate that is open, or closed with somebody before it.
#[derive(Default)]
pub(crate) struct Gate {
    /// Whether it is closed, and how many wait.
    state: Mutex<(bool, usize)>,
    changed: Condvar,
}

impl Gate {
    pub(crate) fn set_closed(&self, closed: bool) {
        self.state.lock().unwrap().0 = closed;
        self.changed.notify_all();
    }

    /// Waits until somebody stands before the gate.
    pub(crate) fn wait_for_somebody(&self) {
        let _state = self.changed.wait_while(self.state.lock().unwrap(), |state| state.1 == 0).unwrap();
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, |state| state.0).unwrap();
        state.1 -= 1;
    }
}

/// Answers a text with the same text backward, and notes how large its batches are.
#[derive(Default)]
pub(crate) struct Reverse {
    pub(crate) gate: Gate,
    pub(crate) batches: Mutex<Vec<usize>>,
}

impl Model for Reverse {
    fn describe(&self) -> Description {
        description("reverse", Input::Text)
    }

    fn predict(&self, questions: &[Question]) -> Vec<Result<Prediction, Refused>> {
        self.gate.pass();
        self.batches.lock().unwrap().push(questions.len());
        questions.iter().map(answer).collect()
    }

    fn training(&self) -> Option<Training> {
        let columns = ["epoch", "train_loss"].map(str::to_owned).to_vec();
        Some(Training { is_running: false, columns, rows: vec![vec![Some(1.0), None]] })
    }

    fn curve(&self) -> Option<String> {
        Some("<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>".into())
    }
}

fn answer(question: &Question) -> Result<Prediction, Refused> {
    let text = question.text()?;
    assert_ne!(text, "panic");
    if text == "refuse" {
        return Err(Refused::question("that is no question", "ask another one"));
    }
    let prefix = question.prefix.clone().unwrap_or_default();
    let backward: String = prefix.chars().chain(text.chars().rev()).collect();
    let alternative = |number: usize| Alternative {
        text: number.to_string(),
        probability: 0.5 / (1 + number) as f64,
        prefix: format!("{prefix}{number}"),
        answer: format!("{prefix}{number}."),
    };
    let alternatives: Vec<Alternative> = (0..question.alternatives).map(alternative).collect();
    let ranked = |number: usize| Ranked {
        text: format!("{backward}{}", "!".repeat(number)),
        score: Some(0.5 / (1 + number) as f64),
    };
    let (rows, columns) = (vec![backward.clone()], vec![text.to_owned()]);
    let contributions = text.chars().map(|c| Contribution { text: c.into(), value: 1.0 }).collect();
    Ok(Prediction {
        best: (0..question.best).map(ranked).collect(),
        attention: question.attention.then_some(AttentionMap { rows, columns, weights: vec![vec![1.0]] }),
        contributions: question.contributions.then_some(contributions),
        alternatives: (!alternatives.is_empty()).then_some(alternatives),
        ..Prediction::answer(backward)
    })
}

/// Says how many bytes it hears.
pub(crate) struct Ear;

impl Model for Ear {
    fn describe(&self) -> Description {
        description("ear", Input::Sound)
    }

    fn predict(&self, questions: &[Question]) -> Vec<Result<Prediction, Refused>> {
        questions.iter().map(|one| Ok(Prediction::answer(one.sound()?.len().to_string()))).collect()
    }
}

/// Has no weights yet.
pub(crate) struct Unready;

impl Model for Unready {
    fn describe(&self) -> Description {
        description("unready", Input::Text)
    }

    fn ready(&self) -> Result<(), Refused> {
        Err(Refused::NotReady("no weights yet".into()))
    }

    fn predict(&self, _questions: &[Question]) -> Vec<Result<Prediction, Refused>> {
        panic!("it was asked");
    }
}

/// Writes a word again and again, and counts how often it did, and how often after nobody read it any more.
#[derive(Default)]
pub(crate) struct Repeater {
    pub(crate) written: AtomicUsize,
    pub(crate) unread: AtomicUsize,
    pub(crate) running: AtomicUsize,
}

impl Model for Repeater {
    fn describe(&self) -> Description {
        description("repeater", Input::Prompt)
    }

    fn predict(&self, questions: &[Question]) -> Vec<Result<Prediction, Refused>> {
        questions.iter().map(|_| Err(Refused::question("it only writes", "generate"))).collect()
    }

    /// The temperature is the pause after each word, in milliseconds; the seed 0 writes without an end, 4000 bytes at a
    /// time.
    fn generate(&self, ask: &Continuation, write: &mut dyn FnMut(&str) -> bool) -> Result<(), Refused> {
        assert_ne!(ask.prompt, "panic");
        self.running.fetch_add(1, Ordering::SeqCst);
        let mut goes_on = write(&ask.prompt);
        let word = if ask.seed == 0 { "word ".repeat(800) } else { "word ".into() };
        for number in 0.. {
            if !goes_on || (ask.seed > 0 && number >= ask.length) {
                break;
            }
            goes_on = write(&word);
            (if goes_on { &self.written } else { &self.unread }).fetch_add(1, Ordering::SeqCst);
            thread::sleep(Duration::from_secs_f64(ask.temperature / 1000.0));
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}

fn description(name: &str, input: Input) -> Description {
    let about = format!("A model for tests: {name}");
    Description { name: name.into(), task: name.into(), about, input, takes_prefix: name == "reverse" }
}

/// Waits until something holds; a test that waits for too long fails by the limit of its runner.
pub(crate) fn wait_until(holds: impl Fn() -> bool) {
    while !holds() {
        thread::sleep(Duration::from_millis(2));
    }
}
