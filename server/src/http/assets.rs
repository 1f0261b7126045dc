//! Built files: islands, style, fonts, icon. Their names hold the hash of their
//! content, so browsers may keep them for ever; `manifest.json` has the names.

use super::Web;
use super::error::ApiError;
use super::observe::RequestId;
use crate::error::AppError;
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use frontend::shell::SiteAssets;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tower::ServiceExt;
use tower_http::services::ServeDir;

/// The font of the first paint.
const FIRST_FONT: &str = "inter-latin.woff2";
/// Names `cargo leptos watch` gives its files.
const WATCHED: [&str; 2] = ["tonnage", "frontend"];
/// Prefix of the files that lie at the root of a watched site.
const WATCHED_ASSETS: &str = "/assets";

/// The folder of built files, and the addresses of the ones every page names.
#[derive(Debug, Clone)]
pub struct SiteFiles {
    dir: PathBuf,
    urls: SiteAssets,
    /// Names hold a hash: what a browser has is right.
    hashed: bool,
}

/// `manifest.json`, as `cargo xtask demo` writes it.
#[derive(Deserialize)]
struct Manifest {
    css: String,
    js: String,
    wasm: String,
    favicon: String,
    fonts: BTreeMap<String, String>,
}

impl SiteFiles {
    /// Looks what was built in this folder. Without any of it pages work, plain
    /// and without islands, and the log says so.
    ///
    /// # Errors
    /// When the manifest is there and cannot be read.
    pub fn load(dir: &Path) -> Result<SiteFiles, AppError> {
        let path = dir.join("manifest.json");
        let (urls, hashed) = match std::fs::read(&path) {
            Ok(text) => (named(&path, &text)?, true),
            Err(error) if error.kind() == ErrorKind::NotFound => (watched(dir), false),
            Err(error) => return Err(AppError::broken(format!("cannot read {}", path.display()), error)),
        };
        if urls.css.is_empty() {
            tracing::warn!(
                site_dir = %dir.display(),
                "NO BUILT SITE HERE: pages are served without style and islands; run `cargo xtask demo` to build them"
            );
        }
        Ok(SiteFiles {
            dir: dir.to_owned(),
            urls,
            hashed,
        })
    }

    /// Addresses of the files every page names.
    pub(super) fn urls(&self) -> &SiteAssets {
        &self.urls
    }

    fn cache_control(&self) -> HeaderValue {
        HeaderValue::from_static(if self.hashed {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        })
    }
}

fn named(path: &Path, text: &[u8]) -> Result<SiteAssets, AppError> {
    let manifest: Manifest = serde_json::from_slice(text).map_err(|error| {
        AppError::broken(
            format!("cannot read {}; run `cargo xtask demo` again", path.display()),
            error,
        )
    })?;
    Ok(SiteAssets {
        css: manifest.css,
        js: manifest.js,
        wasm: manifest.wasm,
        favicon: manifest.favicon,
        font: manifest.fonts.get(FIRST_FONT).cloned().unwrap_or_default(),
    })
}

/// What `cargo leptos watch` built, if it did: names without a hash.
fn watched(dir: &Path) -> SiteAssets {
    let there = |name: &str| dir.join("pkg").join(name).is_file();
    let Some(name) = WATCHED.into_iter().find(|name| there(&format!("{name}.js"))) else {
        return SiteAssets::default();
    };
    let bound = format!("{name}_bg.wasm");
    let wasm = if there(&bound) { bound } else { format!("{name}.wasm") };
    SiteAssets {
        css: format!("/pkg/{name}.css"),
        js: format!("/pkg/{name}.js"),
        wasm: format!("/pkg/{wasm}"),
        favicon: format!("{WATCHED_ASSETS}/favicon.svg"),
        font: format!("{WATCHED_ASSETS}/fonts/{FIRST_FONT}"),
    }
}

/// A built file, precompressed where there is such a file beside it.
pub(super) async fn file(
    State(web): State<Web>,
    Extension(id): Extension<RequestId>,
    mut request: Request,
) -> Response {
    let files = &web.files;
    let missing = |id: &RequestId| {
        let detail = "there is no such file; load the page again, it names the files of this build";
        ApiError::refused(StatusCode::NOT_FOUND, "not_found", detail, id).plain()
    };
    if let Some(path) = request.uri().path().strip_prefix(WATCHED_ASSETS) {
        // in a built site these have hashed names below /static
        let uri = path.parse::<Uri>().ok().filter(|_| !files.hashed);
        let Some(uri) = uri else { return missing(&id) };
        *request.uri_mut() = uri;
    }
    let folder = ServeDir::new(&files.dir)
        .append_index_html_on_directories(false)
        .precompressed_br()
        .precompressed_gzip();
    let mut response = match folder.oneshot(request).await {
        Ok(response) => response.into_response(),
        Err(never) => match never {},
    };
    if response.status() == StatusCode::NOT_FOUND {
        return missing(&id);
    }
    if !response.status().is_client_error() && !response.status().is_server_error() {
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, files.cache_control());
        // the icon has its colours in a style element
        let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(dir: &Path, name: &str, text: &str) {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a writable folder");
        std::fs::write(path, text).expect("a writable folder");
    }

    #[test]
    fn names_come_from_the_manifest_else_from_what_is_there() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let load = || SiteFiles::load(dir.path());
        let nothing = load().expect("no site is fine");
        assert_eq!((nothing.urls(), nothing.hashed), (&SiteAssets::default(), false));

        put(dir.path(), "pkg/tonnage.js", "");
        let watched = load().expect("a watched site");
        assert_eq!(
            (watched.urls().css.as_str(), watched.hashed),
            ("/pkg/tonnage.css", false)
        );
        assert_eq!(watched.urls().wasm, "/pkg/tonnage.wasm");
        put(dir.path(), "pkg/tonnage_bg.wasm", "");
        assert_eq!(load().expect("a watched site").urls().wasm, "/pkg/tonnage_bg.wasm");

        let manifest = r#"{"css":"/static/1/main.css","js":"/pkg/frontend.2.js","wasm":"/pkg/frontend.3.wasm",
            "favicon":"/static/4/favicon.svg","fonts":{"inter-latin.woff2":"/static/5/inter-latin.woff2"}}"#;
        put(dir.path(), "manifest.json", manifest);
        let built = load().expect("a built site");
        assert!(built.hashed);
        assert_eq!(built.urls().font, "/static/5/inter-latin.woff2");
        put(dir.path(), "manifest.json", "{");
        assert!(
            load()
                .expect_err("half a manifest")
                .to_string()
                .contains("manifest.json")
        );
    }
}
