//! How lines run: up from a box into the channel above its level, along it, through the gutter between two columns or
//! along a rail outside of all rows, and up into the box that reads the value. Each stretch has a track of its own.

use super::{
    fold::{Grain, Picture},
    grid::{Channel, FAR, Net, Place, Rect, Row, Segment, loops},
    tracks::{channel_tracks, first_fit},
};
use std::collections::{BTreeMap, BTreeSet};

/// Between tracks of a channel, of a gutter, of the rails.
const TRACK: f64 = 8.0;
const RAIL: f64 = 9.0;
/// Between a box and the first track of a channel or gutter.
const CLEAR: f64 = 10.0;
const GUTTER: f64 = 17.0;

/// The lines of one value, or of all values that go into one box from afar.
#[derive(Default)]
pub(super) struct Wire {
    pub(super) kind: WireKind,
    pub(super) norm: Option<f64>,
    /// x₀, x₁, y
    pub(super) across: Vec<(f64, f64, f64)>,
    /// x, y₀, y₁
    pub(super) upright: Vec<(f64, f64, f64)>,
    /// Tips of arrows, and whether they point right rather than up.
    pub(super) tips: Vec<(f64, f64, bool)>,
    /// Words beside the line.
    pub(super) label: Option<(f64, f64, String)>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum WireKind {
    #[default]
    Data,
    State,
    Param,
}

pub(super) struct Plan {
    nets: Vec<Net>,
    /// Links that run straight from a box to its neighbor in the next column.
    straight: Vec<usize>,
    tracks: BTreeMap<(usize, usize), usize>,
    gutter_tracks: Vec<usize>,
    rails: (usize, usize),
}

pub(super) fn plan(picture: &Picture, places: &[Place], local: &[f64], sizes: &[(f64, f64)]) -> Plan {
    let block = |i: usize| (places[i].row, places[i].col);
    let at_edge = |i: usize, right: bool| {
        !(0..places.len())
            .any(|j| places[j] == places[i] && if right { local[j] > local[i] } else { local[j] < local[i] })
    };
    let is_straight = |l: &super::fold::Link| {
        let (a, b) = (places[l.from], places[l.to]);
        (a.row, a.level, a.col + 1) == (b.row, b.level, b.col) && at_edge(l.from, true) && at_edge(l.to, false)
    };
    let straight: Vec<usize> = (0..picture.links.len()).filter(|&i| is_straight(&picture.links[i])).collect();
    let rest: Vec<usize> = (0..picture.links.len()).filter(|i| !straight.contains(i)).collect();
    // What many time steps give to one box outside of their recurrence is one net; else a value and all its readers
    // are.
    let far = |&&i: &&usize| {
        let lane = |item: usize| picture.items[item].lane.map(|(lane, _)| lane);
        let link = &picture.links[i];
        lane(link.from).is_some() && lane(link.from) != lane(link.to) && lane(link.to).is_none()
    };
    let mut into: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    rest.iter().filter(far).for_each(|&i| into.entry(picture.links[i].to).or_default().push(i));
    into.retain(|_, links| links.len() >= 2);
    let gathered: BTreeSet<usize> = into.values().flatten().copied().collect();
    let mut out: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    rest.iter().filter(|i| !gathered.contains(i)).for_each(|&i| out.entry(picture.links[i].from).or_default().push(i));
    let net = |links: Vec<usize>, gathers| Net {
        links,
        gathers,
        segments: BTreeMap::new(),
        gutters: BTreeMap::new(),
        rail: None,
    };
    let mut nets: Vec<Net> = out.into_values().map(|links| net(links, false)).collect();
    nets.extend(into.into_values().map(|links| net(links, true)));

    // Ports: values come out at the top, side by side, and go in at the bottom: from the left, from below, from the
    // right.
    let mut leaving: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut arriving: BTreeMap<usize, Vec<(i8, i64, usize)>> = BTreeMap::new();
    for (n, net) in nets.iter().enumerate() {
        let ends: BTreeSet<usize> = net.links.iter().map(|&l| picture.links[l].to).collect();
        let starts: BTreeSet<usize> = net.links.iter().map(|&l| picture.links[l].from).collect();
        starts.iter().for_each(|&from| leaving.entry(from).or_default().push(n));
        for to in ends {
            let from = *starts.first().unwrap_or(&to);
            let side = match (block(from) == block(to), places[from].level + 1 == places[to].level) {
                (true, true) => 0,
                (true, false) => 1,
                (false, _) => -1,
            };
            arriving.entry(to).or_default().push((side, local[from] as i64, n));
        }
    }
    let port = |i: usize, k: usize, of: usize| {
        let apart = (14.0f64).min((sizes[i].0 - 12.0) / of as f64);
        local[i] + (k as f64 - (of as f64 - 1.0) / 2.0) * apart
    };
    for (&i, list) in &leaving {
        for (k, &n) in list.iter().enumerate() {
            let channel = Channel { row: places[i].row, col: places[i].col, c: places[i].level + 1 };
            nets[n].segments.entry(channel).or_default().ports.push((port(i, k, list.len()), i, true));
        }
    }
    for (i, mut list) in arriving {
        list.sort_unstable();
        for (k, &(_, _, n)) in list.iter().enumerate() {
            let channel = Channel { row: places[i].row, col: places[i].col, c: places[i].level };
            nets[n].segments.entry(channel).or_default().ports.push((port(i, k, list.len()), i, false));
        }
    }
    for net in &mut nets {
        if net.segments.len() < 2 {
            continue;
        }
        let sources: BTreeSet<usize> =
            net.segments.iter().filter(|(_, s)| s.ports.iter().any(|p| p.2)).map(|(c, _)| c.col).collect();
        for (channel, segment) in &mut net.segments {
            let gutter = channel.col + usize::from(sources.contains(&channel.col));
            segment.gutter = Some(gutter);
            net.gutters.insert(gutter, 0);
        }
    }
    let tracks = channel_tracks(&mut nets);
    Plan { nets, straight, tracks, gutter_tracks: vec![], rails: (0, 0) }
}

impl Plan {
    pub(super) fn channel_height(&self, row: usize, c: usize) -> f64 {
        match self.tracks.get(&(row, c)) {
            Some(&tracks) => 2.0 * CLEAR + (tracks.max(1) - 1) as f64 * TRACK + TRACK / 2.0,
            None => CLEAR + 4.0,
        }
    }

    /// How high above the lowest line a stretch runs. Columns take turns by half a track, so that what leaves one and
    /// what enters the next are never on one line.
    fn up(&self, rows: &[Row], channel: &Channel, segment: &Segment) -> f64 {
        let row = &rows[channel.row];
        let free = row.channels[channel.c] - self.channel_height(channel.row, channel.c);
        let turn = if channel.col % 2 == 1 { TRACK / 2.0 } else { 0.0 };
        row.channel(channel.c) + free + CLEAR + segment.track as f64 * TRACK + turn
    }

    /// Lifts the rows of a phase a little where a stretch of theirs would meet one of an earlier phase in the gutter
    /// between.
    pub(super) fn keep_apart(&self, rows: &mut [Row]) {
        let joined = || self.nets.iter().flat_map(|net| &net.segments).filter_map(|(c, s)| Some((c, s, s.gutter?)));
        let phases: BTreeSet<usize> = rows.iter().map(|row| row.phase).collect();
        for phase in phases {
            let meets = |rows: &[Row]| {
                let of = |(c, s, gutter): (&Channel, &Segment, usize)| (gutter, self.up(rows, c, s));
                let here: Vec<_> = joined().filter(|(c, ..)| rows[c.row].phase == phase).map(of).collect();
                joined()
                    .filter(|(c, ..)| rows[c.row].phase < phase)
                    .map(of)
                    .any(|(gutter, up)| here.iter().any(|&(other, at)| gutter == other && (up - at).abs() < 2.0))
            };
            for _ in 0..40 {
                if !meets(rows) {
                    break;
                }
                rows.iter_mut().filter(|row| row.phase == phase).for_each(|row| row.base += 1.5);
            }
        }
    }

    /// The widths of the gutters; `wide` leaves room for loops.
    pub(super) fn gutters(&mut self, rows: &[Row], columns: usize, wide: bool) -> Vec<f64> {
        let mut lists: Vec<Vec<(f64, f64, usize)>> = vec![vec![]; columns + 1];
        for (n, net) in self.nets.iter().enumerate() {
            for &gutter in net.gutters.keys() {
                let ups = net.segments.iter().filter(|(_, s)| s.gutter == Some(gutter));
                let ups: Vec<f64> = ups.map(|(channel, segment)| self.up(rows, channel, segment)).collect();
                let (mut low, mut high) =
                    (ups.iter().copied().fold(FAR, f64::min), ups.iter().copied().fold(-FAR, f64::max));
                if net.gutters.len() > 1 {
                    if net.gathers { high = FAR } else { low = -FAR }
                }
                lists[gutter].push((low, high, n));
            }
        }
        let mut widths = vec![];
        for (gutter, list) in lists.into_iter().enumerate() {
            let (given, count) = first_fit(list, 5.0);
            for (n, track) in given {
                self.nets[n].gutters.insert(gutter, track);
            }
            self.gutter_tracks.push(count);
            let edge = if gutter == 0 || gutter == columns { -5.0 } else { 0.0 };
            widths.push(2.0 * (GUTTER + edge + if wide { 16.0 } else { 0.0 }) + (count.max(1) - 1) as f64 * TRACK);
        }
        widths
    }

    fn gutter_x(&self, gutter: usize, track: usize, lefts: &[f64], widths: &[f64], gutters: &[f64]) -> f64 {
        let start = if gutter == 0 { 0.0 } else { lefts[gutter - 1] + widths[gutter - 1] };
        let used = (self.gutter_tracks[gutter].max(1) - 1) as f64 * TRACK;
        start + (gutters[gutter] - used) / 2.0 + track as f64 * TRACK
    }

    /// The heights that the rails above and below need.
    pub(super) fn rails(&mut self, lefts: &[f64], widths: &[f64], gutters: &[f64]) -> (f64, f64) {
        let mut lists = [vec![], vec![]];
        for (n, net) in self.nets.iter().enumerate().filter(|(_, net)| net.gutters.len() > 1) {
            let xs: Vec<f64> =
                net.gutters.iter().map(|(&g, &track)| self.gutter_x(g, track, lefts, widths, gutters)).collect();
            let (low, high) = (xs.iter().copied().fold(FAR, f64::min), xs.iter().copied().fold(-FAR, f64::max));
            lists[usize::from(net.gathers)].push((low, high, n));
        }
        let [below, above] = lists.map(|list| first_fit(list, 8.0));
        for (n, track) in below.0.into_iter().chain(above.0) {
            self.nets[n].rail = Some(track);
        }
        self.rails = (above.1, below.1);
        (above.1 as f64 * RAIL, below.1 as f64 * RAIL)
    }

    #[expect(clippy::too_many_arguments, reason = "all that has been measured comes together here")]
    pub(super) fn wires(
        &self,
        picture: &Picture,
        boxes: &[Rect],
        rows: &[Row],
        lefts: &[f64],
        widths: &[f64],
        gutters: &[f64],
        down: &dyn Fn(f64) -> f64,
        bottom: f64,
    ) -> Vec<Wire> {
        let kind = |links: &[usize]| {
            let state = links.iter().any(|&l| !picture.links[l].leaves.is_empty());
            let param = links.iter().all(|&l| picture.items[picture.links[l].from].kind == super::fold::Kind::Param);
            if param {
                WireKind::Param
            } else if state {
                WireKind::State
            } else {
                WireKind::Data
            }
        };
        let norm = |links: &[usize]| links.iter().filter_map(|&l| picture.links[l].norm).reduce(f64::max);
        let mut wires = vec![];
        for net in &self.nets {
            let mut wire = Wire { kind: kind(&net.links), norm: norm(&net.links), ..Wire::default() };
            let x_of = |gutter: usize| self.gutter_x(gutter, net.gutters[&gutter], lefts, widths, gutters);
            let rail = net.rail.map(|track| match net.gathers {
                true => 6.0 + (self.rails.0 - 1 - track) as f64 * RAIL,
                false => bottom + (track as f64 - 0.4) * RAIL,
            });
            let mut spans: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
            for (channel, segment) in &net.segments {
                let y = down(self.up(rows, channel, segment));
                let xs = segment.ports.iter().map(|p| lefts[channel.col] + p.0).chain(segment.gutter.map(x_of));
                let (low, high) = (xs.clone().fold(FAR, f64::min), xs.fold(-FAR, f64::max));
                if high - low > 0.5 {
                    wire.across.push((low, high, y));
                }
                for &(x, item, out) in &segment.ports {
                    let (x, rect) = (lefts[channel.col] + x, &boxes[item]);
                    if out {
                        wire.upright.push((x, y, rect.y));
                    } else {
                        wire.upright.push((x, rect.y + rect.h + 4.0, y));
                        wire.tips.push((x, rect.y + rect.h, false));
                    }
                }
                if let Some(gutter) = segment.gutter {
                    let span = spans.entry(gutter).or_insert((y, y));
                    *span = (span.0.min(y), span.1.max(y));
                }
            }
            for (&gutter, &(high, low)) in &spans {
                let ends = [Some(high), Some(low), rail];
                let (from, to) = ends.iter().flatten().fold((FAR, -FAR), |(a, b), &y| (a.min(y), b.max(y)));
                wire.upright.push((x_of(gutter), from, to));
            }
            if let Some(y) = rail {
                let (low, high) = spans.keys().map(|&g| x_of(g)).fold((FAR, -FAR), |(a, b), x| (a.min(x), b.max(x)));
                wire.across.push((low, high, y));
            }
            wires.push(wire);
        }
        for &l in &self.straight {
            let link = &picture.links[l];
            let (a, b) = (&boxes[link.from], &boxes[link.to]);
            let y = b.y + b.h / 2.0;
            let label = (picture.grain != Grain::Node).then(|| state_name(&link.leaves));
            wires.push(Wire {
                kind: kind(&[l]),
                norm: link.norm,
                across: vec![(a.x + a.w, b.x - 4.0, y)],
                tips: vec![(b.x, y, true)],
                label: label.flatten().map(|name| ((a.x + a.w + b.x) / 2.0 - 2.0, y - 6.0, name)),
                ..Wire::default()
            });
        }
        for i in (0..boxes.len()).filter(|&i| loops(picture, i)) {
            let (rect, out) = (&boxes[i], 17.0);
            let (left, right, top, y) = (rect.x - out, rect.x + rect.w + out, rect.y - 15.0, rect.y + rect.h / 2.0);
            let name = state_name(&picture.items[i].loops).unwrap_or_else(|| "t + 1".into());
            wires.push(Wire {
                kind: WireKind::State,
                across: vec![(left, right, top), (rect.x + rect.w, right, y), (left, rect.x - 4.0, y)],
                upright: vec![(left, top, y), (right, top, y)],
                tips: vec![(rect.x, y, true)],
                // Beside the line that comes up from the middle.
                label: Some(((left + rect.centre()) / 2.0, top - 4.0, name)),
                ..Wire::default()
            });
        }
        wires
    }
}

/// What a state's leaves are called on a line.
fn state_name(leaves: &[u32]) -> Option<String> {
    match leaves {
        [] => None,
        [_] => Some("h".into()),
        many => Some(
            many.iter()
                .map(|leaf| format!("h{}", ["₀", "₁", "₂", "₃"].get(*leaf as usize).unwrap_or(&"ₙ")))
                .collect::<Vec<_>>()
                .join(" "),
        ),
    }
}
