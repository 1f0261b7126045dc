//! Sign-in by an OpenID provider: what is sent is kept, hashed, for ten minutes
//! and taken once; what comes back becomes an account with the roles its groups
//! give, or a refusal with one reason in the audit log and one sentence for the
//! person.

use crate::app::tokens::random_hex;
use crate::app::{App, hash_of};
use crate::config::sign_in::{ProviderConfig, SignIn};
use crate::error::AppError;
use crate::outbound::oidc::{Answered, OidcError, Person, Provider};
use chrono::Utc;
use domain::access::{Grant, Scope};
use domain::instant::SECOND_US;
use reqwest::Url;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use store::{Account, SignInState, Store, StoreError, Vouched};
use thiserror::Error;

/// So long somebody has to sign in at the provider.
const STATE_US: i64 = 600 * SECOND_US;
/// So long an old state is still told from an unknown one.
const STATE_KEPT_US: i64 = 3_600 * SECOND_US;
/// So many used states are remembered, to tell a replay from an unknown state.
const USED: usize = 1_024;

/// The providers of this server.
#[derive(Default)]
pub struct Providers {
    public_url: Option<Url>,
    by_name: BTreeMap<String, (Provider, ProviderConfig)>,
    /// Names in the order of the configuration.
    order: Vec<String>,
    used: Mutex<VecDeque<String>>,
}

/// What the sign-in page says of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedProvider {
    /// Its name in addresses.
    pub name: String,
    /// Its name for people.
    pub label: String,
}

/// Somebody whom a provider vouches for, and who may enter.
#[derive(Debug, Clone)]
pub struct OidcSignedIn {
    /// Who.
    pub account: Account,
    /// The provider, by its name in the configuration.
    pub provider: String,
    /// What the provider wants back at sign-out.
    pub id_token: String,
    /// Path of this server to go to.
    pub next: String,
}

/// Why somebody was not signed in: one sentence for that person. What the
/// provider said stands in the audit log only.
#[derive(Debug, Error)]
pub enum SignInRefused {
    /// No such provider in the configuration.
    #[error("there is no such way to sign in; go back to the sign-in page")]
    UnknownProvider,
    /// Nothing was sent that this answers.
    #[error("this sign-in was not begun here; begin again from the sign-in page")]
    UnknownState,
    /// It was answered already.
    #[error("this sign-in was used already; begin again from the sign-in page")]
    ReplayedState,
    /// It was sent to another provider.
    #[error("this sign-in was begun with another provider; begin again from the sign-in page")]
    ForeignState,
    /// It was sent too long ago.
    #[error("this sign-in took longer than ten minutes; begin again from the sign-in page")]
    ExpiredState,
    /// The person, or the provider, said no.
    #[error("the provider did not sign you in; begin again, or ask whoever runs the provider")]
    Declined(String),
    /// What the provider answered does not hold.
    #[error("{}", for_people(.0))]
    Provider(#[source] OidcError),
    /// The account may not sign in.
    #[error("your account is disabled; an admin of Tonnage can enable it")]
    Disabled,
    /// No group gives a role.
    #[error("none of your groups gives you a role in Tonnage; ask an admin of Tonnage which group you need")]
    NoGroups,
    /// Another account has the login.
    #[error("another account has your login already; an admin of Tonnage has to remove or rename it")]
    LoginTaken,
    /// The groups would leave nobody to manage access.
    #[error("your groups would take the last admin away; another admin has to be made first")]
    LastAdmin,
    /// Something of this server broke.
    #[error("sign-in failed on this server; try again in a moment")]
    Broken(#[source] AppError),
}

fn for_people(error: &OidcError) -> &'static str {
    match error {
        OidcError::Unusable(_) => "the provider cannot be reached or gives no usable answer; try again in a moment",
        OidcError::Client(_) => {
            "the provider does not accept this server; whoever runs Tonnage has to check its client id and secret"
        }
        OidcError::Code(_) => "the provider does not accept this sign-in any more; begin again from the sign-in page",
        OidcError::Time(_) => {
            "the provider's clock and this server's differ too much; whoever runs them has to set them"
        }
        OidcError::Groups(_) => {
            "the provider names your groups in a form that is not known; whoever runs it can mend that"
        }
        OidcError::NoToken
        | OidcError::Issuer(_)
        | OidcError::Audience(_)
        | OidcError::Signature(_)
        | OidcError::Nonce(_) => "the provider's answer is not for this sign-in; begin again from the sign-in page",
    }
}

impl SignInRefused {
    /// Its reason in the audit log.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            SignInRefused::UnknownProvider => "unknown_provider",
            SignInRefused::UnknownState => "unknown_state",
            SignInRefused::ReplayedState => "replayed_state",
            SignInRefused::ForeignState => "foreign_state",
            SignInRefused::ExpiredState => "expired_state",
            SignInRefused::Declined(_) => "declined",
            SignInRefused::Provider(OidcError::Unusable(_)) => "provider_unusable",
            SignInRefused::Provider(OidcError::Client(_)) => "client_refused",
            SignInRefused::Provider(OidcError::Code(_)) => "code_refused",
            SignInRefused::Provider(OidcError::NoToken) => "no_id_token",
            SignInRefused::Provider(OidcError::Issuer(_)) => "wrong_issuer",
            SignInRefused::Provider(OidcError::Audience(_)) => "wrong_audience",
            SignInRefused::Provider(OidcError::Signature(_)) => "wrong_signature",
            SignInRefused::Provider(OidcError::Time(_)) => "wrong_time",
            SignInRefused::Provider(OidcError::Nonce(_)) => "wrong_nonce",
            SignInRefused::Provider(OidcError::Groups(_)) => "unreadable_groups",
            SignInRefused::Disabled => "account_disabled",
            SignInRefused::NoGroups => "no_groups",
            SignInRefused::LoginTaken => "login_taken",
            SignInRefused::LastAdmin => "last_admin",
            SignInRefused::Broken(_) => "broken",
        }
    }

    fn broken(error: impl Into<AppError>) -> SignInRefused {
        SignInRefused::Broken(error.into())
    }
}

/// Somebody who is refused: the name the audit log has, once it is known.
struct Refusal {
    login: String,
    why: SignInRefused,
}

impl From<SignInRefused> for Refusal {
    fn from(why: SignInRefused) -> Refusal {
        let login = String::new();
        Refusal { login, why }
    }
}

impl Providers {
    /// From the configuration; nothing is sent.
    ///
    /// # Errors
    /// A provider that cannot be prepared, which loading the configuration says first.
    pub fn new(sign_in: &SignIn) -> Result<Providers, AppError> {
        let mut providers = Providers {
            public_url: Some(sign_in.public_url.clone()),
            ..Providers::default()
        };
        for config in &sign_in.providers {
            let provider = Provider::new(config.settings.clone())
                .map_err(|error| AppError::broken(format!("cannot prepare sign-in with {}", config.name), error))?;
            providers.order.push(config.name.clone());
            providers
                .by_name
                .insert(config.name.clone(), (provider, config.clone()));
        }
        Ok(providers)
    }

    /// Them all, in the order of the configuration.
    #[must_use]
    pub fn list(&self) -> Vec<ListedProvider> {
        let known = self.order.iter().filter_map(|name| self.by_name.get(name));
        let listed = known.map(|(_, config)| ListedProvider {
            name: config.name.clone(),
            label: config.label.clone(),
        });
        listed.collect()
    }

    fn get(&self, name: &str) -> Option<(&Provider, &ProviderConfig)> {
        self.by_name.get(name).map(|(provider, config)| (provider, config))
    }

    /// Where browsers reach a path of this server.
    fn public(&self, path: &str) -> Result<Url, AppError> {
        let url = self.public_url.as_ref().and_then(|base| base.join(path).ok());
        url.ok_or_else(|| {
            AppError::usage(
                "sign_in.public_url is missing",
                "write where browsers reach this server",
            )
        })
    }

    fn used(&self, sha256: &str) -> bool {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.iter().any(|known| known == sha256)
    }

    fn remember(&self, sha256: String) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= USED {
            used.pop_front();
        }
        used.push_back(sha256);
    }
}

/// Path, below the public address, that a provider sends browsers back to.
#[must_use]
pub fn callback_path(provider: &str) -> String {
    format!("sign-in/oidc/{provider}/callback")
}

/// The state inside an address made by [`App::begin_oidc`]: a cookie with its
/// hash binds the sign-in to the browser that began it.
#[must_use]
pub fn state_of(url: &Url) -> Option<String> {
    let mut pairs = url.query_pairs();
    pairs
        .find(|(name, _)| name == "state")
        .map(|(_, state)| state.into_owned())
}

/// What these groups give together.
fn granted(config: &ProviderConfig, person: &Person) -> Vec<Grant> {
    let groups = person.groups.iter().flatten();
    let given = groups.filter_map(|group| config.groups.get(group)).flatten().cloned();
    given.collect::<BTreeSet<Grant>>().into_iter().collect()
}

fn now_us() -> i64 {
    Utc::now().timestamp_micros()
}

impl App {
    /// The same with these providers to sign in with.
    ///
    /// # Errors
    /// A provider that cannot be prepared.
    pub fn with_sign_in(mut self, sign_in: &SignIn) -> Result<App, AppError> {
        self.providers = Arc::new(Providers::new(sign_in)?);
        Ok(self)
    }

    /// The providers to sign in with.
    #[must_use]
    pub fn providers(&self) -> Vec<ListedProvider> {
        self.providers.list()
    }

    /// Their origins, such as `https://id.example`.
    #[must_use]
    pub fn provider_origins(&self) -> Vec<String> {
        let issuers = self.providers.by_name.values();
        let origins = issuers.map(|(_, config)| config.settings.issuer_origin());
        origins.collect::<BTreeSet<String>>().into_iter().collect()
    }

    /// The store for what sign-in does before anybody is known.
    fn sign_in_store(&self) -> Store {
        let actor = self.scope().actor();
        let scope = Scope::system("sign-in").at(&actor.address, &actor.request_id);
        self.store.acting(Arc::new(scope))
    }

    /// Begins a sign-in: the address to send the browser to. `next` is the path
    /// of this server to go to afterwards; anything else becomes `/`.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for an unknown provider; a provider that cannot be
    /// asked; a database that cannot be written.
    pub async fn begin_oidc(&self, provider: &str, next: &str) -> Result<Url, AppError> {
        let Some((asked, config)) = self.providers.get(provider) else {
            let what = format!("provider {provider:?} to sign in with");
            return Err(AppError::NotFound { what });
        };
        let redirect = self.providers.public(&callback_path(&config.name))?;
        let begun = asked
            .begin(&redirect)
            .await
            .map_err(|error| AppError::broken(format!("cannot begin to sign in with {}", config.name), error))?;
        let next = if super::is_local(next) { next } else { "/" };
        let now_us = now_us();
        let state = SignInState {
            sha256: hash_of([begun.state.as_bytes()]),
            provider: config.name.clone(),
            nonce: begun.nonce,
            verifier: begun.verifier,
            next_path: next.to_owned(),
            created_us: now_us,
        };
        self.sign_in_store()
            .begin_sign_in(&state, now_us - STATE_KEPT_US)
            .await?;
        Ok(begun.url)
    }

    /// Ends a sign-in with the code and state the browser came back with. The
    /// caller has checked that it is the browser that began it, see [`state_of`].
    ///
    /// # Errors
    /// Why it is refused, which the audit log has then.
    pub async fn finish_oidc(&self, provider: &str, code: &str, state: &str) -> Result<OidcSignedIn, SignInRefused> {
        match self.oidc_person(provider, code, state).await {
            Ok(signed_in) => Ok(signed_in),
            Err(refusal) => Err(self.refused(provider, refusal).await),
        }
    }

    /// Ends a sign-in that came back with an error instead of a code.
    pub async fn decline_oidc(&self, provider: &str, error: &str, state: &str) -> SignInRefused {
        let taken = self.take_state(provider, state).await;
        let error: String = error.chars().filter(|sign| !sign.is_control()).take(80).collect();
        let why = taken.err().unwrap_or(SignInRefused::Declined(error));
        self.refused(provider, why.into()).await
    }

    /// Where to sign out at the provider as well, to come back to the sign-in
    /// page; `None` when the provider is gone or has no such place.
    ///
    /// # Errors
    /// When the provider cannot be asked.
    pub async fn oidc_sign_out(&self, provider: &str, id_token: &str) -> Result<Option<Url>, AppError> {
        let Some((asked, _)) = self.providers.get(provider) else {
            return Ok(None);
        };
        let after = self.providers.public("sign-in")?;
        let url = asked.logout_url(id_token, &after).await;
        url.map_err(|error| AppError::broken(format!("cannot sign out of {provider}"), error))
    }

    async fn refused(&self, provider: &str, refusal: Refusal) -> SignInRefused {
        let Refusal { login, why } = refusal;
        let detail = match &why {
            SignInRefused::Provider(error) => error.to_string(),
            SignInRefused::Broken(error) => error.chain(),
            SignInRefused::Declined(error) => error.clone(),
            _ => String::new(),
        };
        // a name that was only typed is not to fill the log
        let provider: String = provider.chars().take(40).collect();
        tracing::warn!(provider, login, reason = why.reason(), detail, "a sign-in was refused");
        let what = json!({ "provider": provider, "reason": why.reason(), "detail": detail });
        match self.sign_in_store().note("sign_in.refused", &login, what).await {
            Ok(()) => why,
            // what is not in the log is not passed over
            Err(error) => SignInRefused::broken(error),
        }
    }

    /// What was kept when this was begun, once.
    async fn take_state(&self, provider: &str, state: &str) -> Result<SignInState, SignInRefused> {
        let sha256 = hash_of([state.as_bytes()]);
        let kept = self.sign_in_store().end_sign_in(&sha256).await;
        let Some(kept) = kept.map_err(SignInRefused::broken)? else {
            let used = self.providers.used(&sha256);
            let why = if used {
                SignInRefused::ReplayedState
            } else {
                SignInRefused::UnknownState
            };
            return Err(why);
        };
        self.providers.remember(sha256);
        if kept.provider != provider {
            return Err(SignInRefused::ForeignState);
        }
        if now_us() - kept.created_us > STATE_US {
            return Err(SignInRefused::ExpiredState);
        }
        Ok(kept)
    }

    async fn oidc_person(&self, provider: &str, code: &str, state: &str) -> Result<OidcSignedIn, Refusal> {
        let Some((asked, config)) = self.providers.get(provider) else {
            return Err(SignInRefused::UnknownProvider.into());
        };
        let kept = self.take_state(provider, state).await?;
        let redirect = self
            .providers
            .public(&callback_path(provider))
            .map_err(SignInRefused::broken)?;
        let secrets = (kept.nonce.as_str(), kept.verifier.as_str());
        let Answered { person, id_token } = asked
            .finish(&redirect, code, secrets, Utc::now())
            .await
            .map_err(SignInRefused::Provider)?;
        let login = person.login.clone();
        let account = self
            .vouched(config, person)
            .await
            .map_err(|why| Refusal { login, why })?;
        Ok(OidcSignedIn {
            account,
            provider: config.name.clone(),
            id_token,
            next: kept.next_path,
        })
    }

    /// The account of a person, with exactly what the groups give.
    async fn vouched(&self, config: &ProviderConfig, person: Person) -> Result<Account, SignInRefused> {
        let store = self.sign_in_store();
        let grants = granted(config, &person);
        let known = store
            .account_by_subject(&config.name, &person.subject)
            .await
            .map_err(SignInRefused::broken)?;
        if grants.is_empty() && known.is_none() {
            // nobody becomes an account that may nothing
            return Err(SignInRefused::NoGroups);
        }
        let vouched = Vouched {
            account_id: random_hex::<8>().map_err(SignInRefused::Broken)?,
            issuer: config.name.clone(),
            subject: person.subject,
            login: person.login,
            display_name: person.display_name,
            grants,
        };
        let account = store.vouch(&vouched, now_us()).await.map_err(|error| match error {
            StoreError::Invalid { .. } if known.is_some() => SignInRefused::LastAdmin,
            StoreError::Invalid { .. } => SignInRefused::LoginTaken,
            other => SignInRefused::broken(other),
        })?;
        if account.disabled_us.is_some() {
            return Err(SignInRefused::Disabled);
        }
        if account.grants.is_empty() {
            return Err(SignInRefused::NoGroups);
        }
        Ok(account)
    }
}
