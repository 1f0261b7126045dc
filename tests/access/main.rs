//! Sign-in against a real OpenID provider: the npm package `oidc-provider`, which
//! needs node and npm.

mod browser;
mod config;
mod hostile;
mod oidc;
mod provider;
