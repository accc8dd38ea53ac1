//! The picture in Graphviz' language: recurrences are clusters, time goes from left to right.

use super::fold::{Kind, Picture};
use std::fmt::Write;

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

pub(super) fn write(pictures: &[Picture]) -> String {
    let mut out = String::from(
        "digraph recording {\n  rankdir=LR;\n  \
        node [shape=box, style=\"rounded,filled\", fontname=\"DejaVu Sans\", fontsize=11];\n",
    );
    for (p, picture) in pictures.iter().enumerate() {
        let name = |i: usize| format!("n{p}_{i}");
        let node = |i: usize| {
            let item = &picture.items[i];
            let step = item
                .lane
                .filter(|_| item.kind == Kind::Cell && item.loops.is_empty())
                .map(|(_, step)| format!("t = {step}"));
            let words: Vec<&str> = [item.title.as_str()]
                .into_iter()
                .chain(item.lines.iter().map(String::as_str))
                .chain((!item.shape.is_empty()).then_some(item.shape.as_str()))
                .chain(step.as_deref())
                .collect();
            let colour = match item.kind {
                Kind::Cell => "#dcebfa",
                Kind::Operation => "#ffffff",
                Kind::Input => "#e4f4e6",
                Kind::Param => "#f1e6fa",
            };
            format!("{} [label={}, fillcolor=\"{colour}\"];", name(i), quote(&words.join("\n")).replace('\n', "\\n"))
        };
        for i in (0..picture.items.len()).filter(|&i| picture.items[i].lane.is_none()) {
            let _ = writeln!(out, "  {}", node(i));
        }
        for lane in 0..picture.lanes {
            let members: Vec<usize> =
                (0..picture.items.len()).filter(|&i| picture.items[i].lane.is_some_and(|(l, _)| l == lane)).collect();
            let Some(&first) = members.first() else { continue };
            let scopes: Vec<&str> =
                picture.items[first].scopes.iter().map(|&s| picture.names[s as usize].as_str()).collect();
            let _ = writeln!(out, "  subgraph cluster_{p}_{lane} {{\n    label={};", quote(&scopes.join("/")));
            members.iter().for_each(|&i| {
                let _ = writeln!(out, "    {}", node(i));
            });
            out.push_str("  }\n");
        }
        let largest = picture.links.iter().filter_map(|link| link.norm).fold(0.0, f64::max);
        for link in &picture.links {
            let width = link
                .norm
                .filter(|norm| *norm > 0.0)
                .map_or(1.0, |norm| 0.5 + 4.0 * (1.0 + (norm / largest).log10() / 6.0).clamp(0.0, 1.0));
            let colour = match (link.leaves.is_empty(), picture.items[link.from].kind) {
                (false, _) => "#cf5a1f",
                (_, Kind::Param) => "#9668bd",
                _ => "#587089",
            };
            let (from, to) = (name(link.from), name(link.to));
            let _ = writeln!(out, "  {from} -> {to} [penwidth={width:.2}, color=\"{colour}\"];");
        }
        for i in (0..picture.items.len()).filter(|&i| super::grid::loops(picture, i)) {
            let _ = writeln!(out, "  {0} -> {0} [label=\"t → t + 1\", color=\"#cf5a1f\"];", name(i));
        }
    }
    out.push_str("}\n");
    out
}
