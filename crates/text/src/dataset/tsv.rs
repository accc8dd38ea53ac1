//! Tab-separated values.

use super::lines::Lines;
use super::split::hash_line;
use super::table::{Format, Record, Table};
use crate::error::Error;

/// Reads the rows of a table whose fields are separated by tabs. Nothing is quoted or escaped: a field holds no tab.
///
/// ```
/// use unspool_text::{Source, Tsv};
///
/// let table = "id\tdocument\tlabel\n7\t굿입니다!!\t1\n9\t글쎄…\t0\n";
/// let rows = Tsv::open(Source::bytes("reviews", table.as_bytes()))?.columns(["label", "document"])?;
/// let rows = rows.collect::<Result<Vec<_>, _>>()?;
/// assert_eq!((&rows[0][0], &rows[0][1], rows[0].line), ("1", "굿입니다!!", 2));
/// # Ok::<(), unspool_text::Error>(())
/// ```
pub type Tsv = Table<TabSeparated>;

/// Is the format of [`Tsv`].
#[derive(Debug)]
pub struct TabSeparated;

impl Format for TabSeparated {
    const SEPARATOR: char = '\t';

    fn next_record(lines: &mut Lines) -> Option<Result<Record, Error>> {
        let number = lines.place().line + 1;
        Some(lines.next_line()?.map(|line| Record {
            line: number,
            hash: hash_line(line),
            fields: line.split('\t').map(str::to_owned).collect(),
        }))
    }
}
