//! Contract commitments as the provider confirms them: FOCUS ContractCommitment
//! files taken in, listed and taken back.

use super::App;
use crate::error::AppError;
use domain::contract::Contract;
use domain::instant::Day;
use domain::{Currency, Finding, Money};
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
    let name = path.display().to_string();
    let refuse = |finding: Finding| AppError::Refused(vec![finding.in_file(&name)]);
    let broken = |error: csv::Error| {
        let finding = Finding::error("bad_contract", format!("cannot be read: {error}"));
        refuse(finding.remedy("export the FOCUS ContractCommitment dataset as CSV"))
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(path)
        .map_err(broken)?;
    let columns: Vec<String> = reader
        .headers()
        .map_err(broken)?
        .iter()
        .map(|column| column.trim_start_matches('\u{feff}').to_ascii_lowercase())
        .collect();
    let at = |column: &str| columns.iter().position(|name| name.eq_ignore_ascii_case(column));
    if let Some(missing) = NEEDED.into_iter().find(|column| at(column).is_none()) {
        let finding = Finding::error("bad_contract", format!("has no column {missing}"));
        return Err(refuse(
            finding.remedy("deliver the FOCUS ContractCommitment dataset, 1.3 or later"),
        ));
    }
    let (mut contracts, mut wrong) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |column: &str| {
            let cell = at(column).and_then(|at| record.get(at)).unwrap_or("");
            if cell.eq_ignore_ascii_case("null") { "" } else { cell }
        };
        match contract(&cell) {
            Ok(contract) => contracts.push(contract),
            Err((column, fits)) => {
                let text = format!("{column} {:?} does not fit", cell(column));
                let finding = Finding::error("bad_contract", text).in_file(&name).at_line(line);
                let remedy = format!("it should be {fits}; nothing was taken in");
                wrong.push(finding.in_column(column).remedy(remedy));
            }
        }
    }
    if contracts.is_empty() && wrong.is_empty() {
        let finding = Finding::error("no_rows", "holds no contract commitment").in_file(&name);
        wrong.push(finding.remedy("export it again"));
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
