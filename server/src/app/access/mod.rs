//! Who is asking: sessions of browsers, tokens of programs, and how both begin.
//!
//! Every secret is 32 random bytes in hex; what is kept is its SHA-256. These
//! use cases act as the machine (`sign-in`), since whoever signs in is nobody
//! yet; who it was stands in the entry of the audit log.

mod demo;
mod notes;
pub mod oidc;
mod pages;
mod passwords;
mod people;
mod sign_in;
mod tokens;

pub(crate) use notes::{Note, Notes};
pub use people::{Invited, NewPerson};
pub use sign_in::{Began, Guesses, Refusal};
pub use tokens::NewApiToken;

use super::{App, hash_of};
use crate::error::AppError;
use domain::access::{Actor, Grant, Scope};
use domain::instant::SECOND_US;
use std::sync::Arc;
use store::{Account, Session};

/// A session that is not used for so long is over.
const IDLE_US: i64 = 12 * 3600 * SECOND_US;
/// A session is over after so long, whatever happens.
const SESSION_US: i64 = 7 * 24 * 3600 * SECOND_US;
/// A use is noted at most so often.
const USE_NOTED_US: i64 = 60 * SECOND_US;

/// Where a request comes from, for the audit log and the list of sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whence {
    /// Address of the client.
    pub address: String,
    /// What the browser calls itself, cut short.
    pub user_agent: String,
    /// Id of the request.
    pub request_id: String,
}

/// A path that no browser reads as another site: browsers take a backslash for
/// a slash, drop control characters, and read `//name` as a host.
pub(crate) fn is_local(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

/// Who is asking.
#[derive(Debug, Clone)]
pub struct Caller {
    /// What they may see and do.
    pub scope: Scope,
    /// Their account.
    pub account: Account,
    /// The session, when a browser asks.
    pub session: Option<Session>,
}

impl App {
    /// The same app as the machine that signs people in.
    fn door(&self, whence: &Whence) -> App {
        self.acting(Scope::system("sign-in").at(&whence.address, &whence.request_id))
    }

    /// Who has this session's secret; `None` when it is over, unknown, or its
    /// account is disabled.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn caller_of_session(&self, secret: &str, whence: &Whence) -> Result<Option<Caller>, AppError> {
        let door = self.door(whence);
        let now_us = self.clock.now().0;
        let Some(session) = door.store.session(&hash_of([secret.as_bytes()])).await? else {
            return Ok(None);
        };
        if session.expires_us <= now_us || session.last_seen_us + IDLE_US <= now_us {
            return Ok(None);
        }
        let account = door.store.account(&session.account_id).await?;
        if account.disabled_us.is_some() {
            return Ok(None);
        }
        if now_us - session.last_seen_us >= USE_NOTED_US {
            door.store.saw_session(&session.session_id, now_us).await?;
        }
        let scope = scope_of("account", &account, account.granted(), whence);
        Ok(Some(Caller {
            scope,
            account,
            session: Some(session),
        }))
    }

    /// Providers that vouch for people, for the sign-in page.
    fn provider_links(&self) -> Vec<wire::Provider> {
        let one = |provider: oidc::ListedProvider| wire::Provider {
            name: provider.name,
            label: provider.label,
        };
        self.providers().into_iter().map(one).collect()
    }

    /// How the store acts for whoever manages what is their own.
    fn own_store(&self) -> store::Store {
        let actor = self.scope().actor().clone();
        let scope = Scope::system("own access").named(&actor);
        self.store.acting(Arc::new(scope))
    }
}

/// The scope of an account, or of a token of its.
fn scope_of(kind: &'static str, account: &Account, grants: Vec<Grant>, whence: &Whence) -> Scope {
    let actor = Actor {
        kind,
        id: account.account_id.clone(),
        name: account.display_name.clone(),
        address: whence.address.clone(),
        request_id: whence.request_id.clone(),
    };
    Scope::of(actor, grants)
}
