//! Tracks: which of the lines side by side a stretch runs on.

use super::grid::{Channel, FAR, Net};
use std::collections::BTreeMap;

/// Gives each stretch in a channel a track; lowest is 0. Where one value comes up at the place at which another goes
/// up, the first keeps below the second.
pub(super) fn channel_tracks(nets: &mut [Net]) -> BTreeMap<(usize, usize), usize> {
    let mut by_channel: BTreeMap<Channel, Vec<(f64, f64, usize)>> = BTreeMap::new();
    for (n, net) in nets.iter().enumerate() {
        for (channel, segment) in &net.segments {
            let xs = segment.ports.iter().map(|p| p.0);
            let (mut low, mut high) = (xs.clone().fold(FAR, f64::min), xs.fold(-FAR, f64::max));
            match segment.gutter {
                Some(gutter) if gutter > channel.col => high = FAR,
                Some(_) => low = -FAR,
                None if high - low < 0.5 => continue,
                None => {}
            }
            by_channel.entry(*channel).or_default().push((low, high, n));
        }
    }
    let mut most = BTreeMap::new();
    for (channel, mut list) in by_channel {
        list.sort_by(|a, b| (a.1 - a.0).total_cmp(&(b.1 - b.0)).then(a.2.cmp(&b.2)));
        let at = |n: usize, out: bool| {
            let ports = &nets[n].segments[&channel].ports;
            ports.iter().filter(move |p| p.2 == out).map(|p| p.0).collect::<Vec<_>>()
        };
        let below = |a: usize, b: usize| at(a, true).iter().any(|x| at(b, false).iter().any(|y| (x - y).abs() < 5.0));
        let mut done: Vec<(f64, f64, usize, usize)> = vec![];
        while !list.is_empty() {
            let free = |&(_, _, n): &(f64, f64, usize)| !list.iter().any(|&(_, _, m)| m != n && below(m, n));
            let next = list.iter().position(free).unwrap_or(0);
            let (low, high, n) = list.remove(next);
            let least = done.iter().filter(|d| below(d.2, n)).map(|d| d.3 + 1).max().unwrap_or(0);
            let taken = |track| done.iter().any(|d| d.3 == track && low < d.1 + 6.0 && d.0 < high + 6.0);
            let track = (least..).find(|&track| !taken(track)).unwrap_or(least);
            done.push((low, high, n, track));
        }
        for &(_, _, n, track) in &done {
            if let Some(segment) = nets[n].segments.get_mut(&channel) {
                segment.track = track;
            }
            let count = most.entry((channel.row, channel.c)).or_insert(0);
            *count = track.max(*count - usize::from(*count > 0)) + 1;
        }
    }
    most
}

/// Gives intervals tracks so that those of one track do not meet.
pub(super) fn first_fit(mut list: Vec<(f64, f64, usize)>, apart: f64) -> (Vec<(usize, usize)>, usize) {
    list.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
    let mut ends: Vec<f64> = vec![];
    let mut given = vec![];
    for (low, high, n) in list {
        let track = ends.iter().position(|end| end + apart < low).unwrap_or(ends.len());
        if track == ends.len() {
            ends.push(high);
        }
        ends[track] = high;
        given.push((n, track));
    }
    (given, ends.len())
}
