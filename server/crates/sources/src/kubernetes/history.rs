//! Objects over time: which version of each was in force when.

use super::sampler::SKEW_US;
use super::world::Change;
use domain::instant::{Instant, SECOND_US};
use domain::usage::HOUR_S;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// Before everything.
pub const EVER: Instant = Instant(i64::MIN);

/// The versions of an object; `None` is its absence.
#[derive(Debug, Clone)]
pub struct History<T>(Vec<(Instant, Option<Arc<T>>)>);

impl<T> History<T> {
    /// It is this since `since`.
    #[must_use]
    pub fn new(since: Instant, version: Arc<T>) -> History<T> {
        History(vec![(since, Some(version))])
    }

    /// From `at` on it is this, or gone.
    pub fn turn(&mut self, at: Instant, version: Option<Arc<T>>) {
        let at = self.0.last().map_or(at, |(last, _)| at.max(*last));
        self.0.push((at, version));
    }

    /// The same with details that do not count: it replaces the last version.
    pub fn renew(&mut self, version: Arc<T>) {
        if let Some(last) = self.0.last_mut() {
            last.1 = Some(version);
        }
    }

    /// The newest version, also of what is gone.
    #[must_use]
    pub fn newest(&self) -> Option<&Arc<T>> {
        self.0.iter().rev().find_map(|(_, version)| version.as_ref())
    }

    /// The versions in force in `[from, to)`, in order, each with its stretch of it.
    pub fn within(&self, from: Instant, to: Instant) -> impl Iterator<Item = (Instant, Instant, &Arc<T>)> {
        self.0.iter().enumerate().filter_map(move |(index, (since, version))| {
            let until = self.0.get(index + 1).map_or(to, |(next, _)| (*next).min(to));
            let since = (*since).max(from);
            Some((since, until, version.as_ref()?)).filter(|_| since < until)
        })
    }

    /// Drops the versions that were over before an instant.
    pub fn forget(&mut self, before: Instant) {
        let keep_from = self.0.iter().rposition(|(since, _)| *since <= before).unwrap_or(0);
        self.0.drain(..keep_from);
    }

    /// Whether it was gone before an instant.
    #[must_use]
    pub fn is_over(&self, before: Instant) -> bool {
        self.0
            .last()
            .is_some_and(|(at, version)| version.is_none() && *at <= before)
    }
}

/// Histories by key.
#[derive(Debug)]
pub struct Histories<K, T>(HashMap<K, History<T>>);

impl<K, T> Default for Histories<K, T> {
    fn default() -> Histories<K, T> {
        Histories(HashMap::new())
    }
}

impl<K: Eq + Hash, T> Histories<K, T> {
    /// Takes the changes of a table. What is new began when its object says so
    /// (`None` as ever), but after `last`, the last look at the cluster: there
    /// was none of it then. What went unseen went right after that look.
    pub fn follow(
        &mut self,
        changes: Vec<(Instant, Change<T>)>,
        last: Option<Instant>,
        key: impl Fn(&T) -> K,
        created: impl Fn(&T) -> Option<Instant>,
    ) {
        for (at, change) in changes {
            match change {
                Change::Applied(version) => match self.0.get_mut(&key(&version)) {
                    Some(history) => history.turn(at, Some(version)),
                    None => {
                        let since = began(created(&version), at, last);
                        self.0.insert(key(&version), History::new(since, version));
                    }
                },
                Change::Removed { last: version, lost } => {
                    if let Some(history) = self.0.get_mut(&key(&version)) {
                        history.turn(if lost { last.unwrap_or(at).min(at) } else { at }, None);
                    }
                }
            }
        }
    }

    /// The history of a key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&History<T>> {
        self.0.get(key)
    }

    /// All of them, in no order.
    pub fn values(&self) -> impl Iterator<Item = &History<T>> {
        self.0.values()
    }

    /// Drops what was over before an instant.
    pub fn forget(&mut self, before: Instant) {
        self.0.retain(|_, history| {
            history.forget(before);
            !history.is_over(before)
        });
    }
}

/// When something began that was noticed at `at`: clocks that are ahead are
/// clipped, and it was not there at `last`.
#[must_use]
pub fn began(created: Option<Instant>, at: Instant, last: Option<Instant>) -> Instant {
    let since = created.unwrap_or(EVER).min(at);
    last.map_or(since, |last| since.max(Instant(last.0 - SKEW_US)).min(at))
}

/// Whole seconds of a stretch, an hour at most.
#[must_use]
pub fn whole_seconds(us: i64) -> u32 {
    u32::try_from(us / SECOND_US).unwrap_or(HOUR_S).min(HOUR_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_in_force() {
        let mut history = History::new(Instant(10), Arc::new('a'));
        history.turn(Instant(20), Some(Arc::new('b')));
        history.turn(Instant(15), None);
        history.turn(Instant(40), Some(Arc::new('c')));
        let within = |from, to| -> Vec<(i64, i64, char)> {
            let all = history.within(Instant(from), Instant(to));
            all.map(|(from, to, version)| (from.0, to.0, **version)).collect()
        };
        assert_eq!(within(0, 100), [(10, 20, 'a'), (40, 100, 'c')], "b was over at once");
        assert_eq!(within(15, 18), [(15, 18, 'a')]);
        assert_eq!(within(25, 40), []);
        history.forget(Instant(45));
        assert_eq!(history.newest(), Some(&Arc::new('c')));
        assert!(!history.is_over(Instant(50)));
        history.turn(Instant(60), None);
        assert!(history.is_over(Instant(60)) && !history.is_over(Instant(59)));
    }

    #[test]
    fn beginnings() {
        let hour = 3_600 * SECOND_US;
        for (created, at, last, expect) in [
            (Some(5), 10, None, Instant(5)),
            (Some(15), 10, None, Instant(10)),
            (None, 10, None, EVER),
            (Some(5), 2 * hour, Some(hour), Instant(hour - SKEW_US)),
            (Some(hour + 7), 2 * hour, Some(hour), Instant(hour + 7)),
        ] {
            let found = began(created.map(Instant), Instant(at), last.map(Instant));
            assert_eq!(found, expect, "{created:?} at {at} after {last:?}");
        }
    }
}
