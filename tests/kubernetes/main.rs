//! The Kubernetes collector against a replaying API server, its permissions
//! against `deploy/rbac.yaml`, and, where one is named, against a live cluster.

mod faults;
mod live;
mod rbac;
mod replay;
mod scene;
mod server;
mod tls;
