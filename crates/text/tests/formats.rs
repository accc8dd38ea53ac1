//! Laws of all formats of data.

use proptest::prelude::*;
use unspool_text::{Column, Conll, Csv, Error, JsonLines, Parallel, Part, Row, Source, Split, Tsv};

type Parts = Vec<(String, Part)>;

/// What each example says, and the part it belongs to, in each format.
fn parts(texts: &[String]) -> Vec<Parts> {
    let split = Split::new(0.3, 0.3).unwrap();
    let file = |head: &str, line: &dyn Fn(&String) -> String| {
        Source::bytes("t", (head.to_owned() + &texts.iter().map(line).collect::<String>()).into_bytes())
    };
    fn rows(split: Split, rows: Result<impl Iterator<Item = Result<Row, Error>>, Error>) -> Parts {
        let part = |row: Result<Row, Error>| row.map(|row| (row.fields[0].clone(), split.part(row.hash)));
        rows.and_then(|rows| rows.map(part).collect()).unwrap()
    }
    let sentences = Conll::open(file("", &|text| format!("{text}\tX\nend\tY\n\n")), [1]).unwrap();
    let sentences = sentences.map(|sentence| sentence.map(|s| (s.columns[0][0].clone(), split.part(s.hash))));
    vec![
        rows(split, Tsv::open(file("a\tb\n", &|text| format!("{text}\tx\n")))),
        rows(split, Csv::open(file("a,b\n", &|text| format!("\"{text}\",x\n")))),
        rows(split, JsonLines::open(file("", &|text| format!("{{\"a\": \"{text}\"}}\n")), [Column::from("a")])),
        rows(split, Parallel::open([file("", &|text| format!("{text}\n")), file("", &|text| format!("{text}!\n"))])),
        sentences.collect::<Result<_, _>>().unwrap(),
    ]
}

proptest! {
    #[test]
    fn lines_that_are_added_move_no_other_to_another_part(
        texts in prop::collection::vec(("[a-z한글]{1,8}", prop::bool::ANY), 2..40),
    ) {
        prop_assume!(texts.iter().any(|(_, stays)| *stays));
        let all: Vec<String> = texts.iter().map(|(text, _)| text.clone()).collect();
        let before: Vec<String> = texts.iter().filter(|(_, stays)| *stays).map(|(text, _)| text.clone()).collect();
        for (before, after) in parts(&before).into_iter().zip(parts(&all)) {
            let kept = after.into_iter().zip(&texts).filter(|(_, (_, stays))| *stays);
            let kept: Parts = kept.map(|(part, _)| part).collect();
            prop_assert_eq!(before, kept);
        }
    }
}

#[test]
fn every_format_fills_every_part() {
    // Parts that were always the same one would be stable too.
    let texts: Vec<String> = (0..60).map(|n| format!("line{n}")).collect();
    for found in parts(&texts) {
        for part in [Part::Train, Part::Dev, Part::Test] {
            assert!(found.iter().any(|(_, of)| *of == part));
        }
    }
}

#[test]
fn odd_characters_are_parts_of_their_fields() {
    // Quotes, NUL, line and paragraph separators, a tab's neighbors: only tabs and line feeds divide a TSV.
    let odd = ["\"open", "a\"b\"", "nul\0nul", "one\u{2028}line\u{2029}\u{85}", "\u{b}\u{c}x", "\u{feff}mark"];
    for end in ["\n", "\r\n"] {
        let table: String = odd.iter().map(|text| format!("{text}\t1{end}")).collect();
        let source = Source::bytes("t", format!("\u{feff}text\tlabel{end}{table}").into_bytes());
        let rows = Tsv::open(source).unwrap().columns(["text", "label"]).unwrap();
        let rows: Vec<Row> = rows.collect::<Result<_, _>>().unwrap();
        assert_eq!(rows.iter().map(|row| &row[0]).collect::<Vec<_>>(), odd);
        assert!(rows.iter().all(|row| &row[1] == "1"));
    }
}

#[test]
fn conllu_with_ghosts_spaces_and_without_a_last_blank_line_is_whole() {
    let line = |id: &str, form: &str, tag: &str| format!("{id}\t{form}\t_\t{tag}\t_\t_\t_\t_\t_\t_\r\n");
    let file = [
        "\u{feff}# sent_id = 1\r\n".into(),
        line("1", "10 000", "NUM"),
        line("1.1", "ghost", "VERB"),
        line("2-3", "du", "_"),
        line("2", "de", "ADP"),
        line("3", "le", "DET"),
        "\r\n".into(),
        line("0.1", "ghost", "VERB"),
        "\r\n".into(),
        line("1", "end", "NOUN"),
    ];
    let source = || Source::bytes("t", file.concat().into_bytes());
    assert!(Conll::is_conllu(source()).unwrap());
    let sentences: Vec<_> = Conll::open(source(), [2, 4]).unwrap().collect::<Result<_, _>>().unwrap();
    let words: Vec<_> = sentences.iter().map(|sentence| sentence.columns[0].clone()).collect();
    assert_eq!(words, [vec!["10 000", "de", "le"], vec![], vec!["end"]]);
    assert_eq!(sentences[2].line, 10);
}

#[test]
fn what_is_not_utf8_is_named_at_its_first_byte() {
    let utf16: Vec<u8> = "text\tlabel\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [&[0xff, 0xfe][..], &utf16].concat();
    let error = Tsv::open(Source::bytes("t", marked)).unwrap_err().to_string();
    assert_eq!(error, "t:1: not UTF-8 at byte 1 of the line (0xff)");
}
