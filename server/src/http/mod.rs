//! The web face of the use cases: pages, downloads, the JSON API, probes.
//!
//! Until sign-in exists whoever reaches the port sees everything, so the server
//! listens on loopback only and answers to loopback names only.

mod access;
mod admit;
mod api;
mod assets;
mod backend;
mod downloads;
mod error;
mod invoices;
mod metrics;
mod observe;
mod openapi;
mod opencost;
mod pages;
mod probes;
mod receive;
pub mod routes;
mod security;
mod theme;

pub use assets::SiteFiles;
pub(crate) use theme::is_local;

use crate::app::App;
use crate::config::Config;
use crate::error::AppError;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use std::future::Future;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};

/// The largest body a POST may have, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// What every handler works with. Clones share it.
#[derive(Clone)]
struct Web {
    house: admit::House,
    files: Arc<SiteFiles>,
    /// Whether browsers reach the server by https.
    secure: bool,
    metrics: Arc<metrics::Metrics>,
    /// Pushes taken in at once: each may hold a large document.
    pushes: Arc<tokio::sync::Semaphore>,
}

/// The whole web face, ready to be served or asked directly.
pub fn router(app: App, files: SiteFiles) -> Router {
    let secure = false;
    let web = Web {
        house: admit::House::new(app),
        files: Arc::new(files),
        secure,
        metrics: Arc::default(),
        pushes: Arc::new(tokio::sync::Semaphore::new(receive::AT_ONCE)),
    };
    // fonts and workbooks are compressed already
    let worth = DefaultPredicate::new()
        .and(NotForContentType::const_new("font/"))
        .and(NotForContentType::const_new("application/vnd.openxmlformats"));
    routes::mount()
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CompressionLayer::new().compress_when(worth))
        .layer(from_fn_with_state(web.clone(), admit::admit))
        .layer(from_fn(security::guard))
        .layer(from_fn(security::headers))
        .layer(from_fn_with_state(web.clone(), observe::observe))
        .with_state(web)
}

/// Serves until `shutdown` is done, then lets running requests finish. Tells
/// `on_ready` the address, which matters for port 0.
///
/// # Errors
/// [`AppError::Usage`] for an address that is not loopback, [`AppError::Held`]
/// when the port is taken.
pub async fn serve(
    app: App,
    config: &Config,
    on_ready: impl FnOnce(SocketAddr),
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), AppError> {
    let address = config.listen.value;
    if !address.ip().is_loopback() {
        return Err(AppError::usage(
            format!("refusing to listen on {address}: there is no sign-in yet"),
            "listen on 127.0.0.1 or [::1]",
        ));
    }
    let files = SiteFiles::load(&config.site_dir.value)?;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| cannot_listen(address, error))?;
    let bound = listener.local_addr().map_err(|error| cannot_listen(address, error))?;
    let service = router(app, files).into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, service).with_graceful_shutdown(shutdown);
    on_ready(bound);
    served
        .await
        .map_err(|error| AppError::broken("the web server failed", error))
}

fn cannot_listen(address: SocketAddr, error: std::io::Error) -> AppError {
    if error.kind() == ErrorKind::AddrInUse {
        return AppError::Held {
            what: format!("something else listens on {address} already"),
            remedy: "stop it, or choose another port with --listen 127.0.0.1:PORT".to_owned(),
        };
    }
    AppError::broken(format!("cannot listen on {address}"), error)
}
