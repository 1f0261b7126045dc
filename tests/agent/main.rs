//! The agent: counted hours into a spool, out of the spool to a server, once,
//! whatever is killed on the way.

#[path = "../kubernetes/server.rs"]
#[allow(dead_code, reason = "the Kubernetes suite uses more of it")]
mod cluster;

mod counting;
mod deploy;
mod doors;
mod memory;
mod push;
mod scene;
mod tls;
mod watching;
