//! Gradients that are fed back, as numbers, into the recording that they are of.
//!
//! A loss that is made of such numbers looks right and has no second derivatives: to the recording they are constants.
//! An array does not say where it is from, so the recording keeps a fingerprint of each gradient that was taken out of
//! its [`Gradients`](crate::Gradients), and looks there when an array enters.

use crate::{Input, Tensor};
use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
};

/// Fingerprints of what was taken out, shared by a recording and its gradients.
#[derive(Clone, Debug, Default)]
pub(crate) struct HandedOut(Arc<Mutex<HashSet<u64>>>);

impl HandedOut {
    pub(crate) fn add(&self, tensor: &Tensor) {
        if let Some(print) = fingerprint(&tensor.into()) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(print);
        }
    }

    /// Forgets all fingerprints. Gradients of the recording so far that are still held no longer add theirs here.
    pub(crate) fn clear(&mut self) {
        match Arc::get_mut(&mut self.0) {
            Some(prints) => prints.get_mut().unwrap_or_else(PoisonError::into_inner).clear(),
            None => *self = HandedOut::default(),
        }
    }

    /// Whether these very numbers were taken out.
    pub(crate) fn knows(&self, tensor: &Input<'_>) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !known.is_empty() && fingerprint(tensor).is_some_and(|print| known.contains(&print))
    }
}

/// A number that says which array this is; none for zeros, which say nothing.
fn fingerprint(tensor: &Input<'_>) -> Option<u64> {
    let (mut hasher, mut any) = (DefaultHasher::new(), false);
    tensor.shape().hash(&mut hasher);
    let mut add = |bits: u64| {
        any |= bits != 0;
        bits.hash(&mut hasher);
    };
    match tensor {
        Input::Shared(tensor) => return fingerprint(&(&**tensor).into()),
        Input::F32(array) => array.iter().for_each(|x| add(u64::from(x.to_bits()))),
        Input::F64(array) => array.iter().for_each(|x| add(x.to_bits())),
    }
    any.then(|| hasher.finish())
}
