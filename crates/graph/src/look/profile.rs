//! Where the time goes: calls, time and bytes by operation, by scope and by line.

use crate::{
    Float, Graph,
    element::typed,
    recompute::Segment,
    recording::{Maker, Recording},
    tape::Value,
};
use std::{fmt, iter::Sum, ops::AddAssign, time::Duration};

/// Says what something cost.
///
/// ```
/// use unspool_graph::{Cost, Graph, Params};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params).record_profile();
/// let x = graph.zeros([64, 64]).watch();
/// x.tanh().sum_all().backward()?;
/// let total: Cost = graph.profile().by_operation().rows.into_iter().map(|(_, cost)| cost).sum();
/// assert_eq!(total.time(), total.forward + total.backward);
/// assert!(total.calls >= graph.len());
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cost {
    /// How often it ran.
    pub calls: usize,
    /// Time of its forward; zero where the graph was not [`profiled`](Graph::record_profile).
    pub forward: Duration,
    /// Time of its backward.
    pub backward: Duration,
    /// Bytes kept for the backward pass: its value, what forward saved, and the panels in which it was multiplied.
    pub bytes: usize,
}

impl Cost {
    /// Returns the time of forward and backward together.
    pub fn time(&self) -> Duration {
        self.forward + self.backward
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        self.calls += other.calls;
        self.forward += other.forward;
        self.backward += other.backward;
        self.bytes += other.bytes;
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Cost>>(costs: I) -> Cost {
        costs.fold(Cost::default(), |mut sum, cost| {
            sum += cost;
            sum
        })
    }
}

/// Holds what a recording cost, node by node; see [`Graph::profile`].
///
/// More in [chapter 15](https://github.com/unspool/unspool/blob/main/docs/15-own-cell.md) of the tutorial.
///
/// ```
/// use unspool_graph::{Graph, Params, Profile};
/// let params = Params::seeded(0);
/// let (mut all, mut nodes) = (Profile::default(), 0);
/// for _step in 0..3 {
///     let graph = Graph::new(&params).record_profile();
///     graph.zeros([8, 8]).watch().tanh().sum_all().backward()?;
///     nodes += graph.len();
///     all.add(graph.profile());
/// }
/// assert!(all.total().calls >= nodes);
/// println!("{}", all.by_line());
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Profile {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    operation: &'static str,
    scope: String,
    line: String,
    cost: Cost,
}

/// Shows a profile summed up by one of its properties: the costliest row first, rows of one cost by name. It prints as
/// a table.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let _ = graph.zeros([2]).exp().exp();
/// let table = graph.profile().by_operation();
/// assert_eq!(table.rows.iter().find(|(name, _)| name == "exp").map(|(_, cost)| cost.calls), Some(2));
/// assert!(table.to_string().starts_with("operation"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProfileTable {
    /// Of what the rows are.
    pub title: &'static str,
    /// Names and costs.
    pub rows: Vec<(String, Cost)>,
}

impl Profile {
    /// Adds another recording's costs: a profile of many training steps.
    pub fn add(&mut self, other: Profile) {
        for entry in other.entries {
            let same = |known: &&mut Entry| {
                (known.operation, &known.scope, &known.line) == (entry.operation, &entry.scope, &entry.line)
            };
            match self.entries.iter_mut().find(same) {
                Some(known) => known.cost += entry.cost,
                None => self.entries.push(entry),
            }
        }
    }

    /// Returns the cost of everything.
    pub fn total(&self) -> Cost {
        self.entries.iter().map(|entry| entry.cost).sum()
    }

    /// Returns a table with a row for each operation.
    pub fn by_operation(&self) -> ProfileTable {
        self.table("operation", |entry| entry.operation.to_string())
    }

    /// Returns a table with a row for each scope; what stands outside of all has an empty name.
    pub fn by_scope(&self) -> ProfileTable {
        self.table("scope", |entry| entry.scope.clone())
    }

    /// Returns a table with a row for each line of the user's code.
    pub fn by_line(&self) -> ProfileTable {
        self.table("line", |entry| entry.line.clone())
    }

    fn table(&self, title: &'static str, name: impl Fn(&Entry) -> String) -> ProfileTable {
        let mut sums = std::collections::BTreeMap::<String, Cost>::new();
        self.entries.iter().for_each(|entry| *sums.entry(name(entry)).or_default() += entry.cost);
        let mut rows: Vec<(String, Cost)> = sums.into_iter().collect();
        rows.sort_by_key(|(_, cost)| std::cmp::Reverse((cost.time(), cost.bytes)));
        ProfileTable { title, rows }
    }
}

impl fmt::Display for ProfileTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(self.title.len());
        writeln!(
            f,
            "{:width$}  {:>9}  {:>12}  {:>12}  {:>6}  {:>12}",
            self.title, "calls", "forward ms", "backward ms", "share", "bytes kept"
        )?;
        let all = self.rows.iter().map(|(_, cost)| cost.time()).sum::<Duration>().as_secs_f64();
        for (name, cost) in &self.rows {
            let ms = |time: Duration| time.as_secs_f64() * 1e3;
            let share = if all > 0.0 { 100.0 * cost.time().as_secs_f64() / all } else { 0.0 };
            let Cost { calls, forward, backward, bytes } = cost;
            writeln!(
                f,
                "{name:width$}  {calls:>9}  {:>12.3}  {:>12.3}  {share:>5.1}%  {bytes:>12}",
                ms(*forward),
                ms(*backward)
            )?;
        }
        Ok(())
    }
}

impl Graph<'_> {
    /// Returns what this recording has cost so far, forward and, after [`backward`](crate::Var::backward), backward.
    /// Times need a graph that is [`profiled`](Graph::record_profile); calls and bytes are known in any case.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// let params = Params::seeded(0);
    /// let graph = Graph::new(&params).record_profile();
    /// let x = graph.zeros([64, 64]).watch();
    /// x.matmul(x).tanh().sum_all().backward()?;
    /// let table = graph.profile().by_operation();
    /// assert_eq!(table.rows.iter().find(|(name, _)| name == "tanh").unwrap().1.bytes, 64 * 64 * 4);
    /// println!("{table}");
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn profile(&self) -> Profile {
        let mut profile = Profile::default();
        let times = self.clock.as_ref().map(|clock| clock.borrow());
        let mut merged = std::collections::BTreeMap::<(&'static str, u32, usize), usize>::new();
        typed!(&*self.recording.borrow(), recording => {
            for (id, node) in recording.tape.nodes.iter().enumerate() {
                let [forward, backward] = times.as_ref().and_then(|t| t.nodes.get(id)).copied().unwrap_or_default();
                let (forward, backward) = (Duration::from_nanos(forward), Duration::from_nanos(backward));
                let cost = Cost { calls: 1, forward, backward, bytes: kept_bytes(recording, id) };
                let key = (node.name, node.mark.scope, std::ptr::from_ref(node.mark.line) as usize);
                let at = *merged.entry(key).or_insert_with(|| {
                    let place = self.place_of(node.mark);
                    let line = format!("{}:{}", place.line.file(), place.line.line());
                    let cost = Cost::default();
                    profile.entries.push(Entry { operation: node.name, scope: place.scope, line, cost });
                    profile.entries.len() - 1
                });
                profile.entries[at].cost += cost;
            }
        });
        if let Some((calls, nanos)) = times.map(|t| t.gathered).filter(|(calls, _)| *calls > 0) {
            let cost = Cost { calls, backward: Duration::from_nanos(nanos), ..Cost::default() };
            let operation = "gathered weight gradients";
            profile.entries.push(Entry { operation, scope: String::new(), line: String::new(), cost });
        }
        profile
    }
}

/// Bytes that a node keeps for the backward pass. A parameter's own values are not the recording's.
fn kept_bytes<E: Float>(recording: &Recording<E>, id: usize) -> usize {
    let node = &recording.tape.nodes[id];
    let element = std::mem::size_of::<E>();
    let own = if matches!(node.value, Value::Own(_)) { node.shape.elements() * element } else { 0 };
    let packed = node.packs.elements() * element;
    let kept = match &recording.makers[id] {
        None => 0,
        Some(Maker::Operation(operation)) => operation.saved_bytes(),
        Some(Maker::Gradient { .. }) => 0,
        Some(Maker::Segment(segment)) => Segment::of(&**segment).bytes(),
    };
    own + packed + kept
}
