//! Sign-in by an OpenID provider: to the provider and back. A cookie binds what
//! was begun to the browser that began it, so that nobody is signed in by
//! somebody else's link.

use super::Web;
use super::access::{not_signed_in, signed_in};
use super::admit::cookies;
use super::error::ApiError;
use super::observe::RequestId;
use crate::app::access::Whence;
use crate::app::access::oidc::{SignInRefused, state_of};
use crate::error::AppError;
use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use domain::access::Scope;
use subtle::ConstantTimeEq as _;

/// The cookie of a sign-in under way; it lives as long as the state.
const COOKIE: &str = "tonnage_sign_in";
const COOKIE_S: u32 = 600;

/// `GET /sign-in/oidc/{provider}`: to the provider.
pub(super) async fn begin(
    State(web): State<Web>,
    Extension(whence): Extension<Whence>,
    Extension(id): Extension<RequestId>,
    Path(provider): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let app = web.house.acting(at(&whence));
    let next = parameter(query.as_deref(), "next").unwrap_or_default();
    let url = match app.begin_oidc(&provider, &next).await {
        Ok(url) => url,
        Err(AppError::NotFound { .. }) => {
            return refused(&web, &provider, &SignInRefused::UnknownProvider, &id);
        }
        Err(error) => {
            tracing::warn!(provider, error = %error.chain(), "a sign-in could not be begun");
            let refusal = wire::SignInRefused::Provider {
                label: provider,
                request_id: id.as_str().to_owned(),
            };
            return not_signed_in(&web, refusal, ["", "", "", &next], &id);
        }
    };
    let state = state_of(&url).unwrap_or_default();
    let mut response = Redirect::to(url.as_str()).into_response();
    let secure = if web.secure { "; Secure" } else { "" };
    let cookie = format!(
        "{COOKIE}={}; Path=/sign-in/oidc/; Max-Age={COOKIE_S}; HttpOnly; SameSite=Lax{secure}",
        crate::app::hash_of([state.as_bytes()])
    );
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// `GET /sign-in/oidc/{provider}/callback`: back from the provider.
pub(super) async fn callback(
    State(web): State<Web>,
    Extension(whence): Extension<Whence>,
    Extension(id): Extension<RequestId>,
    Path(provider): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let app = web.house.acting(at(&whence));
    let query = query.as_deref();
    let state = parameter(query, "state").unwrap_or_default();
    if !begun_here(&headers, &state) {
        // the state stays for the browser it belongs to
        return refused(&web, &provider, &SignInRefused::UnknownState, &id);
    }
    if let Some(error) = parameter(query, "error") {
        let why = app.decline_oidc(&provider, &error, &state).await;
        return refused(&web, &provider, &why, &id);
    }
    let code = parameter(query, "code").unwrap_or_default();
    let person = match app.finish_oidc(&provider, &code, &state).await {
        Ok(person) => person,
        Err(why) => return refused(&web, &provider, &why, &id),
    };
    let began = app
        .begin_session(
            &person.account.account_id,
            &person.provider,
            Some(person.id_token),
            &whence,
        )
        .await;
    match began {
        Ok(began) => signed_in(&began, &person.next, web.secure),
        Err(error) => ApiError::of(&error, &id).plain(),
    }
}

fn at(whence: &Whence) -> Scope {
    Scope::nobody().at(&whence.address, &whence.request_id)
}

fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let mut found = pairs.filter(|(key, _)| key == name);
    found.next().map(|(_, value)| value.into_owned())
}

/// Whether this browser has the cookie of the state.
fn begun_here(headers: &HeaderMap, state: &str) -> bool {
    let expected = crate::app::hash_of([state.as_bytes()]);
    cookies(headers, COOKIE).any(|value| bool::from(value.as_bytes().ct_eq(expected.as_bytes())))
}

/// Back to the sign-in page, which says why.
fn refused(web: &Web, provider: &str, why: &SignInRefused, id: &RequestId) -> Response {
    let app = web.house.acting(Scope::nobody());
    let known = app.providers().into_iter().find(|known| known.name == provider);
    let refusal = match why {
        SignInRefused::NoGroups => wire::SignInRefused::NoRole {
            name: String::new(),
            who: Vec::new(),
        },
        _ => wire::SignInRefused::Provider {
            label: known.map_or_else(|| provider.chars().take(40).collect(), |known| known.label),
            request_id: id.as_str().to_owned(),
        },
    };
    not_signed_in(web, refusal, ["", "", "", ""], id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_browser_that_began_it_ends_it() {
        let hash = crate::app::hash_of(["state".as_bytes()]);
        let table = [
            (format!("{COOKIE}={hash}"), "state", true),
            (format!("a=b; {COOKIE}={hash}"), "state", true),
            (format!("{COOKIE}={hash}"), "other", false),
            (format!("{COOKIE}=state"), "state", false),
            (String::new(), "state", false),
            (String::new(), "", false),
        ];
        for (cookie, state, expected) in table {
            let value = HeaderValue::from_str(&cookie).expect("a header");
            let headers = HeaderMap::from_iter([(header::COOKIE, value)]);
            assert_eq!(begun_here(&headers, state), expected, "{cookie} {state}");
        }
    }
}
