//! Any bytes as a file of any format: rows and errors, each row with the fields that were asked for.

use unspool_text::{
    Column, Conll, Csv, Error, JsonLines, LabelSet, Lines, Parallel, Row, SkipBadLines, Source, Tsv, read_text,
};

/// The longest line that is let through: small, so that the limit is met often.
const LONGEST: usize = 64;

fn drain(rows: impl Iterator<Item = Result<Row, Error>>, width: usize, most: usize) {
    let mut last = 0;
    let mut labels = Vec::new();
    let mut rows = rows.skip_bad_lines();
    for row in rows.by_ref().take(most + 2) {
        let Ok(row) = row else { break };
        assert!(row.line > last, "lines are counted upwards");
        assert_eq!(row.fields.len(), width);
        last = row.line;
        labels.push((row.line, row.fields.first().cloned().unwrap_or_default()));
    }
    assert!(labels.len() + rows.skipped() as usize <= most, "no more rows than lines");
    let _ = LabelSet::collect("fuzz", labels);
}

/// Reads the bytes as each format in turn.
pub(crate) fn run(data: &[u8]) {
    let source = || Source::bytes("fuzz", data.to_vec());
    let short = || source().max_line_length(LONGEST);
    let Ok(lines) = Lines::open(source()) else { return };
    // How many lines there are does not depend on how long they may be.
    let most = lines.count();
    for line in Lines::open(short()).expect("it was opened before") {
        match line {
            Ok(line) => assert!(line.len() <= LONGEST && !line.contains('\n')),
            Err(error) if error.is_bad_line() => {}
            Err(_) => break,
        }
    }
    if let Ok(rows) = Tsv::open(short()) {
        let width = rows.header().len();
        for name in rows.header() {
            let _ = Tsv::open(source()).and_then(|rows| rows.columns([name]));
        }
        drain(rows.allow_empty(), width, most);
    }
    let _ = Conll::is_conllu(source());
    if let Ok(rows) = Tsv::without_header(short()).and_then(|rows| rows.columns([1])) {
        drain(rows, 1, most);
    }
    if let Ok(rows) = Csv::open(short()) {
        let width = rows.header().len();
        drain(rows.allow_empty(), width, most);
    }
    if let Ok(rows) = JsonLines::open(short(), [Column::from("a"), Column::from(1)]) {
        drain(rows.allow_empty(), 2, most);
    }
    if let Ok(rows) = Parallel::open([short(), short()]) {
        drain(rows, 2, most);
    }
    // The same file cut in two: parallel files of unlike lengths.
    let (left, right) = data.split_at(data.len() / 2);
    if let Ok(rows) = Parallel::open([left, right].map(|half| Source::bytes("half", half.to_vec()))) {
        drain(rows.allow_empty(), 2, 2 * data.len() + 2);
    }
    if let Ok(sentences) = Conll::open(short(), [1, 2]) {
        for sentence in sentences.skip_bad_lines() {
            let Ok(sentence) = sentence else { break };
            assert_eq!(sentence.columns[0].len(), sentence.columns[1].len());
        }
    }
    if let Ok(text) = read_text(source(), 1 << 20) {
        assert!(text.len() <= 1 << 20);
    }
}
