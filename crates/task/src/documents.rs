//! Documents: lines up to a blank one, which are answered together.

use crate::{
    error::{Error, Result},
    limits,
    lines::Line,
};

/// Gathers lines into documents.
#[derive(Default)]
pub(crate) struct Documents {
    lines: Vec<Line>,
    /// How many have ended.
    ended: u64,
}

/// What comes out of the lines.
pub(crate) enum Piece {
    /// The lines of a document, none of them blank, and its number from 1.
    Document(u64, Vec<Line>),
    /// A line between documents.
    Blank(Line),
}

impl Documents {
    /// Takes the next line. Gives what ends with it, in order.
    ///
    /// # Errors
    /// The document is too long to be held in memory.
    pub(crate) fn push(&mut self, line: Line) -> Result<Vec<Piece>> {
        if line.text.trim().is_empty() {
            return Ok(self.end().into_iter().chain([Piece::Blank(line)]).collect());
        }
        if self.lines.len() == limits::DOCUMENT_LINES {
            let message = format!("{}: the document has more than {} lines", line.place, limits::DOCUMENT_LINES);
            return Err(Error::failure(message, "without --documents each line is answered by itself"));
        }
        self.lines.push(line);
        Ok(vec![])
    }

    /// Ends the document that is gathered, if there is one.
    pub(crate) fn end(&mut self) -> Option<Piece> {
        if self.lines.is_empty() {
            return None;
        }
        self.ended += 1;
        Some(Piece::Document(self.ended, std::mem::take(&mut self.lines)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<String> {
        let mut documents = Documents::default();
        let mut pieces = vec![];
        for (number, line) in (1..).zip(text.lines()) {
            let line = Line { number, text: line.to_owned(), place: String::new() };
            pieces.extend(documents.push(line).unwrap());
        }
        pieces.extend(documents.end());
        let told = |piece| match piece {
            Piece::Blank(line) => format!("-{}", line.number),
            Piece::Document(number, lines) => {
                let lines: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
                format!("{number}:{}", lines.join("|"))
            }
        };
        pieces.into_iter().map(told).collect()
    }

    #[test]
    fn blank_lines_end_documents_and_stay() {
        assert_eq!(pieces("a\nb\n\nc"), ["1:a|b", "-3", "2:c"]);
        assert_eq!(pieces("\n \na\n\t\n\nb\n\n"), ["-1", "-2", "1:a", "-4", "-5", "2:b", "-7"]);
        assert!(pieces("").is_empty());
    }

    #[test]
    fn a_document_without_end_is_refused() {
        let mut documents = Documents::default();
        let mut push = || documents.push(Line { number: 1, text: "a".into(), place: "f:1".into() });
        (0..limits::DOCUMENT_LINES).for_each(|_| assert!(push().unwrap().is_empty()));
        assert!(push().err().unwrap().to_string().starts_with("f:1: the document has more than"));
    }
}
