//! Many values in one array of bytes.
//!
//! A million sentences as a `Vec<Vec<u32>>` are a million allocations and four bytes per token. Packed, a token takes
//! one or two bytes, and a sentence is a range of bytes. An example is unpacked when a batch is made of it.

use crate::{
    error::{Error, Result},
    processes::{packed, unpacked},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::marker::PhantomData;

/// Values of one type, in order.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Packed<T> {
    #[serde(with = "serde_bytes")]
    bytes: Vec<u8>,
    /// Where each value ends.
    ends: Vec<u64>,
    of: PhantomData<fn() -> T>,
}

impl<T> Default for Packed<T> {
    fn default() -> Packed<T> {
        Packed { bytes: vec![], ends: vec![], of: PhantomData }
    }
}

impl<T: Serialize + DeserializeOwned> Packed<T> {
    /// Packs a value, to be added here or to be sent.
    pub(crate) fn pack(value: &T) -> Result<Vec<u8>> {
        packed(value)
    }

    /// Adds a value that [`Packed::pack`] packed.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len() as u64);
    }

    /// Gives back memory that was allocated for more.
    pub(crate) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    /// The bytes of all values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.ends.len()).filter_map(|place| self.bytes(place))
    }

    /// The bytes of a value.
    pub(crate) fn bytes(&self, place: usize) -> Option<&[u8]> {
        let end = *self.ends.get(place)? as usize;
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.bytes.get(start..end)
    }

    /// A value of its bytes.
    ///
    /// # Errors
    /// The type's `Deserialize` does not read what its `Serialize` writes.
    pub(crate) fn unpack(bytes: &[u8]) -> Result<T> {
        unpacked(bytes).map_err(|_| {
            let hint = "its fields are written one after the other, so none can be skipped, flattened or untagged";
            Error::failure(format!("{} cannot be read as it was written", std::any::type_name::<T>()), hint)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field that is skipped is missed where there are no names of fields.
    #[derive(Debug, Serialize, Deserialize)]
    struct Skips {
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<u32>,
        text: String,
    }

    #[test]
    fn a_type_that_skips_fields_is_named() {
        let bytes = Packed::pack(&Skips { label: None, text: "a".into() }).unwrap();
        let error = Packed::<Skips>::unpack(&bytes).unwrap_err().to_string();
        assert!(error.contains("Skips cannot be read as it was written"), "{error}");
    }

    #[test]
    fn values_come_back_as_they_went_in_and_ids_take_two_bytes_or_one() {
        let rows: Vec<Vec<u32>> = (0..100).map(|n| (0..n).map(|i| i * 7 % 1000).collect()).collect();
        let mut all = Packed::<Vec<u32>>::default();
        rows.iter().for_each(|row| all.push(&Packed::pack(row).unwrap()));
        all.shrink();
        let back: Vec<Vec<u32>> = all.iter().map(|bytes| Packed::unpack(bytes).unwrap()).collect();
        assert_eq!(back, rows);
        assert!(all.bytes(rows.len()).is_none());
        assert!(all.bytes.len() < 2 * rows.concat().len() + rows.len());
    }
}
