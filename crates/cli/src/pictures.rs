//! Handwritten digits as pictures, and what is put together of them.
//!
//! The digits of one part of the data never stand in a picture of another, so a test shows nothing that was seen in
//! training.

use ndarray::{Array2, Array3, ArrayViewMut2, Axis};
use serde::{Deserialize, Serialize};
use unspool::text::Specials;
use unspool_task::{Data, Drawn, Error, Parts, Result, Rng, Table, by_number};

/// Rows and columns of a digit.
pub(crate) const SIDE: usize = 8;

/// The darkest pixel; paper is 0.
pub(crate) const INK: u8 = 16;

/// The names of the classes.
pub(crate) const NAMES: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// Gray levels `[height, width]`, from 0 to [`INK`].
pub(crate) type Picture = Array2<u8>;

/// A handwritten digit and what it means.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Digit {
    /// `[SIDE, SIDE]`.
    pub(crate) picture: Picture,
    /// From 0 to 9.
    pub(crate) value: u32,
}

/// What a file of digits must look like.
pub(crate) const DATA_HELP: &str = "CSV file without a header line, a picture per line: its 64 gray levels row by \
     row, integers from 0 to 16, then the digit. One file, which is divided by its line numbers (70/10/20)";

/// The digits of a file in three parts.
pub(crate) fn digits(data: &Data) -> Result<Parts<Vec<Digit>>> {
    split(read(&data.csv()?)?)
}

/// The digits of a part, each seen so many times.
pub(crate) fn seen(digits: Vec<Digit>, times: usize) -> Drawn<Vec<Digit>> {
    Drawn::new(digits.clone(), vec![(0, 1); times * digits.len()])
}

/// Examples of `length` time steps, made of the digits of a file, `count` of them in an epoch of training.
pub(crate) fn parts(data: &Data, count: usize, length: usize) -> Result<Parts<Drawn<Vec<Digit>>>> {
    Ok(Drawn::parts(digits(data)?, count, length))
}

/// What a trained model is scored on: all digits of a file; of the set inside the program, its test part.
pub(crate) fn to_score(data: &Data) -> Result<Vec<Digit>> {
    match read(&data.csv()?)? {
        digits if data.is_embedded() => Ok(by_number(digits).test),
        digits if digits.is_empty() => Err(Error::failure("there are no digits", "give a line or more")),
        digits => Ok(digits),
    }
}

/// Examples of `length` time steps that a trained model is scored on.
pub(crate) fn drawn_to_score(data: &Data, length: usize) -> Result<Drawn<Vec<Digit>>> {
    Ok(Drawn::to_score(to_score(data)?, length))
}

fn read(table: &Table) -> Result<Vec<Digit>> {
    const LINE: &str =
        "a line is the 64 gray levels of a picture, row by row, whole numbers from 0 to 16, and the digit";
    let bad = |line: u64, what: String| Error::failure(format!("{}:{line}: {what}", table.file), LINE);
    let one = |row: &unspool::text::Row| {
        let (label, pixels) = row.fields.split_last().ok_or_else(|| bad(row.line, "empty".into()))?;
        let columns = row.fields.len();
        if columns != SIDE * SIDE + 1 {
            return Err(bad(row.line, format!("{columns} columns where there should be {}", SIDE * SIDE + 1)));
        }
        let picture = parse(pixels, SIDE).map_err(|error| bad(row.line, error.to_string()))?;
        match label.trim().parse() {
            Ok(value @ 0..=9) => Ok(Digit { picture, value }),
            _ => Err(bad(row.line, format!("{label:?} is not a digit"))),
        }
    };
    table.rows.iter().map(one).collect()
}

fn split(digits: Vec<Digit>) -> Result<Parts<Vec<Digit>>> {
    let parts = by_number(digits);
    match parts.test.len() {
        0 => Err(Error::failure("there are too few digits for three parts", "give 5 lines or more")),
        _ => Ok(parts),
    }
}

/// A picture of `height` rows from its gray levels, row by row.
pub(crate) fn parse<T: AsRef<str>>(levels: &[T], height: usize) -> Result<Picture> {
    let level = |text: &T| match text.as_ref().trim().parse() {
        Ok(level @ 0..=INK) => Ok(level),
        _ => Err(Error::failure(
            format!("{:?} is not a gray level", text.as_ref()),
            format!("a pixel is a whole number from 0 to {INK}, with commas between pixels"),
        )),
    };
    let levels = levels.iter().map(level).collect::<Result<Vec<u8>>>()?;
    let (count, width) = (levels.len(), levels.len() / height.max(1));
    let picture = Array2::from_shape_vec((height, width), levels).ok().filter(|picture| !picture.is_empty());
    picture.ok_or_else(|| {
        Error::failure(format!("{count} pixels make no picture of {height} rows"), "give whole rows of one width")
    })
}

/// Lays `small` over `large`, its upper left corner at (`row`, `column`). What is outside is cut off; the darker pixel
/// shows.
pub(crate) fn overlay(large: &mut ArrayViewMut2<'_, u8>, small: &Picture, row: isize, column: isize) {
    for ((i, j), &level) in small.indexed_iter() {
        let place = usize::try_from(row + i as isize).ok().zip(usize::try_from(column + j as isize).ok());
        if let Some(pixel) = place.and_then(|place| large.get_mut(place)) {
            *pixel = level.max(*pixel);
        }
    }
}

/// A digit, moved by so many pixels.
pub(crate) fn moved(Digit { picture, value }: &Digit, down: isize, right: isize) -> Digit {
    let mut canvas = Picture::zeros(picture.dim());
    overlay(&mut canvas.view_mut(), picture, down, right);
    Digit { picture: canvas, value: *value }
}

/// A digit from its gray levels, row by row, with commas between. Anything after them is ignored.
pub(crate) fn read_digit(line: &str) -> Result<Digit> {
    let levels: Vec<&str> = line.split(',').take(SIDE * SIDE).collect();
    let picture = parse(&levels, SIDE)?;
    if picture.ncols() != SIDE {
        return Err(Error::failure(
            format!("{} pixels where there should be {}", levels.len(), SIDE * SIDE),
            "a line is the gray levels of an 8x8 picture, row by row, with commas between",
        ));
    }
    Ok(Digit { picture, value: 0 })
}

/// The name of each digit as a word, whose id is its place after the special tokens.
pub(crate) const WORDS: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
const FIRST_WORD: u32 = Specials::NAMES.len() as u32;
/// How many ids there are, with the special tokens.
pub(crate) const VOCABULARY: usize = WORDS.len() + FIRST_WORD as usize;

/// Digits side by side, at most.
pub(crate) const SIDE_BY_SIDE: usize = 4;

/// The id of a digit's name.
pub(crate) fn word(digit: u32) -> u32 {
    FIRST_WORD + digit
}

/// A picture and the words that describe it, as ids.
#[derive(Serialize, Deserialize)]
pub(crate) struct Captioned {
    pub(crate) picture: Picture,
    pub(crate) words: Vec<u32>,
}

impl Captioned {
    /// Any digits side by side.
    pub(crate) fn draw(digits: &[Digit], dice: &mut Rng) -> Captioned {
        let count = dice.between(1, SIDE_BY_SIDE as isize);
        let mut picture = Picture::zeros((SIDE, SIDE * count as usize));
        let mut words = vec![];
        for place in 0..count {
            let digit = dice.choose(digits);
            overlay(&mut picture.view_mut(), &digit.picture, 0, place * SIDE as isize);
            words.push(word(digit.value));
        }
        Captioned { picture, words }
    }

    /// A picture of eight rows from its gray levels, row by row.
    pub(crate) fn read(line: &str) -> Result<Captioned> {
        let (picture, most) = (parse(&line.split(',').collect::<Vec<_>>(), SIDE)?, SIDE_BY_SIDE * SIDE);
        if picture.ncols() > most {
            let hint = format!("it may have {SIDE} rows and up to {most} columns");
            return Err(Error::failure(format!("a picture of {} columns", picture.ncols()), hint));
        }
        Ok(Captioned { picture, words: vec![] })
    }
}

/// Words with spaces between.
pub(crate) fn sentence(words: &[u32]) -> String {
    let name =
        |id: &u32| id.checked_sub(FIRST_WORD).and_then(|digit| WORDS.get(digit as usize).copied()).unwrap_or("?");
    words.iter().map(name).collect::<Vec<_>>().join(" ")
}

/// Pictures of one height as numbers from 0 to 1, `[batch, height, width]`; those that are narrower have paper on the
/// right.
pub(crate) fn batch<'a>(
    pictures: impl ExactSizeIterator<Item = &'a Picture>,
    height: usize,
    width: usize,
) -> Array3<f32> {
    let mut batch = Array3::zeros((pictures.len(), height, width));
    for (mut place, picture) in batch.axis_iter_mut(Axis(0)).zip(pictures) {
        place.slice_axis_mut(Axis(1), (..picture.ncols()).into()).assign(&picture.mapv(darkness));
    }
    batch
}

/// A gray level as a number from 0 to 1.
pub(crate) fn darkness(level: u8) -> f32 {
    f32::from(level) / f32::from(INK)
}

/// A picture as lines of text, two characters a pixel, which is about square.
pub(crate) fn art(picture: &Picture) -> String {
    const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
    let line = |row: ndarray::ArrayView1<'_, u8>| -> String {
        row.iter().flat_map(|level| [SHADES[usize::from(level.div_ceil(4)).min(4)]; 2]).collect()
    };
    let lines: Vec<String> = picture.rows().into_iter().map(|row| format!("\n{}", line(row).trim_end())).collect();
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use unspool::text::{Csv, Source};

    fn table(text: String) -> Table {
        let rows = Csv::without_header(Source::bytes("digits.csv", text.into_bytes())).unwrap();
        Table { file: "digits.csv".into(), rows: rows.map(|row| row.unwrap()).collect() }
    }

    #[test]
    fn a_bad_line_is_named() {
        let message = |first: &str, label: &str| {
            read(&table(format!("{first}{},{label}\n", ",0".repeat(63)))).err().unwrap().to_string()
        };
        assert_eq!(message("17", "1"), "digits.csv:1: \"17\" is not a gray level");
        assert_eq!(message("0", "10"), "digits.csv:1: \"10\" is not a digit");
        assert_eq!(message("0,0", "1"), "digits.csv:1: 66 columns where there should be 65");
        assert!(split(vec![]).is_err());
        assert!(parse(&["1", "2", "3"], 2).is_err() && parse::<&str>(&[], 8).is_err());
    }

    #[test]
    fn an_overlay_is_cut_off_at_the_edges_and_the_darker_pixel_shows() {
        let mut large = Picture::zeros((3, 3));
        large[[0, 0]] = 9;
        let small = ndarray::array![[1, 2], [3, 4]];
        overlay(&mut large.view_mut(), &small, -1, 0);
        overlay(&mut large.view_mut(), &small, 2, 2);
        overlay(&mut large.view_mut(), &small, 5, -5);
        assert_eq!(large, ndarray::array![[9, 4, 0], [0, 0, 0], [0, 0, 1]]);
    }

    #[test]
    fn pictures_are_numbers_and_text() {
        let picture = ndarray::array![[0, 16], [1, 0]];
        assert_eq!(art(&picture), "\n  ██\n░░");
        assert_eq!(batch([&picture].into_iter(), 2, 3), ndarray::array![[[0.0, 1.0, 0.0], [0.0625, 0.0, 0.0]]]);
    }
}
