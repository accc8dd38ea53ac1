//! What layout and lines share: boxes, the grid they stand in, the channels between its levels and the nets of lines.

use super::fold::{Grain, Kind, Picture};
use std::collections::BTreeMap;

/// Room above and below a recurrence's boxes for its name and for the time steps.
pub(super) const BAND: f64 = 20.0;
/// Farther than anything stands.
pub(super) const FAR: f64 = 1e9;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) w: f64,
    pub(super) h: f64,
}

impl Rect {
    pub(super) fn centre(&self) -> f64 {
        self.x + self.w / 2.0
    }
    pub(super) fn union(self, other: Rect) -> Rect {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        Rect { x, y, w: (self.x + self.w).max(other.x + other.w) - x, h: (self.y + self.h).max(other.y + other.h) - y }
    }
    pub(super) fn grown(self, by: f64, above: f64) -> Rect {
        Rect { x: self.x - by, y: self.y - by - above, w: self.w + 2.0 * by, h: self.h + 2.0 * by + above }
    }
    pub(super) fn meets(&self, o: &Rect) -> bool {
        self.x < o.x + o.w && o.x < self.x + self.w && self.y < o.y + o.h && o.y < self.y + self.h
    }
}

/// A place in the grid. Boxes of one block stand in one column, at one recurrence's height.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) row: usize,
    pub(super) col: usize,
    pub(super) level: usize,
}

/// Heights in one row, shared by all its columns so that what is alike stands alike.
pub(super) struct Row {
    pub(super) phase: usize,
    pub(super) lane: bool,
    pub(super) levels: Vec<f64>,
    /// Heights of the channels: one below each level, and one above all.
    pub(super) channels: Vec<f64>,
    /// The lower end, upwards from the lowest.
    pub(super) base: f64,
}

impl Row {
    pub(super) fn height(&self) -> f64 {
        self.levels.iter().sum::<f64>() + self.channels.iter().sum::<f64>() + if self.lane { 2.0 * BAND } else { 0.0 }
    }
    /// The lower end of a channel, upwards from the row's.
    pub(super) fn channel(&self, c: usize) -> f64 {
        let below = self.levels[..c].iter().sum::<f64>() + self.channels[..c].iter().sum::<f64>();
        self.base + below + if self.lane { BAND } else { 0.0 }
    }
    pub(super) fn level(&self, level: usize) -> f64 {
        self.channel(level) + self.channels[level]
    }
}

/// Whether a box hands a state to itself.
pub(super) fn loops(picture: &Picture, item: usize) -> bool {
    picture.grain == Grain::Rolled && picture.items[item].kind == Kind::Cell
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Channel {
    pub(super) row: usize,
    pub(super) col: usize,
    pub(super) c: usize,
}

#[derive(Default)]
pub(super) struct Segment {
    /// Where boxes are met: x from the column's left end, the box, and whether the value comes out of it.
    pub(super) ports: Vec<(f64, usize, bool)>,
    pub(super) gutter: Option<usize>,
    pub(super) track: usize,
}

pub(super) struct Net {
    pub(super) links: Vec<usize>,
    pub(super) gathers: bool,
    pub(super) segments: BTreeMap<Channel, Segment>,
    /// The track in each gutter.
    pub(super) gutters: BTreeMap<usize, usize>,
    pub(super) rail: Option<usize>,
}
