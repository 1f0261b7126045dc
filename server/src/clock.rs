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
}

impl Clock {
    /// Now.
    #[must_use]
    pub fn now(self) -> Instant {
        match self {
            Clock::System => Instant(chrono::Utc::now().timestamp_micros()),
            Clock::Fixed(instant) => instant,
        }
    }

    /// Today, UTC.
    #[must_use]
    pub fn today(self) -> chrono::NaiveDate {
        self.now().day().date()
    }
}
