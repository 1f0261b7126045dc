//! The colour theme: a plain form and a cookie, so it works without scripts.

use super::admit::cookies;
use super::error::ApiError;
use super::observe::RequestId;
pub(super) use crate::app::access::is_local;
use axum::Extension;
use axum::extract::Form;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use frontend::shell::Theme;
use serde::Deserialize;

const COOKIE: &str = "theme";
/// How long a browser keeps the choice.
const ONE_YEAR_S: u32 = 365 * 24 * 3600;

#[derive(Deserialize)]
pub(super) struct Choice {
    theme: String,
    /// Where the form was: a path of this server.
    #[serde(alias = "back")]
    next: Option<String>,
}

/// The theme the reader chose before.
pub(super) fn chosen(headers: &HeaderMap) -> Theme {
    let value = cookies(headers, COOKIE).next();
    Theme::from_key(value.unwrap_or_default())
}

/// Keeps the choice and goes back to where the form was.
pub(super) async fn choose(Extension(id): Extension<RequestId>, form: Result<Form<Choice>, FormRejection>) -> Response {
    let Form(choice) = match form {
        Ok(form) => form,
        Err(rejection) => {
            return ApiError::refused(rejection.status(), "bad_form", rejection.body_text(), &id).plain();
        }
    };
    let next = choice.next.as_deref().unwrap_or("/");
    let theme = Theme::from_key(&choice.theme);
    let cookie = format!(
        "{COOKIE}={}; Path=/; Max-Age={ONE_YEAR_S}; HttpOnly; SameSite=Lax",
        theme.key()
    );
    let location = Some(next)
        .filter(|next| is_local(next))
        .and_then(|next| HeaderValue::from_str(next).ok());
    match (location, HeaderValue::from_str(&cookie)) {
        (Some(location), Ok(cookie)) => (
            StatusCode::SEE_OTHER,
            [(header::LOCATION, location), (header::SET_COOKIE, cookie)],
        )
            .into_response(),
        _ => {
            let detail = format!("next={next:?} is no path of this server; write one such as /costs?period=2026-11");
            ApiError::refused(StatusCode::BAD_REQUEST, "bad_parameter", detail, &id).plain()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_server() {
        let table = [
            ("/", true),
            ("/costs?period=2026-11&f=tenant:a%20b", true),
            ("/explain/1//2", true),
            ("", false),
            ("costs", false),
            ("//evil.example", false),
            ("/\\evil.example", false),
            ("/\t/evil.example", false),
            ("https://evil.example", false),
            ("javascript:alert(1)", false),
            ("/a\r\nset-cookie:x", false),
        ];
        for (path, local) in table {
            assert_eq!(is_local(path), local, "{path:?}");
        }
    }

    #[test]
    fn a_theme_is_found_among_cookies() {
        let table = [
            ("theme=dark", Theme::Dark),
            ("a=b; theme=light; c=d", Theme::Light),
            ("xtheme=dark", Theme::System),
            ("theme=sepia", Theme::System),
            ("", Theme::System),
        ];
        for (cookie, theme) in table {
            let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(cookie))]);
            assert_eq!(chosen(&headers), theme, "{cookie}");
        }
    }
}
