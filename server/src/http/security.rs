//! What keeps other sites away, and the headers every answer carries.

use super::Web;
use super::error::ApiError;
use super::observe::RequestId;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;

/// The longest path and query answered, in bytes.
const MAX_URL_BYTES: usize = 8 * 1024;

/// Answers that are no page load nothing and stand in no frame.
const NOTHING: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Two years of https only, for every browser that came once.
const HSTS: &str = "max-age=63072000; includeSubDomains";

/// Headers every answer has unless its handler said otherwise.
const DEFAULTS: [(HeaderName, &str); 7] = [
    (header::CACHE_CONTROL, "private, no-store"),
    (header::CONTENT_SECURITY_POLICY, NOTHING),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The policy of a page: own files, and scripts with this page's nonce. A form
/// may end at the providers too: signing out is told them.
pub(super) fn page_policy(nonce: &str, providers: &[String]) -> String {
    let providers = providers
        .iter()
        .fold(String::new(), |all, origin| format!("{all} {origin}"));
    format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; \
         img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'{providers}; base-uri 'none'; \
         frame-ancestors 'none'"
    )
}

/// Adds the headers that are missing.
pub(super) async fn headers(State(web): State<Web>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if web.secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
    }
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Refuses what cannot come from this server's own pages or a local tool.
pub(super) async fn guard(State(web): State<Web>, request: Request, next: Next) -> Response {
    let id = request
        .extensions()
        .get::<RequestId>()
        .cloned()
        .unwrap_or_else(|| RequestId::new("none"));
    let public = web.config.public_host();
    match check(request.method(), request.uri(), request.headers(), public.as_deref()) {
        Ok(()) => next.run(request).await,
        Err((status, code, detail)) => ApiError::refused(status, code, detail, &id).for_path(request.uri().path()),
    }
}

type Refusal = (StatusCode, &'static str, &'static str);

fn check(method: &Method, uri: &Uri, headers: &HeaderMap, public: Option<&str>) -> Result<(), Refusal> {
    let length = uri.path_and_query().map_or(0, |text| text.as_str().len());
    if length > MAX_URL_BYTES {
        return Err((
            StatusCode::URI_TOO_LONG,
            "url_too_long",
            "the address is too long; use fewer filters",
        ));
    }
    // a page of another site can make its own name point here (DNS rebinding),
    // but it cannot make the browser send a name of ours
    let ours = |host: &&str| is_loopback(host) || public.is_some_and(|public| host.eq_ignore_ascii_case(public));
    let host = host(uri, headers).filter(ours);
    let Some(host) = host else {
        return Err((
            StatusCode::MISDIRECTED_REQUEST,
            "wrong_host",
            "this server answers to 127.0.0.1, localhost, [::1] and the host of web.public_url only; open it by one of these names",
        ));
    };
    if method.is_safe() || same_origin(host, headers) {
        return Ok(());
    }
    Err((
        StatusCode::FORBIDDEN,
        "cross_site",
        "this form was sent by another site; open the page here and send it again",
    ))
}

/// The name the request is for: an absolute address beats the Host header.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let in_address = uri.authority().map(|authority| authority.as_str());
    in_address.or_else(|| headers.get(header::HOST)?.to_str().ok())
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        // the colons of [::1] are inside the brackets
        Some((name, port)) if !port.ends_with(']') => {
            if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
                return false;
            }
            name
        }
        _ => host,
    };
    name == "127.0.0.1" || name == "[::1]" || name.eq_ignore_ascii_case("localhost")
}

/// Browsers say where a POST comes from; tools that say nothing have no cookies
/// of somebody else to abuse.
fn same_origin(host: &str, headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    let site_fits = match text(HeaderName::from_static("sec-fetch-site")) {
        None => true,
        Some(site) => site == "same-origin" || site == "none",
    };
    let origin_fits = match text(header::ORIGIN) {
        None => true,
        Some(origin) => {
            let name = origin
                .strip_prefix("http://")
                .or_else(|| origin.strip_prefix("https://"));
            name.is_some_and(|name| name.eq_ignore_ascii_case(host))
        }
    };
    site_fits && origin_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_answered() {
        let table = [
            ("127.0.0.1", true),
            ("127.0.0.1:8080", true),
            ("localhost:1", true),
            ("LOCALHOST", true),
            ("[::1]", true),
            ("[::1]:8080", true),
            ("evil.example", false),
            ("evil.example:8080", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example:80", false),
            ("127.0.0.1:80@evil.example", false),
            ("evil@127.0.0.1:80", false),
            ("127.0.0.2", false),
            ("[::2]:1", false),
            ("127.0.0.1:", false),
            ("", false),
        ];
        for (host, answered) in table {
            assert_eq!(is_loopback(host), answered, "{host}");
        }
    }

    #[test]
    fn the_public_name_is_answered_and_no_other() {
        let table = [
            (Some("t.example"), "t.example", true),
            (Some("t.example"), "T.Example", true),
            (Some("t.example"), "localhost:8080", true),
            (Some("t.example"), "t.example:8443", false),
            (Some("t.example:8443"), "t.example:8443", true),
            (Some("t.example"), "evil.example", false),
            (None, "t.example", false),
        ];
        for (public, host, answered) in table {
            let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_str(host).expect(host))]);
            let checked = check(&Method::GET, &Uri::from_static("/"), &headers, public);
            assert_eq!(checked.is_ok(), answered, "{public:?} {host}");
        }
    }

    #[test]
    fn other_sites_cannot_post() {
        let table: [(&[(&str, &str)], u16); 8] = [
            (&[], 200),
            (
                &[("origin", "http://localhost:80"), ("sec-fetch-site", "same-origin")],
                200,
            ),
            (&[("origin", "http://127.0.0.1:80")], 403),
            (&[("origin", "http://localhost:81")], 403),
            (&[("origin", "null")], 403),
            (&[("origin", "https://evil.example")], 403),
            (&[("sec-fetch-site", "cross-site")], 403),
            (&[("sec-fetch-site", "same-site")], 403),
        ];
        for (given, status) in table {
            let mut headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("localhost:80"))]);
            for (name, value) in given {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            let checked = check(&Method::POST, &Uri::from_static("/theme"), &headers, None);
            assert_eq!(
                checked.err().map_or(200, |refusal| refusal.0.as_u16()),
                status,
                "{given:?}"
            );
            assert!(check(&Method::GET, &Uri::from_static("/"), &headers, None).is_ok());
        }
    }

    #[test]
    fn an_address_has_a_limit() {
        let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("localhost"))]);
        let uri: Uri = format!("/costs?f=a:{}", "x".repeat(MAX_URL_BYTES))
            .parse()
            .expect("a long address");
        assert_eq!(
            check(&Method::GET, &uri, &headers, None).expect_err("too long").0,
            StatusCode::URI_TOO_LONG
        );
    }
}
