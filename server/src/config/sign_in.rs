//! `sign_in:` of the configuration file: where people reach this server, the
//! OpenID providers, and what their groups give.

use super::{Origin, Secret, Shown};
use crate::error::AppError;
use crate::outbound::checked;
use crate::outbound::oidc::{Provider, Settings};
use domain::access::{Grant, Role};
use reqwest::Url;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Scopes asked for when none are written.
const SCOPES: [&str; 2] = ["profile", "email"];
/// Claim with the groups when none is written.
const GROUPS_CLAIM: &str = "groups";
/// Names that mean something else where a provider's name is kept: grants made
/// here, and the other ways to begin a session.
const TAKEN: [&str; 4] = ["local", "password", "link", "switch"];

/// Sign-in as it is configured and checked.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// Where browsers reach this server; ends with a slash.
    pub public_url: Url,
    /// The providers, in the order of the sign-in page.
    pub providers: Vec<ProviderConfig>,
}

/// One provider.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// Its name in addresses, accounts and the audit log, which stays.
    pub name: String,
    /// Its name on the sign-in page.
    pub label: String,
    /// How it is asked.
    pub settings: Settings,
    /// What each group gives.
    pub groups: BTreeMap<String, Vec<Grant>>,
    /// Where the secret is, for `config show`.
    secret_from: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignInFile {
    public_url: String,
    #[serde(default)]
    providers: Vec<ProviderFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderFile {
    name: String,
    label: Option<String>,
    issuer: String,
    client_id: String,
    client_secret_file: Option<PathBuf>,
    client_secret_env: Option<String>,
    scopes: Option<Vec<String>>,
    groups_claim: Option<String>,
    ca_file: Option<PathBuf>,
    #[serde(default)]
    groups: BTreeMap<String, Vec<GrantFile>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantFile {
    role: String,
    reach: String,
}

type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

impl SignInFile {
    /// Where browsers reach this server, as written.
    pub(super) fn public_url(&self) -> &str {
        &self.public_url
    }

    /// Checks everything; nothing is sent. `env` looks up environment variables.
    ///
    /// # Errors
    /// Says where in `sign_in` what is wrong, and what to write.
    pub(super) fn check(self, env: Env<'_>) -> Result<SignIn, AppError> {
        let mut public_url = checked(&self.public_url).map_err(|error| {
            wrong(
                "public_url",
                &error.to_string(),
                "write where browsers reach this server, such as https://cost.example",
            )
        })?;
        if !public_url.path().ends_with('/') {
            // so that joining adds to the path instead of replacing its end
            public_url.set_path(&format!("{}/", public_url.path()));
        }
        let mut names = BTreeSet::new();
        let mut providers = Vec::with_capacity(self.providers.len());
        for file in self.providers {
            let provider = file.check(env)?;
            if !names.insert(provider.name.clone()) {
                let place = format!("providers[{}].name", provider.name);
                return Err(wrong(&place, "is there twice", "give each provider a name of its own"));
            }
            providers.push(provider);
        }
        Ok(SignIn { public_url, providers })
    }
}

impl ProviderFile {
    fn check(self, env: Env<'_>) -> Result<ProviderConfig, AppError> {
        let plain = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '-';
        let named = !self.name.is_empty() && self.name.len() <= 40 && self.name.chars().all(plain);
        if !named || TAKEN.contains(&self.name.as_str()) {
            return Err(wrong(
                &format!("providers[{}].name", self.name),
                "is no name for a provider",
                "write up to 40 small letters, digits and dashes, such as company; local, password, link and switch mean something else",
            ));
        }
        let at = |key: &str| format!("providers[{}].{key}", self.name);
        for (key, value) in [
            ("client_id", Some(&self.client_id)),
            ("groups_claim", self.groups_claim.as_ref()),
        ] {
            if value.is_some_and(|value| value.trim().is_empty()) {
                return Err(wrong(&at(key), "is empty", "write it as the provider has it"));
            }
        }
        let (client_secret, secret_from) = self.secret(env)?;
        let ca = self.ca_file.as_ref().map(|path| {
            let pem = std::fs::read(path).map_err(|error| {
                let what = format!("cannot read {}: {error}", path.display());
                wrong(&at("ca_file"), &what, "check the path")
            });
            pem.map(|pem| (path.display().to_string(), pem))
        });
        let scopes = self.scopes.clone().unwrap_or_else(|| SCOPES.map(str::to_owned).into());
        let settings = Settings {
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            client_secret,
            scopes: scopes.into_iter().filter(|scope| scope != "openid").collect(),
            groups_claim: self.groups_claim.clone().unwrap_or_else(|| GROUPS_CLAIM.to_owned()),
            ca: ca.transpose()?,
        };
        // made here so that what is wrong is known before a socket opens
        Provider::new(settings.clone()).map_err(|error| {
            let key = if matches!(error, crate::outbound::SetupError::Address { .. }) {
                "issuer"
            } else {
                "ca_file"
            };
            wrong(
                &at(key),
                &error.to_string(),
                "write it as the provider's documentation has it",
            )
        })?;
        Ok(ProviderConfig {
            groups: self.grants()?,
            label: self
                .label
                .filter(|label| !label.trim().is_empty())
                .unwrap_or_else(|| self.name.clone()),
            name: self.name,
            settings,
            secret_from,
        })
    }

    /// The secret, and where it is.
    fn secret(&self, env: Env<'_>) -> Result<(Secret, String), AppError> {
        let at = |key: &str| format!("providers[{}].{key}", self.name);
        let (key, text, from) = match (&self.client_secret_file, &self.client_secret_env) {
            (Some(path), None) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    let what = format!("cannot read {}: {error}", path.display());
                    wrong(&at("client_secret_file"), &what, "check the path, and who may read it")
                })?;
                ("client_secret_file", text, format!("file {}", path.display()))
            }
            (None, Some(name)) => {
                let text = env(name).ok_or_else(|| {
                    let what = format!("names {name}, which is not set");
                    wrong(&at("client_secret_env"), &what, "set it to the client's secret")
                })?;
                ("client_secret_env", text, format!("environment {name}"))
            }
            (None, None) => {
                return Err(wrong(
                    &at("client_secret_file"),
                    "is missing",
                    "write client_secret_file: /path/of/the/secret, or client_secret_env: NAME_OF_A_VARIABLE",
                ));
            }
            (Some(_), Some(_)) => {
                return Err(wrong(
                    &at("client_secret_env"),
                    "is there beside client_secret_file",
                    "write one of the two",
                ));
            }
        };
        let secret = text.trim();
        if secret.is_empty() {
            return Err(wrong(&at(key), "holds no secret", "put the client's secret there"));
        }
        Ok((Secret(secret.to_owned()), from))
    }

    fn grants(&self) -> Result<BTreeMap<String, Vec<Grant>>, AppError> {
        let mut groups = BTreeMap::new();
        for (group, written) in &self.groups {
            let place = format!("providers[{}].groups[{group:?}]", self.name);
            let mut grants = BTreeSet::new();
            for one in written {
                let role = Role::from_key(&one.role).ok_or_else(|| {
                    let known = Role::ALL.map(Role::key).join(", ");
                    wrong(
                        &place,
                        &format!("has role {:?}, which is none", one.role),
                        &format!("write one of {known}"),
                    )
                })?;
                let reach = one.reach.parse().map_err(|error: String| {
                    wrong(&place, &format!("has a wrong reach: {error}"), "such as reach: all")
                })?;
                grants.insert(Grant { role, reach });
            }
            if grants.is_empty() {
                return Err(wrong(
                    &place,
                    "gives nothing",
                    "write {role: viewer, reach: all}, or leave it out",
                ));
            }
            groups.insert(group.clone(), grants.into_iter().collect());
        }
        Ok(groups)
    }
}

impl SignIn {
    /// Every setting, for people, without secrets.
    pub(super) fn shown(&self) -> Vec<Shown> {
        let shown = |name, value: String| Shown {
            name,
            value,
            origin: Origin::File,
        };
        let mut all = vec![shown("sign_in.public_url", self.public_url.to_string())];
        all.extend(self.providers.iter().map(|one| {
            let settings = &one.settings;
            let grants = one.groups.iter().map(|(group, grants)| {
                let grants = grants
                    .iter()
                    .map(|grant| format!("{} over {}", grant.role.key(), grant.reach));
                format!("{group} gives {}", grants.collect::<Vec<_>>().join(" and "))
            });
            let mut parts = vec![
                format!("{} at {}", one.name, settings.issuer),
                format!("client {}", settings.client_id),
                format!("secret *** from {}", one.secret_from),
                format!("scopes openid {}", settings.scopes.join(" "))
                    .trim_end()
                    .to_owned(),
                format!("groups in {}", settings.groups_claim),
            ];
            parts.extend(settings.ca.as_ref().map(|(name, _)| format!("trusts {name}")));
            parts.extend(grants);
            shown("sign_in.provider", parts.join("; "))
        }));
        all
    }
}

fn wrong(place: &str, what: &str, remedy: &str) -> AppError {
    AppError::usage(format!("sign_in.{place} {what}"), remedy.to_owned())
}
