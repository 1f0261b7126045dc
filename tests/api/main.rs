//! The web face asked from outside: every address, over a lake that is empty
//! and one that holds a small bill.

mod access;
mod carried;
mod clusters;
mod document;
mod doors;
mod figures;
mod isolation;
mod opencost;
mod people;
mod site;
