//! The databases the contract is kept on: a SQLite file, and PostgreSQL at
//! `TEST_POSTGRES_URL`, where every test has a schema of its own.

use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use store::Store;
use tempfile::TempDir;

/// An empty database that lives as long as the test.
pub struct Database {
    url: String,
    _folder: Option<TempDir>,
}

impl Database {
    /// A SQLite file in a folder of its own.
    pub fn sqlite() -> Database {
        let folder = TempDir::new().expect("a temporary folder");
        let url = format!("sqlite://{}", folder.path().join("tonnage.db").display());
        Database {
            url,
            _folder: Some(folder),
        }
    }

    /// A schema on the PostgreSQL server under test; `None`, said aloud, when there is no server.
    pub fn postgres(test: &str) -> Option<Database> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let Ok(server) = std::env::var("TEST_POSTGRES_URL") else {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "TEST_POSTGRES_URL is not set, and with CI=true nothing may be skipped"
            );
            // the test harness swallows what println! and eprintln! write
            let message = format!("SKIPPED {test} on PostgreSQL: set TEST_POSTGRES_URL, or run `cargo xtask test`\n");
            std::io::stderr()
                .write_all(message.as_bytes())
                .expect("standard error is open");
            return None;
        };
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock after 1970");
        let schema = format!(
            "contract_{}_{}_{}",
            std::process::id(),
            since_epoch.as_micros(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let separator = if server.contains('?') { '&' } else { '?' };
        Some(Database {
            url: format!("{server}{separator}options[search_path]={schema}"),
            _folder: None,
        })
    }

    /// Opens it, with connections of its own: a second store is another process as far as it can tell.
    pub async fn open(&self) -> Store {
        match Store::open(&self.url, domain::access::Scope::shell("test")).await {
            Ok(store) => store,
            Err(error) => panic!(
                "cannot open {}: {error}: {:?}",
                self.url,
                std::error::Error::source(&error)
            ),
        }
    }
}

/// Makes each case a test on every database.
macro_rules! on_every_database {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(&crate::databases::Database::sqlite()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                if let Some(database) = crate::databases::Database::postgres(stringify!($case)) {
                    super::$case(&database).await;
                }
            })+
        }
    };
}
pub(crate) use on_every_database;
