//! The lake: immutable Parquet files of charges and cubes, the one-pass ingest
//! that writes them and the queries that read them. The only crate with
//! `polars` and `object_store`.

pub mod allocate;
pub mod bucket;
pub mod cloud;
pub mod commitments;
pub mod container_days;
pub mod cube;
pub mod drivers;
pub mod error;
pub mod ingest;
pub mod object;
pub mod query;
pub mod restated;
pub mod schema;
pub mod things;
pub mod usage;

mod clusters;
mod exported;
mod fees;
mod ints;
mod prices;
mod rows;
mod scan;
mod write;

#[cfg(test)]
mod tests;

pub use allocate::{Allocation, DayAllocation, allocate, allocate_converted, allocate_with_usage, split_day};
pub use clusters::{ProviderRows, Unbilled};
pub use cube::{read_cube, write_cube};
pub use error::LakeError;
pub use exported::exported;
pub use fees::fees;
pub use ingest::ingest;
pub use object::{Lake, StoredFile};
pub use prices::{EvenedSums, evened};
pub use schema::{ChargeFile, SCHEMA_VERSION};
