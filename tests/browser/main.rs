//! The pages as people use them: in a real browser, with and without
//! WebAssembly, by pointer and by keyboard, light and dark, wide and narrow.

mod accessibility;
mod budgets;
mod chrome;
mod islands;
mod journey;
mod people;
mod stage;
