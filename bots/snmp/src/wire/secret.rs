//! Texts that nobody may see.

use std::fmt;
use std::hash::{Hash, Hasher};

use zeroize::Zeroizing;

/// A community or a password. It is wiped from memory when it is dropped, and cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub(super) fn new(text: String) -> Self {
        Self(Zeroizing::new(text.into_bytes()))
    }

    pub(super) fn expose(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Hash for Secret {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_slice().hash(state);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
