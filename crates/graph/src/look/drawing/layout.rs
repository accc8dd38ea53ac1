//! Where the boxes stand: columns of time from left to right, levels from below to above inside a column.

use super::{
    fold::{Grain, Kind, Picture},
    grid::{BAND, Place, Rect, Row, loops},
    label,
    route::{self, Wire},
};
use std::collections::{BTreeMap, BTreeSet};

/// Sizes of letters.
pub(super) const TITLE: f64 = 12.0;
pub(super) const SMALL: f64 = 9.5;
const LINE: f64 = 12.5;
/// Between neighbors of one level.
const APART: f64 = 16.0;
/// Between the recurrences of one phase.
const ROWS_APART: f64 = 14.0;

/// A frame around boxes, with a name.
pub(super) struct Frame {
    pub(super) rect: Rect,
    pub(super) name: String,
    /// A recurrence; else a time step or a scope.
    pub(super) lane: bool,
}

/// Everything in its place; y grows downwards.
pub(super) struct Scene {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) boxes: Vec<Rect>,
    pub(super) frames: Vec<Frame>,
    pub(super) wires: Vec<Wire>,
    /// Time steps: center, baseline, words.
    pub(super) captions: Vec<(f64, f64, String)>,
}

pub(super) fn scene(picture: &Picture) -> Scene {
    let sizes: Vec<(f64, f64)> = picture.items.iter().map(|item| size(item, picture.grain)).collect();
    let (mut places, mut rows, columns) = grid(picture);
    levels(picture, &mut places);
    for (place, size) in places.iter().zip(&sizes) {
        let row = &mut rows[place.row];
        if row.levels.len() <= place.level {
            row.levels.resize(place.level + 1, 0.0);
        }
        row.levels[place.level] = row.levels[place.level].max(size.1);
    }
    let local = centres(picture, &places, &sizes, columns);
    let mut plan = route::plan(picture, &places, &local, &sizes);
    for (r, row) in rows.iter_mut().enumerate() {
        let loops = |c: usize| {
            c > 0 && (0..places.len()).any(|i| places[i].row == r && places[i].level + 1 == c && loops(picture, i))
        };
        row.channels =
            (0..=row.levels.len()).map(|c| plan.channel_height(r, c) + if loops(c) { 26.0 } else { 0.0 }).collect();
    }
    stack(&mut rows);
    plan.keep_apart(&mut rows);

    let widths: Vec<f64> = (0..columns)
        .map(|col| {
            let right = |i: usize| local[i] + sizes[i].0 / 2.0;
            (0..places.len()).filter(|&i| places[i].col == col).map(right).fold(0.0, f64::max)
        })
        .collect();
    let gutters = plan.gutters(&rows, columns, picture.grain == Grain::Rolled);
    let mut lefts = vec![];
    let mut x = 0.0;
    for col in 0..columns {
        x += gutters[col];
        lefts.push(x);
        x += widths[col];
    }
    let width = x + gutters[columns];

    let top = rows.iter().map(|row| row.base + row.height()).fold(0.0, f64::max);
    let rails = plan.rails(&lefts, &widths, &gutters);
    let (above, below) = (rails.0 + 12.0, rails.1 + 12.0);
    let down = |up: f64| above + top - up;
    let boxes: Vec<Rect> = (0..places.len())
        .map(|i| {
            let (place, (w, h)) = (places[i], sizes[i]);
            let row = &rows[place.row];
            let up = row.level(place.level) + (row.levels[place.level] + h) / 2.0;
            Rect { x: lefts[place.col] + local[i] - w / 2.0, y: down(up), w, h }
        })
        .collect();
    let wires = plan.wires(picture, &boxes, &rows, &lefts, &widths, &gutters, &down, above + top + 12.0);
    let (frames, captions) = frames(picture, &places, &boxes, &rows, &lefts, &widths, &down);
    Scene { width, height: above + top + below, boxes, frames, wires, captions }
}

fn size(item: &super::fold::Item, grain: Grain) -> (f64, f64) {
    let shape = if item.shape.is_empty() { 0 } else { 1 };
    let small = item.lines.iter().map(|line| label::width(line, SMALL)).chain([label::width(&item.shape, SMALL)]);
    let widest = small.fold(label::width(&item.title, TITLE), f64::max);
    let least = if grain == Grain::Node { 40.0 } else { 64.0 };
    ((widest + 18.0).max(least), 22.0 + LINE * (item.lines.len() + shape) as f64)
}

/// Rows and columns.
fn grid(picture: &Picture) -> (Vec<Place>, Vec<Row>, usize) {
    let mut phases: BTreeMap<usize, (BTreeSet<usize>, BTreeSet<usize>)> = BTreeMap::new();
    for item in &picture.items {
        let (lanes, steps) = phases.entry(item.phase).or_default();
        if let Some((lane, step)) = item.lane {
            lanes.insert(lane);
            steps.insert(step);
        }
    }
    let (mut rows, mut columns) = (vec![], 0);
    let (mut row_of, mut col_of) = (BTreeMap::new(), BTreeMap::new());
    for (&phase, (lanes, steps)) in &phases {
        let row = |lane| Row { phase, lane, levels: vec![], channels: vec![], base: 0.0 };
        if lanes.is_empty() {
            row_of.insert((phase, None), rows.len());
            col_of.insert((phase, None), columns);
            rows.push(row(false));
            columns += 1;
        }
        for &lane in lanes {
            row_of.insert((phase, Some(lane)), rows.len());
            rows.push(row(true));
        }
        for &step in steps {
            col_of.insert((phase, Some(step)), columns);
            columns += 1;
        }
    }
    let place = |item: &super::fold::Item| Place {
        row: row_of[&(item.phase, item.lane.map(|(lane, _)| lane))],
        col: col_of[&(item.phase, item.lane.map(|(_, step)| step))],
        level: 0,
    };
    (picture.items.iter().map(place).collect(), rows, columns)
}

fn together(places: &[Place], a: usize, b: usize) -> bool {
    (places[a].row, places[a].col) == (places[b].row, places[b].col)
}

/// Every box above those it reads in its block, and as near below its readers as that allows.
fn levels(picture: &Picture, places: &mut [Place]) {
    let local: Vec<(usize, usize)> =
        picture.links.iter().map(|l| (l.from, l.to)).filter(|&(a, b)| together(places, a, b) && a < b).collect();
    let mut by_target = local.clone();
    by_target.sort_by_key(|&(_, to)| to);
    for &(from, to) in &by_target {
        places[to].level = places[to].level.max(places[from].level + 1);
    }
    let mut by_source = local;
    by_source.sort_by_key(|&(from, _)| std::cmp::Reverse(from));
    for chunk in by_source.chunk_by(|a, b| a.0 == b.0) {
        let least = chunk.iter().map(|&(_, to)| places[to].level).min().unwrap_or(1);
        places[chunk[0].0].level = least - 1;
    }
}

/// The center of each box from its column's left end: near those it is linked with, and apart from its neighbors.
fn centres(picture: &Picture, places: &[Place], sizes: &[(f64, f64)], columns: usize) -> Vec<f64> {
    let mut x = vec![0.0; places.len()];
    let mut groups: BTreeMap<Place, Vec<usize>> = BTreeMap::new();
    (0..places.len()).for_each(|i| groups.entry(places[i]).or_default().push(i));
    let spread = |group: &[usize], x: &mut [f64], wanted: &[f64]| {
        let gap = |a: usize, b: usize| (sizes[a].0 + sizes[b].0) / 2.0 + APART;
        let mut from_left = wanted.to_vec();
        for k in 1..group.len() {
            from_left[k] = from_left[k].max(from_left[k - 1] + gap(group[k - 1], group[k]));
        }
        let mut from_right = wanted.to_vec();
        for k in (0..group.len().saturating_sub(1)).rev() {
            from_right[k] = from_right[k].min(from_right[k + 1] - gap(group[k], group[k + 1]));
        }
        group.iter().enumerate().for_each(|(k, &i)| x[i] = (from_left[k] + from_right[k]) / 2.0);
    };
    for group in groups.values() {
        spread(group, &mut x, &vec![0.0; group.len()]);
    }
    let near = |i: usize, below: bool| {
        picture.links.iter().filter_map(move |l| match below {
            true if l.to == i => Some(l.from),
            false if l.from == i => Some(l.to),
            _ => None,
        })
    };
    for round in 0..8 {
        let below = round % 2 == 0;
        let mut order: Vec<Place> = groups.keys().copied().collect();
        if !below {
            order.reverse();
        }
        for place in order {
            let mut group = groups[&place].clone();
            let wish = |i: usize, x: &[f64]| {
                let of: Vec<f64> = near(i, below).filter(|&n| together(places, i, n)).map(|n| x[n]).collect();
                if of.is_empty() { x[i] } else { of.iter().sum::<f64>() / of.len() as f64 }
            };
            let mut wanted: Vec<(f64, usize)> = group.iter().map(|&i| (wish(i, &x), i)).collect();
            wanted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            group = wanted.iter().map(|&(_, i)| i).collect();
            let wanted: Vec<f64> = wanted.iter().map(|&(w, _)| w).collect();
            spread(&group, &mut x, &wanted);
            groups.insert(place, group);
        }
    }
    for col in 0..columns {
        // Each row's block by itself, centered in the column.
        let rows: BTreeSet<usize> = places.iter().filter(|p| p.col == col).map(|p| p.row).collect();
        let members = |row: usize| (0..places.len()).filter(move |&i| places[i].col == col && places[i].row == row);
        let extent = |row: usize, x: &[f64]| {
            let low = members(row).map(|i| x[i] - sizes[i].0 / 2.0).fold(f64::INFINITY, f64::min);
            let high = members(row).map(|i| x[i] + sizes[i].0 / 2.0).fold(f64::NEG_INFINITY, f64::max);
            (low, high)
        };
        let widest = rows.iter().map(|&row| extent(row, &x)).map(|(low, high)| high - low).fold(0.0, f64::max);
        for &row in &rows {
            let (low, high) = extent(row, &x);
            let shift = (widest - (high - low)) / 2.0 - low;
            members(row).for_each(|i| x[i] += shift);
        }
    }
    x.iter().map(|x| x.round()).collect()
}

/// Rows of one phase above each other, and the phases centered on each other.
fn stack(rows: &mut [Row]) {
    let mut heights: BTreeMap<usize, f64> = BTreeMap::new();
    for row in rows.iter_mut() {
        let height = heights.entry(row.phase).or_insert(-ROWS_APART);
        row.base = *height + ROWS_APART;
        *height = row.base + row.height();
    }
    let highest = heights.values().copied().fold(0.0, f64::max);
    for row in rows.iter_mut() {
        row.base += ((highest - heights[&row.phase]) / 2.0).round();
    }
}

type Captions = Vec<(f64, f64, String)>;

fn frames(
    picture: &Picture,
    places: &[Place],
    boxes: &[Rect],
    rows: &[Row],
    lefts: &[f64],
    widths: &[f64],
    down: &dyn Fn(f64) -> f64,
) -> (Vec<Frame>, Captions) {
    let (mut frames, mut captions) = (vec![], vec![]);
    for (r, row) in rows.iter().enumerate().filter(|(_, row)| row.lane && picture.grain != Grain::Rolled) {
        let columns: BTreeSet<usize> = places.iter().filter(|p| p.row == r).map(|p| p.col).collect();
        let (Some(&first), Some(&last)) = (columns.first(), columns.last()) else { continue };
        let (y, h) = (down(row.base + row.height()), row.height());
        let across = |a: usize, b: usize, by: f64| (lefts[a] - by, lefts[b] + widths[b] - lefts[a] + 2.0 * by);
        let (x, w) = across(first, last, 9.0);
        let member = |&i: &usize| places[i].row == r;
        let name = (0..places.len()).find(member).map_or(String::new(), |i| {
            let item = &picture.items[i];
            let path: Vec<&str> = item.scopes.iter().map(|&s| picture.names[s as usize].as_str()).collect();
            path.join(" / ")
        });
        frames.push(Frame { rect: Rect { x, y, w, h }, name, lane: true });
        for &col in &columns {
            let step = (0..places.len()).find(|&i| places[i].row == r && places[i].col == col);
            let step = step.and_then(|i| picture.items[i].lane).map_or(0, |(_, step)| step);
            captions.push((lefts[col] + widths[col] / 2.0, y + h - 6.0, format!("t = {step}")));
            if picture.grain == Grain::Node {
                let (x, w) = across(col, col, 5.0);
                let rect = Rect { x, y: y + BAND - 3.0, w, h: h - BAND };
                frames.push(Frame { rect, name: String::new(), lane: false });
            }
        }
    }
    if picture.grain != Grain::Rolled {
        frames.extend(scopes(picture, places, boxes));
    }
    (frames, captions)
}

/// Frames around the boxes of a scope, where they stand together.
fn scopes(picture: &Picture, places: &[Place], boxes: &[Rect]) -> Vec<Frame> {
    let mut found = vec![];
    let solid = |i: &usize| picture.items[*i].kind != Kind::Param;
    let all: BTreeSet<u32> = picture.items.iter().flat_map(|item| item.scopes.iter().copied()).collect();
    for scope in all {
        let members: Vec<usize> =
            (0..boxes.len()).filter(solid).filter(|&i| picture.items[i].scopes.contains(&scope)).collect();
        let mut blocks: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        members.iter().for_each(|&i| blocks.entry((places[i].row, places[i].col)).or_default().push(i));
        let whole_row = |group: &[usize]| {
            let same = |i: &usize| (places[*i].row, places[*i].col) == (places[group[0]].row, places[group[0]].col);
            (0..boxes.len()).filter(solid).filter(same).count() == group.len() && picture.items[group[0]].lane.is_some()
        };
        for group in blocks.values().filter(|group| group.len() > 1 && !whole_row(group)) {
            let depth = picture.items[group[0]].scopes.iter().position(|s| *s == scope).unwrap_or(0);
            let deepest = group.iter().map(|&i| picture.items[i].scopes.len()).max().unwrap_or(1);
            let rect = group.iter().map(|&i| boxes[i]).reduce(Rect::union).unwrap_or_default();
            let rect = rect.grown(3.0 + 2.0 * (deepest - 1 - depth) as f64, 9.0);
            let foreign = (0..boxes.len()).filter(|i| !group.contains(i)).any(|i| rect.meets(&boxes[i]));
            if !foreign {
                found.push(Frame { rect, name: picture.names[scope as usize].clone(), lane: false });
            }
        }
    }
    found
}
