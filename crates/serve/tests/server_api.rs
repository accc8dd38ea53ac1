//! What the API answers.

mod common;

use common::{Ear, Repeater, Reply, Reverse, Server, Unready};
use serde_json::{Value, json};
use std::{collections::BTreeSet, net::TcpStream, sync::Arc, thread};
use unspool_serve::{Limits, Model};

fn all() -> Vec<Arc<dyn Model>> {
    vec![Arc::new(Reverse::default()), Arc::new(Ear), Arc::new(Unready), Arc::new(Repeater::default())]
}

#[test]
fn models_are_listed_and_answer() {
    let server = Server::start(all(), Limits::default());
    let listed = server.get("/api/models");
    assert_eq!(listed.status, 200);
    let names: Vec<Value> = listed.json().as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["reverse", "ear", "unready", "repeater"]);
    assert_eq!(server.get("/api/models/ear").json()["input"], json!({ "kind": "sound" }));

    let asked = json!({ "input": "a\nbc", "best": 2, "attention": true, "contributions": true }).to_string();
    let answer = server.post("/api/models/reverse/predict", &asked).json();
    assert_eq!(answer["answer"], "cb a", "a line break is a space");
    assert_eq!(answer["best"][1], json!({ "text": "cb a!", "score": 0.25 }));
    assert_eq!(answer["attention"]["weights"], json!([[1.0]]));
    assert_eq!(answer["contributions"].as_array().unwrap().len(), 4);
    let plain = server.reverse("abc").json();
    assert!(["attention", "contributions", "alternatives"].iter().all(|name| plain[name].is_null()), "{plain}");

    // An answer begins with a prefix, and has alternatives at its end.
    let asked = json!({ "input": "abc", "prefix": "x\ny ", "alternatives": 2 }).to_string();
    let begun = server.post("/api/models/reverse/predict", &asked).json();
    assert_eq!(begun["answer"], "x y cba");
    let second = json!({ "text": "1", "probability": 0.25, "prefix": "x y 1", "answer": "x y 1." });
    assert_eq!((begun["alternatives"].as_array().unwrap().len(), &begun["alternatives"][1]), (2, &second));
    let none = server.post("/api/models/unready/predict", r#"{"input": "a", "prefix": ""}"#);
    assert_eq!(none.status, 409);

    let heard = server.raw(&server.request("/api/models/ear/predict?best=2", b"RIFF", "audio/wav"));
    assert_eq!((heard.status, heard.json()["answer"].clone()), (200, json!("4")));
    let unready = server.post("/api/models/unready/predict", r#"{"input": "a"}"#);
    assert_eq!((unready.status, unready.error()), (409, "no weights yet".into()));
    assert_eq!(server.get("/api/models/unready").json()["why"], "no weights yet");
    let refused = server.reverse("refuse");
    assert_eq!((refused.status, refused.error()), (422, "that is no question".into()));
}

#[test]
fn text_comes_as_events_that_end_with_one_that_says_so() {
    let server = Server::start(all(), Limits::default());
    let ask = |ask: Value| server.post("/api/models/repeater/generate", &ask.to_string());
    let reply = ask(json!({ "prompt": "A \"word\": ", "length": 3, "temperature": 0 }));
    assert!(reply.head.contains("content-type: text/event-stream"), "{}", reply.head);
    let (text, last) = reply.body.split_once("event: done\ndata: {}\n\n").unwrap();
    assert_eq!(last, "");
    let piece = |event: &str| -> Value { serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap() };
    let pieces: Vec<Value> = text.split_terminator("\n\n").map(piece).collect();
    let text: String = pieces.iter().map(|piece| piece["text"].as_str().unwrap()).collect();
    assert_eq!(text, "A \"word\": word word word ");
    let failed = ask(json!({ "prompt": "panic" }));
    assert!(failed.body.starts_with("event: error\ndata: {\"error\":") && failed.body.contains("\"status\":500"));
    let none = server.post("/api/models/reverse/generate", "{}");
    assert_eq!((none.status, none.error()), (404, "this model writes no text of its own".into()));
}

/// Asks all at once while the model is busy with another question, until the queue is full, which has room for all but
/// four. Gives the replies, and the sizes of the batches.
fn at_once(texts: &[String], limits: Limits) -> (Vec<Reply>, Vec<usize>) {
    let queue = texts.len() - 4;
    let (server, model) = Server::of_reverse(Limits { queue, ..limits });
    model.gate.set_closed(true);
    let replies = thread::scope(|scope| {
        let first = scope.spawn(|| server.reverse("first"));
        model.gate.wait_for_somebody();
        let all: Vec<_> = texts.iter().map(|text| scope.spawn(|| server.reverse(text))).collect();
        common::wait_until(|| all.iter().filter(|one| one.is_finished()).count() == 4);
        model.gate.set_closed(false);
        assert_eq!(first.join().unwrap().json()["answer"], "tsrif");
        all.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    let batches = model.batches.lock().unwrap().clone();
    (replies, batches)
}

#[test]
fn requests_that_wait_are_one_batch_and_have_the_answers_of_each_alone() {
    let texts: Vec<String> = (0..24).map(|n| format!("text {n}")).collect();
    let (together, batches) = at_once(&texts, Limits { batch: 16, ..Limits::default() });
    assert_eq!(batches, [1, 16, 4]);
    let (server, _) = Server::of_reverse(Limits::default());
    let answered: Vec<_> = texts.iter().zip(&together).filter(|(_, reply)| reply.status == 200).collect();
    assert_eq!(answered.len(), 20);
    for (text, reply) in answered {
        assert_eq!(reply.body, server.reverse(text).body);
    }
}

#[test]
fn long_questions_make_small_batches() {
    let texts = vec!["x".repeat(20_000); 12];
    let (replies, batches) = at_once(&texts, Limits::default());
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 8);
    assert_eq!(batches, [1, 3, 3, 2], "a batch has 65,536 bytes at most");
}

#[test]
fn a_full_queue_is_refused_and_says_when_to_come_again() {
    let (server, model) = Server::of_reverse(Limits { queue: 2, ..Limits::default() });
    model.gate.set_closed(true);
    thread::scope(|scope| {
        let mut waiting = vec![scope.spawn(|| server.reverse("first"))];
        model.gate.wait_for_somebody();
        // Two wait; of the others each is refused, whatever their order.
        waiting.extend((0..6).map(|_| scope.spawn(|| server.reverse("more"))));
        common::wait_until(|| waiting.iter().filter(|one| one.is_finished()).count() == 4);
        model.gate.set_closed(false);
        let replies: Vec<_> = waiting.into_iter().map(|one| one.join().unwrap()).collect();
        let (busy, answered): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 503);
        assert_eq!((busy.len(), answered.len()), (4, 3));
        assert!(answered.iter().all(|reply| reply.status == 200));
        assert!(busy.iter().all(|reply| reply.head.contains("retry-after: 1") && !reply.error().is_empty()));
    });
    // Memory is a queue, too.
    let (server, model) = Server::of_reverse(Limits { memory_bytes: 4096, ..Limits::default() });
    model.gate.set_closed(true);
    thread::scope(|scope| {
        let first = scope.spawn(|| server.reverse(&"x".repeat(3000)));
        model.gate.wait_for_somebody();
        assert_eq!(server.reverse(&"y".repeat(3000)).status, 503);
        model.gate.set_closed(false);
        assert_eq!(first.join().unwrap().status, 200);
    });
    assert_eq!(server.reverse(&"y".repeat(3000)).status, 200);
}

#[test]
fn a_question_that_makes_the_model_fail_takes_no_other_with_it() {
    let (server, model) = Server::of_reverse(Limits::default());
    model.gate.set_closed(true);
    thread::scope(|scope| {
        let first = scope.spawn(|| server.reverse("first"));
        model.gate.wait_for_somebody();
        let texts = ["abc", "panic", "refuse", "def"];
        let all: Vec<_> = texts.iter().map(|text| scope.spawn(|| server.reverse(text))).collect();
        thread::sleep(std::time::Duration::from_millis(300));
        model.gate.set_closed(false);
        let statuses: Vec<u16> = all.into_iter().map(|one| one.join().unwrap().status).collect();
        assert_eq!(statuses, [200, 500, 422, 200]);
        assert_eq!(first.join().unwrap().status, 200);
    });
    assert_eq!(server.reverse("abc").json()["answer"], "cba");
}

#[test]
fn a_server_that_stops_answers_what_runs_and_refuses_the_rest() {
    let (server, model) = Server::of_reverse(Limits::default());
    model.gate.set_closed(true);
    thread::scope(|scope| {
        let running = scope.spawn(|| server.reverse("running"));
        model.gate.wait_for_somebody();
        // A connection on which nothing was asked does not hold the server up.
        let _idle = server.connect();
        server.ask_to_stop();
        common::wait_until(|| TcpStream::connect(server.address).is_err());
        model.gate.set_closed(false);
        assert_eq!(running.join().unwrap().json()["answer"], "gninnur");
    });
    server.end();
}

#[test]
fn the_schema_describes_what_is_answered() {
    let server = Server::start(all(), Limits::default());
    let schema = server.get("/api/schema").json();
    let properties = |name: &str| -> BTreeSet<String> {
        schema["components"]["schemas"][name]["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let keys = |value: &Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(keys(&server.get("/api/models/reverse").json()), properties("Model"));
    assert_eq!(keys(&server.reverse("a").json()), properties("Prediction"));
    let training = server.get("/api/models/reverse/training").json();
    assert_eq!(keys(&training), properties("TrainingState"));
    assert_eq!(training["training"]["rows"], json!([[1.0, null]]));
    assert_eq!(keys(&server.get("/nowhere").json()), properties("Error"));
    // What a request may hold is what is described, and nothing else.
    for (name, path) in [("Question", "reverse/predict"), ("Continuation", "repeater/generate")] {
        let said = server.post(&format!("/api/models/{path}"), r#"{"other": 1}"#).error();
        for property in properties(name) {
            assert!(said.contains(&format!("`{property}`")), "{property}: {said}");
        }
    }
    for (path, methods) in schema["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let path = path.replace("{name}", if path.ends_with("generate") { "repeater" } else { "reverse" });
            let reply = match method.as_str() {
                "get" => server.get(&path),
                _ => server.post(&path, r#"{"input": "a"}"#),
            };
            let described = &operation["responses"][reply.status.to_string()];
            assert!(described.is_object() && [200, 400].contains(&reply.status), "{method} {path}: {reply:?}");
        }
    }
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_writes_no_markup() {
    let server = Server::start(all(), Limits::default());
    let page = server.get("/");
    assert_eq!(page.status, 200);
    assert!(page.head.contains("content-security-policy: default-src 'none'; script-src 'self';"), "{}", page.head);
    let mut seen = BTreeSet::new();
    let mut next = vec!["/".to_owned()];
    while let Some(path) = next.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let file = server.get(&path);
        assert_eq!(file.status, 200, "{path}");
        for word in ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "style=", "onclick="] {
            assert!(!file.body.contains(word), "{path} says {word}");
        }
        let links = file.body.matches("//").count() - file.body.matches("// ").count();
        assert_eq!(links, usize::from(path.ends_with(".svg")), "{path} links to elsewhere");
        let quoted = file.body.split('"').filter_map(|part| part.strip_prefix("./").or(part.strip_prefix("/page/")));
        next.extend(quoted.map(|name| format!("/page/{name}")));
    }
    assert_eq!(seen.len(), 13, "{seen:?}");
}
