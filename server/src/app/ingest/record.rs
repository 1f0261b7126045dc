//! What the manifest is told of a delivery.

use super::input::Input;
use super::{FINAL_AFTER_DAYS, IngestBilling, unknown_account};
use domain::BillingPeriod;
use domain::instant::{DAY_US, Instant};
use lake::ingest::Staged;
use std::collections::{BTreeMap, BTreeSet};
use store::{DeliveryState, ExportWindow, LakeFileRow, NewDelivery, QuarantineRow, TotalRow};

/// The billing account names the source; without one, the file does.
pub(super) fn default_source(staged: &Staged, input: &Input) -> String {
    let slug = |text: &str| -> String {
        let plain = text.chars().map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        });
        plain.take(60).collect::<String>().trim_matches('-').to_owned()
    };
    let accounts: BTreeSet<&str> = staged
        .totals
        .iter()
        .map(|t| t.billing_account_id.as_str())
        .filter(|a| !a.is_empty())
        .collect();
    match accounts.iter().next() {
        Some(first) if accounts.len() == 1 => format!("{}-{}", input.format, slug(first)),
        Some(first) => {
            format!("{}-{}-and-{}-more", input.format, slug(first), accounts.len() - 1)
        }
        None => {
            let name = input.files.first().map_or("unnamed", |file| file.name.as_str());
            let stem = name.rsplit('/').next().unwrap_or(name);
            format!("{}-file-{}", input.format, slug(stem.split('.').next().unwrap_or(stem)))
        }
    }
}

pub(super) fn new_delivery(
    request: &IngestBilling,
    input: &Input,
    source: &str,
    delivery_id: &str,
    staged: &Staged,
    exported: BTreeMap<BillingPeriod, ExportWindow>,
    now: Instant,
) -> NewDelivery {
    let totals: Vec<TotalRow> = staged.totals.iter().map(|total| total_row(total, source)).collect();
    let said = request.is_final.or_else(|| input.promised.is_final());
    let is_final = said.unwrap_or_else(|| looks_final(staged, now));
    NewDelivery {
        delivery_id: delivery_id.to_owned(),
        source_id: source.to_owned(),
        provider: input.provider.clone(),
        format: input.format.clone(),
        format_version: Some(input.format_version.clone()),
        input_hash: input.hash.clone(),
        received_us: now.0,
        files: input.files.clone(),
        rejected_rows: staged.rejected_rows,
        state: if is_final {
            DeliveryState::Final
        } else {
            DeliveryState::Open
        },
        lake_files: staged.files.iter().map(lake_row).collect(),
        totals,
        findings: input.findings.iter().chain(&staged.findings).cloned().collect(),
        quarantine: staged.quarantine.as_ref().map(|q| QuarantineRow {
            path: q.path.clone(),
            rows: q.rows,
            money: q
                .money
                .iter()
                .map(|(currency, money)| (currency.clone(), *money))
                .collect(),
            rows_without_money: q.rows_without_money,
        }),
        exported,
    }
}

/// Final: every billed amount carries an invoice id, or the month is long over.
fn looks_final(staged: &Staged, now: Instant) -> bool {
    let last = staged.totals.iter().map(|t| t.period).max();
    let over = last.is_some_and(|period| now.0 >= period.span().end.0 + FINAL_AFTER_DAYS * DAY_US);
    let invoiced = staged
        .totals
        .iter()
        .all(|t| t.billed_with_invoice == t.billed && t.rows_with_invoice > 0);
    over || (invoiced && !staged.totals.is_empty())
}

fn lake_row(file: &lake::ingest::LakeFile) -> LakeFileRow {
    LakeFileRow {
        path: file.path.clone(),
        dataset: store::CHARGES.to_owned(),
        period: file.period,
        part: file.part,
        rows: file.rows,
        bytes: file.bytes,
        sha256: file.sha256.clone(),
        schema_version: lake::SCHEMA_VERSION,
    }
}

fn total_row(total: &lake::ingest::ControlTotal, source: &str) -> TotalRow {
    let account = if total.billing_account_id.is_empty() {
        unknown_account(source)
    } else {
        total.billing_account_id.clone()
    };
    TotalRow {
        period: total.period,
        currency: total.currency.clone(),
        billing_account_id: account,
        sub_account_id: total.sub_account_id.clone(),
        rows: total.rows,
        billed: total.billed,
        effective: total.effective,
        list: total.list,
        contracted: total.contracted,
        first_charge_us: total.first_charge.0,
        last_usage_end_us: total.last_usage_end.map(|i| i.0),
        rows_with_invoice: total.rows_with_invoice,
        billed_with_invoice: total.billed_with_invoice,
    }
}
