//! Findings of deliveries and allocations.

use crate::db::{Tx, execute, statements};
use crate::delivery::count;
use crate::error::StoreError;
use crate::rows::Place;
use domain::{Finding, Severity};

/// Subject of findings about a delivery.
pub(crate) const DELIVERY: &str = "delivery";
/// Subject of findings about an allocation.
pub(crate) const ALLOCATION: &str = "allocation";

statements! {
    INSERT: "add a finding" =>
        "INSERT INTO finding (subject, subject_id, position, severity, code, message, remedy, file_name, line, column_name, occurrences, money)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
}

pub(crate) async fn insert(
    tx: &mut Tx,
    subject: &str,
    subject_id: &str,
    findings: &[Finding],
) -> Result<(), StoreError> {
    for (position, finding) in (0_i64..).zip(findings) {
        execute!(
            &mut *tx,
            INSERT,
            subject,
            subject_id,
            position,
            severity_text(finding.severity),
            &finding.code,
            &finding.message,
            &finding.remedy,
            &finding.file,
            finding.line.map(count).transpose()?,
            &finding.column,
            count(finding.count)?,
            &finding.money
        )?;
    }
    Ok(())
}

fn severity_text(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

fn parse_severity(text: &str) -> Option<Severity> {
    [Severity::Info, Severity::Warning, Severity::Error]
        .into_iter()
        .find(|severity| severity_text(*severity) == text)
}

#[derive(sqlx::FromRow)]
pub(crate) struct FindingRow {
    pub(crate) subject_id: String,
    severity: String,
    code: String,
    message: String,
    remedy: Option<String>,
    file_name: Option<String>,
    line: Option<i64>,
    column_name: Option<String>,
    occurrences: i64,
    money: Option<String>,
}

impl FindingRow {
    pub(crate) fn into_finding(self) -> Result<Finding, StoreError> {
        let place = Place("finding");
        Ok(Finding {
            severity: parse_severity(&self.severity).ok_or_else(|| place.bad("severity", &self.severity))?,
            code: self.code,
            message: self.message,
            remedy: self.remedy,
            file: self.file_name,
            line: self.line.map(|line| place.count(line)).transpose()?,
            column: self.column_name,
            count: place.count(self.occurrences)?,
            money: self.money,
        })
    }
}
