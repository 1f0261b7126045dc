//! The calls to a provider: safe addresses only, no redirects, bounded answers.

use super::OidcError;
use crate::outbound::{is_loopback, no_answer};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use reqwest::Url;
use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use thiserror::Error;

/// A longer answer is refused.
const ANSWER_BYTES: usize = 1024 * 1024;
/// Of what a provider says about an error, so much is passed on.
const DETAIL_CHARS: usize = 300;

/// The client that all calls go through.
pub(super) struct Http {
    pub(super) client: reqwest::Client,
    /// Whether plain HTTP on this machine will do: where the issuer is.
    pub(super) plain: bool,
}

#[derive(Debug, Error)]
#[error("{0}")]
pub(super) struct HttpError(String);

impl Http {
    /// That an address is safe to send to, or to send a browser to.
    pub(super) fn check(&self, url: &Url) -> Result<(), OidcError> {
        let safe = url.scheme() == "https" || (url.scheme() == "http" && self.plain && is_loopback(url));
        if safe {
            return Ok(());
        }
        let origin = url.origin().ascii_serialization();
        Err(OidcError::Unusable(short(&format!("{origin} is not reached by https"))))
    }

    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let told = |error: reqwest::Error| HttpError(no_answer(error).to_string());
        let request = reqwest::Request::try_from(request).map_err(told)?;
        self.check(request.url())
            .map_err(|error| HttpError(error.to_string()))?;
        let mut answer = self.client.execute(request).await.map_err(told)?;
        if answer.status().is_redirection() {
            return Err(HttpError("it sends elsewhere, which is not followed".to_owned()));
        }
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(told)? {
            if body.len() + piece.len() > ANSWER_BYTES {
                return Err(HttpError(format!("it answers with more than {ANSWER_BYTES} bytes")));
            }
            body.extend_from_slice(&piece);
        }
        let mut response = HttpResponse::new(body);
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        Ok(response)
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.ask(request))
    }
}

/// An error with its causes.
pub(super) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    short(&text)
}

/// A text that fits into the log: the beginning of it, in one line.
pub(super) fn short(text: &str) -> String {
    let mut line = text.replace(char::is_control, " ");
    if let Some((end, _)) = line.char_indices().nth(DETAIL_CHARS) {
        line.truncate(end);
        line.push_str("...");
    }
    line
}
