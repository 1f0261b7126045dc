//! One SQL text on either database.

use crate::dialect;
use crate::error::StoreError;
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};

/// The database behind a store.
#[derive(Clone)]
pub(crate) enum Db {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// A transaction on it; dropped without a commit, it changes nothing.
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// A statement, what it does (in the imperative, for messages), and its text.
/// The texts differ only for statements made by [`crate::dialect`].
#[derive(Clone, Copy)]
pub(crate) struct Statement {
    pub(crate) what: &'static str,
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

impl Statement {
    pub(crate) fn failed(self) -> impl FnOnce(sqlx::Error) -> StoreError {
        move |error| dialect::classify(self.what, error)
    }
}

/// Names the statements of a module, and lists them so that a test reaches each.
macro_rules! statements {
    ($($name:ident: $what:literal => $text:expr;)+) => {
        $(const $name: crate::db::Statement = crate::db::Statement { what: $what, sqlite: $text, postgres: $text };)+
        pub(crate) const STATEMENTS: &[crate::db::Statement] = &[$($name),+];
    };
}

/// Runs a statement and gives the number of rows it touched.
macro_rules! execute {
    ($tx:expr, $statement:expr $(, $bind:expr)* $(,)?) => {
        match $tx {
            crate::db::Tx::Sqlite(tx) => sqlx::query($statement.sqlite)$(.bind($bind))*.execute(&mut **tx).await.map(|done| done.rows_affected()),
            crate::db::Tx::Postgres(tx) => sqlx::query($statement.postgres)$(.bind($bind))*.execute(&mut **tx).await.map(|done| done.rows_affected()),
        }
        .map_err($statement.failed())
    };
}

/// Runs a query and gives all its rows, of the type the context asks for.
macro_rules! fetch_all {
    ($tx:expr, $statement:expr $(, $bind:expr)* $(,)?) => {
        match $tx {
            crate::db::Tx::Sqlite(tx) => sqlx::query_as($statement.sqlite)$(.bind($bind))*.fetch_all(&mut **tx).await,
            crate::db::Tx::Postgres(tx) => sqlx::query_as($statement.postgres)$(.bind($bind))*.fetch_all(&mut **tx).await,
        }
        .map_err($statement.failed())
    };
}

/// Runs a query that gives one row or none.
macro_rules! fetch_optional {
    ($tx:expr, $statement:expr $(, $bind:expr)* $(,)?) => {
        match $tx {
            crate::db::Tx::Sqlite(tx) => sqlx::query_as($statement.sqlite)$(.bind($bind))*.fetch_optional(&mut **tx).await,
            crate::db::Tx::Postgres(tx) => sqlx::query_as($statement.postgres)$(.bind($bind))*.fetch_optional(&mut **tx).await,
        }
        .map_err($statement.failed())
    };
}

pub(crate) use {execute, fetch_all, fetch_optional, statements};

impl Db {
    /// Begins a transaction that will write.
    pub(crate) async fn write(&self) -> Result<Tx, StoreError> {
        self.begin(dialect::BEGIN_WRITE).await
    }

    /// Begins a transaction that reads one state of the database throughout.
    pub(crate) async fn read(&self) -> Result<Tx, StoreError> {
        self.begin(dialect::BEGIN_READ).await
    }

    async fn begin(&self, statement: Statement) -> Result<Tx, StoreError> {
        match self {
            Db::Sqlite(pool) => pool.begin_with(statement.sqlite).await.map(Tx::Sqlite),
            Db::Postgres(pool) => pool.begin_with(statement.postgres).await.map(Tx::Postgres),
        }
        .map_err(statement.failed())
    }
}

impl Tx {
    /// Ends it. For what changes nothing that anybody decided: everything else
    /// ends through [`crate::Store::commit`], which writes the audit entry.
    pub(crate) async fn commit_without_entry(self) -> Result<(), StoreError> {
        match self {
            Tx::Sqlite(tx) => tx.commit().await,
            Tx::Postgres(tx) => tx.commit().await,
        }
        .map_err(|error| dialect::classify("commit", error))
    }

    /// Has the database check a statement without running it.
    pub(crate) async fn prepare(&mut self, statement: Statement) -> Result<(), StoreError> {
        use sqlx::{Executor as _, SqlSafeStr as _};
        match self {
            Tx::Sqlite(tx) => (&mut **tx).prepare(statement.sqlite.into_sql_str()).await.map(drop),
            Tx::Postgres(tx) => (&mut **tx).prepare(statement.postgres.into_sql_str()).await.map(drop),
        }
        .map_err(statement.failed())
    }
}
