//! FOCUS 1.4 InvoiceDetail and BillingPeriod: invoices as their issuer has them,
//! and the months it has closed.

use super::super::App;
use super::super::allocate::charge_file;
use super::super::focus_table::FocusTable;
use crate::error::AppError;
use domain::instant::Day;
use domain::invoice::Invoice;
use domain::{BillingPeriod, Currency, Finding, Money};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What a file of invoices did.
#[derive(Debug, Clone, Default, Serialize, PartialEq, Eq)]
pub struct InvoicesTaken {
    /// Invoices that are new.
    pub entered: usize,
    /// Invoices that were there exactly so.
    pub unchanged: usize,
    /// Invoices that are not issued yet: passed over.
    pub not_issued: usize,
    /// Invoices that were there and were voided: removed.
    pub voided: usize,
    /// Months that their issuer has closed.
    pub closed: Vec<ClosedPeriod>,
}

/// A month its issuer has closed.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct ClosedPeriod {
    /// FOCUS InvoiceIssuerName.
    pub issuer: String,
    /// Month.
    pub billing_period: BillingPeriod,
    /// Deliveries of it that were open and are final now.
    pub finished: Vec<String>,
}

const EXPORT: &str = "export the dataset as FOCUS 1.4 describes it";

/// Issuer and number of an invoice.
type Key = (String, String);

/// An invoice as its lines add up.
struct Sum {
    accounts: BTreeSet<String>,
    period: BillingPeriod,
    currency: Currency,
    net: Money,
    tax: Option<Money>,
    issued: Option<Day>,
    due: Option<Day>,
    status: String,
}

impl App {
    /// Takes in a file of invoices: our own CSV, FOCUS InvoiceDetail, or FOCUS
    /// BillingPeriod, told apart by their columns. All of it or nothing.
    ///
    /// # Errors
    /// Every line that does not fit; an invoice that is there with other figures.
    pub async fn take_in_invoices(&self, path: &Path) -> Result<InvoicesTaken, AppError> {
        let table = FocusTable::read(
            path,
            "bad_invoice",
            "deliver CSV; docs/FORMATS.md, \"Invoices\", has the columns",
        )?;
        if table.has("BillingPeriodStatus") {
            return self.close_periods(&table).await;
        }
        if !table.has("InvoiceId") {
            let invoices = App::read_invoices(path)?;
            let all = invoices.len();
            let entered = self.add_invoices(invoices).await?;
            return Ok(InvoicesTaken {
                entered,
                unchanged: all - entered,
                ..InvoicesTaken::default()
            });
        }
        let sums = table.invoices()?;
        let mut taken = InvoicesTaken::default();
        let (mut issued, mut voided) = (Vec::new(), Vec::new());
        for ((issuer, number), sum) in sums {
            match sum.status.to_ascii_lowercase().as_str() {
                "open" => taken.not_issued += 1,
                "voided" => voided.push((issuer, number)),
                _ => issued.push(sum.invoice(issuer, number)),
            }
        }
        let all = issued.len();
        (taken.entered, taken.voided) = self.change_invoices(issued, &voided).await?;
        taken.unchanged = all - taken.entered;
        Ok(taken)
    }

    /// Makes final what the issuer of a month's charges has closed.
    async fn close_periods(&self, table: &FocusTable) -> Result<InvoicesTaken, AppError> {
        let closed = table.closed()?;
        let mut taken = InvoicesTaken::default();
        for (issuer, period) in closed {
            loop {
                let version = self.store.manifest_version().await?;
                let finished = self.open_deliveries_of(&issuer, period).await?;
                let periods: Vec<(String, BillingPeriod)> = finished.iter().map(|id| (id.clone(), period)).collect();
                if !periods.is_empty() {
                    match self.store.finish_periods(&periods, version).await {
                        Err(store::StoreError::Conflict { .. }) => continue,
                        done => done?,
                    };
                }
                taken.closed.push(ClosedPeriod {
                    issuer: issuer.clone(),
                    billing_period: period,
                    finished: finished.into_iter().collect(),
                });
                break;
            }
        }
        Ok(taken)
    }

    /// Open deliveries of a month all of whose charges that name an issuer name this one.
    async fn open_deliveries_of(&self, issuer: &str, period: BillingPeriod) -> Result<BTreeSet<String>, AppError> {
        let files = self.store.active_files(Some(period)).await?;
        let open: Vec<_> = files
            .iter()
            .filter(|file| file.state == store::DeliveryState::Open)
            .map(|file| (file.delivery_id.clone(), charge_file(file)))
            .collect();
        let (program, _) = self.active_program().await?;
        let lake = self.lake.clone();
        let issuer = issuer.to_owned();
        self.heavy("cannot read the charges", move || {
            let mut issuers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for (delivery, file) in &open {
                let found = lake::query::issuers(&lake, file, &program)?;
                issuers.entry(delivery.clone()).or_default().extend(found);
            }
            let only = |named: &BTreeSet<String>| {
                !named.is_empty() && named.iter().all(|name| name.eq_ignore_ascii_case(&issuer))
            };
            let wanted = issuers.into_iter().filter(|(_, named)| only(named));
            Ok(wanted.map(|(delivery, _)| delivery).collect())
        })
        .await
    }
}

impl Sum {
    fn invoice(self, issuer: String, number: String) -> Invoice {
        let mut accounts = self.accounts.into_iter();
        Invoice {
            issuer,
            number,
            // of several accounts: any
            billing_account: accounts
                .next()
                .filter(|_| accounts.next().is_none())
                .unwrap_or_default(),
            legal_entity: String::new(),
            period: self.period,
            currency: self.currency,
            net: self.net,
            tax: self.tax,
            gross: None,
            issued: self.issued,
            due: self.due,
            exchange_rate: None,
            document_sha256: None,
        }
    }
}

impl FocusTable {
    fn period(&self, line: u64, record: &csv::StringRecord) -> Result<BillingPeriod, Box<Finding>> {
        let text = self.cell(record, "BillingPeriodStart");
        let parsed = domain::instant::parse(text.as_bytes());
        let parsed = parsed.map_err(|_| Box::new(self.bad(line, "BillingPeriodStart", text, "a date")))?;
        Ok(BillingPeriod::of(parsed.instant))
    }

    /// The invoices its lines add up to.
    fn invoices(&self) -> Result<BTreeMap<Key, Sum>, AppError> {
        let needed = [
            "BilledCost",
            "BillingCurrency",
            "BillingPeriodStart",
            "ChargeCategory",
            "InvoiceIssueStatus",
            "InvoiceIssuerName",
        ];
        self.needs(&needed, EXPORT)?;
        let mut sums: BTreeMap<Key, Sum> = BTreeMap::new();
        let mut wrong = Vec::new();
        for (line, record) in &self.rows {
            if let Err(finding) = self.add(*line, record, &mut sums) {
                wrong.push(*finding);
            }
        }
        if sums.is_empty() && wrong.is_empty() {
            wrong.push(self.holds_no("invoice"));
        }
        if wrong.is_empty() {
            Ok(sums)
        } else {
            Err(AppError::Refused(wrong))
        }
    }

    fn add(&self, line: u64, record: &csv::StringRecord, sums: &mut BTreeMap<Key, Sum>) -> Result<(), Box<Finding>> {
        let cell = |column: &str| self.cell(record, column);
        let bad = |column: &str, fits: &str| Box::new(self.bad(line, column, cell(column), fits));
        let number = cell("InvoiceId");
        if number.is_empty() {
            return Err(bad("InvoiceId", "the number of the invoice"));
        }
        let status = cell("InvoiceIssueStatus");
        if !["open", "issued", "voided"].contains(&status.to_ascii_lowercase().as_str()) {
            return Err(bad("InvoiceIssueStatus", "Open, Issued or Voided"));
        }
        let cost = Money::parse(cell("BilledCost")).map_err(|_| bad("BilledCost", "an amount such as 1234.50"))?;
        let currency = Currency::parse(cell("BillingCurrency")).ok_or_else(|| bad("BillingCurrency", "a currency"))?;
        let period = self.period(line, record)?;
        let day = |column: &str| -> Result<Option<Day>, Box<Finding>> {
            match cell(column) {
                "" => Ok(None),
                text => match domain::instant::parse(text.as_bytes()) {
                    Ok(parsed) => Ok(Some(parsed.instant.day())),
                    Err(_) => Err(bad(column, "a date")),
                },
            }
        };
        let (issued, due) = (day("InvoiceIssueDate")?, day("PaymentDueDate")?);
        let key = (cell("InvoiceIssuerName").to_owned(), number.to_owned());
        let sum = sums.entry(key).or_insert_with(|| Sum {
            accounts: BTreeSet::new(),
            period,
            currency: currency.clone(),
            net: Money::ZERO,
            tax: None,
            issued: None,
            due: None,
            status: status.to_owned(),
        });
        if sum.currency != currency {
            return Err(bad(
                "BillingCurrency",
                "the currency of the other lines of this invoice",
            ));
        }
        if !sum.status.eq_ignore_ascii_case(status) {
            return Err(bad("InvoiceIssueStatus", "that of the other lines of this invoice"));
        }
        sum.accounts.insert(cell("BillingAccountId").to_owned());
        sum.period = sum.period.max(period);
        sum.issued = sum.issued.max(issued);
        sum.due = sum.due.max(due);
        let is_tax = cell("ChargeCategory").eq_ignore_ascii_case("tax");
        let before = if is_tax { sum.tax.unwrap_or_default() } else { sum.net };
        let after = before
            .checked_add(cost)
            .map_err(|_| bad("BilledCost", "a smaller amount"))?;
        if is_tax {
            sum.tax = Some(after);
        } else {
            sum.net = after;
        }
        Ok(())
    }

    /// Issuers and months that are closed.
    fn closed(&self) -> Result<BTreeSet<(String, BillingPeriod)>, AppError> {
        self.needs(&["BillingPeriodStart", "InvoiceIssuerName"], EXPORT)?;
        let (mut closed, mut wrong) = (BTreeSet::new(), Vec::new());
        for (line, record) in &self.rows {
            let status = self.cell(record, "BillingPeriodStatus");
            match (status.to_ascii_lowercase().as_str(), self.period(*line, record)) {
                (_, Err(finding)) => wrong.push(*finding),
                ("closed", Ok(period)) => {
                    closed.insert((self.cell(record, "InvoiceIssuerName").to_owned(), period));
                }
                ("open", Ok(_)) => {}
                _ => wrong.push(self.bad(*line, "BillingPeriodStatus", status, "Open or Closed")),
            }
        }
        if wrong.is_empty() {
            Ok(closed)
        } else {
            Err(AppError::Refused(wrong))
        }
    }
}
