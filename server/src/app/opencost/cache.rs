//! What was made stays in memory, up to a size: groups of a piece of time, and
//! whole answers. Keys name the files or the manifest they were made from, so
//! nothing kept can be stale.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Values by key, the longest unused forgotten first.
#[derive(Debug)]
pub struct Kept<K, V> {
    inner: Mutex<Inner<K, V>>,
    most_bytes: usize,
}

#[derive(Debug)]
struct Inner<K, V> {
    values: HashMap<K, Entry<V>>,
    bytes: usize,
    clock: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: Arc<V>,
    bytes: usize,
    used: u64,
}

impl<K: Hash + Eq + Clone, V> Kept<K, V> {
    /// Keeps values of up to so many bytes together.
    #[must_use]
    pub fn new(most_bytes: usize) -> Kept<K, V> {
        let inner = Inner {
            values: HashMap::new(),
            bytes: 0,
            clock: 0,
        };
        Kept {
            inner: Mutex::new(inner),
            most_bytes,
        }
    }

    /// A value, if it is kept.
    pub fn get(&self, key: &K) -> Option<Arc<V>> {
        // a panic elsewhere leaves the map whole
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.clock += 1;
        let clock = inner.clock;
        let entry = inner.values.get_mut(key)?;
        entry.used = clock;
        Some(entry.value.clone())
    }

    /// Keeps a value of so many bytes; one that would fill an eighth of the room
    /// is handed back and not kept.
    pub fn put(&self, key: K, value: V, bytes: usize) -> Arc<V> {
        let value = Arc::new(value);
        if bytes > self.most_bytes / 8 {
            return value;
        }
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.clock += 1;
        let entry = Entry {
            value: value.clone(),
            bytes,
            used: inner.clock,
        };
        inner.bytes += bytes;
        if let Some(before) = inner.values.insert(key, entry) {
            inner.bytes -= before.bytes;
        }
        if inner.bytes > self.most_bytes {
            inner.forget(self.most_bytes / 4 * 3);
        }
        value
    }
}

impl<K: Hash + Eq + Clone, V> Inner<K, V> {
    /// Forgets the longest unused until so many bytes are left.
    fn forget(&mut self, until_bytes: usize) {
        let mut by_use: Vec<(u64, K)> = self
            .values
            .iter()
            .map(|(key, entry)| (entry.used, key.clone()))
            .collect();
        by_use.sort_unstable_by_key(|(used, _)| *used);
        for (_, key) in by_use {
            if self.bytes <= until_bytes {
                return;
            }
            if let Some(entry) = self.values.remove(&key) {
                self.bytes -= entry.bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unused_goes_first_and_the_size_is_bounded() {
        let kept: Kept<u32, u32> = Kept::new(100);
        for key in 0..10 {
            kept.put(key, key, 10);
        }
        assert_eq!(kept.get(&0).as_deref(), Some(&0), "used again");
        kept.put(10, 10, 10);
        assert_eq!(kept.get(&0).as_deref(), Some(&0), "what was used stays");
        assert_eq!(kept.get(&1), None, "what was not goes");
        assert_eq!(kept.get(&10).as_deref(), Some(&10));
        assert_eq!(*kept.put(11, 11, 50), 11);
        assert_eq!(kept.get(&11), None, "too large to keep");
        kept.put(10, 12, 10);
        assert_eq!(kept.get(&10).as_deref(), Some(&12), "the newer of a key");
        let inner = kept.inner.lock().expect("no panic");
        assert_eq!(inner.bytes, inner.values.len() * 10);
    }
}
