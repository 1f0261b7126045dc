//! What several pages are made of.

pub(crate) mod bar;
pub(crate) mod carried;
pub(crate) mod chart;
pub(crate) mod cost_table;
pub(crate) mod deliveries;
pub(crate) mod difference;
pub(crate) mod drivers;
pub(crate) mod figures;
pub(crate) mod forms;
pub(crate) mod frame;
pub(crate) mod invoice_form;
pub(crate) mod pager;
pub(crate) mod pools;
pub(crate) mod reader;
pub(crate) mod sessions;
pub(crate) mod state;
pub(crate) mod tokens;
pub(crate) mod usage;
