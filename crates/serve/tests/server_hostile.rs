//! Requests that no honest client sends: each has an answer or ends its connection, and the server goes on.

mod common;

use common::{Ear, Repeater, Reply, Reverse, Server};
use std::{io::Write, sync::Arc, time::Duration};
use unspool_serve::Limits;

fn server(limits: Limits) -> Server {
    Server::start(vec![Arc::new(Reverse::default()), Arc::new(Ear), Arc::new(Repeater::default())], limits)
}

fn goes_on(server: &Server) {
    assert_eq!(server.reverse("abc").json()["answer"], "cba");
}

const PREDICT: &str = "/api/models/reverse/predict";

/// A head of a request to the model, with these headers.
fn post(headers: &str) -> String {
    format!("POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}\r\n")
}

#[test]
fn what_is_no_request_ends_its_connection() {
    let server = server(Limits::default());
    let long = "x".repeat(100_000);
    let many = (0..500).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    let cases: Vec<(Vec<u8>, &[u16])> = vec![
        (b"".to_vec(), &[0]),
        (b"\r\n\r\n\r\n".to_vec(), &[0, 400]),
        (b"\0\x01\x02\xff\xfe garbage".to_vec(), &[400]),
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(), &[400]), // TLS
        (b"GET / HTTP/9.9\r\n\r\n".to_vec(), &[400, 505]),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(), &[400, 404]),
        (b"GET / HTTP/1.1\r\nHost: local\0host\r\n\r\n".to_vec(), &[400]),
        (b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n".to_vec(), &[400]),
        (format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes(), &[414, 431]),
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n").into_bytes(), &[431]),
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n").into_bytes(), &[431]),
        (post("Content-Length: abc\r\n").into_bytes(), &[400]),
        (post("Content-Length: -1\r\n").into_bytes(), &[400]),
        (post("Content-Length: 99999999999999999999999\r\n").into_bytes(), &[400]),
        (post("Content-Length: 18446744073709551615\r\n").into_bytes(), &[400, 413, 431]),
        (post("Content-Length: 2\r\nContent-Length: 3\r\n").into_bytes(), &[400]),
        (post("Transfer-Encoding: gzip\r\n").into_bytes(), &[400]),
        ((post("Transfer-Encoding: chunked\r\n") + "zz\r\nabc\r\n").into_bytes(), &[400]),
        ((post("Transfer-Encoding: chunked\r\n") + "ffffffffffffffffff\r\nabc").into_bytes(), &[400]),
        // A proxy that believes the other of the two headers must not see a second request in this one.
        (post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n").into_bytes(), &[400]),
    ];
    for (bytes, statuses) in cases {
        let mut stream = server.connect();
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let reply = Reply::read(&mut stream);
        let begin = String::from_utf8_lossy(&bytes[..bytes.len().min(150)]).into_owned();
        assert!(statuses.contains(&reply.status) || reply.status == 0, "{begin:?}: {reply:?}");
        goes_on(&server);
    }
}

#[test]
fn what_cannot_be_answered_has_one_clear_message() {
    let server = server(Limits::default());
    let nested = "[".repeat(100_000);
    let long = format!(r#"{{"input": "{}"}}"#, "x".repeat(70_000));
    let prefixed = format!(r#"{{"input": "a", "prefix": "{}"}}"#, "x".repeat(70_000));
    let bodies: Vec<(&[u8], u16)> = vec![
        (b"", 400),
        (b"{", 400),
        (b"null", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b"\xff\xfe", 400),
        (b"{\"input\": \"\xff\"}", 400),
        (b"{\"input\": \"\\ud800\"}", 400),
        (b"{\"input\": 3}", 400),
        (b"{\"input\": \"a\", \"input\": \"b\"}", 400),
        (b"{\"input\": \"a\", \"other\": 1}", 400),
        (b"{\"input\": \"a\", \"best\": 1e400}", 400),
        (b"{\"input\": \"a\", \"best\": -1}", 400),
        (nested.as_bytes(), 400),
        (b"{\"input\": \"a\", \"best\": 0}", 422),
        (b"{\"input\": \"a\", \"best\": 100000}", 422),
        (b"{\"input\": \"a\", \"prefix\": 1}", 400),
        (b"{\"input\": \"a\", \"alternatives\": -1}", 400),
        (b"{\"input\": \"a\", \"alternatives\": 21}", 422),
        (prefixed.as_bytes(), 422),
        (b"{\"input\": \" \\n\\t \"}", 422),
        (long.as_bytes(), 422),
    ];
    for (body, status) in bodies {
        let reply = server.raw(&server.request(PREDICT, body, "application/json"));
        assert_eq!(reply.status, status, "{:?}: {reply:?}", String::from_utf8_lossy(&body[..body.len().min(80)]));
        assert!(!reply.error().is_empty() && reply.body.len() < 1000, "{reply:?}");
        assert!(reply.head.contains("content-type: application/json"));
    }
    let generate = |body: &str| server.post("/api/models/repeater/generate", body).status;
    for body in [
        r#"{"length": 0}"#,
        r#"{"length": 1000000}"#,
        r#"{"temperature": -1}"#,
        r#"{"top_k": 0}"#,
        r#"{"top_p": 0}"#,
        r#"{"top_p": 2}"#,
    ] {
        assert_eq!(generate(body), 422, "{body}");
    }
    assert_eq!(generate(r#"{"temperature": NaN}"#), 400);
    let sound = |path: &str, body: &[u8], kind: &str| server.raw(&server.request(path, body, kind)).status;
    assert_eq!(sound("/api/models/ear/predict", b"", "audio/wav"), 422);
    assert_eq!(sound("/api/models/ear/predict?best=x", b"RIFF", "audio/wav"), 422);
    assert_eq!(sound("/api/models/ear/predict", b"{\"input\": \"/etc/passwd\"}", "application/json"), 415);
    assert_eq!(sound(PREDICT, b"RIFF", "audio/wav"), 415);
    assert_eq!(sound(PREDICT, b"input=a", "application/x-www-form-urlencoded"), 415);
    assert_eq!(sound(PREDICT, b"{\"input\": \"a\"}", "text/plain"), 415);
    goes_on(&server);
}

#[test]
fn every_error_of_a_request_that_can_be_read_is_one_object() {
    let server = server(Limits { json_bytes: 1000, ..Limits::default() });
    let request = |line: &str, headers: &str, body: &str| {
        let length = body.len();
        let request = format!("{line} HTTP/1.0\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
        server.raw(request.as_bytes())
    };
    let (own, json) = ("Host: localhost\r\n", "Host: localhost\r\nContent-Type: application/json\r\n");
    let ask = format!("POST {PREDICT}");
    let large = format!(r#"{{"input": "{}"}}"#, "x".repeat(2000));
    let cases = [
        (400, request(&ask, json, "{"), ""),
        (400, request("GET /", "Host: localhost\r\nHost: localhost\r\n", ""), ""),
        (403, request(&ask, &format!("{json}Origin: http://evil.example\r\n"), r#"{"input": "a"}"#), ""),
        (404, request("GET /nowhere", own, ""), ""),
        (404, request("POST /api/models/none/predict", json, r#"{"input": "a"}"#), ""),
        (404, request("POST /api/models/reverse/generate", json, "{}"), ""),
        (405, request("BREW /", own, ""), "allow: get, head"),
        (405, request("PUT /api/models", own, ""), "allow: get, head"),
        (405, request(&format!("GET {PREDICT}"), own, ""), "allow: post"),
        (413, request(&ask, json, &large), ""),
        (415, request(&ask, own, r#"{"input": "a"}"#), ""),
        (421, request("GET /", "Host: evil.example\r\n", ""), ""),
        (422, request(&ask, json, r#"{"input": " "}"#), ""),
    ];
    for (status, reply, header) in cases {
        assert_eq!(reply.status, status, "{reply:?}");
        assert!(!reply.error().is_empty());
        for wanted in ["content-type: application/json", "x-content-type-options: nosniff", header] {
            assert!(reply.head.contains(wanted), "{wanted}: {reply:?}");
        }
    }
    // A model that begins no answer with a text says so; a HEAD of what is not there has no body.
    let ear = server.post("/api/models/ear/predict", r#"{"input": "a", "prefix": "b"}"#);
    assert_eq!((ear.status, ear.error().is_empty()), (415, false));
    let repeater = server.post("/api/models/repeater/predict", r#"{"input": "a", "prefix": "b"}"#);
    assert_eq!((repeater.status, repeater.error()), (422, "this model begins no answer with a given text".into()));
    let head = request("HEAD /nowhere", own, "");
    assert_eq!((head.status, head.body.as_str()), (404, ""));
    // What is no HTTP is answered by the reader of HTTP, without a body.
    for (bytes, status) in [
        (format!("GET / HTTP/1.1\r\n{own}X: {}\r\n\r\n", "x".repeat(100_000)), 431),
        (format!("GET / HTTP/1.1\r\n{own}{}\r\n", "X: y\r\n".repeat(100)), 431),
        ("GET / HTTP/1.1\r\nHost localhost\r\n\r\n".to_owned(), 400),
    ] {
        let reply = server.raw(bytes.as_bytes());
        assert!([status, 0].contains(&reply.status) && reply.body.is_empty(), "{reply:?}");
    }
    goes_on(&server);
}

#[test]
fn no_path_leads_out_of_the_page() {
    let server = server(Limits::default());
    for path in [
        "/page/../Cargo.toml",
        "/page/..%2f..%2fetc%2fpasswd",
        "/page/%2e%2e/lib.rs",
        "/../../etc/passwd",
        "//etc/passwd",
        "/page/",
        "/page",
        "/page//app.js",
        "/page/app.js/",
        "/page/app.js%00",
        "/api/models/..",
        "/api/models/%2e%2e",
        "/api/models/../reverse",
        "/api/models/reverse/curve.svg/..",
        "/api",
        "/.git/config",
        "/PAGE/app.js",
    ] {
        let reply = server.get(path);
        assert_eq!(reply.status, 404, "{path}: {reply:?}");
        reply.error();
    }
    for request in [
        "GET http://evil.example/etc/passwd HTTP/1.0\r\nHost: localhost\r\n\r\n",
        "CONNECT evil.example:80 HTTP/1.0\r\nHost: localhost\r\n\r\n",
        "GET * HTTP/1.0\r\nHost: localhost\r\n\r\n",
    ] {
        let reply = server.raw(request.as_bytes());
        assert!([0, 400, 403, 404, 405].contains(&reply.status), "{request}: {reply:?}");
    }
    goes_on(&server);
}

#[test]
fn pages_of_other_sites_are_refused_whatever_they_pretend() {
    let server = server(Limits::default());
    let send = |method: &str, host: &str, headers: &str| {
        let body = r#"{"input": "a"}"#;
        let request = format!(
            "{method} {PREDICT} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\n{headers}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        server.raw(request.as_bytes())
    };
    assert_eq!(send("POST", "localhost", "").status, 200);
    assert_eq!(send("POST", "localhost", "Origin: http://localhost\r\n").status, 200);
    assert_eq!(send("POST", "localhost", "Origin: http://evil.example\r\n").status, 403);
    assert_eq!(send("POST", "localhost", "Sec-Fetch-Site: cross-site\r\n").status, 403);
    assert_eq!(send("POST", "evil.example", "Origin: http://evil.example\r\n").status, 421);
    let preflight = send("OPTIONS", "localhost", "Origin: http://evil.example\r\n");
    assert!([403, 405].contains(&preflight.status) && !preflight.head.contains("access-control"), "{preflight:?}");
    assert_eq!(send("DELETE", "localhost", "").status, 405);
    assert!(send("DELETE", "localhost", "").head.contains("allow: post"));
    assert_eq!(server.raw(b"GET / HTTP/1.0\r\n\r\n").status, 421);
}

#[test]
fn sizes_are_bounded_with_and_without_a_length() {
    let server = server(Limits { json_bytes: 10_000, sound_bytes: 50_000, ..Limits::default() });
    let large = format!(r#"{{"input": "{}"}}"#, "x".repeat(20_000));
    assert_eq!(server.post(PREDICT, &large).status, 413);
    assert_eq!(server.raw((post("Content-Length: 1000000000\r\nConnection: close\r\n")).as_bytes()).status, 413);
    let wav = vec![0; 60_000];
    assert_eq!(server.raw(&server.request("/api/models/ear/predict", &wav, "audio/wav")).status, 413);
    assert_eq!(server.raw(&server.request("/api/models/ear/predict", &wav[..40_000], "audio/wav")).status, 200);
    // Chunks without an end: the server stops reading long before the client stops writing.
    let mut stream = server.connect();
    stream.write_all(post("Transfer-Encoding: chunked\r\n").as_bytes()).unwrap();
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
    let sent = (0..100_000).take_while(|_| stream.write_all(chunk.as_bytes()).is_ok()).count();
    assert!(sent < 100_000, "400 MB were read");
    goes_on(&server);
}

#[test]
fn a_client_that_sends_slowly_or_not_all_is_let_go() {
    let limits =
        Limits { header_time: Duration::from_millis(200), body_time: Duration::from_millis(200), ..Limits::default() };
    let server = server(limits);
    // Nothing; a part of a head; a head that grows a byte at a time; and half of a body.
    assert_eq!(Reply::read(&mut server.connect()).status, 0);
    let mut stream = server.connect();
    stream.write_all(b"POST /api").unwrap();
    assert!([0, 408].contains(&Reply::read(&mut stream).status));
    let mut stream = server.connect();
    let head = post("").into_bytes();
    let slowly = head.iter().all(|byte| {
        std::thread::sleep(Duration::from_millis(20));
        stream.write_all(&[*byte]).is_ok()
    });
    assert!(!slowly || Reply::read(&mut stream).status != 200);
    let mut stream = server.connect();
    stream.write_all((post("Content-Length: 14\r\n") + "{\"input\"").as_bytes()).unwrap();
    let reply = Reply::read(&mut stream);
    assert_eq!((reply.status, reply.error()), (408, "the body of the request did not come in time".into()));
    // An answered connection on which nothing else is asked ends, too.
    let mut stream = server.connect();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(Reply::read(&mut stream).status, 200);
    goes_on(&server);
}

#[test]
fn connections_have_a_bound_and_the_next_one_waits() {
    let limits = Limits { connections: 4, header_time: Duration::from_millis(300), ..Limits::default() };
    let server = server(limits);
    let idle: Vec<_> = (0..20).map(|_| server.connect()).collect();
    goes_on(&server);
    drop(idle);
}

#[test]
fn random_bytes_never_end_the_server() {
    let server = server(Limits { header_time: Duration::from_millis(100), ..Limits::default() });
    let valid = server.request(PREDICT, br#"{"input": "abc"}"#, "application/json");
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for round in 0..150 {
        let mut bytes = valid.clone();
        for _ in 0..1 + random(6) {
            let place = random(bytes.len());
            match random(4) {
                0 => bytes[place] = random(256) as u8,
                1 => drop(bytes.remove(place)),
                2 => bytes.insert(place, random(256) as u8),
                _ => bytes.truncate(place.max(1)),
            }
        }
        let mut stream = server.connect();
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        Reply::read(&mut stream);
        if round % 25 == 0 {
            goes_on(&server);
        }
    }
    goes_on(&server);
}
