//! From bill files to figures, end to end: the demo company against its truth,
//! the public samples against their control totals, deliveries, reports, and
//! everything that must be refused.

mod appended;
mod bad_input;
mod buckets;
mod catalogue;
mod commands;
mod commitments;
mod deliveries;
mod drivers;
mod fees;
mod folder;
mod generated;
mod invoices;
mod manifests;
mod mapping;
mod natives;
mod prices;
mod published;
mod rates;
mod reports;
mod schedules;
mod tables;
mod truth;
