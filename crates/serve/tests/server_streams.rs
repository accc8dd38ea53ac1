//! Generated text, and clients that leave or read slowly.

mod common;

use common::{Repeater, Reverse, Server, wait_until};
use std::{
    io::{Read, Write},
    sync::{Arc, atomic::Ordering::SeqCst},
    thread,
    time::Duration,
};
use unspool_serve::Limits;

fn server(limits: Limits) -> (Server, Arc<Repeater>) {
    let repeater = Arc::new(Repeater::default());
    (Server::start(vec![repeater.clone(), Arc::new(Reverse::default())], limits), repeater)
}

const GENERATE: &str = "/api/models/repeater/generate";

/// Asks for a text; gives the connection on which it comes, once its first bytes are there.
fn begun(server: &Server, ask: &str) -> std::net::TcpStream {
    let mut stream = server.connect();
    stream.write_all(&server.request(GENERATE, ask.as_bytes(), "application/json")).unwrap();
    let mut first = [0; 16];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.0 200 OK\r");
    stream
}

#[test]
fn a_client_that_leaves_ends_its_text_with_the_next_token() {
    let (server, model) = server(Limits::default());
    // A word every 5 milliseconds, for 50 seconds.
    let stream = begun(&server, r#"{"length": 10000, "temperature": 5}"#);
    wait_until(|| model.written.load(SeqCst) > 3);
    drop(stream);
    wait_until(|| model.running.load(SeqCst) == 0);
    assert_eq!(model.unread.load(SeqCst), 1, "the first word that nobody reads is the last one");
    assert!(model.written.load(SeqCst) < 10_000);
    assert_eq!(server.reverse("abc").status, 200);
}

#[test]
fn a_client_that_leaves_before_its_turn_is_not_written_for() {
    let (server, model) = server(Limits { generations: 1, ..Limits::default() });
    let first = begun(&server, r#"{"length": 10000, "temperature": 5}"#);
    let second = begun(&server, r#"{"length": 10000, "temperature": 5}"#);
    drop(second);
    thread::sleep(Duration::from_millis(200));
    drop(first);
    wait_until(|| model.running.load(SeqCst) == 0 && model.unread.load(SeqCst) > 0);
    // The next client is served although nobody has read the other two.
    let text = server.post(GENERATE, r#"{"length": 3, "temperature": 0}"#);
    assert!(text.body.ends_with("event: done\ndata: {}\n\n"), "{text:?}");
    assert_eq!(model.unread.load(SeqCst), 1, "the text of the second client was begun");
}

#[test]
fn a_slow_reader_is_cut_off_and_the_others_notice_nothing() {
    let (server, model) = server(Limits { generations: 2, ..Limits::default() });
    // Two that never read are all that the threads can write for, and are written to without an end.
    let slow: Vec<_> = (0..2).map(|_| begun(&server, r#"{"seed": 0, "temperature": 0}"#)).collect();
    // Others are answered meanwhile, and their texts are whole.
    for _ in 0..20 {
        assert_eq!(server.reverse("abc").json()["answer"], "cba");
    }
    let text = server.post(GENERATE, r#"{"length": 200, "temperature": 1}"#).body;
    assert!(text.ends_with("event: done\ndata: {}\n\n"), "{text}");
    assert_eq!(text.matches("word ").count(), 200);
    wait_until(|| model.running.load(SeqCst) == 0);
    assert_eq!(model.unread.load(SeqCst), 2, "both were cut off");
    // What the client finds when it reads at last ends without the event that says so.
    for mut stream in slow {
        let mut rest = vec![];
        let _ = stream.read_to_end(&mut rest);
        assert!(!rest.ends_with(b"event: done\ndata: {}\n\n") && rest.len() < 100 << 20);
    }
}

#[test]
fn texts_that_wait_have_a_bound() {
    let (server, model) = server(Limits { generations: 1, generation_queue: 2, ..Limits::default() });
    let first = begun(&server, r#"{"length": 10000, "temperature": 5}"#);
    let second = begun(&server, r#"{"length": 1, "temperature": 0}"#);
    let third = server.post(GENERATE, r#"{"length": 1}"#);
    assert_eq!(third.status, 503);
    assert!(third.head.contains("retry-after: 1"));
    drop((first, second));
    wait_until(|| model.running.load(SeqCst) == 0);
}

#[test]
fn a_text_that_is_not_done_when_the_server_stops_ends_after_a_while() {
    let (server, model) = server(Limits { stop_time: Duration::from_millis(200), ..Limits::default() });
    let mut stream = begun(&server, r#"{"length": 10000, "temperature": 5}"#);
    wait_until(|| model.written.load(SeqCst) > 3);
    server.end();
    wait_until(|| model.running.load(SeqCst) == 0);
    let mut rest = String::new();
    let _ = stream.read_to_string(&mut rest);
    assert!(rest.contains("word ") && !rest.contains("event: done"));
}
