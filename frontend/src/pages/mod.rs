//! One file for each page: one question, answered by one DTO.

pub(crate) mod access;
pub(crate) mod account;
pub(crate) mod audit;
pub(crate) mod clusters;
pub(crate) mod commitments;
pub(crate) mod converted;
pub(crate) mod costs;
pub(crate) mod delivery;
pub(crate) mod explain;
pub(crate) mod glossary;
pub(crate) mod not_found;
pub(crate) mod overview;
pub(crate) mod reconciliation;
pub(crate) mod rules;
pub(crate) mod sign_in;
pub(crate) mod sources;
pub(crate) mod start;
