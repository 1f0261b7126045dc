//! Accounts and what was granted to them.
//!
//! Changes of access take the audit log's row first, so that of two admins who
//! remove each other one comes second, finds that it is an admin no longer, and
//! is refused. Nothing leaves the installation without an admin.

use crate::Store;
use crate::audit::{self, Change};
use crate::db::{Tx, execute, fetch_all, fetch_optional, statements};
use crate::error::{Cause, StoreError};
use domain::access::{Forbidden, Grant, Permission, Reach, Role};
use serde_json::{Value, json};

/// Where a grant made here comes from.
const LOCAL: &str = "local";

/// Somebody who can sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Id that stays.
    pub account_id: String,
    /// What is typed at sign-in, in lower case.
    pub login: String,
    /// Name to show.
    pub display_name: String,
    /// Whether there is a password.
    pub has_password: bool,
    /// Provider that vouches for it; empty for a local account.
    pub issuer: String,
    /// When it was made, microseconds since the epoch, UTC.
    pub created_us: i64,
    /// Since when it may not sign in.
    pub disabled_us: Option<i64>,
    /// What is granted, with the provider whose groups gave it; `local` for here.
    pub grants: Vec<(Grant, String)>,
}

impl Account {
    /// What is granted, wherever it comes from.
    #[must_use]
    pub fn granted(&self) -> Vec<Grant> {
        let mut grants: Vec<Grant> = self.grants.iter().map(|(grant, _)| grant.clone()).collect();
        grants.sort();
        grants.dedup();
        grants
    }
}

/// What is needed to check a password.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct AccountRow {
    /// Id that stays.
    pub account_id: String,
    /// What is typed at sign-in.
    pub login: String,
    /// Name to show.
    pub display_name: String,
    /// argon2id in PHC form.
    pub password_hash: Option<String>,
    /// Provider; empty for a local account.
    pub issuer: String,
    /// Its name there.
    pub subject: String,
    /// When it was made.
    pub created_us: i64,
    /// Since when it may not sign in.
    pub disabled_us: Option<i64>,
    /// Refused passwords since the last accepted one.
    pub failures: i64,
    /// When the last was refused.
    pub failed_us: Option<i64>,
}

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Id, made by the caller.
    pub account_id: String,
    /// What is typed at sign-in, in lower case.
    pub login: String,
    /// Name to show.
    pub display_name: String,
    /// argon2id in PHC form; `None` for one that signs in elsewhere, or by a link.
    pub password_hash: Option<String>,
    /// What is granted to it.
    pub grants: Vec<Grant>,
}

/// What a provider vouches for.
#[derive(Debug, Clone)]
pub struct Vouched {
    /// Id for a new account, made by the caller.
    pub account_id: String,
    /// Provider, by the name it has in the configuration.
    pub issuer: String,
    /// Name there that stays.
    pub subject: String,
    /// Login for a new account.
    pub login: String,
    /// Name to show.
    pub display_name: String,
    /// What its groups give.
    pub grants: Vec<Grant>,
}

statements! {
    INSERT: "add an account" =>
        "INSERT INTO account (account_id, login, display_name, password_hash, issuer, subject, created_us, failures)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 0) ON CONFLICT DO NOTHING";
    ALL: "read the accounts" =>
        "SELECT account_id, login, display_name, password_hash, issuer, subject, created_us, disabled_us, failures, failed_us
         FROM account ORDER BY login";
    ONE: "read an account" =>
        "SELECT account_id, login, display_name, password_hash, issuer, subject, created_us, disabled_us, failures, failed_us
         FROM account WHERE account_id = $1";
    BY_LOGIN: "look for an account" =>
        "SELECT account_id, login, display_name, password_hash, issuer, subject, created_us, disabled_us, failures, failed_us
         FROM account WHERE login = $1";
    BY_SUBJECT: "look for an account a provider vouches for" =>
        "SELECT account_id, login, display_name, password_hash, issuer, subject, created_us, disabled_us, failures, failed_us
         FROM account WHERE issuer = $1 AND subject = $2";
    GRANTS: "read what is granted" => "SELECT account_id, role_key, reach, owner_name, origin FROM role_grant";
    GRANTS_OF: "read what is granted to an account" =>
        "SELECT account_id, role_key, reach, owner_name, origin FROM role_grant WHERE account_id = $1";
    GRANT: "grant a role" =>
        "INSERT INTO role_grant (account_id, role_key, reach, owner_name, origin, created_us) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT DO NOTHING";
    REVOKE: "take a role back" =>
        "DELETE FROM role_grant WHERE account_id = $1 AND role_key = $2 AND reach = $3 AND owner_name = $4 AND origin = $5";
    RENAME: "rename an account" => "UPDATE account SET display_name = $2 WHERE account_id = $1";
    PASSWORD: "set a password" =>
        "UPDATE account SET password_hash = $2, failures = 0, failed_us = NULL WHERE account_id = $1";
    DISABLE: "disable or enable an account" => "UPDATE account SET disabled_us = $2 WHERE account_id = $1";
    FAILED: "count a refused password" =>
        "UPDATE account SET failures = failures + 1, failed_us = $2 WHERE account_id = $1";
    ACCEPTED: "forget refused passwords" =>
        "UPDATE account SET failures = 0, failed_us = NULL WHERE account_id = $1 AND failures > 0";
    ADMINS: "count the admins" =>
        "SELECT COUNT(DISTINCT account.account_id) FROM account
         JOIN role_grant ON role_grant.account_id = account.account_id
         WHERE disabled_us IS NULL AND role_key = 'admin' AND reach = 'all'";
    FORGET_LINKS: "forget the links of an account" => "DELETE FROM one_time_code WHERE account_id = $1";
    END_SESSIONS: "end the sessions of an account" => "DELETE FROM session WHERE account_id = $1";
    IS_ADMIN: "see whether an account is an admin" =>
        "SELECT COUNT(*) FROM account
         JOIN role_grant ON role_grant.account_id = account.account_id
         WHERE account.account_id = $1 AND disabled_us IS NULL AND role_key = 'admin' AND reach = 'all'";
}

#[derive(sqlx::FromRow)]
struct GrantRow {
    account_id: String,
    role_key: String,
    reach: String,
    owner_name: String,
    origin: String,
}

impl GrantRow {
    fn into_grant(self) -> Result<(String, Grant, String), StoreError> {
        let role = Role::from_key(&self.role_key);
        let reach = Reach::new(&self.reach, &self.owner_name);
        let (Some(role), Some(reach)) = (role, reach) else {
            let what = format!("role {:?} over {:?}", self.role_key, self.reach);
            return Err(StoreError::backend(
                "read what is granted",
                Cause::from(format!("{what} is unknown")),
            ));
        };
        Ok((self.account_id, Grant { role, reach }, self.origin))
    }
}

fn told(grants: &[Grant]) -> Value {
    let text = |grant: &Grant| Value::from(format!("{} over {}", grant.role.key(), grant.reach));
    grants.iter().map(text).collect()
}

impl AccountRow {
    fn with(self, grants: Vec<(Grant, String)>) -> Account {
        Account {
            account_id: self.account_id,
            login: self.login,
            display_name: self.display_name,
            has_password: self.password_hash.is_some(),
            issuer: self.issuer,
            created_us: self.created_us,
            disabled_us: self.disabled_us,
            grants,
        }
    }
}

pub(crate) async fn row_of(tx: &mut Tx, account_id: &str) -> Result<AccountRow, StoreError> {
    let row: Option<AccountRow> = fetch_optional!(tx, ONE, account_id)?;
    row.ok_or_else(|| StoreError::NotFound {
        what: format!("account {account_id:?}"),
    })
}

async fn grants_of(tx: &mut Tx, account_id: &str) -> Result<Vec<(Grant, String)>, StoreError> {
    let rows: Vec<GrantRow> = fetch_all!(tx, GRANTS_OF, account_id)?;
    let mut grants = Vec::with_capacity(rows.len());
    for row in rows {
        let (_, grant, origin) = row.into_grant()?;
        grants.push((grant, origin));
    }
    grants.sort();
    Ok(grants)
}

async fn grant(tx: &mut Tx, account_id: &str, grant: &Grant, origin: &str, at_us: i64) -> Result<(), StoreError> {
    let (kind, owner) = (grant.reach.kind(), grant.reach.owner());
    execute!(tx, GRANT, account_id, grant.role.key(), kind, owner, origin, at_us)?;
    Ok(())
}

async fn revoke(tx: &mut Tx, account_id: &str, grant: &Grant, origin: &str) -> Result<u64, StoreError> {
    let (kind, owner) = (grant.reach.kind(), grant.reach.owner());
    execute!(tx, REVOKE, account_id, grant.role.key(), kind, owner, origin)
}

fn number(row: Option<(i64,)>) -> i64 {
    row.map_or(0, |(count,)| count)
}

impl Store {
    /// Begins a change of access: one at a time, by somebody who may still do it.
    async fn change_access(&self) -> Result<Tx, StoreError> {
        let mut tx = self.write(Permission::ManageAccess).await?;
        audit::hold(&mut tx).await?;
        let actor = self.scope.actor();
        // by grants, not as the machine: they may be gone since the request began
        if !self.scope.grants().is_empty() {
            let still: Option<(i64,)> = fetch_optional!(&mut tx, IS_ADMIN, &actor.id)?;
            if number(still) == 0 {
                return Err(Forbidden(Permission::ManageAccess).into());
            }
        }
        Ok(tx)
    }

    /// Refuses a change that leaves nobody to manage access.
    async fn keep_an_admin(tx: &mut Tx, before: i64) -> Result<(), StoreError> {
        if before > 0 && Store::admins_in(tx).await? == 0 {
            return Err(StoreError::invalid(
                "this is the last admin: nobody could manage access any more; make another one first",
            ));
        }
        Ok(())
    }

    async fn admins_in(tx: &mut Tx) -> Result<i64, StoreError> {
        let row: Option<(i64,)> = fetch_optional!(tx, ADMINS)?;
        Ok(number(row))
    }

    /// How many accounts may manage access: none before the first set-up.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn admins(&self) -> Result<i64, StoreError> {
        let mut tx = self.read().await?;
        Store::admins_in(&mut tx).await
    }

    /// Names of the accounts that may grant what is missing.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn admin_names(&self) -> Result<Vec<String>, StoreError> {
        let system = self.acting(std::sync::Arc::new(domain::access::Scope::system("who may grant")));
        let admin = |account: &Account| {
            let mut grants = account.grants.iter().map(|(grant, _)| grant);
            account.disabled_us.is_none() && grants.any(|grant| grant.role == Role::Admin && grant.reach == Reach::All)
        };
        let accounts = system.accounts().await?;
        Ok(accounts
            .into_iter()
            .filter(admin)
            .map(|account| account.display_name)
            .collect())
    }

    /// Every account, by login.
    ///
    /// # Errors
    /// Without permission to see access; when the database cannot be read.
    pub async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.may_see_access()?;
        let mut tx = self.read().await?;
        let rows: Vec<AccountRow> = fetch_all!(&mut tx, ALL)?;
        let granted: Vec<GrantRow> = fetch_all!(&mut tx, GRANTS)?;
        let mut by_account: std::collections::HashMap<String, Vec<(Grant, String)>> = std::collections::HashMap::new();
        for row in granted {
            let (account_id, grant, origin) = row.into_grant()?;
            by_account.entry(account_id).or_default().push((grant, origin));
        }
        let with = |row: AccountRow| {
            let mut grants = by_account.remove(&row.account_id).unwrap_or_default();
            grants.sort();
            row.with(grants)
        };
        Ok(rows.into_iter().map(with).collect())
    }

    /// Managing access and auditing it both see it.
    pub(crate) fn may_see_access(&self) -> Result<(), StoreError> {
        let manages = self.scope.require(Permission::ManageAccess);
        manages.or_else(|_| self.scope.require(Permission::ReadAudit))?;
        Ok(())
    }

    /// An account by its id.
    ///
    /// # Errors
    /// Without permission to see access; [`StoreError::NotFound`]; when the
    /// database cannot be read.
    pub async fn account(&self, account_id: &str) -> Result<Account, StoreError> {
        self.may_see_access()?;
        let mut tx = self.read().await?;
        let row = row_of(&mut tx, account_id).await?;
        let grants = grants_of(&mut tx, account_id).await?;
        Ok(row.with(grants))
    }

    /// What is kept of the account with this login, to check a password.
    ///
    /// # Errors
    /// Without permission to manage access; when the database cannot be read.
    pub async fn account_by_login(&self, login: &str) -> Result<Option<AccountRow>, StoreError> {
        self.scope.require(Permission::ManageAccess)?;
        let mut tx = self.read().await?;
        fetch_optional!(&mut tx, BY_LOGIN, login)
    }

    /// The account a provider vouches for by this name of its own.
    ///
    /// # Errors
    /// Without permission to manage access; when the database cannot be read.
    pub async fn account_by_subject(&self, issuer: &str, subject: &str) -> Result<Option<AccountRow>, StoreError> {
        self.scope.require(Permission::ManageAccess)?;
        let mut tx = self.read().await?;
        fetch_optional!(&mut tx, BY_SUBJECT, issuer, subject)
    }

    /// Makes an account.
    ///
    /// # Errors
    /// Without permission to manage access; [`StoreError::Invalid`] when its
    /// login is taken; when the database cannot be written.
    pub async fn add_account(&self, new: &NewAccount, at_us: i64) -> Result<(), StoreError> {
        let mut tx = self.change_access().await?;
        let added = execute!(
            &mut tx,
            INSERT,
            &new.account_id,
            &new.login,
            &new.display_name,
            new.password_hash.clone(),
            "",
            "",
            at_us
        )?;
        if added == 0 {
            return Err(StoreError::invalid(format!(
                "there is an account {:?} already",
                new.login
            )));
        }
        for one in &new.grants {
            grant(&mut tx, &new.account_id, one, LOCAL, at_us).await?;
        }
        let change = Change::new("account.created", &new.login)
            .after(json!({ "id": new.account_id, "name": new.display_name, "grants": told(&new.grants) }));
        self.commit(tx, change).await
    }

    /// Finds or makes the account a provider vouches for, and makes what its
    /// groups give exactly this: groups that vanished take their roles along.
    ///
    /// # Errors
    /// Without permission to manage access; [`StoreError::Invalid`] when its
    /// login belongs to another account, or when the last admin would lose that
    /// role; when the database cannot be written.
    pub async fn vouch(&self, vouched: &Vouched, at_us: i64) -> Result<Account, StoreError> {
        let mut tx = self.change_access().await?;
        let admins = Store::admins_in(&mut tx).await?;
        let known: Option<AccountRow> = fetch_optional!(&mut tx, BY_SUBJECT, &vouched.issuer, &vouched.subject)?;
        let new = known.is_none();
        let account_id = match known {
            Some(row) => {
                execute!(&mut tx, RENAME, &row.account_id, &vouched.display_name)?;
                row.account_id
            }
            None => {
                let added = execute!(
                    &mut tx,
                    INSERT,
                    &vouched.account_id,
                    &vouched.login,
                    &vouched.display_name,
                    None::<String>,
                    &vouched.issuer,
                    &vouched.subject,
                    at_us
                )?;
                if added == 0 {
                    return Err(StoreError::invalid(format!(
                        "the login {:?} belongs to another account; an admin has to rename or remove that one",
                        vouched.login
                    )));
                }
                vouched.account_id.clone()
            }
        };
        let held = grants_of(&mut tx, &account_id).await?;
        let held: Vec<Grant> = held
            .into_iter()
            .filter(|(_, origin)| *origin == vouched.issuer)
            .map(|(grant, _)| grant)
            .collect();
        for gone in held.iter().filter(|grant| !vouched.grants.contains(grant)) {
            revoke(&mut tx, &account_id, gone, &vouched.issuer).await?;
        }
        for more in vouched.grants.iter().filter(|grant| !held.contains(grant)) {
            grant(&mut tx, &account_id, more, &vouched.issuer, at_us).await?;
        }
        Store::keep_an_admin(&mut tx, admins).await?;
        let row = row_of(&mut tx, &account_id).await?;
        let grants = grants_of(&mut tx, &account_id).await?;
        let account = row.with(grants);
        let mut wanted = vouched.grants.clone();
        wanted.sort();
        if new || held != wanted {
            let action = if new {
                "account.created"
            } else {
                "account.groups_changed"
            };
            let change = Change::new(action, &account.login)
                .before(told(&held))
                .after(json!({ "id": account.account_id, "provider": vouched.issuer, "grants": told(&wanted) }));
            self.commit(tx, change).await?;
        } else {
            // a name at most; the sign-in itself has an entry
            tx.commit_without_entry().await?;
        }
        Ok(account)
    }

    /// Grants and takes back roles; what is there or gone already stays so.
    ///
    /// # Errors
    /// Without permission to manage access; [`StoreError::NotFound`];
    /// [`StoreError::Invalid`] for the last admin; when the database cannot be written.
    pub async fn change_grants(
        &self,
        account_id: &str,
        add: &[Grant],
        remove: &[Grant],
        at_us: i64,
    ) -> Result<Account, StoreError> {
        let mut tx = self.change_access().await?;
        let admins = Store::admins_in(&mut tx).await?;
        let row = row_of(&mut tx, account_id).await?;
        let before = grants_of(&mut tx, account_id).await?;
        for one in remove {
            if revoke(&mut tx, account_id, one, LOCAL).await? == 0 && before.iter().any(|(grant, _)| grant == one) {
                return Err(StoreError::invalid(
                    "this role comes from the groups of a sign-in provider; take it away there",
                ));
            }
        }
        for one in add {
            grant(&mut tx, account_id, one, LOCAL, at_us).await?;
        }
        Store::keep_an_admin(&mut tx, admins).await?;
        let after = grants_of(&mut tx, account_id).await?;
        let told_of = |grants: &[(Grant, String)]| told(&grants.iter().map(|(g, _)| g.clone()).collect::<Vec<_>>());
        if before != after {
            let change = Change::new("account.grants_changed", &row.login)
                .before(told_of(&before))
                .after(told_of(&after));
            self.commit(tx, change).await?;
        }
        Ok(row.with(after))
    }

    /// Sets a password, and ends every session and link of the account.
    ///
    /// # Errors
    /// Without permission to manage access; [`StoreError::NotFound`]; when the
    /// database cannot be written.
    pub async fn set_password(&self, account_id: &str, hash: &str) -> Result<(), StoreError> {
        let mut tx = self.change_access().await?;
        let row = row_of(&mut tx, account_id).await?;
        execute!(&mut tx, PASSWORD, account_id, hash)?;
        let ended = execute!(&mut tx, END_SESSIONS, account_id)?;
        // a link that was handed out before is no way around the new password
        execute!(&mut tx, FORGET_LINKS, account_id)?;
        let change = Change::new("account.password_set", &row.login).after(json!({ "sessions_ended": ended }));
        self.commit(tx, change).await
    }

    /// Disables an account and ends its sessions, or enables it again.
    ///
    /// # Errors
    /// Without permission to manage access; [`StoreError::NotFound`];
    /// [`StoreError::Invalid`] for the last admin; when the database cannot be written.
    pub async fn disable_account(&self, account_id: &str, disabled_us: Option<i64>) -> Result<(), StoreError> {
        let mut tx = self.change_access().await?;
        let admins = Store::admins_in(&mut tx).await?;
        let row = row_of(&mut tx, account_id).await?;
        if row.disabled_us.is_some() == disabled_us.is_some() {
            return Ok(());
        }
        execute!(&mut tx, DISABLE, account_id, disabled_us)?;
        if disabled_us.is_some() {
            execute!(&mut tx, END_SESSIONS, account_id)?;
        }
        Store::keep_an_admin(&mut tx, admins).await?;
        let action = if disabled_us.is_some() {
            "account.disabled"
        } else {
            "account.enabled"
        };
        self.commit(tx, Change::new(action, &row.login)).await
    }

    /// Counts a refused password, with its entry.
    ///
    /// # Errors
    /// Without permission to manage access; when the database cannot be written.
    pub async fn refused_password(&self, row: &AccountRow, at_us: i64) -> Result<(), StoreError> {
        let mut tx = self.write(Permission::ManageAccess).await?;
        execute!(&mut tx, FAILED, &row.account_id, at_us)?;
        let change = Change::new("sign_in.refused", &row.login).after(json!({ "failures": row.failures + 1 }));
        self.commit(tx, change).await
    }

    /// Forgets refused passwords after one that was right.
    ///
    /// # Errors
    /// Without permission to manage access; when the database cannot be written.
    pub async fn accepted_password(&self, account_id: &str) -> Result<(), StoreError> {
        let mut tx = self.write(Permission::ManageAccess).await?;
        execute!(&mut tx, ACCEPTED, account_id)?;
        // the session that follows has the entry
        tx.commit_without_entry().await
    }
}
