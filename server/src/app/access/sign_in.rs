//! How sessions begin and end: by password, by a link that works once, by the
//! first set-up.

use super::super::tokens::random_hex;
use super::{App, IDLE_US, SESSION_US, Whence, passwords};
use crate::app::hash_of;
use crate::error::AppError;
use domain::access::{Grant, Reach, Role, Scope};
use domain::instant::SECOND_US;
use std::collections::HashMap;
use std::sync::Mutex;
use store::{Account, AccountRow, CodePurpose, NewAccount, Session};
use thiserror::Error;

/// Refused passwords before there is a wait.
const FREE_FAILURES: i64 = 5;
/// The longest wait.
const MAX_WAIT_S: i64 = 15 * 60;
/// Logins nobody has, of which refused passwords are counted.
const COUNTED_LOGINS: usize = 10_000;
/// A code of the first set-up works for so long; a restart makes another.
const SETUP_US: i64 = 24 * 3600 * SECOND_US;
/// A link works for so long.
const LINK_US: i64 = 3 * 24 * 3600 * SECOND_US;

/// A session that began: the only time its secret is seen.
#[derive(Debug)]
pub struct Began {
    /// For the cookie.
    pub secret: String,
    /// Whose it is.
    pub account: Account,
}

/// Why nobody was signed in.
#[derive(Debug, Error)]
pub enum Refusal {
    /// Login or password is wrong; which one is not said.
    #[error("login or password is wrong")]
    Wrong,
    /// Too many were wrong lately.
    #[error("too many wrong passwords; try again in {seconds} s")]
    Wait {
        /// How long.
        seconds: i64,
    },
    /// The code or link is unknown, used or too old.
    #[error("this code is unknown, used up or too old; {remedy}")]
    Code {
        /// What to do.
        remedy: &'static str,
    },
    /// Anything else.
    #[error(transparent)]
    App(#[from] AppError),
}

impl From<store::StoreError> for Refusal {
    fn from(error: store::StoreError) -> Refusal {
        Refusal::App(error.into())
    }
}

/// Refused passwords of logins that nobody has: they wait as everybody does, or
/// the wait would tell which logins there are.
#[derive(Debug, Default)]
pub struct Guesses(Mutex<HashMap<String, (i64, i64)>>);

impl Guesses {
    fn of(&self, login: &str) -> (i64, Option<i64>) {
        let known = self.0.lock().ok().and_then(|known| known.get(login).copied());
        known.map_or((0, None), |(failures, at_us)| (failures, Some(at_us)))
    }

    fn add(&self, login: &str, at_us: i64) {
        let Ok(mut known) = self.0.lock() else { return };
        if known.len() >= COUNTED_LOGINS && !known.contains_key(login) {
            known.clear();
        }
        let entry = known.entry(login.to_owned()).or_default();
        *entry = (entry.0 + 1, at_us);
    }
}

/// Seconds until the next password is looked at: none for the first refusals,
/// then twice as long after each.
fn wait_s(failures: i64, failed_us: Option<i64>, now_us: i64) -> i64 {
    let over = failures - FREE_FAILURES;
    let Some(failed_us) = failed_us.filter(|_| over >= 0) else {
        return 0;
    };
    let wait = 1_i64
        .checked_shl(u32::try_from(over).unwrap_or(u32::MAX).min(30))
        .unwrap_or(MAX_WAIT_S)
        .min(MAX_WAIT_S);
    let passed = (now_us - failed_us).div_euclid(SECOND_US);
    (wait - passed).max(0)
}

/// A login as it is kept.
pub(super) fn login_of(text: &str) -> String {
    text.trim().to_lowercase()
}

impl App {
    /// Signs somebody in by password. After refusals there is a wait, never a
    /// lock: nobody can lock somebody else out for good.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn sign_in(&self, login: &str, password: &str, whence: &Whence) -> Result<Began, Refusal> {
        let door = self.door(whence);
        let (login, now_us) = (login_of(login), self.clock.now().0);
        let known: Option<AccountRow> = door.store.account_by_login(&login).await?;
        let (failures, failed_us) = match &known {
            Some(row) => (row.failures, row.failed_us),
            None => self.guesses.of(&login),
        };
        let seconds = wait_s(failures, failed_us, now_us);
        if seconds > 0 {
            return Err(Refusal::Wait { seconds });
        }
        let (kept, given) = (
            known.as_ref().and_then(|row| row.password_hash.clone()),
            password.to_owned(),
        );
        let right = self
            .heavy("cannot check a password", move || {
                passwords::matches(kept.as_deref(), &given)
            })
            .await?;
        match known {
            Some(row) if right && row.disabled_us.is_none() => {
                if row.failures > 0 {
                    door.store.accepted_password(&row.account_id).await?;
                }
                Ok(self.begin_session(&row.account_id, "password", None, whence).await?)
            }
            Some(row) => {
                door.store.refused_password(&row, now_us).await?;
                Err(Refusal::Wrong)
            }
            None => {
                self.guesses.add(&login, now_us);
                let login: String = login.chars().take(100).collect();
                let what = serde_json::json!({ "failures": failures + 1 });
                door.store.note("sign_in.refused", &login, what).await?;
                Err(Refusal::Wrong)
            }
        }
    }

    /// Begins a session of an account.
    ///
    /// # Errors
    /// When the account is not there or the database cannot be written.
    pub(crate) async fn begin_session(
        &self,
        account_id: &str,
        method: &str,
        id_token: Option<String>,
        whence: &Whence,
    ) -> Result<Began, AppError> {
        let door = self.door(whence);
        let account = door.store.account(account_id).await?;
        // the entry has the name of who signs in
        let signing_in = super::scope_of("account", &account, Vec::new(), whence);
        let store = door.acting(Scope::system("sign-in").named(signing_in.actor())).store;
        let secret = random_hex::<32>()?;
        let now_us = self.clock.now().0;
        let session = Session {
            session_id: random_hex::<8>()?,
            sha256: hash_of([secret.as_bytes()]),
            account_id: account.account_id.clone(),
            method: method.to_owned(),
            id_token,
            created_us: now_us,
            last_seen_us: now_us,
            expires_us: now_us + SESSION_US,
            address: whence.address.clone(),
            user_agent: whence.user_agent.clone(),
        };
        store.begin_session(&session, now_us - IDLE_US).await?;
        Ok(Began { secret, account })
    }

    /// A new session of somebody whose others have ended, and its id.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub(crate) async fn begin_again(&self, account_id: &str, whence: &Whence) -> Result<(Began, String), AppError> {
        let began = self.begin_session(account_id, "password", None, whence).await?;
        let kept = self
            .door(whence)
            .store
            .session(&hash_of([began.secret.as_bytes()]))
            .await?;
        Ok((began, kept.map(|session| session.session_id).unwrap_or_default()))
    }

    /// Ends a session by its id.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn sign_out(&self, session_id: &str) -> Result<(), AppError> {
        self.own_store().end_session(session_id).await?;
        Ok(())
    }

    /// Whether somebody manages access already.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn is_set_up(&self) -> Result<bool, AppError> {
        Ok(self.door(&Whence::default()).store.admins().await? > 0)
    }

    /// A code with which whoever reads the server's output makes the first
    /// admin; `None` when there is one already. An earlier code works no more.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn setup_code(&self) -> Result<Option<String>, AppError> {
        if self.is_set_up().await? {
            return Ok(None);
        }
        let code = random_hex::<12>()?;
        let (door, now_us) = (self.door(&Whence::default()), self.clock.now().0);
        let sha256 = hash_of([code.as_bytes()]);
        let until_us = now_us + SETUP_US;
        door.store
            .add_code(&sha256, CodePurpose::Setup, "", now_us, until_us)
            .await?;
        Ok(Some(code))
    }

    /// Makes the first admin and signs them in.
    ///
    /// # Errors
    /// [`Refusal::Code`] for a wrong code, or when there is an admin already; what is
    /// wrong with login, name or password, without the code being used up.
    pub async fn set_up(
        &self,
        code: &str,
        login: &str,
        name: &str,
        password: &str,
        whence: &Whence,
    ) -> Result<Began, Refusal> {
        let door = self.door(whence);
        let login = login_of(login);
        super::people::check_login(&login)?;
        super::people::check_name(name)?;
        passwords::check_new(&login, password)?;
        let remedy = "the server prints one when it starts without an admin";
        let sha256 = hash_of([code.trim().as_bytes()]);
        let now_us = self.clock.now().0;
        if self.is_set_up().await?
            || door
                .store
                .take_code(&sha256, CodePurpose::Setup, now_us)
                .await?
                .is_none()
        {
            door.store.note("set_up.refused", &login, serde_json::json!({})).await?;
            return Err(Refusal::Code { remedy });
        }
        let given = password.to_owned();
        let hash = self
            .heavy("cannot hash a password", move || passwords::hash(&given))
            .await?;
        let account = NewAccount {
            account_id: random_hex::<8>()?,
            login,
            display_name: name.trim().to_owned(),
            password_hash: Some(hash),
            grants: vec![Grant {
                role: Role::Admin,
                reach: Reach::All,
            }],
        };
        door.store.add_account(&account, now_us).await?;
        Ok(self
            .begin_session(&account.account_id, "password", None, whence)
            .await?)
    }

    /// Makes a link's code for an account: whoever opens it is signed in, once.
    ///
    /// # Errors
    /// Without permission to manage access, or when there is no such account.
    pub async fn link_code(&self, account_id: &str) -> Result<String, AppError> {
        self.store.account(account_id).await?;
        let code = random_hex::<24>()?;
        let now_us = self.clock.now().0;
        let sha256 = hash_of([code.as_bytes()]);
        let until_us = now_us + LINK_US;
        self.store
            .add_code(&sha256, CodePurpose::Link, account_id, now_us, until_us)
            .await?;
        Ok(code)
    }

    /// When a link that is made now works no more.
    pub(crate) fn link_until(&self) -> domain::instant::Instant {
        domain::instant::Instant(self.clock.now().0 + LINK_US)
    }

    /// Another account of a demo, for whoever is signed in there.
    ///
    /// # Errors
    /// [`AppError::NotFound`] where the data are real, or for an unknown account.
    pub(crate) async fn switch_to(
        &self,
        session_id: &str,
        account_id: &str,
        whence: &Whence,
    ) -> Result<Began, AppError> {
        if !self.is_demo().await? {
            return Err(AppError::NotFound {
                what: "account to switch to: this is no demo".to_owned(),
            });
        }
        let account = self.door(whence).store.account(account_id).await?;
        if account.disabled_us.is_some() {
            return Err(AppError::NotFound {
                what: "such account in the demo".to_owned(),
            });
        }
        let began = self.begin_session(account_id, "switch", None, whence).await?;
        self.sign_out(session_id).await?;
        Ok(began)
    }

    /// Whose link it is, without using it up; `None` when it works no more.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn link_of(&self, code: &str) -> Result<Option<Account>, AppError> {
        let store = self.door(&Whence::default()).store;
        let sha256 = hash_of([code.as_bytes()]);
        match store.knows_code(&sha256, CodePurpose::Link, self.clock.now().0).await? {
            Some(account_id) => Ok(Some(store.account(&account_id).await?)),
            None => Ok(None),
        }
    }

    /// Signs in whoever has a link, once.
    ///
    /// # Errors
    /// [`Refusal::Code`] when it is unknown, used, too old, or of a disabled account.
    pub async fn follow_link(&self, code: &str, whence: &Whence) -> Result<Began, Refusal> {
        let door = self.door(whence);
        let remedy = "ask whoever manages access for another";
        let sha256 = hash_of([code.as_bytes()]);
        let taken = door
            .store
            .take_code(&sha256, CodePurpose::Link, self.clock.now().0)
            .await?;
        let Some(account_id) = taken else {
            return Err(Refusal::Code { remedy });
        };
        if door.store.account(&account_id).await?.disabled_us.is_some() {
            return Err(Refusal::Code { remedy });
        }
        Ok(self.begin_session(&account_id, "link", None, whence).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end() {
        let at_us = 1_000 * SECOND_US;
        let table = [
            (0, 0, 0),
            (4, 0, 0),
            (5, 0, 1),
            (6, 0, 2),
            (6, 1, 1),
            (6, 2, 0),
            (10, 0, 32),
            (40, 0, 900),
            (40, 900, 0),
            (i64::MAX, 0, 900),
        ];
        for (failures, passed_s, expected) in table {
            let waits = wait_s(failures, Some(at_us), at_us + passed_s * SECOND_US);
            assert_eq!(waits, expected, "{failures} failures, {passed_s} s ago");
        }
        assert_eq!(wait_s(9, None, at_us), 0);
    }

    #[test]
    fn logins_nobody_has_are_counted_and_forgotten() {
        let guesses = Guesses::default();
        for at_us in 1..=3 {
            guesses.add("nobody", at_us);
        }
        assert_eq!(guesses.of("nobody"), (3, Some(3)));
        assert_eq!(guesses.of("other"), (0, None));
        for number in 0..COUNTED_LOGINS {
            guesses.add(&number.to_string(), 9);
        }
        assert_eq!(guesses.of("nobody"), (0, None), "bounded");
    }
}
