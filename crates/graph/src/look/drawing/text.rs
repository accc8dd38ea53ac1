//! The picture in words.

use super::fold::{Kind, Picture, Snapshot};
use std::fmt::Write;

pub(super) fn write(pictures: &[Picture], snapshot: &Snapshot) -> String {
    let topology = &snapshot.topology;
    let params: Vec<_> = topology.node_weights().filter(|v| v.param.is_some()).collect();
    let elements: usize = params.iter().map(|v| v.shape.elements()).sum();
    let steps = topology.node_weights().filter_map(|v| v.place.step).max().map_or(0, |last| last + 1);
    let mut out = format!(
        "{} nodes, {} parameters with {elements} elements, {steps} time steps\n",
        topology.node_count(),
        params.len()
    );
    for picture in pictures {
        out.push('\n');
        let number = |i: usize| format!("[{i}]");
        let wide = picture.items.iter().map(|item| item.title.chars().count()).max().unwrap_or(0);
        for (i, item) in picture.items.iter().enumerate() {
            let reads: Vec<String> = picture
                .links
                .iter()
                .filter(|link| link.to == i)
                .map(|link| {
                    let carried = if link.leaves.is_empty() { "" } else { " (state)" };
                    let norm = link.norm.map_or(String::new(), |norm| format!(" ‖g‖ {norm:.2e}"));
                    format!("{}{carried}{norm}", number(link.from))
                })
                .collect();
            let mut words = item.lines.clone();
            words.extend((!item.shape.is_empty()).then(|| item.shape.clone()));
            let step = match item.lane {
                Some(_) if super::grid::loops(picture, i) => "loop".into(),
                Some((_, step)) => format!("t = {step}"),
                None => String::new(),
            };
            let kind = match item.kind {
                Kind::Param => "parameter",
                Kind::Input => "input",
                _ => "",
            };
            let from = if reads.is_empty() { String::new() } else { format!("  <- {}", reads.join(", ")) };
            let title = if kind == item.title { String::new() } else { item.title.clone() };
            let head = [kind, &title].into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ");
            let _ =
                writeln!(out, "{:>5} {step:7} {head:wide$}  {}{from}", number(i), words.join(", "), wide = wide + 10);
        }
    }
    out
}
