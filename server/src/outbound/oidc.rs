//! Asking an OpenID provider who somebody is: discovery, the code flow with
//! PKCE, the checks of the id token, and the address to sign out at.
//!
//! Every call goes over HTTPS (plain HTTP only to a provider on this machine),
//! has a limit of time and of bytes, and follows no redirect. What the provider
//! says of itself is kept for [`KNOWN_FOR`] and read again when a signature does
//! not fit: it may have changed its keys.

mod http;

use self::http::{Http, HttpError, chain, short};
use super::{SetupError, checked, client, is_loopback};
use crate::config::Secret;
use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClientAuthMethod, CoreErrorResponseType,
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreRevocableToken,
    CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessToken, AdditionalClaims, AuthType, AuthorizationCode, ClaimsVerificationError, Client, ClientId,
    ClientSecret, CsrfToken, DiscoveryError, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    IdToken, IdTokenClaims, IdTokenFields, IdTokenVerifier, IssuerUrl, LogoutRequest, Nonce, OAuth2TokenResponse as _,
    PkceCodeChallenge, PkceCodeVerifier, PostLogoutRedirectUrl, ProviderMetadataWithLogout, RedirectUrl,
    RequestTokenError, Scope, StandardClaims, StandardErrorResponse, StandardTokenResponse, SubjectIdentifier,
    TokenResponse as _, UserInfoClaims, UserInfoError,
};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use thiserror::Error;

/// So long what a provider says of itself is believed without asking again.
pub const KNOWN_FOR: Duration = Duration::from_secs(600);
/// So far the provider's clock may be ahead of ours, or behind it.
pub const SKEW: TimeDelta = TimeDelta::seconds(60);
/// Longest time for one call: somebody is waiting.
const CALL_LIMIT: Duration = Duration::from_secs(15);
/// Signatures that are accepted: by a key of the provider only. `none` and those
/// made with the client's secret are not among them.
const SIGNATURES: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Claims beside the standard ones: groups are among them, by whatever name.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct MoreClaims {
    #[serde(flatten)]
    all: HashMap<String, Value>,
}

impl AdditionalClaims for MoreClaims {}

type Token = IdToken<MoreClaims, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;
type Claims = IdTokenClaims<MoreClaims, CoreGenderClaim>;
type Fields = IdTokenFields<
    MoreClaims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type Tokens = StandardTokenResponse<Fields, CoreTokenType>;
type Failure = StandardErrorResponse<CoreErrorResponseType>;
type Ready = Client<
    MoreClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    Failure,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Why a provider did not say who somebody is. The texts are for the log: they
/// may quote the provider.
#[derive(Debug, Error)]
pub enum OidcError {
    /// It does not answer, or not in the form it should.
    #[error("the provider gives no usable answer: {0}")]
    Unusable(String),
    /// It does not accept this client's id or secret.
    #[error("the provider refuses the client: {0}")]
    Client(String),
    /// It does not accept the code: used, expired, or another client's.
    #[error("the provider refuses the code: {0}")]
    Code(String),
    /// There is no id token, or none that can be read.
    #[error("the provider sent no readable id token")]
    NoToken,
    /// The issuer is another one than was configured.
    #[error("wrong issuer: {0}")]
    Issuer(String),
    /// The id token is for another client.
    #[error("wrong audience: {0}")]
    Audience(String),
    /// No key of the provider made the signature.
    #[error("wrong signature: {0}")]
    Signature(String),
    /// The id token is too old, or of the future.
    #[error("wrong time: {0}")]
    Time(String),
    /// The id token answers another question.
    #[error("wrong nonce: {0}")]
    Nonce(String),
    /// The claim of the groups is neither a list of texts nor a text.
    #[error("claim {0:?} is neither a list of texts nor a text")]
    Groups(String),
}

/// A provider and this program's registration with it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `https://...`; `http://` on loopback only.
    pub issuer: String,
    /// Id of this program there.
    pub client_id: String,
    /// Secret of this program there.
    pub client_secret: Secret,
    /// Scopes to ask for beside `openid`.
    pub scopes: Vec<String>,
    /// Claim with the groups.
    pub groups_claim: String,
    /// Certificates to trust beside the system's, PEM, with the name of their file.
    pub ca: Option<(String, Vec<u8>)>,
}

impl Settings {
    /// Scheme, host and port of the issuer; empty for one that is no address.
    #[must_use]
    pub fn issuer_origin(&self) -> String {
        let url = Url::parse(&self.issuer);
        url.map_or_else(|_| String::new(), |url| url.origin().ascii_serialization())
    }
}

/// What was sent to a provider: `url` to the browser, the rest is kept.
#[derive(Debug)]
pub struct Begun {
    /// Where the browser has to go.
    pub url: Url,
    /// Comes back with the code.
    pub state: String,
    /// Comes back inside the id token.
    pub nonce: String,
    /// Shows to the provider that who began also ends it (PKCE).
    pub verifier: String,
}

/// Who somebody is, as the provider says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Name that stays, at this provider.
    pub subject: String,
    /// The name people sign in with there; the subject when none was told.
    pub login: String,
    /// Name to show.
    pub display_name: String,
    /// Groups; `None` when the claim is not there.
    pub groups: Option<BTreeSet<String>>,
}

/// Who somebody is, and the id token that says so.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Who it is.
    pub person: Person,
    /// The id token, which the provider wants back at sign-out.
    pub id_token: String,
}

struct Known {
    metadata: ProviderMetadataWithLogout,
    read: Instant,
}

/// One OpenID provider.
pub struct Provider {
    issuer: IssuerUrl,
    settings: Settings,
    http: Http,
    known: Mutex<Option<Known>>,
}

impl Provider {
    /// Prepares it; nothing is sent.
    ///
    /// # Errors
    /// An issuer that is not safe, certificates that are none.
    pub fn new(settings: Settings) -> Result<Provider, SetupError> {
        let address = checked(&settings.issuer)?;
        let ca = settings.ca.as_ref().map(|(name, pem)| (name.as_str(), pem.as_slice()));
        let http = client(ca)?.timeout(CALL_LIMIT).build().map_err(SetupError::Tls)?;
        // as it was written: the provider has to call itself exactly so
        let issuer = IssuerUrl::new(settings.issuer.clone()).map_err(|_| SetupError::Address {
            shown: settings.issuer.clone(),
            what: "is no address; write https://login.example",
        })?;
        Ok(Provider {
            issuer,
            http: Http {
                client: http,
                plain: is_loopback(&address),
            },
            settings,
            known: Mutex::new(None),
        })
    }

    /// Begins a sign-in, which comes back to `redirect`.
    ///
    /// # Errors
    /// When the provider cannot be asked.
    pub async fn begin(&self, redirect: &Url) -> Result<Begun, OidcError> {
        let client = self.ready(&self.metadata(false).await?, redirect);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let scopes = self.settings.scopes.iter().cloned().map(Scope::new);
        let (url, state, nonce) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .add_scopes(scopes)
            .set_pkce_challenge(challenge)
            .url();
        Ok(Begun {
            url,
            state: state.secret().clone(),
            nonce: nonce.secret().clone(),
            verifier: verifier.secret().clone(),
        })
    }

    /// Exchanges a code for the person it stands for. `nonce` and `verifier` are
    /// those of [`Provider::begin`]; `now` is the machine's clock.
    ///
    /// # Errors
    /// Whatever does not fit, see [`OidcError`].
    pub async fn finish(
        &self,
        redirect: &Url,
        code: &str,
        (nonce, verifier): (&str, &str),
        now: DateTime<Utc>,
    ) -> Result<Answered, OidcError> {
        let client = self.ready(&self.metadata(false).await?, redirect);
        let request = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|error| OidcError::Unusable(chain(&error)))?
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned()));
        let tokens = request.request_async(&self.http).await.map_err(not_exchanged)?;
        let id_token = tokens.id_token().ok_or(OidcError::NoToken)?;
        let claims = self.claims(id_token, nonce, now).await?;
        let mut person = self.person(&claims)?;
        if person.groups.is_none() && client.user_info_url().is_some() {
            let more = self.user_info(&client, tokens.access_token(), claims.subject()).await?;
            person = Person {
                groups: self.groups(more.additional_claims())?,
                ..named(more.standard_claims(), Some(&person))
            };
        }
        Ok(Answered {
            person,
            id_token: id_token.to_string(),
        })
    }

    /// Checks an id token: issuer, audience, signature, times against `now`, and
    /// that it answers the question with this nonce.
    ///
    /// # Errors
    /// Whatever does not fit, see [`OidcError`].
    pub async fn check_id_token(&self, text: &str, nonce: &str, now: DateTime<Utc>) -> Result<Person, OidcError> {
        let token: Token = text.parse().map_err(|_| OidcError::NoToken)?;
        self.person(&self.claims(&token, nonce, now).await?)
    }

    /// Where the browser signs out at the provider, to come back to `after`;
    /// `None` when the provider has no such place.
    ///
    /// # Errors
    /// When the provider cannot be asked, or the id token is none.
    pub async fn logout_url(&self, id_token: &str, after: &Url) -> Result<Option<Url>, OidcError> {
        let metadata = self.metadata(false).await?;
        let Some(place) = &metadata.additional_metadata().end_session_endpoint else {
            return Ok(None);
        };
        let token: Token = id_token.parse().map_err(|_| OidcError::NoToken)?;
        let request = LogoutRequest::from(place.clone())
            .set_id_token_hint(&token)
            .set_client_id(ClientId::new(self.settings.client_id.clone()))
            .set_post_logout_redirect_uri(PostLogoutRedirectUrl::from_url(after.clone()));
        Ok(Some(request.http_get_url()))
    }

    /// What the provider says of itself, with its keys.
    async fn metadata(&self, fresh: bool) -> Result<ProviderMetadataWithLogout, OidcError> {
        if !fresh && let Some(metadata) = self.known() {
            return Ok(metadata);
        }
        let asked = ProviderMetadataWithLogout::discover_async(self.issuer.clone(), &self.http);
        let metadata = asked.await.map_err(not_discovered)?;
        // the others are checked when they are called: browsers are sent to these
        self.http.check(metadata.authorization_endpoint().url())?;
        if let Some(place) = &metadata.additional_metadata().end_session_endpoint {
            self.http.check(place.url())?;
        }
        let known = Known {
            metadata: metadata.clone(),
            read: Instant::now(),
        };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
        Ok(metadata)
    }

    fn known(&self) -> Option<ProviderMetadataWithLogout> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let young = known.as_ref().filter(|known| known.read.elapsed() < KNOWN_FOR);
        young.map(|known| known.metadata.clone())
    }

    fn ready(&self, metadata: &ProviderMetadataWithLogout, redirect: &Url) -> Ready {
        let ways = metadata.token_endpoint_auth_methods_supported();
        // without a list it is basic, which is preferred anyway
        let basic = ways.is_none_or(|ways| ways.contains(&CoreClientAuthMethod::ClientSecretBasic));
        let way = if basic {
            AuthType::BasicAuth
        } else {
            AuthType::RequestBody
        };
        let id = ClientId::new(self.settings.client_id.clone());
        let secret = ClientSecret::new(self.settings.client_secret.0.clone());
        Ready::from_provider_metadata(metadata.clone(), id, Some(secret))
            .set_auth_type(way)
            .set_redirect_uri(RedirectUrl::from_url(redirect.clone()))
    }

    /// The claims of an id token that is what it should be. When no known key
    /// made its signature, the keys are read again, once.
    async fn claims(&self, token: &Token, nonce: &str, now: DateTime<Utc>) -> Result<Claims, OidcError> {
        let known = self.metadata(false).await?;
        match self.verified(token, &known, nonce, now) {
            Err(OidcError::Signature(_)) => {
                let fresh = self.metadata(true).await?;
                self.verified(token, &fresh, nonce, now)
            }
            checked => checked,
        }
    }

    fn verified(
        &self,
        token: &Token,
        metadata: &ProviderMetadataWithLogout,
        nonce: &str,
        now: DateTime<Utc>,
    ) -> Result<Claims, OidcError> {
        let id = ClientId::new(self.settings.client_id.clone());
        let issued = move |at: DateTime<Utc>| {
            let future = at > now + SKEW;
            let text = || format!("issued at {at}, which is later than {now}");
            if future { Err(text()) } else { Ok(()) }
        };
        let keys = metadata.jwks().clone();
        // a public client's: the secret is no key to sign with
        let verifier = IdTokenVerifier::new_public_client(id, self.issuer.clone(), keys)
            .set_allowed_algs(SIGNATURES)
            .set_time_fn(move || now - SKEW)
            .set_issue_time_verifier_fn(issued);
        let nonce = Nonce::new(nonce.to_owned());
        let claims = token.claims(&verifier, &nonce).map_err(|error| not_verified(&error))?;
        let party = claims.authorized_party().map(|party| party.as_str());
        if let Some(other) = party.filter(|party| *party != self.settings.client_id) {
            return Err(OidcError::Audience(short(&format!("authorized party {other:?}"))));
        }
        Ok(claims.clone())
    }

    async fn user_info(
        &self,
        client: &Ready,
        token: &AccessToken,
        subject: &SubjectIdentifier,
    ) -> Result<UserInfoClaims<MoreClaims, CoreGenderClaim>, OidcError> {
        // the crate would panic over one that fits into no header
        if !token.secret().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(OidcError::Unusable(
                "the access token has signs no token has".to_owned(),
            ));
        }
        let request = client
            .user_info(token.clone(), Some(subject.clone()))
            .map_err(|error| OidcError::Unusable(chain(&error)))?;
        request.request_async(&self.http).await.map_err(not_told)
    }

    fn person(&self, claims: &Claims) -> Result<Person, OidcError> {
        let standard = StandardClaims::new(claims.subject().clone())
            .set_name(claims.name().cloned())
            .set_preferred_username(claims.preferred_username().cloned())
            .set_email(claims.email().cloned());
        Ok(Person {
            groups: self.groups(claims.additional_claims())?,
            ..named(&standard, None)
        })
    }

    fn groups(&self, claims: &MoreClaims) -> Result<Option<BTreeSet<String>>, OidcError> {
        let name = &self.settings.groups_claim;
        groups_of(name, claims.all.get(name))
    }
}

/// Groups of a claim: a list of texts, or one text; `None` when it is not there.
fn groups_of(name: &str, claim: Option<&Value>) -> Result<Option<BTreeSet<String>>, OidcError> {
    match claim {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(one)) => return Ok(Some(BTreeSet::from([one.clone()]))),
        Some(Value::Array(all)) => {
            let texts = all.iter().map(|one| one.as_str().map(str::to_owned));
            if let Some(texts) = texts.collect() {
                return Ok(Some(texts));
            }
        }
        Some(_) => {}
    }
    Err(OidcError::Groups(name.to_owned()))
}

/// Names out of claims, or else those known already. A name of signs that cannot be
/// seen, or of none, is no name.
fn named(claims: &StandardClaims<CoreGenderClaim>, known: Option<&Person>) -> Person {
    let subject = claims.subject().as_str();
    let visible = |text: &str| {
        let clean: String = text.chars().filter(|sign| !sign.is_control()).collect();
        let clean = clean.trim();
        (!clean.is_empty()).then(|| clean.to_owned())
    };
    let login = claims.preferred_username().and_then(|name| visible(name));
    let email = || claims.email().and_then(|email| visible(email));
    let name = claims
        .name()
        .and_then(|name| name.get(None))
        .and_then(|name| visible(name));
    let before = |field: fn(&Person) -> &String| known.map(field).filter(|text| *text != subject).cloned();
    let login = login
        .or_else(email)
        .or_else(|| before(|known| &known.login))
        .unwrap_or_else(|| subject.to_owned());
    let display_name = name
        .or_else(|| before(|known| &known.display_name))
        .unwrap_or_else(|| login.clone());
    Person {
        subject: subject.to_owned(),
        login: login.to_lowercase(),
        display_name,
        groups: None,
    }
}

fn not_discovered(error: DiscoveryError<HttpError>) -> OidcError {
    match error {
        DiscoveryError::Validation(text) => OidcError::Issuer(short(&text)),
        other => OidcError::Unusable(chain(&other)),
    }
}

fn not_exchanged(error: RequestTokenError<HttpError, Failure>) -> OidcError {
    match error {
        RequestTokenError::ServerResponse(said) => {
            let text = short(&said.to_string());
            match said.error() {
                CoreErrorResponseType::InvalidClient | CoreErrorResponseType::UnauthorizedClient => {
                    OidcError::Client(text)
                }
                _ => OidcError::Code(text),
            }
        }
        other => OidcError::Unusable(chain(&other)),
    }
}

fn not_verified(error: &ClaimsVerificationError) -> OidcError {
    let text = chain(error);
    match error {
        ClaimsVerificationError::InvalidIssuer(_) => OidcError::Issuer(text),
        ClaimsVerificationError::InvalidAudience(_) => OidcError::Audience(text),
        ClaimsVerificationError::SignatureVerification(_) => OidcError::Signature(text),
        ClaimsVerificationError::Expired(_) => OidcError::Time(text),
        ClaimsVerificationError::InvalidNonce(_) => OidcError::Nonce(text),
        _ => OidcError::Unusable(text),
    }
}

fn not_told(error: UserInfoError<HttpError>) -> OidcError {
    match error {
        UserInfoError::ClaimsVerification(error) => not_verified(&error),
        other => OidcError::Unusable(chain(&other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(issuer: &str) -> Settings {
        Settings {
            issuer: issuer.to_owned(),
            client_id: "tonnage".to_owned(),
            client_secret: Secret("hidden".to_owned()),
            scopes: Vec::new(),
            groups_claim: "groups".to_owned(),
            ca: None,
        }
    }

    #[test]
    fn providers_are_reached_by_https_or_on_this_machine() {
        for (issuer, good) in [
            ("https://login.example", true),
            ("https://login.example/realms/one", true),
            ("http://127.0.0.1:9000", true),
            ("http://[::1]:9000/", true),
            ("http://login.example", false),
            ("http://127.0.0.1.login.example", false),
            ("login.example", false),
        ] {
            assert_eq!(Provider::new(settings(issuer)).is_ok(), good, "{issuer}");
        }
        assert!(!format!("{:?}", settings("https://login.example")).contains("hidden"));
    }

    #[test]
    fn no_provider_sends_to_an_unsafe_address() {
        for (issuer, address, good) in [
            ("https://login.example", "https://keys.example/jwks", true),
            ("https://login.example", "http://login.example/token", false),
            ("https://login.example", "http://127.0.0.1:9000/token", false),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9001/token", true),
            ("http://127.0.0.1:9000", "http://login.example/token", false),
            ("http://127.0.0.1:9000", "file:///etc/passwd", false),
        ] {
            let provider = Provider::new(settings(issuer)).expect(issuer);
            let url = Url::parse(address).expect(address);
            assert_eq!(provider.http.check(&url).is_ok(), good, "{issuer} {address}");
        }
    }

    #[test]
    fn groups_are_texts() {
        let set = |names: &[&str]| Some(Some(names.iter().map(|&name| name.to_owned()).collect()));
        for (claim, expected) in [
            (json!(["a", "b", "a"]), set(&["a", "b"])),
            (json!("one"), set(&["one"])),
            (json!([]), set(&[])),
            (json!(null), Some(None)),
            (json!(["a", 1]), None),
            (json!({"a": true}), None),
            (json!(7), None),
        ] {
            assert_eq!(groups_of("groups", Some(&claim)).ok(), expected, "{claim}");
        }
        assert_eq!(groups_of("groups", None).ok(), Some(None));
    }
}
