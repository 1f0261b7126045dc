//! CSV as RFC 4180 has it: comma, CRLF, a header row, no comments, no byte
//! order mark; amounts with every digit.

use super::{Cell, Table, costs_table, explain_table, percent};
use wire::{ConvertedPage, CostReport, Explain, GroupOption};

/// A cost report: one line for each row, then the row named Total. The first
/// column tells them apart: `group`, `other`, `total`.
#[must_use]
pub fn costs(report: &CostReport, options: &[GroupOption]) -> String {
    write(&costs_table(report, options))
}

/// Costs in one currency, with what they are in those of the bills; the last
/// line is the total. Empty when there are no rates.
#[must_use]
pub fn converted(page: &ConvertedPage) -> String {
    let Some(costs) = &page.costs else {
        return String::new();
    };
    let by = &page.query.costs.by;
    let origin = costs.origin.iter().map(|(currency, _)| format!("origin {currency}"));
    let head = std::iter::once("row".to_owned())
        .chain(by.iter().cloned())
        .chain([format!("cost {}", costs.currency)])
        .chain(origin);
    let rows = costs.rows.iter().map(|row| {
        let origin = row.origin.iter().map(|amount| amount.clone().unwrap_or_default());
        let keys = row.keys.iter().cloned();
        let cells = std::iter::once("group".to_owned())
            .chain(keys)
            .chain([row.cost.clone()]);
        cells.chain(origin).collect()
    });
    let names = (0..by.len()).map(|at| if at == 0 { "Total".to_owned() } else { String::new() });
    let total = std::iter::once("total".to_owned())
        .chain(names)
        .chain([costs.total.clone()])
        .chain(costs.origin.iter().map(|(_, amount)| amount.clone()));
    lines(std::iter::once(head.collect()).chain(rows).chain([total.collect()]))
}

/// Entries of the audit log, the newest first.
#[must_use]
pub fn audit(entries: &[wire::AuditLine]) -> String {
    const HEADS: [&str; 11] = [
        "seq",
        "at",
        "actor_kind",
        "actor",
        "action",
        "object",
        "before",
        "after",
        "address",
        "request_id",
        "sha256",
    ];
    let head = HEADS.iter().map(|head| (*head).to_owned()).collect();
    let row = |entry: &wire::AuditLine| {
        vec![
            entry.seq.to_string(),
            entry.at.clone(),
            entry.actor_kind.clone(),
            entry.actor.clone(),
            entry.action.clone(),
            entry.object.clone(),
            entry.before_json.clone().unwrap_or_default(),
            entry.after_json.clone().unwrap_or_default(),
            entry.address.clone(),
            entry.request_id.clone(),
            entry.sha256.clone(),
        ]
    };
    lines(std::iter::once(head).chain(entries.iter().map(row)))
}

/// The bill lines behind a figure: `line`, `other` for those not listed, `total`.
#[must_use]
pub fn explain(explain: &Explain) -> String {
    write(&explain_table(explain))
}

/// Lines of cells, the first of them the header.
#[must_use]
pub fn lines(lines: impl Iterator<Item = Vec<String>>) -> String {
    let mut out = String::new();
    for cells in lines {
        line(&mut out, cells.iter().map(|cell| harmless(cell)));
    }
    out
}

fn write(table: &Table) -> String {
    let mut out = String::new();
    line(&mut out, table.heads.iter().map(|head| harmless(head)));
    for row in &table.rows {
        line(&mut out, row.iter().map(text));
    }
    out
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => harmless(text),
        Cell::Money(amount) => amount.clone().unwrap_or_default(),
        Cell::Permille(share) => share.map(percent).unwrap_or_default(),
    }
}

fn line(out: &mut String, fields: impl Iterator<Item = String>) {
    for (at, field) in fields.enumerate() {
        if at > 0 {
            out.push(',');
        }
        let padded = field.starts_with(' ') || field.ends_with(' ');
        if padded || field.contains([',', '"', '\r', '\n']) {
            out.push('"');
            out.push_str(&field.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(&field);
        }
    }
    out.push_str("\r\n");
}

/// Text that a spreadsheet would run as a formula gets an apostrophe in front;
/// names come from tags, and whoever can tag a resource is not whoever opens
/// the file.
pub(crate) fn harmless(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if formula && !is_number(text) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    plain(whole) && plain(fraction)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{options, report};
    use super::*;

    #[test]
    fn every_digit_and_no_formula() {
        let text = costs(&report(), &options());
        let expected = [
            "Row,Tenant,Bill service,\"Cost (USD, effective)\",\"Cost 2026-10 (USD, effective)\",Change (USD),Change (%),Share (%),Explain id",
            "group,'=1+1,\"say \"\"hi\"\", twice\",61894.640000000000000001,1,-0.5,-3.5,12.3,1f3c",
            "group,-12.5,\"'@home\nnew line\",-0.005,,,,12.3,1f3c",
            "group,Unallocated cost,none,0.004,0,-0.5,-3.5,12.3,1f3c",
            "total,Total,,61894.639000000000000001,1,,,100.0,",
            "",
        ];
        assert_eq!(text, expected.join("\r\n"));
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_quoted() {
        let table = [
            ("=cmd|' /C calc'!A0", true),
            ("+1", false),
            ("-3.25", false),
            ("-3.", true),
            ("-", true),
            ("+SUM(A1)", true),
            ("@x", true),
            ("\t=1", true),
            ("acme", false),
            ("", false),
        ];
        for (text, guarded) in table {
            assert_eq!(harmless(text).starts_with('\''), guarded, "{text:?}");
        }
    }

    #[test]
    fn a_reader_gets_back_what_was_written() {
        let text = costs(&report(), &options());
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        let rows: Vec<::csv::StringRecord> = reader.records().map(|row| row.expect("RFC 4180")).collect();
        assert_eq!(rows.len(), 4);
        assert_eq!(&rows[0][2], "say \"hi\", twice");
        assert_eq!((&rows[3][0], &rows[3][3]), ("total", "61894.639000000000000001"));
        let groups = rows.iter().filter(|row| &row[0] == "group");
        let sum = domain::Money::sum(groups.map(|row| domain::Money::parse(&row[3]).expect("exact")));
        assert_eq!(
            sum.expect("small").to_string(),
            rows[3][3],
            "groups add up to the total"
        );
    }
}
