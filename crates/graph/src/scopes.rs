//! The named scopes of a recording, and things that are open inside of one another.

use std::{cell::RefCell, collections::HashMap, panic::Location};

/// The scopes of a recording: a tree, each with its name and the line that opened it.
#[derive(Default)]
pub(crate) struct Scopes {
    pub(crate) all: Vec<ScopeNote>,
    /// By the scope around and the line that opened them, then by name.
    pub(crate) known: HashMap<(u32, usize), HashMap<String, u32>>,
}

pub(crate) struct ScopeNote {
    pub(crate) parent: u32,
    pub(crate) name: String,
    pub(crate) line: &'static Location<'static>,
    /// Opened by a layer on behalf of its caller, whose line is the one to show first.
    pub(crate) layer: bool,
}

/// Things that were opened inside of one another, each with what held before it.
#[derive(Debug)]
pub(crate) struct Nested<T>(RefCell<(u64, Vec<(u64, T)>)>);

impl<T> Default for Nested<T> {
    fn default() -> Self {
        Nested(RefCell::new((0, vec![])))
    }
}

impl<T> Nested<T> {
    /// Opens one; the number by which it is closed.
    pub(crate) fn open(&self, before: T) -> u64 {
        let (count, open) = &mut *self.0.borrow_mut();
        *count += 1;
        open.push((*count, before));
        *count
    }
    /// Closes one and all that was opened inside of it; what held before it, unless it was closed by one around it.
    pub(crate) fn close(&self, token: u64) -> Option<T> {
        let open = &mut self.0.borrow_mut().1;
        let at = open.iter().rposition(|(known, _)| *known == token)?;
        open.drain(at..).next().map(|(_, before)| before)
    }
}
