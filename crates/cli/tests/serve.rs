//! `serve` answers what `predict` and `generate` do, of every kind of model, and of trainings that still run.
#![cfg(unix)]

mod common;
mod small;

use common::{refuses, run, succeeds};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// A server on a free port, which ends with this.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(at: &Path, runs: &[&str]) -> Server {
        let mut process = Command::new(env!("CARGO_BIN_EXE_unspool"))
            .args([&["serve", "--port", "0", "--model"], runs].concat())
            .current_dir(at)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/\n"));
        let address = address.unwrap_or_else(|| panic!("{line:?} is no address")).to_owned();
        Server { process, address }
    }

    /// Sends a request, and returns the status and the body of the answer.
    fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    fn get(&self, path: &str) -> Value {
        serde_json::from_str(&self.send("GET", path, "", b"").1).unwrap()
    }

    fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let (status, body) =
            self.send("POST", &format!("/api/models/{path}"), "application/json", body.to_string().as_bytes());
        (status, serde_json::from_str(&body).unwrap())
    }

    /// Sends a signal, and returns the exit code.
    fn end(mut self, signal: &str) -> Option<i32> {
        let sent = Command::new("kill").args([&format!("-{signal}"), &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
        self.process.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Trains the tasks for an epoch each, in folders of their names.
fn trained(at: &Path, tasks: &[&str]) {
    small::write_data(at);
    for task in tasks {
        let (data, more) = small::options(task);
        let data = data.map(|data| format!("--data={data}"));
        let mut arguments = vec!["train", task, "--epochs=1", "--hidden-size=8", "--out", task];
        arguments.extend(data.as_deref());
        arguments.extend(more);
        succeeds(at, &arguments, b"");
    }
}

/// What `predict` writes for a line, as JSON.
fn predicted(at: &Path, run: &str, line: &str, more: &[&str]) -> Value {
    let arguments = [&["predict", "--model", run, "--format", "json"], more].concat();
    serde_json::from_str(&succeeds(at, &arguments, format!("{line}\n").as_bytes())).unwrap()
}

#[test]
fn every_kind_of_model_answers_as_predict_does() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let tasks = ["translation", "sentiment", "language-model", "digits", "speech", "tagging", "captioning", "forecast"];
    trained(at, &tasks);
    let server = Server::start(at, &tasks);
    let models = server.get("/api/models");
    let kinds: Vec<&str> =
        models.as_array().unwrap().iter().map(|one| one["input"]["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["text", "text", "prompt", "picture", "sound", "text", "text", "text"]);

    // Text: the same texts and the same scores, to the last bit.
    let picture = ["0,16,0,0,0,8,0,0"; 8].join(",");
    let months =
        (0..90).map(|i| format!("{}", 100.0 + (f64::from(i) / 2.0).sin() * 20.0)).collect::<Vec<_>>().join(" ");
    let lines = [
        ("translation", "bra film 3"),
        ("sentiment", "영화 bra och mer 3"),
        ("digits", &picture),
        ("tagging", "the very film3"),
        ("captioning", &picture),
        ("forecast", &months),
        ("language-model", "to be"),
    ];
    for (run, line) in lines {
        let expected = predicted(at, run, line, &["--best", "2"]);
        let (status, found) = server.post(&format!("{run}/predict"), json!({ "input": line, "best": 2 }));
        assert_eq!(status, 200, "{run}: {found}");
        for (place, one) in expected["best"].as_array().unwrap().iter().enumerate() {
            assert_eq!(
                (&found["best"][place]["text"], &found["best"][place]["score"]),
                (&one["text"], &one["score"]),
                "{run}"
            );
        }
        // What comes next in a text is shown in quotation marks.
        let answer = found["answer"].as_str().unwrap().trim_matches('"');
        assert_eq!(answer, expected["best"][0]["text"].as_str().unwrap(), "{run}");
    }

    // The map of attention, and what each character contributes.
    let asked = json!({ "input": "bra film 3", "attention": true, "contributions": true });
    let (_, found) = server.post("translation/predict", asked.clone());
    assert_eq!(found["attention"], predicted(at, "translation", "bra film 3", &["--attention"])["attention"]);
    assert!(found["contributions"].is_null());
    let (_, found) = server.post("sentiment/predict", asked);
    let parts = found["contributions"].as_array().unwrap();
    let text: String = parts.iter().map(|part| part["text"].as_str().unwrap()).collect();
    assert_eq!((text.as_str(), found["attention"].is_null()), ("bra film 3", true));
    assert!(parts.iter().any(|part| part["value"].as_f64().unwrap() != 0.0), "{found}");

    // The alternatives at a place are those of `predict`, and what is chosen begins the next translation.
    let line = "bra film 3\tgood";
    let expected = predicted(at, "translation", line, &["--prefix", "--alternatives", "--best", "3"]);
    let asked = json!({ "input": "bra film 3", "prefix": "good ", "alternatives": 3 });
    let (status, found) = server.post("translation/predict", asked);
    let others = found["alternatives"].as_array().unwrap();
    assert_eq!((status, others.len()), (200, 3), "{found}");
    let mut before = 1.0;
    for (one, expected) in others.iter().zip(expected["best"].as_array().unwrap()) {
        assert_eq!(one["answer"], expected["text"], "{found}");
        let [text, prefix, answer] = ["text", "prefix", "answer"].map(|name| one[name].as_str().unwrap());
        assert!(prefix.starts_with("good") && answer.starts_with(prefix) && prefix.ends_with(text), "{one}");
        assert!(!text.contains(' '), "{one}");
        let probability = one["probability"].as_f64().unwrap();
        assert!(probability > 0.0 && probability <= before, "{found}");
        before = probability;
    }
    let expected = predicted(at, "translation", line, &["--prefix", "--best", "2"]);
    let begun = json!({ "input": "bra film 3", "prefix": "good", "best": 2 });
    assert_eq!(server.post("translation/predict", begun).1["best"], expected["best"]);
    let first = json!({ "input": "bra film 3", "prefix": "", "alternatives": 20 });
    let (_, first) = server.post("translation/predict", first);
    assert_eq!(first["answer"], predicted(at, "translation", "bra film 3", &["--best", "1"])["best"][0]["text"]);
    assert_eq!(first["alternatives"].as_array().unwrap().len(), 20);
    let long = json!({ "input": "bra", "prefix": "good ".repeat(500) });
    let (status, why) = server.post("translation/predict", long);
    assert!(status == 422 && why["error"]["message"].as_str().unwrap().starts_with("the prefix has "), "{why}");
    let (status, why) = server.post("sentiment/predict", json!({ "input": "bra", "prefix": "" }));
    assert_eq!((status, &why["error"]["hint"]), (422, &json!("leave prefix out")));
    let (_, none) = server.post("sentiment/predict", json!({ "input": "bra", "alternatives": 2 }));
    assert!(none["alternatives"].is_null(), "{none}");

    // A recording is sent itself; a path is no recording.
    let file = "sounds/1_ann_4.wav";
    let wav = fs::read(at.join(file)).unwrap();
    let (status, heard) = server.send("POST", "/api/models/speech/predict?best=3", "audio/wav", &wav);
    let heard: Value = serde_json::from_str(&heard).unwrap();
    assert_eq!((status, &heard["answer"]), (200, &predicted(at, "speech", file, &[])["best"][0]["text"]));
    assert_eq!(server.send("POST", "/api/models/speech/predict", "audio/wav", file.as_bytes()).0, 422);
    assert_eq!(server.post("speech/predict", json!({ "input": file })).0, 415);
    let mut other_rate = wav.clone();
    other_rate[24..28].copy_from_slice(&16_000u32.to_le_bytes());
    other_rate[28..32].copy_from_slice(&32_000u32.to_le_bytes());
    let (status, why) = server.send("POST", "/api/models/speech/predict", "audio/wav", &other_rate);
    assert!(status == 422 && why.contains("the recording: 16000 samples per second"), "{status} {why}");

    // Text that is written comes in pieces, and is that of `generate`.
    let ask = json!({ "prompt": "to be", "length": 40, "temperature": 1.5, "seed": 7 });
    let (status, events) =
        server.send("POST", "/api/models/language-model/generate", "application/json", ask.to_string().as_bytes());
    let piece = |event: &str| -> Value { serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap() };
    let (text, _) = events.split_once("event: done").unwrap();
    let text: String =
        text.split_terminator("\n\n").map(|event| piece(event)["text"].as_str().unwrap().to_owned()).collect();
    let arguments =
        ["generate", "--model", "language-model", "--prompt", "to be", "--length", "40", "--temperature", "1.5"];
    let written = succeeds(at, &[&arguments[..], &["--seed", "7"]].concat(), b"");
    assert_eq!((status, text.as_str()), (200, written.strip_suffix('\n').unwrap()));
    assert_eq!(server.post("sentiment/generate", json!({})).0, 404);

    // What a model cannot read is the question's fault, and says why.
    let (status, why) = server.post("digits/predict", json!({ "input": "1,2,x" }));
    assert_eq!((status, why["error"]["message"].as_str()), (422, Some("\"x\" is not a gray level")));
    assert_eq!(server.end("TERM"), Some(143));
}

#[test]
fn questions_of_many_clients_have_the_answers_of_each_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    trained(at, &["translation", "sentiment"]);
    let server = Server::start(at, &["translation", "sentiment"]);
    let ask = |n: usize| {
        let run = ["translation", "sentiment"][n % 2];
        let text = format!("{} film {}", ["bra", "dålig", "och mer och mer bra"][n % 3], n % 11);
        server.post(
            &format!("{run}/predict"),
            json!({ "input": text, "best": 1 + n % 2, "attention": n.is_multiple_of(5) }),
        )
    };
    let alone: Vec<_> = (0..66).map(ask).collect();
    let ask = &ask;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..24)
            .map(|client| {
                scope.spawn(move || {
                    (0..20).map(|n| ((client * 7 + n) % 66, ask((client * 7 + n) % 66))).collect::<Vec<_>>()
                })
            })
            .collect();
        for client in clients {
            for (n, answer) in client.join().unwrap() {
                assert_eq!(answer, alone[n], "{n}");
            }
        }
    });
}

#[test]
fn a_training_that_runs_shows_its_record_and_answers_once_it_has_weights() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    trained(at, &["sentiment"]);
    // The folder of a training that has saved nothing yet.
    fs::create_dir(at.join("early")).unwrap();
    for name in ["config.json", "config.toml", "tokenizer.json", "run.lock"] {
        fs::copy(at.join("sentiment").join(name), at.join("early").join(name)).unwrap();
    }
    let server = Server::start(at, &["early"]);
    let model = server.get("/api/models/early");
    assert_eq!((&model["ready"], &model["task"]), (&json!(false), &json!("sentiment")));
    assert!(model["why"].as_str().unwrap().contains("no weights yet"));
    assert_eq!(server.post("early/predict", json!({ "input": "bra" })).0, 409);
    assert_eq!(server.get("/api/models/early/training"), json!({ "ready": false, "training": null }));
    assert_eq!(server.send("GET", "/api/models/early/curve.svg", "", b"").0, 404);

    for name in ["model.safetensors", "metrics.csv", "curve.svg"] {
        fs::copy(at.join("sentiment").join(name), at.join("early").join(name)).unwrap();
    }
    let record = server.get("/api/models/early/training");
    assert_eq!(record["training"]["columns"], json!(["epoch", "train_loss", "dev_loss", "dev_accuracy"]));
    assert_eq!((record["training"]["rows"].as_array().unwrap().len(), &record["ready"]), (1, &json!(true)));
    assert_eq!(record["training"]["is_running"], false);
    let (status, curve) = server.send("GET", "/api/models/early/curve.svg", "", b"");
    assert!(status == 200 && curve.starts_with("<svg"), "{curve}");
    let before = server.post("early/predict", json!({ "input": "bra", "best": 2 }));
    assert_eq!(before.0, 200);
    assert_eq!(server.end("INT"), Some(130));

    // A training in another process, from its first step to better weights, is read again and again.
    let (data, more) = small::options("sentiment");
    let data = format!("--data={}", data.unwrap());
    let arguments = ["train", "sentiment", &data, "--epochs=30", "--hidden-size=8", "--out", "long"];
    let mut training = Command::new(env!("CARGO_BIN_EXE_unspool"))
        .args([&arguments[..], more].concat())
        .current_dir(at)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !at.join("long/config.json").exists() || !at.join("long/tokenizer.json").exists() {
        thread::sleep(Duration::from_millis(5));
    }
    let server = Server::start(at, &["long"]);
    let (mut was_running, mut most) = (false, 0);
    loop {
        let record = server.get("/api/models/long/training");
        let is_running = record["training"]["is_running"] == true;
        let rows = record["training"]["rows"].as_array().map_or(0, Vec::len);
        assert!(rows >= most, "the record has become shorter");
        (was_running, most) = (was_running || is_running, rows);
        let (status, answer) = server.post("long/predict", json!({ "input": "bra film" }));
        assert!([200, 409].contains(&status), "{answer}");
        if training.try_wait().unwrap().is_some() {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    assert!(was_running && training.wait().unwrap().success());
    assert_eq!(server.get("/api/models/long/training")["training"]["is_running"], false);
    let (_, answer) = server.post("long/predict", json!({ "input": "bra film", "best": 2 }));
    assert_eq!(
        answer["best"],
        predicted(at, "long", "bra film", &["--best", "2"])["best"],
        "the last weights are used"
    );
}

#[test]
fn what_cannot_be_served_is_said_before_the_server_begins() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    trained(at, &["sentiment"]);
    refuses(at, &["serve", "--model", "nowhere"], 1, "nowhere: no such folder");
    refuses(at, &["serve"], 2, "--model");
    refuses(at, &["serve", "--model", "sentiment", "--port", "70000"], 2, "70000");
    refuses(at, &["serve", "--model", "sentiment", "--host", "no such name"], 2, "--host no such name");
    let server = Server::start(at, &["sentiment"]);
    let port = server.address.rsplit(':').next().unwrap();
    refuses(at, &["serve", "--model", "sentiment", "--port", port], 1, "cannot listen on 127.0.0.1, port");
    drop(server);
    let weights = at.join("sentiment/model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    fs::write(&weights, &bytes[..bytes.len() - 100]).unwrap();
    assert_eq!(run(at, &["serve", "--model", "sentiment", "--port", "0"], b"").status.code(), Some(1));
}
