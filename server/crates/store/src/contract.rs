//! Contract commitments as the provider confirms them.

use crate::Store;
use crate::audit::Change;
use crate::db::{execute, fetch_all, statements};
use crate::error::StoreError;
use crate::rows::Place;
use domain::access::Permission;
use domain::contract::Contract;

statements! {
    SET: "set a contract commitment" =>
        "INSERT INTO contract_commitment (commitment_id, contract_id, kind, category, description, start_day, end_day, cost,
           currency, quantity, unit, payment, scope, status, provider)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         ON CONFLICT (commitment_id) DO UPDATE SET contract_id = excluded.contract_id, kind = excluded.kind,
           category = excluded.category, description = excluded.description, start_day = excluded.start_day,
           end_day = excluded.end_day, cost = excluded.cost, currency = excluded.currency, quantity = excluded.quantity,
           unit = excluded.unit, payment = excluded.payment, scope = excluded.scope, status = excluded.status,
           provider = excluded.provider";
    ALL: "read the contract commitments" =>
        "SELECT commitment_id, contract_id, kind, category, description, start_day, end_day, cost, currency, quantity, unit,
           payment, scope, status, provider FROM contract_commitment";
    REMOVE: "remove a contract commitment" => "DELETE FROM contract_commitment WHERE commitment_id = $1";
}

impl Store {
    /// Sets contract commitments, all or none; one of the same id is replaced.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_contracts(&self, contracts: &[Contract]) -> Result<(), StoreError> {
        let mut tx = self.write(Permission::ChangePrices).await?;
        for one in contracts {
            execute!(
                &mut tx,
                SET,
                &one.id,
                &one.contract_id,
                &one.kind,
                &one.category,
                &one.description,
                i64::from(one.start.0),
                i64::from(one.end.0),
                one.cost.map(|cost| cost.to_string()),
                one.currency.as_ref().map(|currency| currency.as_str().to_owned()),
                one.quantity.clone(),
                &one.unit,
                &one.payment,
                &one.scope,
                &one.status,
                &one.provider
            )?;
        }
        let ids: Vec<&str> = contracts.iter().map(|one| one.id.as_str()).collect();
        let change = Change::new("contracts.set", "contract commitments").after(serde_json::json!({ "ids": ids }));
        self.commit(tx, change).await
    }

    /// Every contract commitment, by id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn contracts(&self) -> Result<Vec<Contract>, StoreError> {
        let mut tx = self.read().await?;
        let rows: Vec<ContractRow> = fetch_all!(&mut tx, ALL)?;
        let mut contracts = rows
            .into_iter()
            .map(ContractRow::into_contract)
            .collect::<Result<Vec<_>, _>>()?;
        contracts.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(contracts)
    }

    /// Removes a contract commitment; whether there was one.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn remove_contract(&self, id: &str) -> Result<bool, StoreError> {
        let mut tx = self.write(Permission::ChangePrices).await?;
        let removed = execute!(&mut tx, REMOVE, id)?;
        if removed == 1 {
            self.commit(tx, Change::new("contract.removed", id)).await?;
        }
        Ok(removed == 1)
    }
}

#[derive(sqlx::FromRow)]
struct ContractRow {
    commitment_id: String,
    contract_id: String,
    kind: String,
    category: String,
    description: String,
    start_day: i64,
    end_day: i64,
    cost: Option<String>,
    currency: Option<String>,
    quantity: Option<String>,
    unit: String,
    payment: String,
    scope: String,
    status: String,
    provider: String,
}

impl ContractRow {
    fn into_contract(self) -> Result<Contract, StoreError> {
        let place = Place("contract_commitment");
        Ok(Contract {
            id: self.commitment_id,
            contract_id: self.contract_id,
            kind: self.kind,
            category: self.category,
            description: self.description,
            start: place.day(self.start_day)?,
            end: place.day(self.end_day)?,
            cost: self.cost.map(|cost| place.money(&cost)).transpose()?,
            currency: self.currency.map(|currency| place.currency(&currency)).transpose()?,
            quantity: self.quantity,
            unit: self.unit,
            payment: self.payment,
            scope: self.scope,
            status: self.status,
            provider: self.provider,
        })
    }
}
