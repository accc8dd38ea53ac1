//! Asks a server with many clients at a time, and compares each answer with that of the same question alone.
//!
//! ```console
//! $ cargo run --release -p unspool-serve --example load -- 127.0.0.1:8000 translation-1 200 60 < lines.txt
//! ```

use std::{
    error::Error,
    io::{BufRead, BufReader, Read, Write, stdin},
    net::TcpStream,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, model, clients, seconds] = &arguments[..] else {
        return Err("usage: load ADDRESS MODEL CLIENTS SECONDS < LINES".into());
    };
    let (clients, seconds): (usize, u64) = (clients.parse()?, seconds.parse()?);
    let lines: Vec<String> = stdin().lines().collect::<Result<_, _>>()?;
    let questions: Vec<Vec<u8>> = lines.iter().map(|line| request(address, model, line)).collect();
    let mut connection = Connection::open(address)?;
    let alone = questions.iter().map(|question| connection.ask(question)).collect::<Result<Vec<_>, _>>()?;
    if let Some((status, body)) = alone.iter().find(|(status, _)| *status != 200) {
        return Err(format!("{status}: {body}").into());
    }

    let (asked, wrong, busy) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let longest = AtomicU64::new(0);
    let end = Instant::now() + Duration::from_secs(seconds);
    let client = |number: usize| -> std::io::Result<()> {
        let mut connection = Connection::open(address)?;
        let mut next = number;
        while Instant::now() < end {
            let began = Instant::now();
            let place = next % questions.len();
            let found = connection.ask(&questions[place])?;
            longest.fetch_max(began.elapsed().as_millis() as u64, Relaxed);
            asked.fetch_add(1, Relaxed);
            match found.0 {
                503 => drop(busy.fetch_add(1, Relaxed)),
                _ if found != alone[place] => drop(wrong.fetch_add(1, Relaxed)),
                _ => {}
            }
            next += 7;
        }
        Ok(())
    };
    let client = &client;
    thread::scope(|scope| -> Result<(), Box<dyn Error>> {
        let small = || thread::Builder::new().stack_size(1 << 17);
        let all = (0..clients).map(|number| small().spawn_scoped(scope, move || client(number)));
        for one in all.collect::<Result<Vec<_>, _>>()? {
            one.join().map_err(|_| "a client failed")??;
        }
        Ok(())
    })?;
    let [asked, wrong, busy, longest] = [asked, wrong, busy, longest].map(AtomicU64::into_inner);
    println!(
        "clients {clients}, seconds {seconds}, answers {asked}, wrong {wrong}, refused {busy}, longest {longest} ms"
    );
    if wrong == 0 { Ok(()) } else { Err("answers differ from those of the questions alone".into()) }
}

fn request(address: &str, model: &str, line: &str) -> Vec<u8> {
    let body = serde_json::json!({ "input": line, "best": 2 }).to_string();
    let length = body.len();
    format!(
        "POST /api/models/{model}/predict HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A connection on which one question follows another.
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(address: &str) -> std::io::Result<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Connection(BufReader::with_capacity(1 << 12, stream)))
    }

    /// The status and the body of the answer.
    fn ask(&mut self, request: &[u8]) -> std::io::Result<(u16, String)> {
        self.0.get_mut().write_all(request)?;
        let (mut line, mut status, mut length) = (String::new(), 0, 0);
        loop {
            line.clear();
            if self.0.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest.split(' ').next().and_then(|status| status.parse().ok()).unwrap_or_default();
            } else if let Some(bytes) = line.strip_prefix("content-length: ") {
                length = bytes.parse().unwrap_or_default();
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}
