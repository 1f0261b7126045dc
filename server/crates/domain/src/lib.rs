//! Pure nouns and rules of Tonnage: money, apportionment, periods, charges,
//! dialects, owners, the reference allocation and the bridge.
//!
//! Nothing here does I/O, reads a clock or draws a random number: what a
//! function returns depends on its arguments alone (`clippy.toml` of this
//! crate bans the rest). Rule ids (`A10`, `C1`, ...) refer to `docs/RULES.md`.

pub mod access;
pub mod allocate;
pub mod apportion;
pub mod bridge;
pub mod catalogue;
pub mod charge;
pub mod class;
pub mod commitment;
pub mod contract;
pub mod dialect;
pub mod driver;
pub mod finding;
pub mod fx;
pub mod instant;
pub mod invoice;
pub mod money;
pub mod number;
pub mod owner;
pub mod period;
pub mod price;
pub mod rule;
pub mod split;
pub mod tags;
pub mod tier;
pub mod usage;

pub use finding::{Finding, Severity};
pub use money::{Currency, Money};
pub use period::BillingPeriod;
