//! `_current.json` in the lake: which files count, for programs that read the
//! lake and cannot ask the manifest.

use super::App;
use crate::error::AppError;
use serde::Serialize;
use std::collections::BTreeMap;

/// Version of the file's form.
const FORMAT: u32 = 1;

/// The whole file.
#[derive(Debug, Serialize)]
struct Current {
    format: u32,
    /// The manifest's version when it was written: a higher one there means
    /// that this list is old.
    manifest_version: i64,
    /// Charge files by billing period.
    periods: BTreeMap<String, Vec<CurrentFile>>,
}

#[derive(Debug, Serialize)]
struct CurrentFile {
    /// Path from the folder of the lake, with `/`.
    path: String,
    delivery_id: String,
    source: String,
    rows: u64,
    bytes: u64,
    sha256: String,
}

impl App {
    /// Writes which charge files count, as of now, to `_current.json` in the lake.
    ///
    /// # Errors
    /// When the database cannot be read or the lake not be written.
    pub async fn write_current(&self) -> Result<(), AppError> {
        self.steady(|| async {
            let manifest_version = self.store.manifest_version().await?;
            let mut periods: BTreeMap<String, Vec<CurrentFile>> = BTreeMap::new();
            for file in self.store.active_files(None).await? {
                periods.entry(file.period.to_string()).or_default().push(CurrentFile {
                    path: file.path,
                    delivery_id: file.delivery_id,
                    source: file.source_id,
                    rows: file.rows,
                    bytes: file.bytes,
                    sha256: file.sha256,
                });
            }
            let current = Current {
                format: FORMAT,
                manifest_version,
                periods,
            };
            let text = serde_json::to_vec_pretty(&current)
                .map_err(|error| AppError::broken("cannot write the list of lake files", error))?;
            let lake = self.lake.clone();
            self.heavy("cannot write the list of lake files", move || {
                Ok(lake.put_current(&text)?)
            })
            .await
        })
        .await
    }
}
