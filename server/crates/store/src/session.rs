//! Sessions, API tokens, codes that work once, and sign-ins under way. Of every
//! secret only the SHA-256 is kept.

use crate::Store;
use crate::audit::Change;
use crate::db::{execute, fetch_all, fetch_optional, statements};
use crate::error::{Cause, StoreError};
use domain::access::{Permission, Role};
use serde_json::json;

/// Somebody who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Session {
    /// Id to list and end it by; not the secret.
    pub session_id: String,
    /// SHA-256 of the cookie's value.
    pub sha256: String,
    /// Whose it is.
    pub account_id: String,
    /// How it began: `password`, `link`, `switch`, or the provider's name.
    pub method: String,
    /// What the provider wants back at sign-out.
    pub id_token: Option<String>,
    /// When it began, microseconds since the epoch, UTC.
    pub created_us: i64,
    /// When it was last used, to the minute.
    pub last_seen_us: i64,
    /// When it ends whatever happens.
    pub expires_us: i64,
    /// Address it began from.
    pub address: String,
    /// What the browser calls itself.
    pub user_agent: String,
}

/// A token for programs, which can do what its account can, or less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Id, which is part of the token.
    pub token_id: String,
    /// SHA-256 of the token.
    pub sha256: String,
    /// Whose it is.
    pub account_id: String,
    /// What it is for.
    pub name: String,
    /// The account's roles it carries.
    pub roles: Vec<Role>,
    /// When it was made.
    pub created_us: i64,
    /// When it ends.
    pub expires_us: i64,
    /// When it was last used, to the minute.
    pub last_used_us: Option<i64>,
    /// Since when it is no longer accepted.
    pub revoked_us: Option<i64>,
}

/// What a code that works once is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodePurpose {
    /// To make the first admin.
    Setup,
    /// To sign its account in.
    Link,
}

impl CodePurpose {
    const fn key(self) -> &'static str {
        match self {
            CodePurpose::Setup => "setup",
            CodePurpose::Link => "link",
        }
    }
}

/// What was sent to a provider and must come back from it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SignInState {
    /// SHA-256 of the state.
    pub sha256: String,
    /// Provider, by its name in the configuration.
    pub provider: String,
    /// Nonce the id token must have.
    pub nonce: String,
    /// PKCE verifier.
    pub verifier: String,
    /// Page to go to afterwards.
    pub next_path: String,
    /// When it was made.
    pub created_us: i64,
}

statements! {
    INSERT: "begin a session" =>
        "INSERT INTO session (session_id, sha256, account_id, method, id_token, created_us, last_seen_us, expires_us,
           address, user_agent)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    BY_HASH: "read a session" =>
        "SELECT session_id, sha256, account_id, method, id_token, created_us, last_seen_us, expires_us, address, user_agent
         FROM session WHERE sha256 = $1";
    SESSIONS: "read the sessions" =>
        "SELECT session_id, sha256, account_id, method, id_token, created_us, last_seen_us, expires_us, address, user_agent
         FROM session WHERE expires_us > $1 ORDER BY last_seen_us DESC, session_id";
    SEEN: "note the use of a session" => "UPDATE session SET last_seen_us = $2 WHERE session_id = $1";
    WHOSE: "see whose session it is" =>
        "SELECT login FROM session JOIN account ON account.account_id = session.account_id WHERE session_id = $1";
    END: "end a session" => "DELETE FROM session WHERE session_id = $1";
    FORGET_SESSIONS: "forget sessions that ended" => "DELETE FROM session WHERE expires_us <= $1 OR last_seen_us <= $2";
    ADD_TOKEN: "add an API token" =>
        "INSERT INTO api_token (token_id, sha256, account_id, token_name, roles_json, created_us, expires_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7)";
    TOKEN: "read an API token" =>
        "SELECT token_id, sha256, account_id, token_name, roles_json, created_us, expires_us, last_used_us, revoked_us
         FROM api_token WHERE token_id = $1";
    TOKENS: "read the API tokens" =>
        "SELECT token_id, sha256, account_id, token_name, roles_json, created_us, expires_us, last_used_us, revoked_us
         FROM api_token ORDER BY created_us, token_id";
    USED_TOKEN: "note the use of an API token" => "UPDATE api_token SET last_used_us = $2 WHERE token_id = $1";
    REVOKE_TOKEN: "revoke an API token" =>
        "UPDATE api_token SET revoked_us = $2 WHERE token_id = $1 AND revoked_us IS NULL";
    ADD_CODE: "keep a code that works once" =>
        "INSERT INTO one_time_code (sha256, purpose, account_id, created_us, expires_us) VALUES ($1, $2, $3, $4, $5)";
    TAKE_CODE: "use a code that works once" =>
        "DELETE FROM one_time_code WHERE sha256 = $1 AND purpose = $2 AND expires_us > $3 RETURNING account_id";
    KNOWS_CODE: "look for a code that works once" =>
        "SELECT account_id FROM one_time_code WHERE sha256 = $1 AND purpose = $2 AND expires_us > $3";
    FORGET_CODES: "forget codes" => "DELETE FROM one_time_code WHERE purpose = $1 AND account_id = $2 OR expires_us <= $3";
    ADD_STATE: "begin a sign-in" =>
        "INSERT INTO sign_in_state (sha256, provider, nonce, verifier, next_path, created_us) VALUES ($1, $2, $3, $4, $5, $6)";
    TAKE_STATE: "end a sign-in" =>
        "DELETE FROM sign_in_state WHERE sha256 = $1
         RETURNING sha256, provider, nonce, verifier, next_path, created_us";
    FORGET_STATES: "forget sign-ins" => "DELETE FROM sign_in_state WHERE created_us <= $1";
}

#[derive(sqlx::FromRow)]
struct TokenRow {
    token_id: String,
    sha256: String,
    account_id: String,
    token_name: String,
    roles_json: String,
    created_us: i64,
    expires_us: i64,
    last_used_us: Option<i64>,
    revoked_us: Option<i64>,
}

impl TokenRow {
    fn into_token(self) -> Result<ApiToken, StoreError> {
        let roles: Vec<Role> = serde_json::from_str(&self.roles_json)
            .map_err(|error| StoreError::backend("read the roles of an API token", Cause::from(error)))?;
        Ok(ApiToken {
            token_id: self.token_id,
            sha256: self.sha256,
            account_id: self.account_id,
            name: self.token_name,
            roles,
            created_us: self.created_us,
            expires_us: self.expires_us,
            last_used_us: self.last_used_us,
            revoked_us: self.revoked_us,
        })
    }
}

impl Store {
    /// Begins a session. Sessions that ended by time are forgotten on the way.
    ///
    /// # Errors
    /// Without permission to manage access; when the database cannot be written.
    pub async fn begin_session(&self, session: &Session, idle_before_us: i64) -> Result<(), StoreError> {
        let mut tx = self.write(Permission::ManageAccess).await?;
        execute!(&mut tx, FORGET_SESSIONS, session.created_us, idle_before_us)?;
        execute!(
            &mut tx,
            INSERT,
            &session.session_id,
            &session.sha256,
            &session.account_id,
            &session.method,
            session.id_token.clone(),
            session.created_us,
            session.last_seen_us,
            session.expires_us,
            &session.address,
            &session.user_agent
        )?;
        let account = crate::account::row_of(&mut tx, &session.account_id).await?;
        let change = Change::new("session.began", &account.login)
            .after(json!({ "session": session.session_id, "method": session.method }));
        self.commit(tx, change).await
    }

    /// The session of a cookie.
    ///
    /// # Errors
    /// Without permission to manage access; when the database cannot be read.
    pub async fn session(&self, sha256: &str) -> Result<Option<Session>, StoreError> {
        self.scope.require(Permission::ManageAccess)?;
        let mut tx = self.read().await?;
        fetch_optional!(&mut tx, BY_HASH, sha256)
    }

    /// Sessions that have not ended, the last used first.
    ///
    /// # Errors
    /// Without permission to see access; when the database cannot be read.
    pub async fn sessions(&self, now_us: i64) -> Result<Vec<Session>, StoreError> {
        self.may_see_access()?;
        let mut tx = self.read().await?;
        fetch_all!(&mut tx, SESSIONS, now_us)
    }

    /// Notes that a session is in use.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn saw_session(&self, session_id: &str, at_us: i64) -> Result<(), StoreError> {
        let mut tx = self.derive().await?;
        execute!(&mut tx, SEEN, session_id, at_us)?;
        tx.commit_without_entry().await
    }

    /// Ends a session; whether there was one.
    ///
    /// # Errors
    /// Without permission to manage access; when the database cannot be written.
    pub async fn end_session(&self, session_id: &str) -> Result<bool, StoreError> {
        let mut tx = self.write(Permission::ManageAccess).await?;
        let whose: Option<(String,)> = fetch_optional!(&mut tx, WHOSE, session_id)?;
        let Some((login,)) = whose else {
            return Ok(false);
        };
        let ended = execute!(&mut tx, END, session_id)?;
        if ended == 1 {
            let change = Change::new("session.ended", login).before(json!({ "session": session_id }));
            self.commit(tx, change).await?;
        }
        Ok(ended == 1)
    }

    /// Adds an API token.
    ///
    /// # Errors
    /// Without permission to manage access; when the database cannot be written.
    pub async fn add_api_token(&self, token: &ApiToken) -> Result<(), StoreError> {
        let roles = serde_json::to_string(&token.roles).map_err(|error| StoreError::backend(ADD_TOKEN.what, error))?;
        let mut tx = self.write(Permission::ManageAccess).await?;
        execute!(
            &mut tx,
            ADD_TOKEN,
            &token.token_id,
            &token.sha256,
            &token.account_id,
            &token.name,
            &roles,
            token.created_us,
            token.expires_us
        )?;
        let change = Change::new("api_token.created", &token.name).after(json!({
            "id": token.token_id, "account": token.account_id, "roles": token.roles, "expires_us": token.expires_us,
        }));
        self.commit(tx, change).await
    }

    /// An API token by its id, also a revoked one.
    ///
    /// # Errors
    /// Without permission to manage access; when the database cannot be read.
    pub async fn api_token(&self, token_id: &str) -> Result<Option<ApiToken>, StoreError> {
        self.scope.require(Permission::ManageAccess)?;
        let mut tx = self.read().await?;
        let row: Option<TokenRow> = fetch_optional!(&mut tx, TOKEN, token_id)?;
        row.map(TokenRow::into_token).transpose()
    }

    /// Every API token, oldest first, revoked ones too.
    ///
    /// # Errors
    /// Without permission to see access; when the database cannot be read.
    pub async fn api_tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        self.may_see_access()?;
        let mut tx = self.read().await?;
        let rows: Vec<TokenRow> = fetch_all!(&mut tx, TOKENS)?;
        rows.into_iter().map(TokenRow::into_token).collect()
    }

    /// Notes that an API token was used.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn use_api_token(&self, token_id: &str, at_us: i64) -> Result<(), StoreError> {
        let mut tx = self.derive().await?;
        execute!(&mut tx, USED_TOKEN, token_id, at_us)?;
        tx.commit_without_entry().await
    }

    /// Revokes an API token; whether there was one that was still accepted.
    ///
    /// # Errors
    /// Without permission to manage access; when the database cannot be written.
    pub async fn revoke_api_token(&self, token_id: &str, at_us: i64) -> Result<bool, StoreError> {
        let mut tx = self.write(Permission::ManageAccess).await?;
        let revoked = execute!(&mut tx, REVOKE_TOKEN, token_id, at_us)?;
        if revoked == 1 {
            self.commit(tx, Change::new("api_token.revoked", token_id)).await?;
        }
        Ok(revoked == 1)
    }

    /// Keeps a code that works once, in place of earlier ones for the same.
    ///
    /// # Errors
    /// Without permission to manage access; when the database cannot be written.
    pub async fn add_code(
        &self,
        sha256: &str,
        purpose: CodePurpose,
        account_id: &str,
        created_us: i64,
        expires_us: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.write(Permission::ManageAccess).await?;
        execute!(&mut tx, FORGET_CODES, purpose.key(), account_id, created_us)?;
        execute!(
            &mut tx,
            ADD_CODE,
            sha256,
            purpose.key(),
            account_id,
            created_us,
            expires_us
        )?;
        let whose = match account_id {
            "" => String::new(),
            account_id => crate::account::row_of(&mut tx, account_id).await?.login,
        };
        let change = Change::new("code.made", purpose.key()).after(json!({ "account": whose }));
        self.commit(tx, change).await
    }

    /// The account of a code, which is not used up by that; empty for set-up.
    ///
    /// # Errors
    /// Without permission to manage access; when the database cannot be read.
    pub async fn knows_code(
        &self,
        sha256: &str,
        purpose: CodePurpose,
        now_us: i64,
    ) -> Result<Option<String>, StoreError> {
        self.scope.require(Permission::ManageAccess)?;
        let mut tx = self.read().await?;
        let row: Option<(String,)> = fetch_optional!(&mut tx, KNOWS_CODE, sha256, purpose.key(), now_us)?;
        Ok(row.map(|(account_id,)| account_id))
    }

    /// Uses a code up and gives its account; of two at once, one gets it.
    ///
    /// # Errors
    /// Without permission to manage access; when the database cannot be written.
    pub async fn take_code(
        &self,
        sha256: &str,
        purpose: CodePurpose,
        now_us: i64,
    ) -> Result<Option<String>, StoreError> {
        let mut tx = self.write(Permission::ManageAccess).await?;
        let row: Option<(String,)> = fetch_optional!(&mut tx, TAKE_CODE, sha256, purpose.key(), now_us)?;
        let Some((account_id,)) = row else {
            return Ok(None);
        };
        let whose = match account_id.as_str() {
            "" => String::new(),
            account_id => crate::account::row_of(&mut tx, account_id).await?.login,
        };
        let change = Change::new("code.used", purpose.key()).after(json!({ "account": whose }));
        self.commit(tx, change).await?;
        Ok(Some(account_id))
    }

    /// Keeps what was sent to a provider; older than `before_us` is forgotten.
    ///
    /// # Errors
    /// Without permission to manage access; when the database cannot be written.
    pub async fn begin_sign_in(&self, state: &SignInState, before_us: i64) -> Result<(), StoreError> {
        let mut tx = self.write(Permission::ManageAccess).await?;
        execute!(&mut tx, FORGET_STATES, before_us)?;
        execute!(
            &mut tx,
            ADD_STATE,
            &state.sha256,
            &state.provider,
            &state.nonce,
            &state.verifier,
            &state.next_path,
            state.created_us
        )?;
        // nobody is signed in yet: the session will have the entry
        tx.commit_without_entry().await
    }

    /// What was sent to a provider, once: a state that is replayed finds nothing.
    ///
    /// # Errors
    /// Without permission to manage access; when the database cannot be written.
    pub async fn end_sign_in(&self, sha256: &str) -> Result<Option<SignInState>, StoreError> {
        let mut tx = self.write(Permission::ManageAccess).await?;
        let state: Option<SignInState> = fetch_optional!(&mut tx, TAKE_STATE, sha256)?;
        tx.commit_without_entry().await?;
        Ok(state)
    }
}
