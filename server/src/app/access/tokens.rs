//! API tokens: what an account can do, or less, for programs.

use super::super::tokens::random_hex;
use super::{App, Caller, USE_NOTED_US, Whence, scope_of};
use crate::app::hash_of;
use crate::error::AppError;
use domain::access::{Permission, Role};
use domain::instant::SECOND_US;
use store::{Account, ApiToken};
use subtle::ConstantTimeEq as _;

/// What every API token begins with, so that scanners for secrets know one.
const PREFIX: &str = "tonnage_api_";
/// The longest life of a token, in days.
pub(crate) const MAX_DAYS: i64 = 365;

/// A new token: the only time it is seen.
#[derive(Debug)]
pub struct NewApiToken {
    /// What is kept of it.
    pub kept: ApiToken,
    /// The token itself.
    pub token: String,
}

impl App {
    /// Makes a token of an account: one's own, or anybody's for who manages access.
    ///
    /// # Errors
    /// Roles the account does not have, a life of no or too many days, no name.
    pub async fn create_api_token(
        &self,
        account: &Account,
        name: &str,
        roles: &[Role],
        days: i64,
    ) -> Result<NewApiToken, AppError> {
        let own = self.scope().actor().id == account.account_id;
        if !own {
            self.scope().require(Permission::ManageAccess)?;
        }
        super::people::check_name(name)?;
        if !(1..=MAX_DAYS).contains(&days) {
            return Err(AppError::usage(
                format!("a token cannot live {days} days"),
                format!("write 1 to {MAX_DAYS}"),
            ));
        }
        let held: Vec<Role> = account.granted().into_iter().map(|grant| grant.role).collect();
        let missing = roles.iter().find(|role| !held.contains(role));
        if let Some(role) = missing {
            return Err(AppError::usage(
                format!("the account is no {}", role.key()),
                "a token carries roles of its account only",
            ));
        }
        if roles.is_empty() {
            return Err(AppError::usage(
                "a token without a role can do nothing",
                "choose at least one role",
            ));
        }
        let (id, secret) = (random_hex::<6>()?, random_hex::<32>()?);
        let token = format!("{PREFIX}{id}_{secret}");
        let now_us = self.clock.now().0;
        let mut roles = roles.to_vec();
        roles.sort();
        roles.dedup();
        let kept = ApiToken {
            token_id: id,
            sha256: hash_of([token.as_bytes()]),
            account_id: account.account_id.clone(),
            name: name.trim().to_owned(),
            roles,
            created_us: now_us,
            expires_us: now_us + days * 24 * 3600 * SECOND_US,
            last_used_us: None,
            revoked_us: None,
        };
        self.own_store().add_api_token(&kept).await?;
        Ok(NewApiToken { kept, token })
    }

    /// Revokes a token: one's own, or anybody's for who manages access.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for an id nobody has, or that is somebody else's.
    pub async fn revoke_api_token(&self, token_id: &str) -> Result<(), AppError> {
        let store = self.own_store();
        let manages = self.scope().require(Permission::ManageAccess).is_ok();
        let own = |token: &ApiToken| token.account_id == self.scope().actor().id;
        match store.api_token(token_id).await? {
            Some(token) if manages || own(&token) => {
                store.revoke_api_token(token_id, self.clock.now().0).await?;
                Ok(())
            }
            _ => Err(AppError::NotFound {
                what: format!("token {token_id:?}"),
            }),
        }
    }

    /// Every API token, oldest first.
    ///
    /// # Errors
    /// Without permission to see access.
    pub async fn api_tokens(&self) -> Result<Vec<ApiToken>, AppError> {
        Ok(self.store.api_tokens().await?)
    }

    /// Who has this token; `None` when it is unknown, revoked, over, or its
    /// account is disabled.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn caller_of_token(&self, token: &str, whence: &Whence) -> Result<Option<Caller>, AppError> {
        let Some((id, _)) = token.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')) else {
            return Ok(None);
        };
        let door = self.door(whence);
        let known = door.store.api_token(id).await?;
        let given = hash_of([token.as_bytes()]);
        // an unknown id takes the same way as a wrong secret
        let kept = known.as_ref().map_or("", |known| known.sha256.as_str());
        let same = bool::from(given.as_bytes().ct_eq(kept.as_bytes()));
        let now_us = self.clock.now().0;
        let lives = |token: &ApiToken| same && token.revoked_us.is_none() && now_us < token.expires_us;
        let Some(known) = known.filter(lives) else {
            return Ok(None);
        };
        let account = door.store.account(&known.account_id).await?;
        if account.disabled_us.is_some() {
            return Ok(None);
        }
        if known.last_used_us.is_none_or(|last| now_us - last >= USE_NOTED_US) {
            door.store.use_api_token(&known.token_id, now_us).await?;
        }
        let mut grants = account.granted();
        grants.retain(|grant| known.roles.contains(&grant.role));
        let scope = scope_of("token", &account, grants, whence);
        Ok(Some(Caller {
            scope,
            account,
            session: None,
        }))
    }
}
