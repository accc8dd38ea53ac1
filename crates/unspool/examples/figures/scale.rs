//! What several machines bring, by a model of a step with measured numbers in it: prints the tables of `docs/scale.md`,
//! and draws its figure.

use crate::draw::{
    Result,
    axis::Scale,
    chart::{self, Chart, Series},
    style,
};
use std::path::Path;

/// Shards of a batch.
const SHARDS: f64 = 64.0;
/// What a call to hand bytes around takes at least, in seconds: two of them for each shard of a process, two for the
/// sum.
const LATENCY: f64 = 50e-6;
/// Seconds to pack, add and unpack a byte of gradients, beside sending it.
const HANDLING: f64 = 0.4e-9;

/// A model, as `crates/nn/examples/exchange_times.rs` measures it.
struct Size {
    parameters: &'static str,
    /// Seconds that a shard takes a machine.
    shard: f64,
    /// Bytes of a shard's gradients.
    bytes: f64,
    /// Bytes of the sum's, which has all rows of the embedding.
    sum: f64,
}

const SIZES: [Size; 3] = [
    Size { parameters: "0.8 million", shard: 0.0222, bytes: 2.33e6, sum: 3.11e6 },
    Size { parameters: "12 million", shard: 0.182, bytes: 34.25e6, sum: 49.6e6 },
    Size { parameters: "50 million", shard: 0.653, bytes: 134.84e6, sum: 198.3e6 },
];

/// Bits a second.
const LINKS: [(&str, f64); 3] = [("1 Gb/s", 1e9), ("10 Gb/s", 1e10), ("100 Gb/s", 1e11)];

/// Seconds that one exchange takes between so many machines, each of which gives the gradients of so many shards.
fn exchange(size: &Size, link: f64, machines: f64, shards: f64) -> f64 {
    let away = (machines - 1.0) / machines;
    let bytes = shards * size.bytes + size.sum;
    bytes * away * 8.0 / link + bytes * HANDLING + 2.0 * (shards + 1.0) * LATENCY
}

/// How many times as fast as one machine so many are.
fn speed_up(size: &Size, link: f64, machines: f64, is_exact: bool) -> f64 {
    if machines <= 1.0 {
        return 1.0;
    }
    let own = (SHARDS / machines).ceil();
    let step = own * size.shard + exchange(size, link, machines, if is_exact { own } else { 1.0 });
    SHARDS * size.shard / step
}

fn figure() -> Result<String> {
    let middle = &SIZES[1];
    let curve = |link: f64, is_exact: bool| -> Vec<(f64, f64)> {
        let points = (0..=6).map(|power| f64::from(1 << power));
        points.map(|machines| (machines, speed_up(middle, link, machines, is_exact))).collect()
    };
    let [(one, slow), (ten, usual), (hundred, fast)] = LINKS;
    let title = format!("Speed-up by a model of the cost: {} parameters, {SHARDS} shards", middle.parameters);
    let chart = Chart {
        title: &title,
        x: "machines",
        y: "times as fast as one",
        scales: (Scale::Twos, Scale::Linear),
        range: None,
    };
    let usual_fast = format!("{ten}, --reduce fast");
    let lines = chart::lines(
        chart,
        &[
            Series::new(one, curve(slow, true)),
            Series::new(ten, curve(usual, true)),
            Series::new(hundred, curve(fast, true)),
            Series::new(&usual_fast, curve(usual, false)),
        ],
    )?;
    Ok(style::described(&lines, "scale", &title))
}

/// Where docs/scale.md shows it.
fn path() -> std::path::PathBuf {
    Path::new(env!("UNSPOOL_DOCS")).join("scale.svg")
}

/// Prints the tables, and draws the figure.
pub(crate) fn tell() -> Result<()> {
    println!(
        "| parameters | link | 2 machines | 4 | 8 | 16 | 32 | 64 | 8, fast |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    );
    for size in &SIZES {
        for (name, link) in LINKS {
            print!("| {} | {name} |", size.parameters);
            for machines in [2.0, 4.0, 8.0, 16.0, 32.0, 64.0] {
                print!(" {:.1} |", speed_up(size, link, machines, true));
            }
            println!(" {:.1} |", speed_up(size, link, 8.0, false));
        }
    }
    Ok(std::fs::write(path(), figure()?)?)
}

#[test]
fn the_figure_is_the_one_of_the_page() -> Result<()> {
    assert!(
        figure()? == std::fs::read_to_string(path())?,
        "draw it anew: cargo run -p unspool --example figures scale"
    );
    Ok(())
}

#[test]
fn more_machines_never_bring_more_than_their_number() {
    for size in &SIZES {
        for machines in [2.0, 8.0, 64.0] {
            let by_link = LINKS.map(|(_, link)| speed_up(size, link, machines, true));
            assert!(by_link.is_sorted() && by_link[2] <= machines && by_link[0] > 0.0, "{by_link:?}");
        }
    }
}
