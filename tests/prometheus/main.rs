//! Facts and drivers out of a real Prometheus: Debian's package, with blocks
//! made by promtool. Needs TEST_PROMETHEUS, which `cargo xtask test` sets.

mod driver_ingest;
mod drivers;
mod errors;
mod facts;
mod hub;
mod month;
mod resource_world;
mod resources;
mod retries;
mod server;
mod world;
