//! What the pages of sign-in, access, one's own account and the audit log show.

use super::notes::Note;
use super::people::conflicts;
use super::{App, Caller};
use crate::error::AppError;
use domain::access::{Grant, Permission, Reach, Reaches, Role, Scope};
use domain::instant::{DAY_US, Day, Instant};
use std::collections::{BTreeMap, BTreeSet};
use store::{Account, AgentToken, ApiToken, AuditEntry, AuditQuery, Session, Verdict};
use wire::{
    AccessPage, AccountInfo, AccountPage, AgentTokenInfo, ApiTokenInfo, AuditChain, AuditLine, AuditPage, AuditSearch,
    DutyConflict, FormAnswer, OneTimeLink, PageInfo, Reader, RoleGrant, RoleInfo, SessionInfo, SignInPage, SignInQuery,
    SwitchTo, TokenState,
};

/// Entries of the audit log on a page.
const PAGE_ENTRIES: u64 = 100;
/// Entries of the audit log in a file.
const FILE_ENTRIES: u64 = 1_000_000;

fn text(at_us: i64) -> String {
    Instant(at_us).to_string()
}

fn role_info(role: Role) -> RoleInfo {
    let permits = Permission::ALL
        .into_iter()
        .filter(|permission| role.permits(*permission));
    RoleInfo {
        key: role.key().to_owned(),
        label: role.label().to_owned(),
        purpose: role.purpose().to_owned(),
        permits: permits.map(|permission| permission.what().to_owned()).collect(),
    }
}

fn role_grants(account: &Account) -> Vec<RoleGrant> {
    let one = |(grant, origin): &(Grant, String)| RoleGrant {
        role: grant.role.key().to_owned(),
        label: grant.role.label().to_owned(),
        reach: grant.reach.kind().to_owned(),
        owner: grant.reach.owner().to_owned(),
        given_by: (origin != "local").then(|| origin.clone()),
    };
    account.grants.iter().map(one).collect()
}

fn labels(grants: &[Grant]) -> Vec<String> {
    let held: BTreeSet<Role> = grants.iter().map(|grant| grant.role).collect();
    held.into_iter().map(|role| role.label().to_owned()).collect()
}

/// A demo account in words: its roles, and over whom where that is not everybody.
fn role_in_words(account: &Account) -> String {
    let one = |grant: &Grant| match &grant.reach {
        Reach::All => grant.role.label().to_owned(),
        named => format!("{} of {}", grant.role.label(), named.owner()),
    };
    account.granted().iter().map(one).collect::<Vec<_>>().join(", ")
}

fn state(revoked_us: Option<i64>, expires_us: Option<i64>, now_us: i64) -> TokenState {
    match (revoked_us, expires_us) {
        (Some(_), _) => TokenState::Revoked,
        (None, Some(expires_us)) if expires_us <= now_us => TokenState::Expired,
        _ => TokenState::Active,
    }
}

fn api_token(token: &ApiToken, names: &BTreeMap<&str, &str>, own: &str, now_us: i64) -> ApiTokenInfo {
    ApiTokenInfo {
        token_id: token.token_id.clone(),
        name: token.name.clone(),
        account: (*names.get(token.account_id.as_str()).unwrap_or(&"")).to_owned(),
        roles: token.roles.iter().map(|role| role.label().to_owned()).collect(),
        created: text(token.created_us),
        expires: text(token.expires_us),
        last_used: token.last_used_us.map(text),
        revoked: token.revoked_us.map(text),
        state: state(token.revoked_us, Some(token.expires_us), now_us),
        own: token.account_id == own,
    }
}

fn agent_token(token: AgentToken, now_us: i64) -> AgentTokenInfo {
    AgentTokenInfo {
        state: state(token.revoked_us, token.expires_us, now_us),
        token_id: token.token_id,
        agent: token.agent,
        cluster: token.cluster_id,
        created: text(token.created_us),
        expires: token.expires_us.map(text),
        last_used: token.last_used_us.map(text),
        revoked: token.revoked_us.map(text),
    }
}

fn session_info(session: &Session, names: &BTreeMap<&str, &str>, current: Option<&Session>) -> SessionInfo {
    SessionInfo {
        session_id: session.session_id.clone(),
        name: (*names.get(session.account_id.as_str()).unwrap_or(&"")).to_owned(),
        method: session.method.clone(),
        since: text(session.created_us),
        last_seen: text(session.last_seen_us),
        expires: text(session.expires_us),
        address: session.address.clone(),
        browser: session.user_agent.clone(),
        current: current.is_some_and(|current| current.session_id == session.session_id),
    }
}

fn audit_line(entry: AuditEntry) -> AuditLine {
    AuditLine {
        seq: u64::try_from(entry.seq).unwrap_or_default(),
        at: text(entry.at_us),
        actor_kind: entry.actor_kind,
        actor: entry.actor_name,
        action: entry.action,
        object: entry.object,
        before_json: entry.before_json,
        after_json: entry.after_json,
        address: entry.address,
        request_id: entry.request_id,
        sha256: entry.sha256,
    }
}

/// The note of a page, if the address names one.
fn answer(app: &App, caller: &Caller, note: Option<&str>) -> Option<FormAnswer> {
    let session = caller.session.as_ref()?;
    match app.take_note(&session.session_id, note?)? {
        Note::Form(answer) => Some(answer),
        Note::SignIn { .. } => None,
    }
}

impl App {
    /// Who is signed in, for the frame around every page.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) async fn reader(&self, caller: &Caller) -> Result<Reader, AppError> {
        let scope = &caller.scope;
        let only = match scope.reaches(Permission::ReadCosts) {
            Some(Reaches::Owners {
                tenants,
                legal_entities,
            }) => tenants.into_iter().chain(legal_entities).collect(),
            _ => Vec::new(),
        };
        let audit = scope.require(Permission::ReadAudit).is_ok();
        Ok(Reader {
            name: caller.account.display_name.clone(),
            roles: labels(scope.grants()),
            only,
            may_read_estate: scope.require(Permission::ReadEstate).is_ok(),
            may_read_audit: audit,
            may_see_access: audit || scope.require(Permission::ManageAccess).is_ok(),
            may_enter_invoices: scope.require(Permission::EnterInvoices).is_ok(),
            switch: self.switch_list(caller).await?,
        })
    }

    /// Accounts a demo lets one switch to; elsewhere none.
    async fn switch_list(&self, caller: &Caller) -> Result<Vec<SwitchTo>, AppError> {
        if caller.session.is_none() || !self.is_demo().await? {
            return Ok(Vec::new());
        }
        let accounts = self.acting(Scope::system("demo")).accounts().await?;
        let one = |account: Account| SwitchTo {
            role: role_in_words(&account),
            current: account.account_id == caller.account.account_id,
            account_id: account.account_id,
            name: account.display_name,
        };
        let open = accounts.into_iter().filter(|account| account.disabled_us.is_none());
        Ok(open.map(one).collect())
    }

    /// Whether the data are those of a synthetic company, which anybody signed
    /// in may look at with anybody's eyes.
    pub(crate) async fn is_demo(&self) -> Result<bool, AppError> {
        let setting = self.inner().store.get_setting(super::super::SYNTHETIC).await?;
        Ok(setting.as_deref() == Some("yes"))
    }

    /// The sign-in page, for whoever is nobody yet.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn sign_in_page(&self, query: &SignInQuery) -> Result<SignInPage, AppError> {
        let note = query.note.as_deref().and_then(|note| self.take_note("", note));
        let link = match query.code.as_deref() {
            Some(code) => self.link_of(code).await?.map(|account| OneTimeLink {
                code: code.to_owned(),
                name: account.display_name,
            }),
            None => None,
        };
        let first_run = !self.is_set_up().await?;
        let mut page = SignInPage {
            first_run,
            providers: self.provider_links(),
            local: true,
            next: query.next.clone().filter(|next| super::is_local(next)),
            link,
            ..SignInPage::default()
        };
        if let (true, Some(code)) = (first_run, &query.code) {
            page.code.clone_from(code);
        } else if query.code.is_some() && page.link.is_none() {
            page.refused = Some(wire::SignInRefused::Link);
        }
        if let Some(Note::SignIn {
            refused,
            login,
            name,
            code,
        }) = note
        {
            (page.refused, page.login, page.name) = (Some(refused), login, name);
            if !code.is_empty() {
                page.code = code;
            }
        }
        Ok(page)
    }

    /// Who may see and do what.
    ///
    /// # Errors
    /// Without permission to see access; when the database cannot be read.
    pub async fn access_page(&self, caller: &Caller, note: Option<&str>) -> Result<AccessPage, AppError> {
        let now_us = self.clock.now().0;
        let accounts = self.store.accounts().await?;
        let sessions = self.store.sessions(now_us).await?;
        let own = caller.account.account_id.as_str();
        let names: BTreeMap<&str, &str> = accounts
            .iter()
            .map(|account| (account.account_id.as_str(), account.display_name.as_str()))
            .collect();
        let seen = |account: &Account| {
            let of = sessions
                .iter()
                .filter(|session| session.account_id == account.account_id);
            of.map(|session| session.last_seen_us).max().map(text)
        };
        let info = |account: &Account| AccountInfo {
            account_id: account.account_id.clone(),
            name: account.display_name.clone(),
            login: account.login.clone(),
            grants: role_grants(account),
            has_password: account.has_password,
            provider: (!account.issuer.is_empty()).then(|| account.issuer.clone()),
            created: text(account.created_us),
            last_seen: seen(account),
            disabled: account.disabled_us.map(text),
            own: account.account_id == own,
        };
        let conflict = |(account, first, second, why): (&Account, Role, Role, &str)| DutyConflict {
            account_id: account.account_id.clone(),
            name: account.display_name.clone(),
            first: first.label().to_owned(),
            second: second.label().to_owned(),
            why: why.to_owned(),
        };
        let mut api_tokens: Vec<ApiTokenInfo> = self
            .store
            .api_tokens()
            .await?
            .iter()
            .map(|token| api_token(token, &names, own, now_us))
            .collect();
        api_tokens.sort_by_key(|token| token.state != TokenState::Active);
        let mut agent_tokens: Vec<AgentTokenInfo> = self
            .store
            .agent_tokens()
            .await?
            .into_iter()
            .map(|token| agent_token(token, now_us))
            .collect();
        agent_tokens.sort_by_key(|token| token.state != TokenState::Active);
        let owners = self.owners_known().await?;
        Ok(AccessPage {
            may_manage: self.scope().require(Permission::ManageAccess).is_ok(),
            conflicts: conflicts(&accounts).into_iter().map(conflict).collect(),
            sessions: sessions
                .iter()
                .map(|session| session_info(session, &names, caller.session.as_ref()))
                .collect(),
            api_tokens,
            agent_tokens,
            roles: Role::ALL.into_iter().map(role_info).collect(),
            own_roles: own_roles(&caller.account),
            tenants: owners.0,
            legal_entities: owners.1,
            clusters: self.store.clusters().await?.into_iter().map(|(id, _)| id).collect(),
            answer: answer(self, caller, note),
            accounts: accounts.iter().map(info).collect(),
        })
    }

    /// Tenants and legal entities of the newest month, to choose from.
    pub(super) async fn owners_known(&self) -> Result<(Vec<String>, Vec<String>), AppError> {
        let period = match self.period_or_newest(None).await {
            Ok(period) => period,
            Err(AppError::NoData) => return Ok((Vec::new(), Vec::new())),
            Err(error) => return Err(error),
        };
        let cube = super::super::allocate::load(self, period).await?;
        let values = |key: &str| -> Vec<String> {
            let column = cube.column(key);
            let mut values: Vec<String> = column
                .iter()
                .flat_map(|column| column.values.iter())
                .filter(|value| !value.is_empty())
                .map(ToString::to_string)
                .collect();
            values.sort();
            values
        };
        Ok((values("tenant"), values("legal_entity")))
    }

    /// One's own account.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn account_page(&self, caller: &Caller, note: Option<&str>) -> Result<AccountPage, AppError> {
        let (store, now_us) = (self.own_store(), self.clock.now().0);
        let account = store.account(&caller.account.account_id).await?;
        let names = BTreeMap::from([(account.account_id.as_str(), account.display_name.as_str())]);
        let sessions = store.sessions(now_us).await?;
        let own_sessions = sessions
            .iter()
            .filter(|session| session.account_id == account.account_id);
        let tokens = store.api_tokens().await?;
        let own_tokens = tokens.iter().filter(|token| token.account_id == account.account_id);
        let mut tokens: Vec<ApiTokenInfo> = own_tokens
            .map(|token| api_token(token, &names, &account.account_id, now_us))
            .collect();
        tokens.sort_by_key(|token| token.state != TokenState::Active);
        let held: BTreeSet<Role> = account.granted().iter().map(|grant| grant.role).collect();
        Ok(AccountPage {
            name: account.display_name.clone(),
            login: account.login.clone(),
            grants: role_grants(&account),
            roles: held.into_iter().map(role_info).collect(),
            provider: (!account.issuer.is_empty()).then(|| account.issuer.clone()),
            has_password: account.has_password,
            sessions: own_sessions
                .map(|session| session_info(session, &names, caller.session.as_ref()))
                .collect(),
            tokens,
            answer: answer(self, caller, note),
        })
    }

    /// Who did what.
    ///
    /// # Errors
    /// Without permission to read the audit log; when the database cannot be read.
    pub async fn audit_page(&self, search: &AuditSearch) -> Result<AuditPage, AppError> {
        let page = u64::from(search.page.max(1));
        let mut query = audit_query(search)?;
        query.skip = (page - 1).saturating_mul(PAGE_ENTRIES);
        query.limit = PAGE_ENTRIES;
        let (mut entries, mut count) = self.store.audit(&query).await?;
        let pages = count.div_ceil(PAGE_ENTRIES).max(1);
        if page > pages {
            query.skip = (pages - 1) * PAGE_ENTRIES;
            (entries, count) = self.store.audit(&query).await?;
        }
        let verified = self.store.verify_audit(None).await?;
        let chain = match verified.verdict {
            Verdict::Whole => AuditChain::Whole {
                entries: u64::try_from(verified.entries).unwrap_or_default(),
                sha256: verified.sha256,
            },
            Verdict::Broken { seq, what } => AuditChain::Broken {
                seq: u64::try_from(seq).unwrap_or_default(),
                what: what.to_owned(),
            },
        };
        Ok(AuditPage {
            entries: entries.into_iter().map(audit_line).collect(),
            page: PageInfo {
                page: u32::try_from(page.min(pages)).unwrap_or(u32::MAX),
                pages: u32::try_from(pages).unwrap_or(u32::MAX),
                rows: count,
            },
            chain,
        })
    }

    /// Every entry that fits, for a file.
    ///
    /// # Errors
    /// As [`App::audit_page`].
    pub async fn audit_lines(&self, search: &AuditSearch) -> Result<Vec<AuditLine>, AppError> {
        let mut query = audit_query(search)?;
        query.limit = FILE_ENTRIES;
        let (entries, _) = self.store.audit(&query).await?;
        Ok(entries.into_iter().map(audit_line).collect())
    }

    /// Whether the audit log is as it was written.
    ///
    /// # Errors
    /// As [`App::audit_page`].
    pub async fn verify_audit(&self, expected: Option<(i64, &str)>) -> Result<store::Verified, AppError> {
        Ok(self.store.verify_audit(expected).await?)
    }
}

fn own_roles(account: &Account) -> Vec<String> {
    let held: BTreeSet<Role> = account.granted().iter().map(|grant| grant.role).collect();
    held.into_iter().map(|role| role.key().to_owned()).collect()
}

/// Days as instants; the last day is within.
fn audit_query(search: &AuditSearch) -> Result<AuditQuery, AppError> {
    let day = |text: &Option<String>| -> Result<Option<Day>, AppError> {
        let Some(text) = text else { return Ok(None) };
        let date: chrono::NaiveDate = text
            .parse()
            .map_err(|_| AppError::usage(format!("{text:?} is no day"), "write YYYY-MM-DD"))?;
        Ok(Some(Day::from_date(date)))
    };
    Ok(AuditQuery {
        actor: search.actor.clone(),
        action: search.action.clone(),
        text: search.text.clone(),
        from_us: day(&search.from)?.map(|day| i64::from(day.0) * DAY_US),
        to_us: day(&search.to)?.map(|day| (i64::from(day.0) + 1) * DAY_US),
        skip: 0,
        limit: 0,
    })
}
