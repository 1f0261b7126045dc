//! Invoices: entered by hand or from a file, compared with the bill's lines (C1).

mod focus;

pub use focus::{ClosedPeriod, InvoicesTaken};

use super::App;
use super::allocate::charge_file;
use crate::error::AppError;
use domain::instant::Day;
use domain::invoice::{Invoice, InvoiceLines, InvoiceState, compare};
use domain::{BillingPeriod, Currency, Finding, Money};
use lake::ChargeFile;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use wire::InvoiceCheck;

/// Lines by invoice number, currency and issuer.
pub(crate) type Lines = BTreeMap<(String, Currency, String), InvoiceLines>;

/// An invoice as people and files write it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvoiceText {
    /// Its number: FOCUS InvoiceId of its charges.
    pub number: String,
    /// Who issued it.
    #[serde(default)]
    pub issuer: String,
    /// FOCUS BillingAccountId.
    #[serde(default)]
    pub account: String,
    /// Whom it is addressed to.
    #[serde(default)]
    pub entity: String,
    /// The month it is for, `2026-10`.
    pub period: String,
    /// Its currency.
    pub currency: String,
    /// Without tax.
    pub net: String,
    /// Tax; empty when it does not say.
    #[serde(default)]
    pub tax: String,
    /// With tax; empty when it does not say.
    #[serde(default)]
    pub gross: String,
    /// Its date, `2026-11-03`; may be empty.
    #[serde(default)]
    pub date: String,
    /// When it is due; may be empty.
    #[serde(default)]
    pub due: String,
    /// The exchange rate it states; may be empty.
    #[serde(default)]
    pub rate: String,
    /// SHA-256 of the document; may be empty.
    #[serde(default)]
    pub document_sha256: String,
}

impl InvoiceText {
    /// Reads every field.
    ///
    /// # Errors
    /// A finding that names the field and what would fit.
    pub fn parse(&self) -> Result<Invoice, Box<Finding>> {
        let wrong = |field: &str, text: &str, fits: &str| {
            let finding = Finding::error("bad_invoice", format!("{field} {text:?} does not fit")).in_column(field);
            Box::new(finding.remedy(format!("write {fits}")))
        };
        let money = |field: &str, text: &str| {
            let amount = "an amount such as 1234.50";
            Money::parse(text.trim()).map_err(|_| wrong(field, text, amount))
        };
        let maybe = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
        let amount = |field: &str, text: &str| maybe(text).map(|text| money(field, &text)).transpose();
        let day = |field: &str, text: &str| -> Result<Option<Day>, Box<Finding>> {
            let parsed = maybe(text).map(|text| domain::instant::parse(text.as_bytes()));
            let parsed = parsed
                .transpose()
                .map_err(|_| wrong(field, text, "a date such as 2026-11-03"))?;
            Ok(parsed.map(|parsed| parsed.instant.day()))
        };
        if self.number.trim().is_empty() {
            return Err(wrong("number", &self.number, "the number that is on the invoice"));
        }
        let period = self
            .period
            .trim()
            .parse()
            .map_err(|_| wrong("period", &self.period, "a month such as 2026-10"))?;
        let currency =
            Currency::parse(&self.currency).ok_or_else(|| wrong("currency", &self.currency, "a code such as USD"))?;
        let (net, tax, gross) = (
            money("net", &self.net)?,
            amount("tax", &self.tax)?,
            amount("gross", &self.gross)?,
        );
        let sum = |tax: Money| {
            net.checked_add(tax)
                .map_err(|_| wrong("tax", &self.tax, "a smaller amount"))
        };
        if let (Some(tax), Some(gross)) = (tax, gross)
            && sum(tax)? != gross
        {
            return Err(wrong("gross", &self.gross, "net and tax together, or leave it out"));
        }
        Ok(Invoice {
            issuer: self.issuer.trim().to_owned(),
            number: self.number.trim().to_owned(),
            billing_account: self.account.trim().to_owned(),
            legal_entity: self.entity.trim().to_owned(),
            period,
            currency,
            net,
            tax,
            gross,
            issued: day("date", &self.date)?,
            due: day("due", &self.due)?,
            exchange_rate: maybe(&self.rate),
            document_sha256: maybe(&self.document_sha256),
        })
    }
}

impl App {
    /// Enters invoices, all or none. One that is there exactly so already is
    /// left; answers how many are new.
    ///
    /// # Errors
    /// When one is there with other figures, or the database cannot be written.
    pub async fn add_invoices(&self, invoices: Vec<Invoice>) -> Result<usize, AppError> {
        Ok(self.change_invoices(invoices, &[]).await?.0)
    }

    /// Enters invoices and removes those of these issuers and numbers, all or
    /// nothing; how many are new, and how many are gone.
    async fn change_invoices(
        &self,
        invoices: Vec<Invoice>,
        voided: &[(String, String)],
    ) -> Result<(usize, usize), AppError> {
        let known = self.store.invoices().await?;
        let mut new: Vec<Invoice> = Vec::new();
        for invoice in invoices {
            let same = |other: &&Invoice| (&other.issuer, &other.number) == (&invoice.issuer, &invoice.number);
            match known.iter().chain(&new).find(same) {
                Some(there) if *there == invoice => {}
                Some(_) => {
                    let message = format!("invoice {} is there already, with other figures", named(&invoice));
                    let remedy = format!("remove it first: tonnage invoice remove {}", invoice.number);
                    return Err(AppError::Refused(vec![
                        Finding::error("invoice_exists", message).remedy(remedy),
                    ]));
                }
                None => new.push(invoice),
            }
        }
        let removed = self.store.change_invoices(&new, voided, self.clock.now().0).await?;
        Ok((new.len(), removed))
    }

    /// Reads invoices from CSV; the columns are the fields of [`InvoiceText`].
    ///
    /// # Errors
    /// Every line that does not fit, with its line and column.
    pub fn read_invoices(path: &Path) -> Result<Vec<Invoice>, AppError> {
        let name = path.display().to_string();
        let refuse = |line: Option<u64>, finding: Finding| {
            let finding = finding.in_file(&name);
            match line {
                Some(line) => finding.at_line(line),
                None => finding,
            }
        };
        let unreadable = |error: csv::Error| {
            let line = error.position().map(csv::Position::line);
            let finding = Finding::error("bad_invoice", format!("cannot be read: {error}"));
            refuse(
                line,
                finding.remedy("write CSV with the columns number, period, currency, net and what else is known"),
            )
        };
        let mut reader = csv::Reader::from_path(path).map_err(|error| AppError::Refused(vec![unreadable(error)]))?;
        let (mut invoices, mut wrong) = (Vec::new(), Vec::new());
        let headers = reader
            .headers()
            .map_err(|error| AppError::Refused(vec![unreadable(error)]))?
            .clone();
        for record in reader.records() {
            let parsed = record.and_then(|record| {
                let line = record.position().map(csv::Position::line);
                record
                    .deserialize::<InvoiceText>(Some(&headers))
                    .map(|text| (line, text))
            });
            match parsed {
                Ok((line, text)) => match text.parse() {
                    Ok(invoice) => invoices.push(invoice),
                    Err(finding) => wrong.push(refuse(line, *finding)),
                },
                Err(error) => wrong.push(unreadable(error)),
            }
        }
        if !wrong.is_empty() {
            return Err(AppError::Refused(wrong));
        }
        if invoices.is_empty() {
            return Err(AppError::Refused(vec![refuse(
                None,
                Finding::error("no_rows", "holds no invoice"),
            )]));
        }
        Ok(invoices)
    }

    /// Removes an invoice: the only one of this number, or that of the issuer.
    ///
    /// # Errors
    /// When there is none, or several issuers have the number.
    pub async fn remove_invoice(&self, number: &str, issuer: Option<&str>) -> Result<Invoice, AppError> {
        let all = self.store.invoices().await?;
        let mut hits = all
            .into_iter()
            .filter(|one| one.number == number && issuer.is_none_or(|issuer| one.issuer == issuer));
        match (hits.next(), hits.next()) {
            (Some(only), None) => {
                let gone = [(only.issuer.clone(), only.number.clone())];
                self.store.change_invoices(&[], &gone, self.clock.now().0).await?;
                Ok(only)
            }
            (Some(_), Some(_)) => Err(AppError::usage(
                format!("several issuers have an invoice {number}"),
                "say whose it is with --issuer",
            )),
            _ => Err(AppError::NotFound {
                what: format!("invoice {number}"),
            }),
        }
    }

    /// The invoices of a month, or of all, as they compare with the bill.
    ///
    /// # Errors
    /// When database or lake cannot be read.
    pub async fn invoice_checks(&self, period: Option<BillingPeriod>) -> Result<Vec<InvoiceCheck>, AppError> {
        self.reads_estate()?;
        let all = self.store.invoices().await?;
        let billed = self.store.periods().await?;
        let mut periods: BTreeSet<BillingPeriod> = all.iter().map(|one| one.period).collect();
        periods.extend(&billed);
        let mut checks = Vec::new();
        for of in periods
            .into_iter()
            .filter(|of| period.is_none_or(|period| period == *of))
        {
            let lines = if billed.contains(&of) {
                self.invoice_lines(of).await?
            } else {
                Arc::default()
            };
            checks.extend(checks_of(all.iter().filter(|one| one.period == of), &lines, of)?);
        }
        Ok(checks)
    }

    /// A month's charges by the invoice they name, read once per manifest version.
    pub(crate) async fn invoice_lines(&self, period: BillingPeriod) -> Result<Arc<Lines>, AppError> {
        let view = self.view().await?;
        if let Some(known) = view.invoice_lines.get(period) {
            return Ok(known);
        }
        let files = self.store.active_files(Some(period)).await?;
        let files: Vec<ChargeFile> = files.iter().map(charge_file).collect();
        let (program, _) = self.active_program().await?;
        let lake = self.lake.clone();
        let lines = self
            .heavy("cannot read the charges", move || {
                Ok(lake::query::invoice_lines(&lake, &files, &program)?)
            })
            .await?;
        let lines = Arc::new(lines);
        if self.store.manifest_version().await? == view.version {
            view.invoice_lines.keep(period, &lines);
        }
        Ok(lines)
    }
}

/// Every invoice of a month, and then the numbers only the bill knows.
fn checks_of<'i>(
    invoices: impl Iterator<Item = &'i Invoice>,
    lines: &Lines,
    period: BillingPeriod,
) -> Result<Vec<InvoiceCheck>, AppError> {
    let mut checks = Vec::new();
    let mut entered = BTreeSet::new();
    for invoice in invoices {
        let (keys, of) = lines_of(invoice, lines)?;
        // lines are of one invoice: another one of their number has none
        let of = of.filter(|_| !keys.iter().any(|key| entered.contains(key)));
        let (state, difference) = compare(invoice, of)?;
        let key = (invoice.number.clone(), invoice.currency.clone(), invoice.issuer.clone());
        checks.push(InvoiceCheck {
            difference: of.map(|_| difference.to_string()),
            account: invoice.billing_account.clone(),
            net: Some(invoice.net.to_string()),
            tax: invoice.tax.map(|tax| tax.to_string()),
            date: invoice.issued.map(|day| day.to_string()),
            due: invoice.due.map(|day| day.to_string()),
            ..check(&key, period, state, of)
        });
        entered.extend(keys);
    }
    let unknown = lines.iter().filter(|(key, _)| !entered.contains(key));
    checks.extend(unknown.map(|(key, of)| check(key, period, InvoiceState::NotEntered, Some(*of))));
    Ok(checks)
}

type LinesKey = (String, Currency, String);

/// The lines that name an invoice. Where several issuers use its number, only
/// those of its own, compared without case.
fn lines_of<'l>(invoice: &Invoice, lines: &'l Lines) -> Result<(Vec<&'l LinesKey>, Option<InvoiceLines>), AppError> {
    let numbered = |(number, currency, _): &LinesKey| *number == invoice.number && *currency == invoice.currency;
    let mut of: Vec<_> = lines.iter().filter(|(key, _)| numbered(key)).collect();
    if of.len() > 1 && !invoice.issuer.is_empty() {
        of.retain(|((_, _, issuer), _)| issuer.eq_ignore_ascii_case(&invoice.issuer));
    }
    let mut sum = InvoiceLines::default();
    for (_, lines) in &of {
        sum.rows += lines.rows;
        sum.net = sum.net.checked_add(lines.net)?;
        sum.tax = sum.tax.checked_add(lines.tax)?;
    }
    let found = (!of.is_empty()).then_some(sum);
    Ok((of.into_iter().map(|(key, _)| key).collect(), found))
}

fn check(
    (number, currency, issuer): &LinesKey,
    period: BillingPeriod,
    state: InvoiceState,
    lines: Option<InvoiceLines>,
) -> InvoiceCheck {
    InvoiceCheck {
        number: number.clone(),
        issuer: issuer.clone(),
        account: String::new(),
        billing_period: period.to_string(),
        currency: currency.to_string(),
        state: state.as_str().to_owned(),
        mismatch: state.is_mismatch(),
        net: None,
        tax: None,
        date: None,
        due: None,
        rows: lines.map_or(0, |lines| lines.rows),
        lines_net: lines.map(|lines| lines.net.to_string()),
        lines_tax: lines.map(|lines| lines.tax.to_string()),
        difference: None,
    }
}

fn named(invoice: &Invoice) -> String {
    if invoice.issuer.is_empty() {
        invoice.number.clone()
    } else {
        format!("{} of {}", invoice.number, invoice.issuer)
    }
}
