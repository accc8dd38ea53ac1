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
            let kept: Parts = after.into_iter().zip(&texts).filter(|(_, (_, stays))| *stays).map(|(part, _)| part).collect();
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
