//! Who may see and do what: roles, reach, and the scope of one caller.
//!
//! A [`Scope`] is made where a caller is known (the web layer, the command
//! line, a job) and is asked for by whatever opens the database, the lake or a
//! use case. Whoever holds no grant may nothing: permissions are granted, never
//! taken away. Roles and reaches are data; which role permits what is the one
//! table in [`Role::permits`], kept in `docs/SECURITY.md`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use thiserror::Error;

/// What somebody is in the company, as far as Tonnage is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads costs in its reach.
    Viewer,
    /// Enters invoices, rates and prices, prepares statements.
    FinancePreparer,
    /// Approves statements.
    FinanceApprover,
    /// Brings in bills and usage, writes rules, reviews savings.
    Platform,
    /// Plans capacity.
    Planner,
    /// Reads everything, the audit log too, and changes nothing.
    Auditor,
    /// Manages access and approves nothing.
    Admin,
}

/// Something a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// Read what owners in reach cost.
    ReadCosts,
    /// Read what is the whole company's: bills, sources, clusters, commitments, rules.
    ReadEstate,
    /// Read the audit log and the conflicts of duty.
    ReadAudit,
    /// Enter invoices and take them back.
    EnterInvoices,
    /// Change prices, exchange rates and contracts.
    ChangePrices,
    /// Change owner rules, classes and policies.
    ChangeRules,
    /// Take in bills, usage and drivers.
    Ingest,
    /// See and change accounts, roles, tokens and sessions.
    ManageAccess,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Permission; 8] = [
        Permission::ReadCosts,
        Permission::ReadEstate,
        Permission::ReadAudit,
        Permission::EnterInvoices,
        Permission::ChangePrices,
        Permission::ChangeRules,
        Permission::Ingest,
        Permission::ManageAccess,
    ];

    /// What it lets one do, to follow "you may not" and "may".
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Permission::ReadCosts => "see costs",
            Permission::ReadEstate => "see what is the whole company's",
            Permission::ReadAudit => "read the audit log",
            Permission::EnterInvoices => "enter invoices",
            Permission::ChangePrices => "change prices, exchange rates and contracts",
            Permission::ChangeRules => "change rules",
            Permission::Ingest => "take in bills and usage",
            Permission::ManageAccess => "manage access",
        }
    }
}

impl Role {
    /// Every role, in the order they are listed.
    pub const ALL: [Role; 7] = [
        Role::Viewer,
        Role::FinancePreparer,
        Role::FinanceApprover,
        Role::Platform,
        Role::Planner,
        Role::Auditor,
        Role::Admin,
    ];

    /// Its name in data, on the command line and in the API.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::FinancePreparer => "finance_preparer",
            Role::FinanceApprover => "finance_approver",
            Role::Platform => "platform",
            Role::Planner => "planner",
            Role::Auditor => "auditor",
            Role::Admin => "admin",
        }
    }

    /// Its name on pages.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Role::Viewer => "Viewer",
            Role::FinancePreparer => "Finance preparer",
            Role::FinanceApprover => "Finance approver",
            Role::Platform => "Platform",
            Role::Planner => "Planner",
            Role::Auditor => "Auditor",
            Role::Admin => "Admin",
        }
    }

    /// What it is for, in a sentence.
    #[must_use]
    pub const fn purpose(self) -> &'static str {
        match self {
            Role::Viewer => "reads costs within its reach",
            Role::FinancePreparer => "reads, enters invoices, rates and prices, and prepares statements",
            Role::FinanceApprover => "reads, and approves what others prepared",
            Role::Platform => "reads, brings in bills and usage, and writes rules",
            Role::Planner => "reads, and plans capacity",
            Role::Auditor => "reads everything, the audit log too, and changes nothing",
            Role::Admin => "reads, and manages access; approves nothing",
        }
    }

    /// The role of a key.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.key() == key)
    }

    /// Whether the role permits it. The one place that says so.
    #[must_use]
    pub const fn permits(self, permission: Permission) -> bool {
        match permission {
            Permission::ReadCosts | Permission::ReadEstate => true,
            Permission::ReadAudit => matches!(self, Role::Auditor | Role::Admin),
            Permission::EnterInvoices => matches!(self, Role::FinancePreparer),
            Permission::ChangePrices => matches!(self, Role::FinancePreparer | Role::Platform),
            Permission::ChangeRules | Permission::Ingest => matches!(self, Role::Platform),
            Permission::ManageAccess => matches!(self, Role::Admin),
        }
    }
}

/// Duties that one person should not hold together (C7), and why.
pub const CONFLICTS: [(Role, Role, &str); 4] = [
    (
        Role::FinancePreparer,
        Role::FinanceApprover,
        "whoever prepares a statement must not approve it",
    ),
    (
        Role::Admin,
        Role::FinanceApprover,
        "whoever manages access must not approve: it could grant itself the rest",
    ),
    (
        Role::Platform,
        Role::FinanceApprover,
        "whoever writes the rules must not approve what they charge",
    ),
    (Role::Auditor, Role::Admin, "whoever audits access must not manage it"),
];

/// Whose figures a grant reaches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reach", content = "owner")]
pub enum Reach {
    /// The whole company.
    All,
    /// One legal entity, by its name in the owner rules.
    LegalEntity(String),
    /// One tenant, by its name in the owner rules.
    Tenant(String),
}

impl Reach {
    /// Its kind in data: `all`, `legal_entity`, `tenant`; the last two are owner dimensions.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Reach::All => "all",
            Reach::LegalEntity(_) => "legal_entity",
            Reach::Tenant(_) => "tenant",
        }
    }

    /// The owner it names; empty for the whole company.
    #[must_use]
    pub fn owner(&self) -> &str {
        match self {
            Reach::All => "",
            Reach::LegalEntity(owner) | Reach::Tenant(owner) => owner,
        }
    }

    /// From kind and owner; `None` for an unknown kind, or an owner that is
    /// missing or has none to belong to.
    #[must_use]
    pub fn new(kind: &str, owner: &str) -> Option<Reach> {
        match (kind, owner.is_empty()) {
            ("all", true) => Some(Reach::All),
            ("legal_entity", false) => Some(Reach::LegalEntity(owner.to_owned())),
            ("tenant", false) => Some(Reach::Tenant(owner.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reach::All => f.write_str("all"),
            named => write!(f, "{}:{}", named.kind(), named.owner()),
        }
    }
}

/// As it is written in a configuration or on the command line: `all`,
/// `tenant:NAME`, `legal_entity:NAME`.
impl std::str::FromStr for Reach {
    type Err = String;

    fn from_str(text: &str) -> Result<Reach, String> {
        let (kind, owner) = text.split_once(':').unwrap_or((text, ""));
        Reach::new(kind.trim(), owner.trim())
            .ok_or_else(|| format!("{text:?} is no reach; write all, tenant:NAME or legal_entity:NAME"))
    }
}

/// One role over one reach.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// What the holder is.
    pub role: Role,
    /// Over whose figures.
    #[serde(flatten)]
    pub reach: Reach,
}

/// Who is acting, as the audit log names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Actor {
    /// What sort of actor: `account`, `token`, `agent`, `shell`, `system`, `nobody`.
    pub kind: &'static str,
    /// Id that stays: of the account, of the agent's token, the job's name.
    pub id: String,
    /// Name to show.
    pub name: String,
    /// Where the request came from: an address, or nothing.
    pub address: String,
    /// Id of the request, which the log has too; or nothing.
    pub request_id: String,
}

/// Why something was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("you may not {}", .0.what())]
pub struct Forbidden(pub Permission);

/// Whose figures a caller reaches with a permission, all grants together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reaches {
    /// The whole company's.
    All,
    /// Those of these owners and of nobody else.
    Owners {
        /// Tenants by name.
        tenants: BTreeSet<String>,
        /// Legal entities by name.
        legal_entities: BTreeSet<String>,
    },
}

impl Reaches {
    /// Whether a figure of this tenant and legal entity is within.
    #[must_use]
    pub fn covers(&self, tenant: Option<&str>, legal_entity: Option<&str>) -> bool {
        match self {
            Reaches::All => true,
            Reaches::Owners {
                tenants,
                legal_entities,
            } => {
                tenant.is_some_and(|name| tenants.contains(name))
                    || legal_entity.is_some_and(|name| legal_entities.contains(name))
            }
        }
    }
}

/// Who is asking, and what they may see and do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    actor: Actor,
    powers: Powers,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Powers {
    /// What was granted, and nothing else.
    Granted(Vec<Grant>),
    /// The machine's own work, or the shell on it.
    All,
    /// An agent's: to bring in facts.
    Ingest,
}

impl Scope {
    /// Somebody known, with what was granted to them.
    #[must_use]
    pub fn of(actor: Actor, grants: Vec<Grant>) -> Scope {
        Scope {
            actor,
            powers: Powers::Granted(grants),
        }
    }

    /// Nobody: may nothing.
    #[must_use]
    pub fn nobody() -> Scope {
        let actor = Actor {
            kind: "nobody",
            id: String::new(),
            name: "nobody".to_owned(),
            address: String::new(),
            request_id: String::new(),
        };
        Scope::of(actor, Vec::new())
    }

    /// What the program does by itself: jobs, sign-in, derived figures.
    #[must_use]
    pub fn system(job: &str) -> Scope {
        Scope::machine("system", job, Powers::All)
    }

    /// An agent that pushes facts with its token, and may nothing else.
    #[must_use]
    pub fn agent(token_id: &str, name: &str) -> Scope {
        let mut scope = Scope::machine("agent", token_id, Powers::Ingest);
        name.clone_into(&mut scope.actor.name);
        scope
    }

    /// Whoever runs the command line on the data: files and database are theirs.
    #[must_use]
    pub fn shell(user: &str) -> Scope {
        Scope::machine("shell", user, Powers::All)
    }

    fn machine(kind: &'static str, id: &str, powers: Powers) -> Scope {
        let actor = Actor {
            kind,
            id: id.to_owned(),
            name: id.to_owned(),
            address: String::new(),
            request_id: String::new(),
        };
        Scope { actor, powers }
    }

    /// The same, at a request: for the audit log.
    #[must_use]
    pub fn at(mut self, address: &str, request_id: &str) -> Scope {
        address.clone_into(&mut self.actor.address);
        request_id.clone_into(&mut self.actor.request_id);
        self
    }

    /// The machine's powers under somebody's name: for the little that everybody
    /// may do with what is their own, where the caller has looked whose it is.
    #[must_use]
    pub fn named(mut self, actor: &Actor) -> Scope {
        self.actor = actor.clone();
        self
    }

    /// Who is acting.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// What was granted; empty for the machine's own work.
    #[must_use]
    pub fn grants(&self) -> &[Grant] {
        match &self.powers {
            Powers::Granted(grants) => grants,
            Powers::All | Powers::Ingest => &[],
        }
    }

    /// Whether anything at all is permitted: nobody opens anything.
    #[must_use]
    pub fn is_somebody(&self) -> bool {
        !matches!(&self.powers, Powers::Granted(grants) if grants.is_empty())
    }

    /// Whose figures this permission reaches; `None` when it was not granted at all.
    #[must_use]
    pub fn reaches(&self, permission: Permission) -> Option<Reaches> {
        let grants = match &self.powers {
            Powers::All => return Some(Reaches::All),
            Powers::Ingest => return (permission == Permission::Ingest).then_some(Reaches::All),
            Powers::Granted(grants) => grants,
        };
        let (mut tenants, mut legal_entities) = (BTreeSet::new(), BTreeSet::new());
        let held = grants.iter().filter(|grant| grant.role.permits(permission));
        for grant in held {
            match &grant.reach {
                Reach::All => return Some(Reaches::All),
                Reach::Tenant(name) => tenants.insert(name.clone()),
                Reach::LegalEntity(name) => legal_entities.insert(name.clone()),
            };
        }
        if tenants.is_empty() && legal_entities.is_empty() {
            return None;
        }
        Some(Reaches::Owners {
            tenants,
            legal_entities,
        })
    }

    /// That the whole company is within reach for it.
    ///
    /// # Errors
    /// [`Forbidden`] when it was not granted over everything.
    pub fn require(&self, permission: Permission) -> Result<(), Forbidden> {
        match self.reaches(permission) {
            Some(Reaches::All) => Ok(()),
            _ => Err(Forbidden(permission)),
        }
    }

    /// That at least something is within reach for it, and what.
    ///
    /// # Errors
    /// [`Forbidden`] when it was not granted at all.
    pub fn require_some(&self, permission: Permission) -> Result<Reaches, Forbidden> {
        self.reaches(permission).ok_or(Forbidden(permission))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(grants: &[(Role, Reach)]) -> Scope {
        let grants = grants.iter().map(|(role, reach)| Grant {
            role: *role,
            reach: reach.clone(),
        });
        Scope::of(Scope::nobody().actor, grants.collect())
    }

    fn tenant(name: &str) -> Reach {
        Reach::Tenant(name.to_owned())
    }

    #[test]
    fn nobody_may_nothing_and_the_machine_everything() {
        for permission in Permission::ALL {
            assert_eq!(Scope::nobody().require(permission), Err(Forbidden(permission)));
            assert_eq!(Scope::nobody().reaches(permission), None);
            assert_eq!(Scope::system("job").require(permission), Ok(()));
            let agent = Scope::agent("1", "prod").require(permission);
            assert_eq!(agent.is_ok(), permission == Permission::Ingest);
        }
        assert!(!Scope::nobody().is_somebody() && Scope::agent("1", "prod").is_somebody());
    }

    #[test]
    fn an_auditor_changes_nothing_and_an_admin_only_access() {
        use Permission::*;
        let table: [(Role, &[Permission]); 7] = [
            (Role::Viewer, &[ReadCosts, ReadEstate]),
            (
                Role::FinancePreparer,
                &[ReadCosts, ReadEstate, EnterInvoices, ChangePrices],
            ),
            (Role::FinanceApprover, &[ReadCosts, ReadEstate]),
            (
                Role::Platform,
                &[ReadCosts, ReadEstate, ChangePrices, ChangeRules, Ingest],
            ),
            (Role::Planner, &[ReadCosts, ReadEstate]),
            (Role::Auditor, &[ReadCosts, ReadEstate, ReadAudit]),
            (Role::Admin, &[ReadCosts, ReadEstate, ReadAudit, ManageAccess]),
        ];
        for (role, expected) in table {
            let held: Vec<Permission> = Permission::ALL.into_iter().filter(|p| role.permits(*p)).collect();
            assert_eq!(held, expected, "{role:?}");
            assert_eq!(Role::from_key(role.key()), Some(role));
        }
    }

    #[test]
    fn reaches_add_up_by_permission() {
        let scope = with(&[
            (Role::Viewer, tenant("acme")),
            (Role::Viewer, Reach::LegalEntity("Nord GmbH".to_owned())),
            (Role::Auditor, tenant("bolt")),
        ]);
        let Some(Reaches::Owners { tenants, .. }) = scope.reaches(Permission::ReadAudit) else {
            panic!("the audit log of one tenant");
        };
        assert_eq!(tenants.into_iter().collect::<Vec<_>>(), ["bolt"]);
        let costs = scope.reaches(Permission::ReadCosts).expect("granted");
        let table = [
            (Some("acme"), None, true),
            (Some("bolt"), None, true),
            (Some("other"), Some("Nord GmbH"), true),
            (Some("other"), Some("Süd GmbH"), false),
            (Some("ACME"), None, false),
            (None, None, false),
        ];
        for (tenant, entity, covered) in table {
            assert_eq!(costs.covers(tenant, entity), covered, "{tenant:?} {entity:?}");
        }
        assert_eq!(
            scope.require(Permission::ReadCosts),
            Err(Forbidden(Permission::ReadCosts))
        );
        let wide = with(&[(Role::Viewer, tenant("acme")), (Role::Planner, Reach::All)]);
        assert_eq!(wide.reaches(Permission::ReadCosts), Some(Reaches::All));
    }

    #[test]
    fn a_reach_is_read_as_it_is_written() {
        for text in ["all", "tenant:acme", "legal_entity:Nord GmbH", "tenant:a:b"] {
            assert_eq!(text.parse::<Reach>().expect(text).to_string(), text);
        }
        for text in ["", "tenant:", "all:acme", "team:x", "legal_entity"] {
            assert!(text.parse::<Reach>().is_err(), "{text}");
        }
    }

    #[test]
    fn conflicts_name_two_different_roles_once() {
        let pairs: BTreeSet<(Role, Role)> = CONFLICTS.iter().map(|(a, b, _)| (*a.min(b), *a.max(b))).collect();
        assert_eq!(pairs.len(), CONFLICTS.len());
        assert!(CONFLICTS.iter().all(|(a, b, _)| a != b));
    }
}
