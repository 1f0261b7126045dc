//! Contract commitments as the provider confirms them: FOCUS ContractCommitment
//! files taken in, listed and taken back.

use super::App;
use super::focus_table::FocusTable;
use crate::error::AppError;
use domain::contract::Contract;
use domain::instant::Day;
use domain::{Currency, Money};
use std::path::Path;

const NEEDED: [&str; 3] = [
    "ContractCommitmentId",
    "ContractCommitmentPeriodStart",
    "ContractCommitmentPeriodEnd",
];

impl App {
    /// Takes in a FOCUS ContractCommitment file, all or nothing; a commitment of
    /// the same id is replaced. How many there are, and how many of them are new.
    ///
    /// # Errors
    /// Every line that does not fit, with its line and column.
    pub async fn import_contracts(&self, path: &Path) -> Result<(usize, usize), AppError> {
        let contracts = read(path)?;
        let known = self.store.contracts().await?;
        let new = contracts
            .iter()
            .filter(|one| !known.iter().any(|known| known.id == one.id));
        let counts = (contracts.len(), new.count());
        self.store.set_contracts(&contracts).await?;
        Ok(counts)
    }

    /// Every contract commitment.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn contracts(&self) -> Result<Vec<Contract>, AppError> {
        self.reads_estate()?;
        Ok(self.store.contracts().await?)
    }

    /// Takes a contract commitment back.
    ///
    /// # Errors
    /// When there is none.
    pub async fn remove_contract(&self, id: &str) -> Result<(), AppError> {
        if self.store.remove_contract(id).await? {
            Ok(())
        } else {
            Err(AppError::NotFound {
                what: format!("contract commitment {id}"),
            })
        }
    }
}

fn read(path: &Path) -> Result<Vec<Contract>, AppError> {
    let remedy = "export the FOCUS ContractCommitment dataset as CSV";
    let table = FocusTable::read(path, "bad_contract", remedy)?;
    table.needs(&NEEDED, "deliver the FOCUS ContractCommitment dataset, 1.3 or later")?;
    let (mut contracts, mut wrong) = (Vec::new(), Vec::new());
    for (line, record) in &table.rows {
        let cell = |column: &str| table.cell(record, column);
        match contract(&cell) {
            Ok(contract) => contracts.push(contract),
            Err((column, fits)) => wrong.push(table.bad(*line, column, cell(column), fits)),
        }
    }
    if contracts.is_empty() && wrong.is_empty() {
        wrong.push(table.holds_no("contract commitment"));
    }
    if wrong.is_empty() {
        Ok(contracts)
    } else {
        Err(AppError::Refused(wrong))
    }
}

/// A row; else the column that does not fit, and what would.
fn contract<'r>(cell: &impl Fn(&str) -> &'r str) -> Result<Contract, (&'static str, &'static str)> {
    let text = |column: &str| cell(column).to_owned();
    let maybe = |column: &str| Some(text(column)).filter(|text| !text.is_empty());
    let day = |column: &'static str| -> Result<Day, (&'static str, &'static str)> {
        let parsed = domain::instant::parse(cell(column).as_bytes());
        parsed
            .map(|parsed| parsed.instant.day())
            .map_err(|_| (column, "a date such as 2026-10-01T00:00:00Z"))
    };
    let [id, start, end] = NEEDED;
    if cell(id).is_empty() {
        return Err((id, "the id of the commitment"));
    }
    let (from, until) = (day(start)?, day(end)?);
    if until <= from {
        return Err((end, "after the start"));
    }
    let amount = "ContractCommitmentCost";
    let cost = maybe(amount)
        .map(|cost| Money::parse(&cost).map_err(|_| (amount, "an amount such as 8760.00")))
        .transpose()?;
    let code = "BillingCurrency";
    let currency = maybe(code)
        .map(|currency| Currency::parse(&currency).ok_or((code, "a currency such as USD")))
        .transpose()?;
    Ok(Contract {
        id: text(id),
        contract_id: text("ContractId"),
        kind: text("ContractCommitmentType"),
        category: text("ContractCommitmentCategory"),
        description: text("ContractCommitmentDescription"),
        start: from,
        end: until,
        cost,
        currency,
        quantity: maybe("ContractCommitmentQuantity"),
        unit: text("ContractCommitmentUnit"),
        payment: text("ContractCommitmentPaymentModel"),
        scope: text("ContractCommitmentApplicability"),
        status: text("ContractCommitmentLifecycleStatus"),
        provider: maybe("ServiceProviderName")
            .or_else(|| maybe("InvoiceIssuerName"))
            .unwrap_or_default(),
    })
}
