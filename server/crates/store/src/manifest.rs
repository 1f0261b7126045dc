//! The manifest: one version for everything the lake and the rules hold, moved
//! on by compare-and-swap, and the lake paths it names.

use crate::Store;
use crate::db::{Tx, execute, fetch_all, fetch_optional, statements};
use crate::error::{Cause, StoreError};
use std::collections::HashSet;

statements! {
    VERSION: "read the manifest version" => "SELECT version FROM manifest WHERE id = 1";
    ADVANCE: "move the manifest on" => "UPDATE manifest SET version = version + 1 WHERE id = 1 AND version = $1";
    TOUCH: "move the manifest on, whatever it is at" => "UPDATE manifest SET version = version + 1 WHERE id = 1";
    NAMED: "read the lake paths the manifest names" =>
        "SELECT path FROM lake_file UNION SELECT path FROM quarantine UNION SELECT cube_path FROM allocation
         UNION SELECT path FROM allocation_file UNION SELECT slots_path FROM allocation_file WHERE slots_path <> ''
         UNION SELECT nodes_path FROM usage_day UNION SELECT slots_path FROM usage_day UNION SELECT hours_path FROM usage_day
         UNION SELECT volumes_path FROM usage_day WHERE volumes_path IS NOT NULL
         UNION SELECT balancers_path FROM usage_day WHERE balancers_path IS NOT NULL
         UNION SELECT sizing_path FROM usage_day WHERE sizing_path IS NOT NULL
         UNION SELECT path FROM driver_file";
}

/// Takes the next version, or tells that `expected` is no longer the one in
/// force. From here to the end of the transaction nobody else gets past.
pub(crate) async fn advance(tx: &mut Tx, expected: i64) -> Result<i64, StoreError> {
    match execute!(tx, ADVANCE, expected)? {
        1 => Ok(expected + 1),
        _ => Err(StoreError::Conflict { expected }),
    }
}

/// Takes the next version for a change that does not depend on what was read
/// before it: prices and rates that are set.
pub(crate) async fn touch(tx: &mut Tx) -> Result<(), StoreError> {
    execute!(tx, TOUCH)?;
    Ok(())
}

impl Store {
    /// The manifest version: it moves on by one with every change of what
    /// counts (deliveries, rules, allocations, prices, rates), and never otherwise.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn manifest_version(&self) -> Result<i64, StoreError> {
        let mut tx = self.read_any().await?;
        let row: Option<(i64,)> = fetch_optional!(&mut tx, VERSION)?;
        row.map(|(version,)| version)
            .ok_or_else(|| StoreError::backend("read the manifest version", Cause::from("table manifest is empty")))
    }

    /// Every lake path the manifest names: charges of all deliveries
    /// (superseded ones and shadows too), quarantined rows, cubes, usage, drivers, and
    /// container-days with the usage they refer to.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn named_paths(&self) -> Result<HashSet<String>, StoreError> {
        let mut tx = self.read().await?;
        let rows: Vec<(String,)> = fetch_all!(&mut tx, NAMED)?;
        Ok(rows.into_iter().map(|(path,)| path).collect())
    }
}
