//! Use cases: the only place where sources, lake, store and charts meet.

pub mod access;
pub mod agent;
pub mod allocate;
pub mod catalogue;
pub mod clusters;
pub mod collect;
pub mod contracts;
pub mod cube;
mod current;
pub mod deliveries;
pub mod drivers;
pub mod drivers_prometheus;
pub mod explain;
mod fees;
mod focus_table;
pub mod ingest;
pub mod invoices;
pub mod opencost;
pub mod prices;
pub mod push;
pub mod rates;
pub mod receive;
pub mod reports;
pub mod rules;
pub mod schedules;
pub mod tokens;
pub mod usage;
pub(crate) mod view;

use crate::clock::Clock;
use crate::config::Config;
use crate::error::AppError;
use cube::CubeCache;
use domain::access::{Permission, Scope};
use lake::Lake;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::Store;

/// Everything a use case works with. Clones share it.
#[derive(Clone)]
pub struct App {
    pub(crate) store: Store,
    pub(crate) lake: Lake,
    pub(crate) clock: Clock,
    pub(crate) scratch: PathBuf,
    pub(crate) cubes: Arc<CubeCache>,
    pub(crate) opencost: Arc<opencost::OpenCostCache>,
    pub(crate) schedules: Arc<schedules::Schedules>,
    fees: Arc<fees::FeeCache>,
    pub(crate) catalogue: Arc<view::AtVersion<catalogue::Known>>,
    pub(crate) rates: Arc<view::AtVersion<rates::Known>>,
    pub(crate) guesses: Arc<access::Guesses>,
    pub(crate) notes: Arc<access::Notes>,
    pub(crate) providers: Arc<access::oidc::Providers>,
    /// Polars work is bounded by the cores.
    heavy: Arc<tokio::sync::Semaphore>,
}

/// Setting that names the company of the data.
pub(crate) const COMPANY: &str = "company";
/// Setting that marks the data as synthetic.
pub(crate) const SYNTHETIC: &str = "synthetic";

impl App {
    /// Opens database and lake for somebody, making the data folder when it is
    /// not there.
    ///
    /// # Errors
    /// When either cannot be opened.
    pub async fn open(config: &Config, scope: Scope) -> Result<App, AppError> {
        let data_dir = &config.data_dir.value;
        let scratch = data_dir.join("scratch");
        std::fs::create_dir_all(&scratch)
            .map_err(|error| AppError::broken(format!("cannot make the data folder {}", data_dir.display()), error))?;
        let lake = Lake::file(&config.lake_dir())?;
        let store = Store::open(&config.store_url(), scope).await?;
        let app = App::new(store, lake, config.clock, &scratch);
        match &config.sign_in {
            Some(sign_in) => app.with_sign_in(sign_in),
            None => Ok(app),
        }
    }

    /// From parts, for tests on other backends.
    #[must_use]
    pub fn new(store: Store, lake: Lake, clock: Clock, scratch: &Path) -> App {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        App {
            store,
            lake,
            clock,
            scratch: scratch.to_owned(),
            cubes: Arc::new(CubeCache::default()),
            opencost: Arc::default(),
            schedules: Arc::default(),
            fees: Arc::default(),
            catalogue: Arc::default(),
            rates: Arc::default(),
            guesses: Arc::default(),
            notes: Arc::default(),
            providers: Arc::default(),
            heavy: Arc::new(tokio::sync::Semaphore::new(cores)),
        }
    }

    /// The same for another caller: the only way to act for somebody else.
    #[must_use]
    pub fn acting(&self, scope: Scope) -> App {
        App {
            store: self.store.acting(Arc::new(scope)),
            ..self.clone()
        }
    }

    /// For whom it acts.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        self.store.scope()
    }

    /// The machine itself, for what every reader's figures are made from: the
    /// manifest, the allocation, the rules. What is handed on of it is cut to the
    /// caller's reach where it is read (`allocate::load`, `explain`).
    pub(crate) fn inner(&self) -> App {
        if self.reads_estate().is_ok() {
            return self.clone();
        }
        let actor = self.scope().actor();
        let scope = Scope::system("figures").at(&actor.address, &actor.request_id);
        self.acting(scope)
    }

    /// That the caller may see what is the whole company's.
    pub(crate) fn reads_estate(&self) -> Result<(), AppError> {
        Ok(self.scope().require(Permission::ReadEstate)?)
    }

    /// The database, for checks beside the use cases.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The lake, for checks beside the use cases.
    #[must_use]
    pub fn lake(&self) -> &Lake {
        &self.lake
    }

    /// How much blocking work runs at once.
    pub(crate) fn cores(&self) -> usize {
        std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
    }

    /// Runs blocking work off the async threads, at most one job per core.
    pub(crate) async fn heavy<T, F>(&self, doing: &'static str, work: F) -> Result<T, AppError>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, AppError> + Send + 'static,
    {
        let _permit = self
            .heavy
            .acquire()
            .await
            .map_err(|error| AppError::broken(doing, error))?;
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| AppError::broken(doing, error))?
    }

    /// Removes lake files that nothing names and that are older than a day.
    ///
    /// # Errors
    /// When the database or the lake cannot be read.
    pub async fn tidy(&self) -> Result<Vec<String>, AppError> {
        let named = self.store.named_paths().await?;
        let (lake, scratch) = (self.lake.clone(), self.scratch.clone());
        self.heavy("cannot tidy the lake", move || {
            // a writer that was killed leaves files, a writer that is alive needs them
            let before = std::time::SystemTime::now() - lake::object::UNNAMED_FOR;
            forget_scratch(&scratch, before);
            Ok(lake.remove_unnamed(&named, before)?)
        })
        .await
    }

    /// Names the company, and says whether it is a synthetic one.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_company(&self, name: &str, synthetic: bool) -> Result<(), AppError> {
        self.store.set_setting(COMPANY, name).await?;
        self.store
            .set_setting(SYNTHETIC, if synthetic { "yes" } else { "no" })
            .await?;
        Ok(())
    }

    /// Whose costs these are.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn site(&self) -> Result<wire::Site, AppError> {
        let company = self.store.get_setting(COMPANY).await?;
        let synthetic = self.store.get_setting(SYNTHETIC).await?.as_deref() == Some("yes");
        Ok(wire::Site {
            company,
            synthetic,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            reader: None,
        })
    }
}

/// Removes scratch files last written before an instant; one that cannot be
/// removed stays for the next time.
fn forget_scratch(scratch: &Path, before: std::time::SystemTime) {
    let Ok(entries) = std::fs::read_dir(scratch) else {
        return;
    };
    for entry in entries.flatten() {
        let old = entry
            .metadata()
            .and_then(|meta| meta.modified())
            .is_ok_and(|modified| modified < before);
        if old && let Err(error) = std::fs::remove_file(entry.path()) {
            tracing::warn!(path = %entry.path().display(), %error, "a scratch file stays behind");
        }
    }
}

/// Lower-case hex of a SHA-256 over these parts, each ended by a zero byte.
pub(crate) fn hash_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    use sha2::{Digest, Sha256};
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
        hasher.update([0]);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
