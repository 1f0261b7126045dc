//! The contract every backend keeps before it exists: one set of cases, run on
//! each of them. A module per kind of backend.

mod databases;
mod lake;
mod store;
