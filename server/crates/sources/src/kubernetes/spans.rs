//! Sets of time: disjoint half-open stretches in order.

use domain::instant::Instant;
use serde::{Deserialize, Serialize};

/// A set of instants as disjoint, ordered, half-open stretches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spans(Vec<(Instant, Instant)>);

impl Spans {
    /// Adds `[from, to)`; nothing when it is empty.
    pub fn add(&mut self, from: Instant, to: Instant) {
        if from >= to {
            return;
        }
        let first = self.0.partition_point(|(_, end)| *end < from);
        let last = self.0.partition_point(|(start, _)| *start <= to);
        let from = self
            .0
            .get(first)
            .filter(|_| first < last)
            .map_or(from, |(start, _)| from.min(*start));
        let to = last
            .checked_sub(1)
            .filter(|_| first < last)
            .map_or(to, |last| to.max(self.0[last].1));
        self.0.splice(first..last, [(from, to)]);
    }

    /// What lies in `[from, to)`.
    #[must_use]
    pub fn within(&self, from: Instant, to: Instant) -> Spans {
        let cut = self.0.iter().map(|(start, end)| ((*start).max(from), (*end).min(to)));
        Spans(cut.filter(|(start, end)| start < end).collect())
    }

    /// What lies in both.
    #[must_use]
    pub fn both(&self, other: &Spans) -> Spans {
        Spans(
            other
                .0
                .iter()
                .flat_map(|(start, end)| self.within(*start, *end).0)
                .collect(),
        )
    }

    /// What lies in this and not in the other.
    #[must_use]
    pub fn without(&self, other: &Spans) -> Spans {
        let mut rest = self.clone();
        for (from, to) in &other.0 {
            let before = rest.within(Instant(i64::MIN), *from);
            let after = rest.within(*to, Instant(i64::MAX));
            rest = Spans([before.0, after.0].concat());
        }
        rest
    }

    /// Length in microseconds.
    #[must_use]
    pub fn duration_us(&self) -> i64 {
        self.0.iter().map(|(start, end)| end.0 - start.0).sum()
    }

    /// The first instant after all of it.
    #[must_use]
    pub fn end(&self) -> Option<Instant> {
        self.0.last().map(|(_, end)| *end)
    }

    /// Drops what lies before an instant.
    pub fn forget(&mut self, before: Instant) {
        self.0.retain(|(_, end)| *end > before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(spans: &[(i64, i64)]) -> Spans {
        let mut set = Spans::default();
        for (from, to) in spans {
            set.add(Instant(*from), Instant(*to));
        }
        set
    }

    fn has(set: &Spans, at: i64) -> bool {
        set.0.iter().any(|(start, end)| (start.0..end.0).contains(&at))
    }

    proptest! {
        #[test]
        fn like_a_set_of_integers(
            a in prop::collection::vec((0_i64..40, 0_i64..40), 0..8),
            b in prop::collection::vec((0_i64..40, 0_i64..40), 0..8),
        ) {
            let (left, right) = (of(&a), of(&b));
            for at in 0..40 {
                let (in_a, in_b) = (
                    a.iter().any(|(from, to)| (*from..*to).contains(&at)),
                    b.iter().any(|(from, to)| (*from..*to).contains(&at)),
                );
                prop_assert_eq!(has(&left, at), in_a);
                prop_assert_eq!(has(&left.both(&right), at), in_a && in_b);
                prop_assert_eq!(has(&left.without(&right), at), in_a && !in_b);
            }
            prop_assert!(left.0.windows(2).all(|pair| pair[0].1 < pair[1].0), "disjoint and apart");
        }
    }
}
