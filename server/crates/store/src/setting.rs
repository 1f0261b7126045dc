//! Settings: short texts by key, such as the label of a synthetic company.

use crate::Store;
use crate::audit::Change;
use crate::db::{execute, fetch_optional, statements};
use crate::error::StoreError;
use domain::access::Permission;

statements! {
    GET: "read a setting" => "SELECT setting_value FROM setting WHERE setting_key = $1";
    SET: "write a setting" =>
        "INSERT INTO setting (setting_key, setting_value) VALUES ($1, $2)
         ON CONFLICT (setting_key) DO UPDATE SET setting_value = excluded.setting_value";
}

impl Store {
    /// The value of a setting; `None` when it was never set.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn get_setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        let mut tx = self.read_any().await?;
        let row: Option<(String,)> = fetch_optional!(&mut tx, GET, key)?;
        Ok(row.map(|(value,)| value))
    }

    /// Sets a setting; the manifest version stays as it is.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_setting(&self, key: &str, value: &str) -> Result<(), StoreError> {
        let mut tx = self.write(Permission::Ingest).await?;
        let before: Option<(String,)> = fetch_optional!(&mut tx, GET, key)?;
        execute!(&mut tx, SET, key, value)?;
        let mut change = Change::new("setting.set", key).after(serde_json::json!(value));
        if let Some((before,)) = before {
            change = change.before(serde_json::json!(before));
        }
        self.commit(tx, change).await
    }
}
