//! Everything that cannot be the same on both databases, each item with its reason.

use crate::db::{Db, Statement};
use crate::error::StoreError;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{PgPool, SqlitePool};
use std::str::FromStr;
use std::time::Duration;

static MIGRATIONS: Migrator = sqlx::migrate!("../../../migrations");

/// How long a call waits for a lock or a free connection before it is [`StoreError::Busy`].
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// PostgreSQL 14 is the oldest release the contract suite may be run on.
const OLDEST_POSTGRES: i64 = 14;

/// SQLite must take its write lock at once: a transaction that read first and
/// writes later cannot wait for the lock, it fails. PostgreSQL locks rows.
pub(crate) const BEGIN_WRITE: Statement = Statement {
    what: "begin to write",
    sqlite: "BEGIN IMMEDIATE",
    postgres: "BEGIN",
};

/// A reader sees one state throughout: in SQLite's WAL any transaction does,
/// PostgreSQL has to be told. Writers are never kept apart this way: they
/// compare and swap the manifest version.
pub(crate) const BEGIN_READ: Statement = Statement {
    what: "begin to read",
    sqlite: "BEGIN",
    postgres: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
};

/// A set is bound as one JSON text. The function that makes rows of it is
/// `json_each` in SQLite, `jsonb_array_elements` in PostgreSQL; `->>` is in both.
macro_rules! from_json_rows {
    ($what:literal => $before:literal, $after:literal) => {
        crate::db::Statement {
            what: $what,
            sqlite: concat!($before, " json_each($1) AS item ", $after),
            postgres: concat!(
                $before,
                " jsonb_array_elements(CAST($1 AS jsonb)) AS item(value) ",
                $after
            ),
        }
    };
}
pub(crate) use from_json_rows;

/// Opens and migrates the database at `url`.
pub(crate) async fn open(url: &str) -> Result<Db, StoreError> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("sqlite") => open_sqlite(url).await.map(Db::Sqlite),
        Some("postgres" | "postgresql") => open_postgres(url).await.map(Db::Postgres),
        // the address may hold a password: only its scheme is repeated
        scheme => Err(StoreError::Unsupported {
            reason: format!(
                "database address of kind {scheme:?}; write sqlite:///path/tonnage.db or postgres://user@host/database"
            ),
        }),
    }
}

async fn open_sqlite(url: &str) -> Result<SqlitePool, StoreError> {
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|error| classify("understand the address of the SQLite database", error))?;
    if url.contains(":memory:") || url.contains("mode=memory") {
        // every connection of the pool would get a database of its own
        return Err(StoreError::Unsupported {
            reason: "a SQLite database in memory cannot be shared by connections; name a file".to_owned(),
        });
    }
    let options = options
        .create_if_missing(true)
        .busy_timeout(BUSY_TIMEOUT)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true);
    let pool = SqlitePoolOptions::new()
        .max_connections(8)
        .acquire_timeout(BUSY_TIMEOUT)
        .connect_lazy_with(options);
    retry_while_busy(async || migrate_sqlite(&pool).await).await?;
    Ok(pool)
}

/// sqlx locks a PostgreSQL database while it migrates, but not a SQLite one:
/// two processes that open a new file together would both create its tables.
/// The write lock keeps them apart; sqlx's own transactions become savepoints.
async fn migrate_sqlite(pool: &SqlitePool) -> Result<(), StoreError> {
    let mut tx = pool
        .begin_with(BEGIN_WRITE.sqlite)
        .await
        .map_err(BEGIN_WRITE.failed())?;
    MIGRATIONS
        .run_direct(None, &mut *tx, false)
        .await
        .map_err(migration_failed)?;
    tx.commit()
        .await
        .map_err(|error| classify("commit the migrations", error))
}

/// SQLite does not wait for the lock that turning the WAL on needs, whatever
/// its busy timeout: whoever opens a new file beside another tries again.
async fn retry_while_busy(attempt: impl AsyncFn() -> Result<(), StoreError>) -> Result<(), StoreError> {
    let deadline = tokio::time::Instant::now() + BUSY_TIMEOUT;
    loop {
        match attempt().await {
            Err(StoreError::Busy { context, .. }) if tokio::time::Instant::now() < deadline => {
                tracing::debug!(context, "the database is busy, trying again");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            done => return done,
        }
    }
}

async fn open_postgres(url: &str) -> Result<PgPool, StoreError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| classify("understand the address of the PostgreSQL database", error))?;
    let pool = PgPoolOptions::new()
        .max_connections(10)
        .acquire_timeout(BUSY_TIMEOUT)
        .connect_lazy_with(options);
    let version: String = postgres_setting(&pool, "server_version_num").await?;
    check_postgres_version(&version)?;
    create_postgres_schema(&pool).await?;
    MIGRATIONS.run(&pool).await.map_err(migration_failed)?;
    Ok(pool)
}

async fn postgres_setting(pool: &PgPool, name: &str) -> Result<String, StoreError> {
    sqlx::query_scalar("SELECT current_setting($1)")
        .bind(name)
        .fetch_one(pool)
        .await
        .map_err(|error| classify("ask the PostgreSQL server for its settings", error))
}

/// `server_version_num` is 140005 for 14.5.
fn check_postgres_version(number: &str) -> Result<(), StoreError> {
    let major = number
        .parse::<i64>()
        .map_err(|error| StoreError::backend("read the version of the PostgreSQL server", error))?
        / 10_000;
    if major >= OLDEST_POSTGRES {
        return Ok(());
    }
    Err(StoreError::Unsupported {
        reason: format!("PostgreSQL {major} is too old; version {OLDEST_POSTGRES} or newer is needed"),
    })
}

/// SQLite has no schemas. On PostgreSQL `?options[search_path]=tonnage` gives
/// the store a schema of its own in a shared database; it is made when missing.
async fn create_postgres_schema(pool: &PgPool) -> Result<(), StoreError> {
    let path = postgres_setting(pool, "search_path").await?;
    if !is_plain_name(&path) || path == "public" {
        return Ok(()); // the server's default, or several: they are somebody else's to make
    }
    // a name cannot be bound; this one is letters, digits and underscores only
    let create = sqlx::AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS {path}"));
    match sqlx::query(create).execute(pool).await {
        Ok(_) => Ok(()),
        // whoever may not create, or came second beside another, can still use one that is there
        Err(_) if postgres_schema_exists(pool, &path).await? => Ok(()),
        Err(error) => Err(classify("create the PostgreSQL schema that search_path names", error)),
    }
}

async fn postgres_schema_exists(pool: &PgPool, name: &str) -> Result<bool, StoreError> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)")
        .bind(name)
        .fetch_one(pool)
        .await
        .map_err(|error| classify("look for the PostgreSQL schema that search_path names", error))
}

fn is_plain_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn migration_failed(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            classify("migrate the database", error)
        }
        MigrateError::VersionMissing(version) => StoreError::Unsupported {
            reason: format!(
                "the database holds migration {version}, which this version of Tonnage does not know; run a newer one"
            ),
        },
        error => StoreError::backend("migrate the database", error),
    }
}

/// Errors are told apart by code: their texts differ and SQLite names no constraints.
pub(crate) fn classify(context: &'static str, error: sqlx::Error) -> StoreError {
    let busy = match &error {
        sqlx::Error::PoolTimedOut => true,
        sqlx::Error::Database(reported) => reported.code().is_some_and(|code| is_busy(&code)),
        _ => false,
    };
    if busy {
        StoreError::Busy {
            context,
            source: error.into(),
        }
    } else {
        StoreError::backend(context, error)
    }
}

/// SQLite: SQLITE_BUSY (5) and SQLITE_LOCKED (6), extended by multiples of 256.
/// PostgreSQL has five characters: serialisation failure, deadlock, lock not
/// available, too many connections, cannot connect now.
fn is_busy(code: &str) -> bool {
    match code {
        "40001" | "40P01" | "55P03" | "53300" | "57P03" => true,
        _ if code.len() == 5 => false,
        _ => code.parse::<i64>().is_ok_and(|code| matches!(code & 0xff, 5 | 6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_postgres_is_refused() {
        for (number, good) in [
            ("90624", false),
            ("130018", false),
            ("140000", true),
            ("150014", true),
            ("x", false),
        ] {
            assert_eq!(check_postgres_version(number).is_ok(), good, "{number}");
        }
        let error = check_postgres_version("130018").expect_err("13");
        assert_eq!(
            error.to_string(),
            "PostgreSQL 13 is too old; version 14 or newer is needed"
        );
    }

    #[test]
    fn busy_is_told_from_broken() {
        for (code, busy) in [
            ("5", true),
            ("517", true),
            ("261", true),
            ("6", true),
            ("2067", false),
            ("1", false),
            ("40001", true),
            ("23505", false),
            ("53300", true),
        ] {
            assert_eq!(is_busy(code), busy, "{code}");
        }
    }

    #[test]
    fn only_plain_names_are_made_into_schemas() {
        for (name, plain) in [
            ("tonnage", true),
            ("t_1", true),
            ("\"$user\", public", false),
            ("a,b", false),
            ("a;drop", false),
            ("1a", false),
            ("", false),
            ("Ä", false),
        ] {
            assert_eq!(is_plain_name(name), plain, "{name:?}");
        }
    }

    #[tokio::test]
    async fn every_sqlite_connection_is_durable_and_checks_keys() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("tonnage.db");
        let pool = open_sqlite(&format!("sqlite://{}", path.display()))
            .await
            .expect("a database");
        let (first, second) = (pool.acquire().await, pool.acquire().await);
        for mut connection in [first.expect("one"), second.expect("two")] {
            for (pragma, expect) in [
                ("SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous", "2"),
                ("SELECT CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys", "1"),
                ("SELECT journal_mode FROM pragma_journal_mode", "wal"),
                ("SELECT CAST(timeout AS TEXT) FROM pragma_busy_timeout", "10000"),
            ] {
                let value: String = sqlx::query_scalar(pragma)
                    .fetch_one(&mut *connection)
                    .await
                    .expect(pragma);
                assert_eq!(value, expect, "{pragma}");
            }
        }
    }

    #[tokio::test]
    async fn a_database_of_a_newer_tonnage_is_refused() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("tonnage.db").display());
        let pool = open_sqlite(&url).await.expect("a database");
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                     VALUES (9999, 'later', TRUE, x'00', 0)";
        sqlx::query(newer).execute(&pool).await.expect("a later migration");
        pool.close().await;
        let error = open(&url).await.err().expect("refused");
        assert!(matches!(error, StoreError::Unsupported { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn other_addresses_are_refused() {
        for url in ["mysql://user:secret@host/x", "tonnage.db", "sqlite::memory:"] {
            let error = open(url).await.err().expect(url);
            assert!(matches!(error, StoreError::Unsupported { .. }), "{url}: {error:?}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
