//! Who is asking, and whether they may: before any handler runs.
//!
//! A browser comes with a session's cookie, a program with `Authorization:
//! Bearer`. What they may is a [`Scope`]; handlers find an [`App`] that acts
//! under it in the request, and have no other.

use super::error::ApiError;
use super::observe::RequestId;
use super::routes::{self, Kind, Need};
use super::tls::TlsListener;
use super::{Web, pages};
use crate::app::App;
use crate::app::access::{Caller, Whence};
use crate::error::AppError;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum::serve::IncomingStream;
use domain::access::{Permission, Scope};
use frontend::query::encode;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// The cookie of a session on plain http, which only loopback is served by.
const COOKIE: &str = "tonnage_session";
/// The same by https: browsers send it back to this host by https only.
const SECURE_COOKIE: &str = "__Host-tonnage_session";
/// A browser's name is cut to this.
const USER_AGENT_CHARS: usize = 200;

/// The app before anybody is known: it can only be had for somebody.
#[derive(Clone)]
pub(super) struct House(App);

impl House {
    pub(super) fn new(app: App) -> House {
        House(app)
    }

    /// The app for somebody.
    pub(super) fn acting(&self, scope: Scope) -> App {
        self.0.acting(scope)
    }
}

/// Who is at the other end of the connection: a client, or a proxy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(SocketAddr);

impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Peer {
        Peer(*stream.remote_addr())
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Peer {
        Peer(*stream.remote_addr())
    }
}

/// Address of the client.
#[derive(Debug, Clone)]
pub(super) struct Address(pub(super) String);

/// Lets a request on to its handler, or answers it.
pub(super) async fn admit(
    State(web): State<Web>,
    matched: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    let whence = whence(&web, &request);
    let id = RequestId::new(&whence.request_id);
    let matched = matched.as_ref().map(MatchedPath::as_str);
    let need = routes::need(request.method(), matched);
    let path = request.uri().path().to_owned();
    let posts = request.method() == Method::POST && path != "/theme";
    let signs_in = need == Need::Nothing && (posts || kind_of(matched) == Some(Kind::Step));
    if signs_in && let Err(wait_s) = web.limits.sign_in(&whence.address) {
        return slow_down(wait_s, matched, &path, &id);
    }
    let caller = match caller(&web, request.headers().clone(), &whence).await {
        Ok(caller) => caller,
        Err(error) => return ApiError::of(&error, &id).for_path(&path),
    };
    let scope = caller
        .as_ref()
        .map_or_else(Scope::nobody, |caller| caller.scope.clone());
    // whoever is not known shares the bucket of their address; files are for everybody
    let key = match &caller {
        Some(caller) => format!("{} {}", caller.scope.actor().kind, caller.account.account_id),
        None => format!("address {}", whence.address),
    };
    let limited = !matches!(kind_of(matched), Some(Kind::File | Kind::Probe));
    if limited && let Err(wait_s) = web.limits.caller(&key) {
        return slow_down(wait_s, matched, &path, &id);
    }
    let by_cookie = caller.as_ref().is_some_and(|caller| caller.session.is_some());
    if by_cookie && !request.method().is_safe() && !says_where_from(request.headers()) {
        let detail = "the request does not say which page it comes from; send the form from the page";
        return ApiError::refused(StatusCode::FORBIDDEN, "cross_site", detail, &id).for_path(&path);
    }
    let app = web.house.acting(scope.at(&whence.address, &whence.request_id));
    let signed_in = caller.is_some();
    let extensions = request.extensions_mut();
    extensions.insert(Address(whence.address.clone()));
    extensions.insert(whence);
    extensions.insert(app.clone());
    if let Some(caller) = caller {
        extensions.insert(caller);
    }
    match (refusal(&app, need), signed_in || need == Need::Nothing) {
        (None, _) => next.run(request).await,
        (Some(_), false) => who_are_you(&request, matched, &id),
        (Some(permission), true) => forbidden(&web, app, request, matched, permission, &id).await,
    }
}

/// What is missing for it.
fn refusal(app: &App, need: Need) -> Option<Permission> {
    let scope = app.scope();
    let refused = match need {
        Need::Nothing | Need::AgentToken => return None,
        Need::SignedIn => scope.is_somebody().then_some(()).ok_or(Permission::ReadCosts),
        Need::Some(permission) => scope.require_some(permission).map(|_| ()).map_err(|no| no.0),
        Need::All(permission) => scope.require(permission).map_err(|no| no.0),
        Need::SeeAccess => scope
            .require(Permission::ReadAudit)
            .or_else(|_| scope.require(Permission::ManageAccess))
            .map_err(|no| no.0),
    };
    refused.err()
}

fn whence(web: &Web, request: &Request) -> Whence {
    let id = request.extensions().get::<RequestId>();
    let peer = request.extensions().get::<ConnectInfo<Peer>>();
    let agent = request.headers().get(header::USER_AGENT);
    let forwarded = request.headers().get_all("x-forwarded-for").iter();
    let forwarded: Vec<&str> = forwarded.filter_map(|line| line.to_str().ok()).collect();
    let client = peer.map(|peer| web.config.client(peer.0.0.ip(), &forwarded).to_string());
    Whence {
        address: client.unwrap_or_else(|| "unknown".to_owned()),
        user_agent: agent
            .and_then(|agent| agent.to_str().ok())
            .map(|agent| agent.chars().take(USER_AGENT_CHARS).collect())
            .unwrap_or_default(),
        request_id: id.map_or("none", RequestId::as_str).to_owned(),
    }
}

/// A token is looked at first: a program that sends both means the token.
async fn caller(web: &Web, headers: HeaderMap, whence: &Whence) -> Result<Option<Caller>, AppError> {
    let door = web.house.acting(Scope::nobody());
    if let Some(token) = bearer(&headers) {
        return door.caller_of_token(token, whence).await;
    }
    match session_secret(&headers, web.secure) {
        Some(secret) => door.caller_of_session(&secret, whence).await,
        None => Ok(None),
    }
}

/// The token of `Authorization: Bearer ...`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

const fn cookie_name(secure: bool) -> &'static str {
    if secure { SECURE_COOKIE } else { COOKIE }
}

/// The values of a cookie; a browser may send several of one name.
pub(super) fn cookies<'h>(headers: &'h HeaderMap, wanted: &'h str) -> impl Iterator<Item = &'h str> {
    let sent = headers.get_all(header::COOKIE).iter();
    sent.filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(move |(name, _)| *name == wanted)
        .map(|(_, value)| value)
}

fn session_secret(headers: &HeaderMap, secure: bool) -> Option<String> {
    cookies(headers, cookie_name(secure)).next().map(str::to_owned)
}

/// The cookie of a session that began; it goes when the browser is closed, and
/// ends on the server anyway.
pub(super) fn session_cookie(secret: &str, secure: bool) -> Option<HeaderValue> {
    let name = cookie_name(secure);
    let secure = if secure { "; Secure" } else { "" };
    HeaderValue::from_str(&format!("{name}={secret}; Path=/; HttpOnly; SameSite=Lax{secure}")).ok()
}

/// The cookie that takes it away.
pub(super) fn no_session_cookie(secure: bool) -> Option<HeaderValue> {
    let name = cookie_name(secure);
    let secure = if secure { "; Secure" } else { "" };
    HeaderValue::from_str(&format!("{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{secure}")).ok()
}

/// A browser that sends a form says where it comes from, in one way or the
/// other; `security::guard` has looked whether it is here.
fn says_where_from(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.contains_key(HeaderName::from_static("sec-fetch-site"))
}

fn slow_down(wait_s: u64, matched: Option<&str>, path: &str, id: &RequestId) -> Response {
    let detail = format!("too many requests; ask again in {wait_s} s");
    let refused = ApiError::refused(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail, id);
    let mut answer = shaped(&refused, matched, path);
    answer
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(wait_s));
    answer
}

fn kind_of(matched: Option<&str>) -> Option<Kind> {
    let mut routes = routes::ROUTES.iter();
    routes.find(|route| Some(route.path) == matched).map(|route| route.kind)
}

/// A person is sent to the sign-in page and back afterwards, a program is told.
fn who_are_you(request: &Request, matched: Option<&str>, id: &RequestId) -> Response {
    let path = request.uri().path();
    let for_people = matches!(kind_of(matched), Some(Kind::Page) | Some(Kind::Download) | None)
        && request.method() == Method::GET
        && !path.starts_with("/api/");
    if for_people && bearer(request.headers()).is_none() {
        let next = request.uri().path_and_query().map_or("/", |whole| whole.as_str());
        let address = match next {
            "/" => "/sign-in".to_owned(),
            next => format!("/sign-in?next={}", encode(next)),
        };
        return Redirect::to(&address).into_response();
    }
    let detail =
        "sign in, or send a token that is known, not revoked and not over: `Authorization: Bearer tonnage_api_...`";
    let refused = ApiError::refused(StatusCode::UNAUTHORIZED, "unauthenticated", detail, id);
    let mut answer = shaped(&refused, matched, path);
    let scheme = HeaderValue::from_static("Bearer");
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    answer
}

/// The error in the form of its address.
fn shaped(error: &ApiError, matched: Option<&str>, path: &str) -> Response {
    match kind_of(matched) {
        Some(Kind::OpenCost) => error.in_envelope(),
        _ => error.for_path(path),
    }
}

async fn forbidden(
    web: &Web,
    app: App,
    mut request: Request,
    matched: Option<&str>,
    permission: Permission,
    id: &RequestId,
) -> Response {
    let who = app.who_may_grant().await.unwrap_or_default();
    let what = permission.what();
    if matches!(kind_of(matched), Some(Kind::Page) | None) && request.method() == Method::GET {
        request.extensions_mut().insert(pages::Denied { what, who });
        return pages::page(State(web.clone()), request).await;
    }
    let names = if who.is_empty() {
        "an admin".to_owned()
    } else {
        who.join(", ")
    };
    let detail = format!("you may not {what}; {names} can grant it");
    let refused = ApiError::refused(StatusCode::FORBIDDEN, "forbidden", detail, id);
    shaped(&refused, matched, request.uri().path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_by_its_own_name_only() {
        let table = [
            ("tonnage_session=abc", false, Some("abc")),
            ("theme=dark; tonnage_session=abc; x=y", false, Some("abc")),
            ("__Host-tonnage_session=abc", false, None),
            ("__Host-tonnage_session=abc; tonnage_session=planted", true, Some("abc")),
            ("xtonnage_session=abc", false, None),
            ("", false, None),
        ];
        for (cookie, secure, expected) in table {
            let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(cookie))]);
            assert_eq!(session_secret(&headers, secure).as_deref(), expected, "{cookie}");
        }
    }

    #[test]
    fn cookies_are_for_this_host_and_no_script() {
        for (secure, name) in [(false, COOKIE), (true, SECURE_COOKIE)] {
            let given = session_cookie("s", secure).expect("a header");
            let taken = no_session_cookie(secure).expect("a header");
            for cookie in [given, taken] {
                let text = cookie.to_str().expect("ASCII").to_owned();
                assert!(text.starts_with(&format!("{name}=")), "{text}");
                assert!(text.contains("; Path=/") && text.contains("HttpOnly") && text.contains("SameSite=Lax"));
                assert_eq!(text.contains("; Secure"), secure, "{text}");
                assert!(!text.contains("Domain"), "{text}");
            }
        }
    }

    #[test]
    fn a_form_must_say_where_it_comes_from() {
        let from =
            |name: &'static str| HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static("x"))]);
        assert!(says_where_from(&from("origin")));
        assert!(says_where_from(&from("sec-fetch-site")));
        assert!(!says_where_from(&from("referer")));
    }
}
