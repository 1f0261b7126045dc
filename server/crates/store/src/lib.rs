//! Manifest, sources, rules, findings in SQLite or PostgreSQL: the only crate with sqlx.
//!
//! One SQL text and one folder of migrations serve both databases; what cannot
//! be the same lies in `dialect`, with its reason. Everything that changes what
//! counts (deliveries, rules, allocations) is one transaction that first moves
//! the manifest version on by compare-and-swap, so a kill at any moment leaves
//! either all of it or nothing, and of two writers that read the same version
//! one is told [`StoreError::Conflict`]. Deliveries and rules are never deleted.
//!
//! Money is stored as canonical decimal text and added up in Rust; periods as
//! `202611`; instants as microseconds since the epoch, UTC.

mod account;
mod agent_token;
mod allocation;
mod audit;
mod claim;
mod contract;
mod db;
mod delivery;
mod dialect;
mod driver;
mod error;
mod explain;
mod finding;
mod fx;
mod invoice;
mod manifest;
mod price;
mod rows;
mod rules;
mod session;
mod setting;
mod usage;

pub use account::{Account, AccountRow, NewAccount, Vouched};
pub use agent_token::AgentToken;
pub use allocation::{AllocationFile, AllocationRow, AllocationTotal};
pub use audit::{AuditEntry, AuditQuery, Verdict, Verified};
pub use delivery::{
    ActiveFile, CHARGES, ClaimMode, Commit, DeliveredTotal, DeliveryPeriod, DeliveryRecord, DeliveryState,
    ExportWindow, Fate, InputFile, LakeFileRow, NewDelivery, QuarantineRow, Replaced, ReplacedMoney, SourceRecord,
    TotalRow,
};
pub use driver::{DriverFileRow, NewDrivers};
pub use error::{Cause, StoreError};
pub use explain::ExplainKey;
pub use rules::{NO_RULES, NewRules, RulesKind, RulesVersion};
pub use session::{ApiToken, CodePurpose, Session, SignInState};
pub use usage::{NewUsage, UsageDayRow, UsageDeliveryRow};

use db::{Db, Statement, Tx};
use domain::access::{Forbidden, Permission, Scope};
use std::sync::Arc;

/// The database of a Tonnage installation, as one caller may use it. Clones
/// share its connections.
#[derive(Clone)]
pub struct Store {
    db: Db,
    scope: Arc<Scope>,
}

/// Which database a store runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// A SQLite file.
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
}

impl Store {
    /// Opens the database at `sqlite:///path/tonnage.db` (made when missing, its
    /// folder must be there) or `postgres://user@host/database`, and migrates it.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] for other addresses, for a PostgreSQL older
    /// than 14 and for a database of a newer Tonnage; else when it cannot be
    /// reached or migrated.
    pub async fn open(url: &str, scope: Scope) -> Result<Store, StoreError> {
        Ok(Store {
            db: dialect::open(url).await?,
            scope: Arc::new(scope),
        })
    }

    /// The same database for another caller.
    #[must_use]
    pub fn acting(&self, scope: Arc<Scope>) -> Store {
        Store {
            db: self.db.clone(),
            scope,
        }
    }

    /// For whom it acts.
    #[must_use]
    pub fn scope(&self) -> &Arc<Scope> {
        &self.scope
    }

    /// Begins to read what is the whole company's, which whoever brings in data
    /// needs too: facts merge with those there are.
    async fn read(&self) -> Result<Tx, StoreError> {
        let reads = self.scope.require(Permission::ReadEstate);
        reads.or_else(|refused| self.scope.require(Permission::Ingest).map_err(|_| refused))?;
        self.db.read().await
    }

    /// Begins to read what is nobody's secret: versions, names, ids.
    async fn read_any(&self) -> Result<Tx, StoreError> {
        self.somebody()?;
        self.db.read().await
    }

    /// Begins to change what a permission covers.
    async fn write(&self, permission: Permission) -> Result<Tx, StoreError> {
        self.scope.require(permission)?;
        self.db.write().await
    }

    /// Begins to keep what follows from what is there: whoever reads may.
    async fn derive(&self) -> Result<Tx, StoreError> {
        self.somebody()?;
        self.db.write().await
    }

    fn somebody(&self) -> Result<(), StoreError> {
        if self.scope.is_somebody() {
            return Ok(());
        }
        Err(Forbidden(Permission::ReadCosts).into())
    }

    /// Which database this is.
    #[must_use]
    pub fn kind(&self) -> StoreKind {
        match self.db {
            Db::Sqlite(_) => StoreKind::Sqlite,
            Db::Postgres(_) => StoreKind::Postgres,
        }
    }

    /// Closes all connections, of all clones.
    pub async fn close(&self) {
        match &self.db {
            Db::Sqlite(pool) => pool.close().await,
            Db::Postgres(pool) => pool.close().await,
        }
    }

    /// Has the database check every statement of the store without running any,
    /// and gives their number.
    ///
    /// # Errors
    /// The first statement that this database, as migrated, does not accept.
    pub async fn check_statements(&self) -> Result<usize, StoreError> {
        let mut tx = self.read().await?;
        let mut checked = 0;
        for statement in all_statements() {
            tx.prepare(statement).await?;
            checked += 1;
        }
        Ok(checked)
    }
}

fn all_statements() -> impl Iterator<Item = Statement> {
    [
        account::STATEMENTS,
        agent_token::STATEMENTS,
        audit::STATEMENTS,
        session::STATEMENTS,
        allocation::STATEMENTS,
        claim::STATEMENTS,
        contract::STATEMENTS,
        delivery::COMMIT_STATEMENTS,
        delivery::READ_STATEMENTS,
        driver::STATEMENTS,
        explain::STATEMENTS,
        &[explain::PUT],
        finding::STATEMENTS,
        fx::STATEMENTS,
        invoice::STATEMENTS,
        manifest::STATEMENTS,
        price::STATEMENTS,
        &[price::SET, price::SET_ADVICE],
        rules::STATEMENTS,
        setting::STATEMENTS,
        usage::STATEMENTS,
    ]
    .into_iter()
    .flatten()
    .copied()
}
