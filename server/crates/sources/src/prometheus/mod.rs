//! Usage and drivers out of a Prometheus, or whatever speaks its query API.
//!
//! Facts are made of raw samples with the instants they were scraped at (a
//! range selector in an instant query), never of steps: a step looks back up to
//! five minutes, so short gaps vanish and ended pods live on. Drivers, where
//! an evaluated series is wanted, come from range queries.

mod answer;
mod backfill;
mod balancers;
mod client;
mod counters;
mod drivers;
mod error;
mod fetch;
mod labels;
mod nodes;
mod pods;
mod series;
mod spans;
mod view;
mod volumes;

pub use answer::{Labels, Series};
pub use backfill::{Backfill, Facts, Options, measured_interval, settled};
pub use client::{Auth, Client, ClientConfig, POINTS_MAX};
pub use drivers::{Driver, DriverValue, Reading, daily, preset, presets};
pub use error::PrometheusError;
pub use pods::SlotFacts;
