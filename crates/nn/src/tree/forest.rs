//! Which node is whose child, checked, and the levels in which nodes can be computed.

use crate::{Error, Result};
use unspool_graph::NO_ROW;

/// Holds the shape of one tree or of many: which node is whose child. The nodes of all trees are numbered together,
/// from 0, in any order.
///
/// ```
/// use unspool_nn::tree::Forest;
/// // and(1, or(0, 1)) and a tree of one node
/// let forest = Forest::from_children(&[vec![1, 2], vec![], vec![3, 4], vec![], vec![], vec![]])?;
/// assert_eq!((forest.node_count(), forest.height(), forest.roots()), (6, 2, &[0, 5][..]));
/// assert_eq!(forest.children(2), [3, 4]);
/// let cycle = Forest::from_parents(&[Some(1), Some(0), None]).unwrap_err();
/// assert_eq!(cycle.to_string(), "forest: node 0 is among its own descendants");
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forest {
    /// The children of all nodes, one node after the other.
    children: Vec<u32>,
    /// Where in `children` those of each node begin, and the end.
    starts: Vec<usize>,
    roots: Vec<u32>,
    /// The nodes of each height: leaves first, then those all of whose children are below.
    levels: Vec<Vec<u32>>,
}

impl Forest {
    /// Makes a forest from the list of each node's children, in order.
    ///
    /// # Errors
    /// [`Error::Forest`] names a node whose child does not exist, that has two parents, or that is among its own
    /// descendants. No node at all is an error too.
    pub fn from_children(children: &[impl AsRef<[usize]>]) -> Result<Forest> {
        let mut parents = vec![None; size(children.len())?];
        for (parent, of) in children.iter().enumerate() {
            for &child in of.as_ref() {
                let Some(known) = parents.get_mut(child) else {
                    return refuse(parent, format!("has the child {child}, but there are {} nodes", children.len()));
                };
                if let Some(other) = known.replace(parent) {
                    let twice = if other == parent { "twice" } else { "and" };
                    let whose = if other == parent { String::new() } else { format!(" of node {parent}") };
                    return refuse(child, format!("is a child of node {other} {twice}{whose}"));
                }
            }
        }
        let lists = children.iter().map(|of| of.as_ref().iter().map(|&child| child as u32));
        Forest::new(lists, &parents)
    }

    /// Makes a forest from each node's parent; a root has none. The children of a node are in the order of their
    /// numbers.
    ///
    /// # Errors
    /// [`Error::Forest`] names a node whose parent does not exist, or that is among its own descendants. No node at all
    /// is an error too.
    pub fn from_parents(parents: &[Option<usize>]) -> Result<Forest> {
        let mut children = vec![vec![]; size(parents.len())?];
        for (child, parent) in parents.iter().enumerate() {
            let Some(parent) = *parent else { continue };
            match children.get_mut(parent) {
                Some(of) => of.push(child as u32),
                None => {
                    return refuse(child, format!("has the parent {parent}, but there are {} nodes", parents.len()));
                }
            }
        }
        Forest::new(children.into_iter().map(Vec::into_iter), parents)
    }

    fn new<I: Iterator<Item = u32>>(lists: impl Iterator<Item = I>, parents: &[Option<usize>]) -> Result<Forest> {
        let (mut children, mut starts) = (vec![], vec![0]);
        for list in lists {
            children.extend(list);
            starts.push(children.len());
        }
        // From the leaves up: a node is ready when all of its children are.
        let nodes = 0..parents.len();
        let mut waits: Vec<usize> = nodes.clone().map(|node| starts[node + 1] - starts[node]).collect();
        let mut heights = vec![0; parents.len()];
        let mut ready: Vec<usize> = nodes.clone().filter(|&node| waits[node] == 0).collect();
        let mut done = 0;
        while let Some(&node) = ready.get(done) {
            done += 1;
            let Some(parent) = parents[node] else { continue };
            heights[parent] = heights[parent].max(heights[node] + 1);
            waits[parent] -= 1;
            if waits[parent] == 0 {
                ready.push(parent);
            }
        }
        // What still waits has a parent that waits, and no other: it is part of a circle.
        if let Some(node) = waits.iter().position(|&waits| waits > 0) {
            return refuse(node, "is among its own descendants");
        }
        let mut levels = vec![vec![]; heights.iter().max().map_or(0, |height| height + 1)];
        nodes.clone().for_each(|node| levels[heights[node]].push(node as u32));
        let roots = nodes.filter(|&node| parents[node].is_none()).map(|node| node as u32).collect();
        Ok(Forest { children, starts, roots, levels })
    }

    /// Returns the number of nodes of all trees; it is never 0.
    pub fn node_count(&self) -> usize {
        self.starts.len() - 1
    }

    /// Returns the number of edges on the longest way from a root down to a leaf.
    pub fn height(&self) -> usize {
        self.levels.len() - 1
    }

    /// Returns the roots, one for each tree, in the order of their numbers.
    pub fn roots(&self) -> &[u32] {
        &self.roots
    }

    /// Returns the children of a node in order; none of a node that does not exist.
    pub fn children(&self, node: usize) -> &[u32] {
        match self.starts.get(node..node.saturating_add(2)) {
            Some(&[start, end]) => &self.children[start..end],
            _ => &[],
        }
    }

    pub(super) fn levels(&self) -> &[Vec<u32>] {
        &self.levels
    }
}

/// The number of nodes, if rows can have as many numbers.
fn size(nodes: usize) -> Result<usize> {
    match nodes {
        0 => Err(Error::Forest { why: "there must be at least one node".into() }),
        nodes if nodes >= NO_ROW as usize => Err(Error::Forest { why: format!("{nodes} nodes are too many") }),
        nodes => Ok(nodes),
    }
}

fn refuse<T>(node: usize, why: impl AsRef<str>) -> Result<T> {
    Err(Error::Forest { why: format!("node {node} {}", why.as_ref()) })
}
