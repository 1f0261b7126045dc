use serde::{Deserialize, Serialize};

use crate::PageInfo;

/// Who is signed in, for the frame around every page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reader {
    /// Name to show.
    pub name: String,
    /// Labels of the roles held, each once, in the order roles are listed.
    pub roles: Vec<String>,
    /// Names of the only owners whose costs are within reach; empty for the
    /// whole company's.
    pub only: Vec<String>,
    /// The whole company's pages are open: clusters, commitments,
    /// reconciliation, rules, sources.
    pub may_read_estate: bool,
    /// The Audit page is open.
    pub may_read_audit: bool,
    /// The Access page is open, with or without its forms.
    pub may_see_access: bool,
    /// Invoices may be entered and taken back.
    pub may_enter_invoices: bool,
    /// Accounts one may switch to: those of a demo, else none.
    pub switch: Vec<SwitchTo>,
}

/// A demo account to switch to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchTo {
    /// Its id, sent back by the form.
    pub account_id: String,
    /// Its name.
    pub name: String,
    /// Its roles in words, such as `Viewer of retail-north`.
    pub role: String,
    /// It is the one signed in.
    pub current: bool,
}

/// What the sign-in page is asked for; its whole state, kept in the URL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInQuery {
    /// Where to go afterwards, as it was written: the server checks that it is
    /// a path of its own.
    pub next: Option<String>,
    /// A code of a one-time link, or of the first set-up.
    pub code: Option<String>,
    /// Which refusal is to be told, see [`FormAnswer`].
    pub note: Option<String>,
}

/// How one can sign in here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInPage {
    /// There is no admin yet: the page is the first set-up and nothing else.
    pub first_run: bool,
    /// Providers that vouch for people, in the order of the configuration.
    pub providers: Vec<Provider>,
    /// Accounts with a password may sign in.
    pub local: bool,
    /// Path of the page to go to afterwards, checked; `None` for the overview.
    pub next: Option<String>,
    /// The one-time link that was opened, when it still works.
    pub link: Option<OneTimeLink>,
    /// Why the last attempt was refused.
    pub refused: Option<SignInRefused>,
    /// The login that was typed, to be kept.
    pub login: String,
    /// The name that was typed at the first set-up, to be kept.
    pub name: String,
    /// The code of the first set-up that was typed, or came with the address.
    pub code: String,
}

/// A provider that vouches for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// Its name in the configuration and in addresses.
    pub name: String,
    /// Its name to show.
    pub label: String,
}

/// A one-time link that was opened and is not used up by that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneTimeLink {
    /// The code, sent back by the form.
    pub code: String,
    /// Name of the account it signs in.
    pub name: String,
}

/// Why somebody was not signed in, in kinds; the page has the words. None of
/// them says whether a login exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "refused")]
pub enum SignInRefused {
    /// Login and password do not go together, or the account is disabled.
    Wrong,
    /// Too many were wrong; a right password is not looked at before that.
    Wait {
        /// Seconds until the next attempt is looked at.
        wait_s: u64,
    },
    /// A one-time link that was used, ran out, or never was.
    Link,
    /// The session ended: by time, or because somebody ended it.
    Ended,
    /// What came back from the provider is not what was asked for.
    Provider {
        /// Its name to show.
        label: String,
        /// The id to look for in the logs.
        request_id: String,
    },
    /// Somebody is vouched for, and nothing is granted to them.
    NoRole {
        /// Name of whoever signed in.
        name: String,
        /// Names of the admins.
        who: Vec<String>,
    },
    /// The code of the first set-up is wrong or ran out.
    Code,
    /// The login of the first set-up is empty or does not fit.
    Login,
    /// The name of the first set-up is empty.
    Name,
    /// The new password is too short.
    Short,
    /// The new password is too long.
    Long,
    /// The two new passwords differ.
    Differ,
}

/// One role over one reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleGrant {
    /// Key of the role.
    pub role: String,
    /// Label of the role.
    pub label: String,
    /// Kind of reach: `all`, `legal_entity`, `tenant`.
    pub reach: String,
    /// The owner reached; empty for the whole company.
    pub owner: String,
    /// Name of the provider whose groups gave it; `None` for one granted here,
    /// which alone can be taken back here.
    pub given_by: Option<String>,
}

/// A role, for the forms and for the list of what roles permit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleInfo {
    /// Its key, sent back by forms.
    pub key: String,
    /// Its name to show.
    pub label: String,
    /// What it is for, to follow its name.
    pub purpose: String,
    /// What it permits, each to follow "may".
    pub permits: Vec<String>,
}

/// Somebody who can sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountInfo {
    /// Id that stays.
    pub account_id: String,
    /// Name to show.
    pub name: String,
    /// What is typed at sign-in.
    pub login: String,
    /// What is granted, in the order roles are listed.
    pub grants: Vec<RoleGrant>,
    /// There is a password.
    pub has_password: bool,
    /// Label of the provider that vouches for it; `None` for a local account.
    pub provider: Option<String>,
    /// When it was made, RFC 3339 UTC.
    pub created: String,
    /// When one of its sessions was last used; `None` when there is none.
    pub last_seen: Option<String>,
    /// Since when it may not sign in.
    pub disabled: Option<String>,
    /// It is the reader's own.
    pub own: bool,
}

/// Two duties that one person should not hold together (C7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DutyConflict {
    /// Id of the account that holds both.
    pub account_id: String,
    /// Its name.
    pub name: String,
    /// Label of the one role.
    pub first: String,
    /// Label of the other.
    pub second: String,
    /// Why not together, a clause without a full stop.
    pub why: String,
}

/// Somebody signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// Id to end it by; not its secret.
    pub session_id: String,
    /// Name of the account.
    pub name: String,
    /// How it began: `password`, `link`, `switch`, or a provider's name.
    pub method: String,
    /// When it began.
    pub since: String,
    /// When it was last used, to the minute.
    pub last_seen: String,
    /// When it ends whatever happens.
    pub expires: String,
    /// Address it began from.
    pub address: String,
    /// What the browser calls itself.
    pub browser: String,
    /// It is the one this page is read in.
    pub current: bool,
}

/// Whether a token is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenState {
    /// It is.
    Active,
    /// No longer: its time is over.
    Expired,
    /// No longer: somebody revoked it.
    Revoked,
}

/// A token of a program that acts for an account; never the token itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiTokenInfo {
    /// Id to revoke it by.
    pub token_id: String,
    /// What it is for.
    pub name: String,
    /// Name of the account.
    pub account: String,
    /// Labels of the roles it carries.
    pub roles: Vec<String>,
    /// When it was made.
    pub created: String,
    /// When it ends.
    pub expires: String,
    /// When it was last used, to the minute.
    pub last_used: Option<String>,
    /// Since when it is revoked.
    pub revoked: Option<String>,
    /// Whether it is accepted now.
    pub state: TokenState,
    /// It is the reader's own.
    pub own: bool,
}

/// A token of an agent that brings in facts; never the token itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentTokenInfo {
    /// Id to revoke it by.
    pub token_id: String,
    /// Whose it is.
    pub agent: String,
    /// The one cluster it may write; `None` for any.
    pub cluster: Option<String>,
    /// When it was made.
    pub created: String,
    /// When it ends; `None` for one without an end.
    pub expires: Option<String>,
    /// When it was last used.
    pub last_used: Option<String>,
    /// Since when it is revoked.
    pub revoked: Option<String>,
    /// Whether it is accepted now.
    pub state: TokenState,
}

/// What came of the form that was sent before this page: told once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum FormAnswer {
    /// It was done.
    Done {
        /// What, a sentence without its full stop.
        what: String,
    },
    /// It made a secret, which is here and nowhere else.
    Secret {
        /// What sort of secret.
        kind: SecretKind,
        /// The secret; for a one-time link the whole address.
        secret: String,
        /// Whom or what it is for.
        whom: String,
        /// Until when it works, RFC 3339 UTC; `None` for one without an end.
        until: Option<String>,
    },
    /// It was refused, and nothing was changed.
    Refused {
        /// Path the form was sent to, such as `/access/grants`.
        form: String,
        /// Name of the field that does not fit, when it is one.
        field: Option<String>,
        /// What does not fit and what would, sentences without the last full stop.
        problem: String,
        /// All that was written, field by field; a field may be there several
        /// times. Passwords are never in it.
        written: Vec<(String, String)>,
    },
}

/// What sort of secret was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretKind {
    /// An address that signs its account in once.
    Link,
    /// A token for a program.
    ApiToken,
    /// A token for an agent.
    AgentToken,
}

/// Who may see and do what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessPage {
    /// The reader may change it: the forms are there.
    pub may_manage: bool,
    /// Everybody, by login.
    pub accounts: Vec<AccountInfo>,
    /// Duties held together that should not be.
    pub conflicts: Vec<DutyConflict>,
    /// Sessions that have not ended, the last used first.
    pub sessions: Vec<SessionInfo>,
    /// Tokens of programs, those still accepted first.
    pub api_tokens: Vec<ApiTokenInfo>,
    /// Tokens of agents, those still accepted first.
    pub agent_tokens: Vec<AgentTokenInfo>,
    /// Every role.
    pub roles: Vec<RoleInfo>,
    /// Keys of the reader's own roles, which a token of theirs may carry.
    pub own_roles: Vec<String>,
    /// Tenants that the rules and figures know.
    pub tenants: Vec<String>,
    /// Legal entities that the rules and figures know.
    pub legal_entities: Vec<String>,
    /// Ids of the clusters that facts or bills know.
    pub clusters: Vec<String>,
    /// What came of the form that was sent.
    pub answer: Option<FormAnswer>,
}

/// One's own account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountPage {
    /// Name to show.
    pub name: String,
    /// What is typed at sign-in.
    pub login: String,
    /// What is granted.
    pub grants: Vec<RoleGrant>,
    /// The roles held, for a token to carry.
    pub roles: Vec<RoleInfo>,
    /// Label of the provider that vouches for it: its password is kept there.
    /// `None` for a local account.
    pub provider: Option<String>,
    /// A local account has a password; without one the next is set without it.
    pub has_password: bool,
    /// Own sessions, the last used first.
    pub sessions: Vec<SessionInfo>,
    /// Own tokens, those still accepted first.
    pub tokens: Vec<ApiTokenInfo>,
    /// What came of the form that was sent.
    pub answer: Option<FormAnswer>,
}

/// Which entries of the audit log are asked for. Empty texts ask for all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditSearch {
    /// Part of the actor's name or id.
    pub actor: String,
    /// Beginning of the action, such as `invoice.`.
    pub action: String,
    /// Part of the object, or of what it was before or is since.
    pub text: String,
    /// From this day on, `YYYY-MM-DD`, UTC.
    pub from: Option<String>,
    /// Up to this day, inclusive, `YYYY-MM-DD`, UTC.
    pub to: Option<String>,
    /// Page of entries, from 1.
    pub page: u32,
}

/// Who did what?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPage {
    /// Entries of this page, the newest first.
    pub entries: Vec<AuditLine>,
    /// Which page of how many, and how many entries fit in all.
    pub page: PageInfo,
    /// Whether the whole log is as it was written.
    pub chain: AuditChain,
}

/// An entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLine {
    /// Number, from 1 without gaps.
    pub seq: u64,
    /// When, RFC 3339 UTC.
    pub at: String,
    /// What sort of actor: `account`, `token`, `agent`, `shell`, `system`, `nobody`.
    pub actor_kind: String,
    /// Name of the actor at that time.
    pub actor: String,
    /// What was done: a noun, a dot, a verb in the past.
    pub action: String,
    /// What it was done to.
    pub object: String,
    /// How it was, as JSON text.
    pub before_json: Option<String>,
    /// How it is since, as JSON text.
    pub after_json: Option<String>,
    /// Address the request came from; empty for the shell and the machine.
    pub address: String,
    /// Id of the request; empty for the shell and the machine.
    pub request_id: String,
    /// Hash of the entry.
    pub sha256: String,
}

/// Whether the audit log is as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "chain")]
pub enum AuditChain {
    /// It is.
    Whole {
        /// How many entries there are.
        entries: u64,
        /// Hash of the last; empty when there is none.
        sha256: String,
    },
    /// It is not; entries before this one are.
    Broken {
        /// Number of the first entry that does not fit.
        seq: u64,
        /// What does not fit, a clause without a full stop.
        what: String,
    },
}
