//! How samples are written down: as small arrays, since there are many of them.

use super::{Held, HourlyAccumulator, Used};

/// Instant in milliseconds, context, and usage: CPU, memory, accelerators.
pub(super) type Row = (i64, u32, Option<(u32, u32, u32)>);

impl From<Held> for Row {
    fn from(held: Held) -> Row {
        let used = held.used.map(|used| (used.cpu, used.memory, used.gpu));
        (held.at, held.context, used)
    }
}

impl From<Row> for Held {
    fn from((at, context, used): Row) -> Held {
        let used = used.map(|(cpu, memory, gpu)| Used { cpu, memory, gpu });
        Held { at, context, used }
    }
}

impl HourlyAccumulator {
    /// Lets samples stand for those of a longer interval too: for when the
    /// interval changes between two runs.
    pub fn reach_at_least(&mut self, interval_s: u32) {
        self.reach_ms = self.reach_ms.max(i64::from(interval_s) * 2_000);
    }

    /// Whether what was read back hangs together: every sample in its place,
    /// with a context that is there.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let tracks = || self.pods.values().flatten();
        let placed = tracks().all(|track| {
            let known = |held: &Held| usize::try_from(held.context).is_ok_and(|at| at < track.contexts.len());
            let ordered = track.held.windows(2).all(|pair| pair[0].at < pair[1].at);
            let apart = track.covered.windows(2).all(|pair| pair[0].1 < pair[1].0);
            !track.contexts.is_empty() && track.held.iter().all(known) && ordered && apart
        });
        self.reach_ms > 0 && placed
    }
}
