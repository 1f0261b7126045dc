//! A Kubernetes cluster as a source of usage: what its pods hold and use, and
//! what its nodes are, from nothing but the API server and metrics-server.
//!
//! [`Collector::connect`] starts a watch of every resource in [`ACCESS`];
//! [`Collector::tick`] takes a sample; [`Collector::drain`] gives the facts of
//! the hours that are complete. Units and rules are those of `domain::usage`:
//! A1 (effective requests), A5 (what nobody saw is unobserved), A26 (pods hold
//! from their binding to their end), A37 (identity by UID).
//!
//! Quantities are exact; rounding happens once, when they become integers: CPU
//! requests up to the millicore as Kubernetes does, memory and usage to the
//! nearest MiB and millicore, a request of something never to nothing.

mod access;
mod balancers;
mod claims;
mod collector;
mod connect;
mod findings;
mod history;
mod inventory;
mod metrics;
mod node;
mod objects;
mod pods;
mod pulse;
mod quantity;
mod request;
mod resources;
mod resume;
mod sampler;
mod scaled;
mod spans;
mod volumes;
mod watch;
mod world;

pub use access::{ACCESS, Access, WATCHED};
pub use collector::{Collector, Facts, Tick};
pub use connect::{ClusterAccess, ClusterConfig, CollectError};
pub use inventory::{Autoscaler, Balancer, Budget, Claim, Class, Entry, Inventory, Priority, Quota, Signals, Volume};
pub use pulse::Clock;
pub use quantity::{Quantity, QuantityError};
pub use resume::{Kept, KeptError};
