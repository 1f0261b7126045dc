//! The clock, passed in: use cases never ask the operating system for the time.

use domain::instant::Instant;

/// Where "now" comes from.
#[derive(Debug, Clone, Copy, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A fixed instant, for tests and for reproducing a run.
    Fixed(Instant),
    /// Begins at an instant and runs faster, for tests of what takes hours.
    Running {
        /// When it began.
        from: Instant,
        /// The machine's time of that.
        since: std::time::Instant,
        /// Its seconds in one of the machine's.
        rate: u32,
    },
}

impl Clock {
    /// Now.
    #[must_use]
    pub fn now(self) -> Instant {
        match self {
            Clock::System => Instant(chrono::Utc::now().timestamp_micros()),
            Clock::Fixed(instant) => instant,
            Clock::Running { from, since, rate } => {
                let passed_us = i64::try_from(since.elapsed().as_micros()).unwrap_or(i64::MAX);
                Instant(from.0.saturating_add(passed_us.saturating_mul(i64::from(rate))))
            }
        }
    }

    /// Its seconds in one of the machine's: 1 but for tests.
    #[must_use]
    pub fn rate(self) -> u32 {
        match self {
            Clock::Running { rate, .. } => rate.max(1),
            Clock::System | Clock::Fixed(_) => 1,
        }
    }

    /// Today, UTC.
    #[must_use]
    pub fn today(self) -> chrono::NaiveDate {
        self.now().day().date()
    }
}
