//! Invoices, by issuer and number. They are no data of the lake: entering one
//! does not move the manifest.

use crate::Store;
use crate::audit::Change;
use crate::db::{execute, fetch_all, fetch_optional, statements};
use crate::error::StoreError;
use crate::rows::{Place, period_number};
use domain::access::Permission;
use domain::instant::Day;
use domain::invoice::Invoice;

statements! {
    INSERT: "enter an invoice" =>
        "INSERT INTO invoice (issuer, invoice_number, billing_account_id, legal_entity, period, currency, net, tax, gross,
           issued_day, due_day, exchange_rate, document_sha256, created_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    ALL: "read the invoices" =>
        "SELECT issuer, invoice_number, billing_account_id, legal_entity, period, currency, net, tax, gross,
           issued_day, due_day, exchange_rate, document_sha256 FROM invoice";
    ONE: "read an invoice" =>
        "SELECT issuer, invoice_number, billing_account_id, legal_entity, period, currency, net, tax, gross,
           issued_day, due_day, exchange_rate, document_sha256 FROM invoice WHERE issuer = $1 AND invoice_number = $2";
    REMOVE: "remove an invoice" =>
        "DELETE FROM invoice WHERE issuer = $1 AND invoice_number = $2";
}

impl Store {
    /// Enters invoices, and removes those of these issuers and numbers, all or
    /// nothing; how many were there to be removed.
    ///
    /// # Errors
    /// When an issuer's number is there already, or the database cannot be written.
    pub async fn change_invoices(
        &self,
        new: &[Invoice],
        removed: &[(String, String)],
        at_us: i64,
    ) -> Result<usize, StoreError> {
        let mut tx = self.write(Permission::EnterInvoices).await?;
        for one in new {
            execute!(
                &mut tx,
                INSERT,
                &one.issuer,
                &one.number,
                &one.billing_account,
                &one.legal_entity,
                period_number(one.period),
                one.currency.as_str(),
                one.net.to_string(),
                one.tax.map(|tax| tax.to_string()),
                one.gross.map(|gross| gross.to_string()),
                one.issued.map(|day| i64::from(day.0)),
                one.due.map(|day| i64::from(day.0)),
                one.exchange_rate.clone(),
                one.document_sha256.clone(),
                at_us
            )?;
        }
        let mut gone = 0;
        let mut before = Vec::new();
        for (issuer, number) in removed {
            let row: Option<InvoiceRow> = fetch_optional!(&mut tx, ONE, issuer, number)?;
            before.extend(row.map(InvoiceRow::into_invoice).transpose()?);
            gone += usize::from(execute!(&mut tx, REMOVE, issuer, number)? == 1);
        }
        let named = |issuer: &str, number: &str| format!("{issuer} {number}");
        let objects: Vec<String> = new
            .iter()
            .map(|one| named(&one.issuer, &one.number))
            .chain(removed.iter().map(|(issuer, number)| named(issuer, number)))
            .collect();
        let mut change = Change::new(
            if new.is_empty() {
                "invoice.removed"
            } else {
                "invoice.entered"
            },
            objects.join(", "),
        );
        if !new.is_empty() {
            change = change.after(entered(new));
        }
        if !before.is_empty() {
            change = change.before(entered(&before));
        }
        self.commit(tx, change).await?;
        Ok(gone)
    }

    /// Every invoice, by month, issuer and number.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn invoices(&self) -> Result<Vec<Invoice>, StoreError> {
        let mut tx = self.read().await?;
        let rows: Vec<InvoiceRow> = fetch_all!(&mut tx, ALL)?;
        let mut invoices = rows
            .into_iter()
            .map(InvoiceRow::into_invoice)
            .collect::<Result<Vec<_>, _>>()?;
        invoices.sort_by(|a, b| (a.period, &a.issuer, &a.number).cmp(&(b.period, &b.issuer, &b.number)));
        Ok(invoices)
    }
}

/// What the audit log keeps of invoices.
fn entered(invoices: &[Invoice]) -> serde_json::Value {
    let one = |invoice: &Invoice| {
        serde_json::json!({
            "issuer": invoice.issuer,
            "number": invoice.number,
            "billing_account": invoice.billing_account,
            "legal_entity": invoice.legal_entity,
            "period": invoice.period.to_string(),
            "currency": invoice.currency.as_str(),
            "net": invoice.net.to_string(),
            "tax": invoice.tax.map(|tax| tax.to_string()),
            "gross": invoice.gross.map(|gross| gross.to_string()),
            "issued": invoice.issued.map(|day| day.to_string()),
            "due": invoice.due.map(|day| day.to_string()),
        })
    };
    invoices.iter().map(one).collect()
}

#[derive(sqlx::FromRow)]
struct InvoiceRow {
    issuer: String,
    invoice_number: String,
    billing_account_id: String,
    legal_entity: String,
    period: i64,
    currency: String,
    net: String,
    tax: Option<String>,
    gross: Option<String>,
    issued_day: Option<i64>,
    due_day: Option<i64>,
    exchange_rate: Option<String>,
    document_sha256: Option<String>,
}

impl InvoiceRow {
    fn into_invoice(self) -> Result<Invoice, StoreError> {
        let place = Place("invoice");
        let money = |text: Option<String>| text.map(|text| place.money(&text)).transpose();
        let day = |day: Option<i64>| -> Result<Option<Day>, StoreError> { day.map(|day| place.day(day)).transpose() };
        Ok(Invoice {
            issuer: self.issuer,
            number: self.invoice_number,
            billing_account: self.billing_account_id,
            legal_entity: self.legal_entity,
            period: place.period(self.period)?,
            currency: place.currency(&self.currency)?,
            net: place.money(&self.net)?,
            tax: money(self.tax)?,
            gross: money(self.gross)?,
            issued: day(self.issued_day)?,
            due: day(self.due_day)?,
            exchange_rate: self.exchange_rate,
            document_sha256: self.document_sha256,
        })
    }
}
