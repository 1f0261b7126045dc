//! What was made of texts before: a bill has few different ones and many rows.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::hash::BuildHasher;

/// Texts remembered at a time.
const KEPT: usize = 32_768;

/// By text, what was made of it.
pub(super) struct Memo<T> {
    known: HashTable<(Box<[u8]>, T)>,
    hasher: RandomState,
}

impl<T> Default for Memo<T> {
    fn default() -> Memo<T> {
        Memo {
            known: HashTable::new(),
            hasher: RandomState::default(),
        }
    }
}

impl<T> Memo<T> {
    /// What `make` makes of a text.
    pub fn of(&mut self, text: &[u8], make: impl FnOnce(&[u8]) -> T) -> &T {
        if self.known.len() >= KEPT {
            self.known.clear();
        }
        let Memo { known, hasher } = self;
        let entry = known.entry(
            hasher.hash_one(text),
            |(known, _)| **known == *text,
            |(known, _)| hasher.hash_one(&**known),
        );
        match entry {
            Entry::Occupied(found) => &found.into_mut().1,
            Entry::Vacant(place) => &place.insert((text.into(), make(text))).into_mut().1,
        }
    }
}
