//! Tonnage: one binary, one sub-command per role.
//!
//! `app` holds the use cases, the only place where two stages meet; `cli` and
//! `http` are two faces of the same use cases.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod error;
pub mod export;
pub mod http;
mod jobs;
pub mod outbound;

pub use config::Config;
pub use error::AppError;
