//! Data of any length passes through in memory that does not depend on it, counted by the allocator; and arrives
//! from standard input.

use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use flate2::{Compression, write::GzEncoder};
use peak_alloc::PeakAlloc;
use unspool_text::{
    BatchSize, Column, Conll, Csv, Error, JsonLines, Lines, Padded, Parallel, Prefetch, SkipBadLines, Source,
    StreamingBatches, TokenKind, Tokenizer, TokenizerOptions, Tsv,
};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Held by each test, so that they count one after the other.
static TURN: Mutex<()> = Mutex::new(());

const KB: usize = 1 << 10;
const MB: usize = 1 << 20;

/// The most bytes held while `run` was running, beyond those held before.
fn peak(run: impl FnOnce()) -> usize {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    run();
    ALLOCATOR.peak_usage() - before
}

/// A block of bytes again and again; nothing of it is made before it is read.
struct Again {
    block: &'static [u8],
    at: usize,
    left: usize,
}

impl Read for Again {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let part = &self.block[self.at..];
        let count = part.len().min(buffer.len()).min(self.left);
        buffer[..count].copy_from_slice(&part[..count]);
        self.at = (self.at + count) % self.block.len();
        self.left -= count;
        Ok(count)
    }
}

/// A file of `head`, and then `bytes` of `line` over and over, which ends with a whole line.
fn file(head: &'static str, line: &'static str, bytes: usize) -> Source {
    let left = bytes / line.len() * line.len();
    Source::reader("generated", head.as_bytes().chain(Again { block: line.as_bytes(), at: 0, left }))
}

fn count<T>(rows: Result<impl Iterator<Item = Result<T, Error>>, Error>) -> usize {
    rows.unwrap().inspect(|row| assert!(row.is_ok(), "{:?}", row.as_ref().err())).count()
}

#[test]
fn every_format_streams_in_bounded_memory() {
    let _turn = TURN.lock();
    let size = 16 * MB;
    let run = |name: &str, line: &str, rows: &dyn Fn() -> usize| {
        let mut found = 0;
        let held = peak(|| found = rows());
        assert_eq!(found, size / line.len(), "{name}");
        assert!(held < 512 * KB, "{name}: {held} bytes held of {size}");
    };
    let line = "Jag är inte förvirrad.\tI am not confused.\n";
    run("lines", line, &|| count(Lines::open(file("", line, size))));
    run("plain text", line, &|| count(Parallel::plain(file("", line, size))));
    run("TSV", line, &|| count(Tsv::open(file("a\tb\n", line, size))));
    run("parallel text", line, &|| count(Parallel::open([file("", line, size), file("", line, size)])));
    let line = "\"No, \"\"thanks\"\".\",negative\n";
    run("CSV", line, &|| count(Csv::open(file("a,b\n", line, size))));
    let line = "{\"text\": \"Bra!\", \"stars\": 5, \"more\": {}}\n";
    run("JSON lines", line, &|| count(JsonLines::open(file("", line, size), ["text"].map(Column::from))));
    let line = "From\tADP\nthe\tDET\n\n";
    run("CoNLL", line, &|| count(Conll::open(file("", line, size), [1, 2])));
}

#[test]
fn two_hundred_megabytes_are_read_tokenized_and_batched_ahead_in_bounded_memory() {
    let _turn = TURN.lock();
    let line = "An ordinary line, not short, of a text that nobody will read to its end; the next is like it, \
    and so on and on, word for word, \
                column for column, until as many bytes have passed as a small corpus has.\n";
    let options = TokenizerOptions { vocabulary_size: 400, minimum_count: 1, ..Default::default() };
    let tokenizer = Tokenizer::train(TokenKind::Word, [line], &options).unwrap();
    let all = 200 * MB;
    // Every line is read; one of fifty is tokenized, so that the test is quick.
    let mut sentences = 0;
    let held = peak(|| {
        let rows = Parallel::plain(file("", line, all)).unwrap().skip_bad_lines().step_by(50);
        let examples = rows.map(move |row| tokenizer.encode(&row?.fields[0]));
        let windows =
            StreamingBatches::new(examples, 500, BatchSize::Rows(32), 1, 0, |ids: &Vec<u32>| (0, ids.len())).unwrap();
        for batch in Prefetch::new(4, windows).unwrap() {
            sentences += Padded::new(&batch.unwrap(), 0).len();
        }
    });
    assert_eq!(sentences, (all / line.len()).div_ceil(50));
    assert!(held < 2 * MB, "{held} bytes held");
}

#[test]
fn a_packed_file_is_unpacked_as_it_is_read() {
    let _turn = TURN.lock();
    let text = "Jag är inte förvirrad.\n".repeat(4000);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).unwrap();
    let member: &'static [u8] = encoder.finish().unwrap().leak();
    let members = 200;
    let mut lines = 0;
    let held = peak(|| {
        let packed = Again { block: member, at: 0, left: member.len() * members };
        lines = count(Lines::open(Source::reader("packed", packed)));
    });
    assert_eq!(lines, 4000 * members);
    assert!(held < 512 * KB, "{held} bytes held of {}", text.len() * members);
}

#[test]
fn lines_that_are_kept_are_counted() {
    // What the others say would be worth nothing if this did not fail them.
    let _turn = TURN.lock();
    let held = peak(|| {
        let kept: Vec<String> = Lines::open(file("", "a line\n", MB)).unwrap().map(Result::unwrap).collect();
        assert_eq!(kept.len(), MB / 7);
    });
    assert!(held > MB, "{held}");
}

#[test]
fn a_line_without_end_is_an_error_in_bounded_memory() {
    let _turn = TURN.lock();
    let held = peak(|| {
        let endless = Again { block: "x".repeat(KB).leak().as_bytes(), at: 0, left: 64 * MB };
        let found: Vec<_> = Lines::open(Source::reader("endless", endless)).unwrap().collect();
        let [Err(error @ Error::TooLong { .. })] = &found[..] else { panic!("{found:?}") };
        assert_eq!(error.to_string(), "endless:1: longer than the 1048576 bytes allowed");
    });
    assert!(held < 4 * MB, "{held} bytes held");
}

/// Set for the process that is to read its standard input.
const CHILD: &str = "UNSPOOL_TEXT_CHILD";

/// This test, run by the one below in a process of its own, says what it read.
#[test]
fn child() {
    if std::env::var_os(CHILD).is_some() {
        let mut rows = Tsv::open(Source::stdin()).unwrap().columns(["english"]).unwrap();
        let read: Vec<_> =
            rows.by_ref().map(|row| row.map_or_else(|error| error.to_string(), |row| row.fields.concat())).collect();
        println!("read {read:?}");
    }
}

#[test]
fn standard_input_is_read_as_a_file_is_packed_or_not() {
    let table = "swedish\tenglish\nHej!\tHello!\nHej\nJa.\tYes.\n";
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(table.as_bytes()).unwrap();
    for bytes in [table.as_bytes().to_vec(), encoder.finish().unwrap()] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture"])
            .env(CHILD, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        let wanted = r#"read ["Hello!", "standard input:3: 1 column where there should be 2", "Yes."]"#;
        assert!(said.contains(wanted), "{said}");
    }
}
