//! A model at a glance: its parameters by name, shape and count.

use std::fmt;
use unspool_graph::{Params, Precision};

/// Shows a model's parameters as a table; see [`summary`].
///
/// ```
/// use unspool_graph::Params;
/// use unspool_nn::{Linear, Summary, summary};
/// let mut params = Params::seeded(0);
/// Linear::new(params.scope("readout"), 100, 10);
/// let table: Summary = summary(&params);
/// assert!(table.to_string().starts_with("parameter"));
/// ```
#[derive(Clone, Debug)]
pub struct Summary {
    rows: Vec<(String, String, usize)>,
    bytes: usize,
}

/// Lists the parameters in the order in which they were added, and their number.
///
/// ```
/// use unspool_graph::Params;
/// use unspool_nn::{Linear, summary};
/// let mut params = Params::seeded(0);
/// Linear::new(params.scope("hidden"), 784, 100);
/// Linear::new(params.scope("readout"), 100, 10);
/// assert_eq!(summary(&params).to_string(), "\
/// parameter       shape        count
/// hidden.weight   [100, 784]  78,400
/// hidden.bias     [100]          100
/// readout.weight  [10, 100]    1,000
/// readout.bias    [10]            10
/// 4 parameters                79,510   310.6 KiB
/// ");
/// ```
pub fn summary(params: &Params) -> Summary {
    let row = |p| (params.name(p).to_owned(), params.shape(p).to_string(), params.shape(p).elements());
    let width = match params.precision() {
        Precision::F32 => 4,
        Precision::F64 => 8,
    };
    Summary { rows: params.iter().map(row).collect(), bytes: params.elements() * width }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = thousands(self.rows.iter().map(|(_, _, count)| count).sum());
        let last = match self.rows.len() {
            1 => "1 parameter".to_owned(),
            n => format!("{n} parameters"),
        };
        let longest = |texts: &mut dyn Iterator<Item = usize>, least: usize| texts.fold(least, usize::max);
        let name = longest(&mut self.rows.iter().map(|row| row.0.chars().count()), last.len());
        let shape = longest(&mut self.rows.iter().map(|row| row.1.len()), 5);
        let count = total.len().max(5);
        writeln!(f, "{:name$}  {:shape$}  {:>count$}", "parameter", "shape", "count")?;
        for (text, sizes, elements) in &self.rows {
            writeln!(f, "{text:name$}  {sizes:shape$}  {:>count$}", thousands(*elements))?;
        }
        let (size, unit) = match self.bytes as f64 {
            b if b < 1024.0 * 1024.0 => (b / 1024.0, "KiB"),
            b => (b / 1024.0 / 1024.0, "MiB"),
        };
        writeln!(f, "{last:name$}  {:shape$}  {total:>count$}   {size:.1} {unit}", "")
    }
}

/// A whole number with a comma between each three digits.
fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}
