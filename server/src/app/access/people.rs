//! Accounts: made, given roles, disabled; their own passwords.

use super::super::tokens::random_hex;
use super::sign_in::login_of;
use super::{App, passwords};
use crate::error::AppError;
use domain::access::{CONFLICTS, Grant, Role};
use std::collections::BTreeSet;
use store::{Account, NewAccount, StoreError};

/// The longest login or name, in characters.
const MAX_CHARS: usize = 100;

/// Somebody to be let in.
#[derive(Debug, Clone)]
pub struct NewPerson {
    /// What they will type at sign-in.
    pub login: String,
    /// Name to show.
    pub name: String,
    /// What they may.
    pub grants: Vec<Grant>,
    /// A first password; without one they come by the link.
    pub password: Option<String>,
}

/// Somebody who was let in, with a code for their first sign-in.
#[derive(Debug)]
pub struct Invited {
    /// The account.
    pub account: Account,
    /// For a link that works once; shown this once.
    pub code: String,
}

pub(super) fn check_login(login: &str) -> Result<(), AppError> {
    let fits = |c: char| c.is_alphanumeric() || ".-_@+".contains(c);
    if !login.is_empty() && login.chars().count() <= MAX_CHARS && login.chars().all(fits) {
        return Ok(());
    }
    Err(AppError::usage(
        format!("{login:?} is no login"),
        "write an address or a short name of letters, digits and . - _ @ +",
    ))
}

pub(super) fn check_name(name: &str) -> Result<(), AppError> {
    let name = name.trim();
    if !name.is_empty() && name.chars().count() <= MAX_CHARS && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(AppError::usage(
        "the name is empty, too long or has control characters",
        format!("write a name of up to {MAX_CHARS} characters"),
    ))
}

/// What the store refuses about access is the caller's to mend.
fn mend(error: StoreError) -> AppError {
    match error {
        StoreError::Invalid { reason } => AppError::usage(reason, "nothing was changed"),
        StoreError::NotFound { what } => AppError::NotFound { what },
        other => other.into(),
    }
}

impl App {
    /// Every account, by login.
    ///
    /// # Errors
    /// Without permission to see access.
    pub async fn accounts(&self) -> Result<Vec<Account>, AppError> {
        Ok(self.store.accounts().await?)
    }

    /// Names of those who can grant what somebody may not do.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn who_may_grant(&self) -> Result<Vec<String>, AppError> {
        Ok(self.store.admin_names().await?)
    }

    /// An account by id or login.
    ///
    /// # Errors
    /// Without permission to see access; [`AppError::NotFound`].
    pub async fn account_named(&self, name: &str) -> Result<Account, AppError> {
        let login = login_of(name);
        let mut accounts = self.store.accounts().await?.into_iter();
        accounts
            .find(|account| account.account_id == name || account.login == login)
            .ok_or_else(|| AppError::NotFound {
                what: format!("account {name:?}; `tonnage user list` shows them"),
            })
    }

    /// Lets somebody in.
    ///
    /// # Errors
    /// Without permission to manage access; a login that is taken or no login.
    pub async fn invite(&self, new: &NewPerson) -> Result<Invited, AppError> {
        let login = login_of(&new.login);
        check_login(&login)?;
        check_name(&new.name)?;
        let password_hash = match new.password.clone() {
            Some(password) => {
                passwords::check_new(&login, &password)?;
                let hashed = self.heavy("cannot hash a password", move || passwords::hash(&password));
                Some(hashed.await?)
            }
            None => None,
        };
        let account = NewAccount {
            account_id: random_hex::<8>()?,
            login,
            display_name: new.name.trim().to_owned(),
            password_hash,
            grants: new.grants.clone(),
        };
        self.store
            .add_account(&account, self.clock.now().0)
            .await
            .map_err(mend)?;
        let code = self.link_code(&account.account_id).await?;
        let account = self.store.account(&account.account_id).await?;
        Ok(Invited { account, code })
    }

    /// Grants and takes back roles.
    ///
    /// # Errors
    /// Without permission to manage access; the last admin's role.
    pub async fn change_grants(&self, account_id: &str, add: &[Grant], remove: &[Grant]) -> Result<Account, AppError> {
        let now_us = self.clock.now().0;
        self.store
            .change_grants(account_id, add, remove, now_us)
            .await
            .map_err(mend)
    }

    /// Lets an account in no more, or again; what it had signed in is ended.
    ///
    /// # Errors
    /// Without permission to manage access; the last admin.
    pub async fn let_in(&self, account_id: &str, allowed: bool) -> Result<(), AppError> {
        let disabled_us = (!allowed).then(|| self.clock.now().0);
        self.store.disable_account(account_id, disabled_us).await.map_err(mend)
    }

    /// Ends any session.
    ///
    /// # Errors
    /// Without permission to manage access; [`AppError::NotFound`].
    pub async fn end_session(&self, session_id: &str) -> Result<(), AppError> {
        if self.store.end_session(session_id).await? {
            return Ok(());
        }
        Err(AppError::NotFound {
            what: format!("session {session_id:?}; it has ended already"),
        })
    }

    /// Sessions that have not ended, the last used first.
    ///
    /// # Errors
    /// Without permission to see access.
    pub async fn sessions(&self) -> Result<Vec<store::Session>, AppError> {
        Ok(self.store.sessions(self.clock.now().0).await?)
    }

    /// Ends every session of an account; how many there were.
    ///
    /// # Errors
    /// Without permission to manage access.
    pub async fn end_sessions_of(&self, account: &Account) -> Result<usize, AppError> {
        let mut ended = 0;
        for session in self.sessions().await? {
            if session.account_id == account.account_id && self.store.end_session(&session.session_id).await? {
                ended += 1;
            }
        }
        Ok(ended)
    }

    /// Ends a session of one's own.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for one that has ended, or is somebody else's.
    pub async fn end_own_session(&self, account: &Account, session_id: &str) -> Result<(), AppError> {
        let store = self.own_store();
        let sessions = store.sessions(self.clock.now().0).await?;
        let mut own = sessions
            .iter()
            .filter(|session| session.account_id == account.account_id);
        if own.any(|session| session.session_id == session_id) && store.end_session(session_id).await? {
            return Ok(());
        }
        Err(AppError::NotFound {
            what: format!("session {session_id:?} of yours; it has ended already"),
        })
    }

    /// Sets somebody's password, as whoever manages access; their sessions end.
    ///
    /// # Errors
    /// Without permission to manage access; a password that is none.
    pub async fn set_password(&self, account_id: &str, password: &str) -> Result<(), AppError> {
        let account = self.store.account(account_id).await.map_err(mend)?;
        passwords::check_new(&account.login, password)?;
        let given = password.to_owned();
        let hash = self
            .heavy("cannot hash a password", move || passwords::hash(&given))
            .await?;
        self.store.set_password(account_id, &hash).await.map_err(mend)
    }

    /// Changes one's own password. `by_link`: who came by a link has none to give.
    ///
    /// # Errors
    /// A current password that is wrong; a new one that is none.
    pub async fn change_password(
        &self,
        account: &Account,
        current: &str,
        new: &str,
        by_link: bool,
    ) -> Result<(), AppError> {
        if !account.issuer.is_empty() {
            return Err(AppError::usage(
                "this account has no password here",
                "it signs in by its provider; change the password there",
            ));
        }
        let store = self.own_store();
        if account.has_password && !by_link {
            let row = store.account_by_login(&account.login).await?;
            let kept = row.and_then(|row| row.password_hash);
            let given = current.to_owned();
            let right = self
                .heavy("cannot check a password", move || {
                    passwords::matches(kept.as_deref(), &given)
                })
                .await?;
            if !right {
                store
                    .note("password.refused", &account.login, serde_json::json!({}))
                    .await?;
                return Err(AppError::usage("the current password is wrong", "write it again"));
            }
        }
        passwords::check_new(&account.login, new)?;
        let given = new.to_owned();
        let hash = self
            .heavy("cannot hash a password", move || passwords::hash(&given))
            .await?;
        store.set_password(&account.account_id, &hash).await.map_err(mend)
    }
}

/// Duties that accounts hold together and should not (C7): account, both
/// roles, and why.
pub(crate) fn conflicts(accounts: &[Account]) -> Vec<(&Account, Role, Role, &'static str)> {
    let mut found = Vec::new();
    for account in accounts.iter().filter(|account| account.disabled_us.is_none()) {
        let roles: BTreeSet<Role> = account.grants.iter().map(|(grant, _)| grant.role).collect();
        let held = CONFLICTS
            .iter()
            .filter(|(a, b, _)| roles.contains(a) && roles.contains(b));
        found.extend(held.map(|(a, b, why)| (account, *a, *b, *why)));
    }
    found
}
