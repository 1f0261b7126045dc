//! What a browser does at the provider: follows redirects, keeps cookies, fills
//! in the provider's own forms, and ends where this server would be asked.

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Response, Url};
use std::collections::BTreeMap;

pub struct Browser {
    http: Client,
    cookies: BTreeMap<String, String>,
}

/// What this server's callback is asked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    pub address: String,
    pub code: String,
    pub state: String,
    pub error: String,
}

impl Browser {
    pub fn new() -> Browser {
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        Browser {
            http: http.build().expect("a client"),
            cookies: BTreeMap::new(),
        }
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Response {
        let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let cookies = pairs.collect::<Vec<_>>().join("; ");
        let answer = request
            .header(COOKIE, cookies)
            .send()
            .await
            .expect("the provider answers");
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let text = cookie.to_str().expect("visible signs");
            let pair = text.split(';').next().and_then(|pair| pair.split_once('='));
            let (name, value) = pair.expect("name=value");
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Signs in at the provider, from the address this server sent, to the callback.
    pub async fn sign_in(&mut self, from: &Url, login: &str) -> Callback {
        let mut answer = self.send(self.http.get(from.clone())).await;
        for _ in 0..20 {
            if let Some(location) = answer.headers().get(LOCATION) {
                let location = location.to_str().expect("visible signs");
                let to = answer.url().join(location).expect("an address");
                if to.origin() != from.origin() {
                    return callback(&to);
                }
                answer = self.send(self.http.get(to)).await;
                continue;
            }
            let here = answer.url().clone();
            let page = answer.text().await.expect("a page");
            let prompt = between(&page, "name=\"prompt\" value=\"", "\"");
            let action = between(&page, "action=\"", "\"");
            let to = here.join(&action).expect("an address");
            let mut form = vec![("prompt", prompt.as_str())];
            if prompt == "login" {
                form.extend([("login", login), ("password", "any will do")]);
            }
            answer = self.send(self.http.post(to).form(&form)).await;
        }
        panic!("the provider goes round in circles");
    }

    /// The page at an address.
    pub async fn page(&mut self, at: &Url) -> (u16, String) {
        let answer = self.send(self.http.get(at.clone())).await;
        (answer.status().as_u16(), answer.text().await.expect("a page"))
    }
}

fn callback(to: &Url) -> Callback {
    let value = |wanted: &str| {
        to.query_pairs()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.into_owned())
    };
    Callback {
        address: to.as_str().split('?').next().unwrap_or_default().to_owned(),
        code: value("code").unwrap_or_default(),
        state: value("state").unwrap_or_default(),
        error: value("error").unwrap_or_default(),
    }
}

#[track_caller]
fn between(page: &str, before: &str, after: &str) -> String {
    let found = page.split_once(before).and_then(|(_, rest)| rest.split_once(after));
    found
        .unwrap_or_else(|| panic!("{before:?} is missing in:\n{page}"))
        .0
        .to_owned()
}
