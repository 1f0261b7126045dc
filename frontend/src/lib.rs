//! The pages: server-rendered Leptos with islands.
//!
//! Pages exist on the server only (feature `ssr`); the browser gets the
//! islands (feature `hydrate`), which add keys, sorting and chart reading to
//! pages that are complete without them.

#[cfg(feature = "ssr")]
pub mod backend;
#[cfg(feature = "ssr")]
pub mod query;
