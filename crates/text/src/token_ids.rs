//! Token ids of whole corpora: flat, in as few bytes per id as the vocabulary allows.
//!
//! A text of 100 MB has about as many characters. As a `Vec<u32>` their ids take four bytes each; here they take one or
//! two, unless the vocabulary has more than 65,536 tokens.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Holds the ids of one long text in one, two, or four bytes each, by the size of the vocabulary.
///
/// ```
/// use unspool_text::TokenIds;
///
/// let mut ids = TokenIds::new(300);
/// ids.extend(&[7, 299])?;
/// assert_eq!((ids.len(), ids.bytes_per_id(), ids.to_vec(1..2)), (2, 2, vec![299]));
/// let why = ids.extend(&[300]).unwrap_err().to_string();
/// assert_eq!(why, "a token id is 300; it must be less than the vocabulary's size");
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenIds {
    vocabulary_size: usize,
    ids: Ids,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Ids {
    Small(Vec<u8>),
    Medium(Vec<u16>),
    Large(Vec<u32>),
}

/// Runs the same expression on the ids, whatever their width.
macro_rules! with_ids {
    ($ids:expr, $vec:ident => $value:expr) => {
        match $ids {
            Ids::Small($vec) => $value,
            Ids::Medium($vec) => $value,
            Ids::Large($vec) => $value,
        }
    };
}

impl TokenIds {
    /// Returns no ids yet, with room for those of a vocabulary of this size.
    pub fn new(vocabulary_size: usize) -> TokenIds {
        let ids = match vocabulary_size {
            0..=0x100 => Ids::Small(vec![]),
            0x101..=0x1_0000 => Ids::Medium(vec![]),
            _ => Ids::Large(vec![]),
        };
        TokenIds { vocabulary_size, ids }
    }

    /// Adds ids at the end.
    ///
    /// # Errors
    /// [`Error::Option`] for an id that the vocabulary does not have; nothing is added then.
    pub fn extend(&mut self, ids: &[u32]) -> Result<(), Error> {
        if let Some(id) = ids.iter().find(|id| **id as usize >= self.vocabulary_size) {
            let (found, expected) = (id.to_string(), "less than the vocabulary's size");
            return Err(Error::Option { option: "a token id", found, expected });
        }
        // Each id fits its width: it is less than the vocabulary's size.
        match &mut self.ids {
            Ids::Small(all) => all.extend(ids.iter().map(|&id| id as u8)),
            Ids::Medium(all) => all.extend(ids.iter().map(|&id| id as u16)),
            Ids::Large(all) => all.extend_from_slice(ids),
        }
        Ok(())
    }

    /// Returns the number of ids.
    pub fn len(&self) -> usize {
        with_ids!(&self.ids, all => all.len())
    }

    /// Returns whether there are no ids.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the size of the vocabulary that the ids belong to.
    pub fn vocabulary_size(&self) -> usize {
        self.vocabulary_size
    }

    /// Returns how many bytes an id takes.
    pub fn bytes_per_id(&self) -> usize {
        match self.ids {
            Ids::Small(_) => 1,
            Ids::Medium(_) => 2,
            Ids::Large(_) => 4,
        }
    }

    /// Returns the ids of a range of places; places after the last id are left out.
    pub fn to_vec(&self, places: Range<usize>) -> Vec<u32> {
        let end = places.end.min(self.len());
        let places = places.start.min(end)..end;
        with_ids!(&self.ids, all => widened(&all[places]))
    }

    /// Returns the ids of a range of places in as few bytes; places after the last id are left out.
    pub fn slice(&self, places: Range<usize>) -> TokenIds {
        let end = places.end.min(self.len());
        let places = places.start.min(end)..end;
        let ids = match &self.ids {
            Ids::Small(all) => Ids::Small(all[places].to_vec()),
            Ids::Medium(all) => Ids::Medium(all[places].to_vec()),
            Ids::Large(all) => Ids::Large(all[places].to_vec()),
        };
        TokenIds { vocabulary_size: self.vocabulary_size, ids }
    }

    /// Returns all ids in order, block by block, so that no second copy of all of them is made.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        const BLOCK: usize = 1 << 12;
        (0..self.len()).step_by(BLOCK).flat_map(move |start| self.to_vec(start..start + BLOCK))
    }

    /// Gives back memory beyond what the ids need.
    #[cfg(feature = "tokenizer")]
    pub(crate) fn shrink(&mut self) {
        with_ids!(&mut self.ids, all => all.shrink_to_fit());
    }
}

fn widened<T: Copy + Into<u32>>(ids: &[T]) -> Vec<u32> {
    ids.iter().map(|&id| id.into()).collect()
}

impl From<Vec<u32>> for TokenIds {
    /// Keeps the ids as they are, four bytes each, for a vocabulary that just holds the largest of them.
    fn from(ids: Vec<u32>) -> TokenIds {
        TokenIds { vocabulary_size: ids.iter().max().map_or(0, |id| *id as usize + 1), ids: Ids::Large(ids) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ids_come_back_as_they_went_in(
            ids in prop::collection::vec(0u32..70_000, 0..30), size in 0usize..3,
            from in 0usize..40, count in 0usize..40,
        ) {
            let vocabulary_size = [256, 65_536, 70_000][size];
            let ids: Vec<u32> = ids.into_iter().map(|id| id % vocabulary_size as u32).collect();
            let mut all = TokenIds::new(vocabulary_size);
            ids.chunks(4).for_each(|some| all.extend(some).unwrap());
            prop_assert_eq!(all.iter().collect::<Vec<_>>(), ids.clone());
            prop_assert_eq!((all.len(), all.bytes_per_id()), (ids.len(), [1, 2, 4][size]));
            let some: Vec<u32> = ids.iter().skip(from).take(count).copied().collect();
            let slice = all.slice(from..from + count);
            prop_assert_eq!((slice.vocabulary_size(), slice.bytes_per_id()), (vocabulary_size, all.bytes_per_id()));
            prop_assert_eq!(slice.to_vec(0..usize::MAX), some.clone());
            prop_assert_eq!(all.to_vec(from..from + count), some);
        }
    }

    #[test]
    fn an_id_outside_of_the_vocabulary_is_refused_and_changes_nothing() {
        let mut all = TokenIds::new(256);
        all.extend(&[255]).unwrap();
        assert!(all.extend(&[1, 256]).is_err());
        assert_eq!(all.to_vec(0..9), [255]);
    }
}
