//! The web face of the use cases: pages, downloads, the JSON API, probes.
//!
//! Whoever asks is known before a handler runs (`admit`); the table of addresses
//! (`routes`) says what each of them needs.

mod access;
mod admit;
mod api;
mod assets;
mod backend;
mod downloads;
mod error;
mod invoices;
mod limit;
mod metrics;
mod observe;
mod oidc;
mod openapi;
mod opencost;
mod pages;
mod probes;
mod receive;
pub mod routes;
mod security;
mod theme;
mod tls;

pub use assets::SiteFiles;

use crate::app::App;
use crate::config::{Config, WebConfig};
use crate::error::AppError;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
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
    config: Arc<WebConfig>,
    limits: Arc<limit::Limits>,
    metrics: Arc<metrics::Metrics>,
    /// Pushes taken in at once: each may hold a large document.
    pushes: Arc<tokio::sync::Semaphore>,
}

/// The whole web face, ready to be served or asked directly.
pub fn router(app: App, files: SiteFiles, config: &WebConfig) -> Router {
    let web = Web {
        house: admit::House::new(app),
        files: Arc::new(files),
        secure: config.is_secure(),
        limits: Arc::new(limit::Limits::new(config.requests_per_s.value)),
        config: Arc::new(config.clone()),
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
        .layer(from_fn_with_state(web.clone(), security::guard))
        .layer(from_fn_with_state(web.clone(), security::headers))
        .layer(from_fn_with_state(web.clone(), observe::observe))
        .with_state(web)
}

/// Serves until `shutdown` is done, then lets running requests finish. Tells
/// `on_ready` the address, which matters for port 0.
///
/// # Errors
/// [`AppError::Held`] when the port is taken, [`AppError::Usage`] for a
/// certificate that is no good.
pub async fn serve(
    app: App,
    config: &Config,
    on_ready: impl FnOnce(SocketAddr),
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), AppError> {
    let address = config.listen.value;
    let files = SiteFiles::load(&config.site_dir.value)?;
    let acceptor = config.web.tls.as_ref().map(tls::acceptor).transpose()?;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| cannot_listen(address, error))?;
    let bound = listener.local_addr().map_err(|error| cannot_listen(address, error))?;
    let service = router(app, files, &config.web).into_make_service_with_connect_info::<admit::Peer>();
    on_ready(bound);
    let served = match acceptor {
        Some(acceptor) => {
            let listener = tls::TlsListener::new(listener, acceptor, bound);
            axum::serve(listener, service).with_graceful_shutdown(shutdown).await
        }
        None => axum::serve(listener, service).with_graceful_shutdown(shutdown).await,
    };
    served.map_err(|error| AppError::broken("the web server failed", error))
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
