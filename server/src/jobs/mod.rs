//! What a server does by itself, beside answering: one file per job.

pub(crate) mod bills;
