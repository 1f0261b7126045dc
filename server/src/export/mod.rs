//! Downloads: exactly what a page shows, with every digit. The first column says
//! what a row is, so that a pivot can leave out the total.

pub mod csv;
pub mod xlsx;

use frontend::words;
use wire::{BillLine, Change, CostReport, CostRow, Explain, GroupOption, Money, RowKind};

/// Rows that add up to the total.
const GROUP: &str = "group";
const LINE: &str = "line";
/// Rows that are not listed, in one.
const OTHER: &str = "other";
/// The sum of all other rows.
const TOTAL: &str = "total";

/// One cell, before a format decides how it looks.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cell {
    /// Words.
    Text(String),
    /// An exact amount; `None` when there is none, which is not zero.
    Money(Option<Money>),
    /// Tenths of a percent.
    Permille(Option<i64>),
}

/// Headings and rows, the last row being the total.
struct Table {
    heads: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

/// The table of a cost report, in the columns and the order of the Costs page.
fn costs_table(report: &CostReport, options: &[GroupOption]) -> Table {
    let keys: Vec<Key<'_>> = report.by.iter().map(|key| Key::of(key, options)).collect();
    let unit = format!("{}, {}", report.currency, report.basis.key());
    let mut heads = vec!["Row".to_owned()];
    heads.extend(keys.iter().map(|key| key.label.clone()));
    if keys.is_empty() {
        heads.push("Costs".to_owned());
    }
    heads.push(format!("Cost ({unit})"));
    if let Some(against) = &report.against {
        let days = report.against_days.or(report.days);
        let days = days.map_or_else(String::new, |days| format!(" days 1-{days}"));
        heads.push(format!("Cost {against}{days} ({unit})"));
        heads.push(format!("Change ({})", report.currency));
        heads.push("Change (%)".to_owned());
    }
    heads.extend(["Share (%)".to_owned(), "Explain id".to_owned()]);
    let compared = report.against.is_some();
    let mut rows: Vec<Vec<Cell>> = Vec::with_capacity(report.rows.len() + 2);
    for row in report.rows.iter().chain(&report.other) {
        let what = if row.kind == RowKind::Other { OTHER } else { GROUP };
        let mut cells = vec![Cell::Text(what.to_owned())];
        cells.extend(names(report, &keys, row));
        figures(&mut cells, &row.cost, row.prior.as_ref(), row.change.as_ref(), compared);
        cells.push(Cell::Permille(row.share_permille.map(i64::from)));
        cells.push(Cell::Text(row.explain_id.clone().unwrap_or_default()));
        rows.push(cells);
    }
    let mut total = vec![Cell::Text(TOTAL.to_owned())];
    total.extend(labelled("Total", keys.len()));
    figures(
        &mut total,
        &report.total,
        report.prior_total.as_ref(),
        report.total_change.as_ref(),
        compared,
    );
    total.push(Cell::Permille((report.total != "0").then_some(1000)));
    total.push(Cell::Text(String::new()));
    rows.push(total);
    Table { heads, rows }
}

/// The bill lines behind a figure, largest first, then those not listed, then
/// the figure itself.
fn explain_table(explain: &Explain) -> Table {
    let unit = format!("{}, {}", explain.currency, explain.basis.key());
    let heads = [
        "Row",
        "File",
        "Line",
        "Day",
        "Charge start",
        "Charge end",
        "Service",
        "Resource",
        "Description",
        "Class",
        "Owner set by",
        "Source",
        "Delivery",
    ];
    let width = heads.len();
    let heads = heads.map(str::to_owned).into_iter().chain([
        format!("Cost ({unit})"),
        format!("Line cost ({unit})"),
        "Part (%)".to_owned(),
    ]);
    let mut rows: Vec<Vec<Cell>> = explain.lines.iter().map(line_cells).collect();
    let mut sum = |what: &str, label: String, cost: &Money| {
        let mut cells = vec![Cell::Text(what.to_owned())];
        cells.extend(labelled(&label, width - 1));
        cells.extend([Cell::Money(Some(cost.clone())), Cell::Money(None), Cell::Permille(None)]);
        rows.push(cells);
    };
    if explain.rest_count > 0 {
        sum(OTHER, format!("Other ({})", explain.rest_count), &explain.rest_cost);
    }
    sum(TOTAL, "Total".to_owned(), &explain.cost);
    Table {
        heads: heads.collect(),
        rows,
    }
}

fn line_cells(line: &BillLine) -> Vec<Cell> {
    let rules: Vec<String> = line
        .rules
        .iter()
        .map(|(rule, dimension)| format!("{dimension}: {rule}"))
        .collect();
    let texts = [
        LINE.to_owned(),
        line.file.clone(),
        line.line.to_string(),
        frontend::format::day(&line.charge_start),
        line.charge_start.clone(),
        line.charge_end.clone(),
        line.service.clone(),
        line.resource.clone(),
        line.description.clone(),
        line.class.clone(),
        rules.join("; "),
        line.source.clone(),
        line.delivery_id.clone(),
    ];
    let mut cells: Vec<Cell> = texts.into_iter().map(Cell::Text).collect();
    cells.extend([
        Cell::Money(Some(line.cost.clone())),
        Cell::Money(line.line_cost.clone()),
        Cell::Permille(line.line_cost.as_ref().map(|_| i64::from(line.share_permille))),
    ]);
    cells
}

/// A group-by key as the page heads it.
struct Key<'a> {
    key: &'a str,
    label: String,
}

impl<'a> Key<'a> {
    fn of(key: &'a str, options: &[GroupOption]) -> Key<'a> {
        match options.iter().find(|option| option.key == key) {
            Some(option) => Key {
                key,
                label: option.label.clone(),
            },
            None => Key {
                key,
                label: words::key(key),
            },
        }
    }
}

fn names(report: &CostReport, keys: &[Key<'_>], row: &CostRow) -> Vec<Cell> {
    if row.kind == RowKind::Other {
        let listed = u64::try_from(report.rows.len()).unwrap_or(u64::MAX);
        return labelled(
            &format!("Other ({})", report.page.rows.saturating_sub(listed)),
            keys.len(),
        );
    }
    if keys.is_empty() {
        return labelled("All", 1);
    }
    let name = |key: &Key<'_>| words::value(key.key, row.keys.get(key.key).map_or("", String::as_str));
    keys.iter().map(|key| Cell::Text(name(key))).collect()
}

/// A row's name in the first of `width` columns.
fn labelled(label: &str, width: usize) -> Vec<Cell> {
    let mut cells = vec![Cell::Text(label.to_owned())];
    cells.resize(width.max(1), Cell::Text(String::new()));
    cells
}

fn figures(cells: &mut Vec<Cell>, cost: &Money, prior: Option<&Money>, change: Option<&Change>, compared: bool) {
    cells.push(Cell::Money(Some(cost.clone())));
    if compared {
        cells.push(Cell::Money(prior.cloned()));
        cells.push(Cell::Money(change.map(|change| change.amount.clone())));
        cells.push(Cell::Permille(change.and_then(|change| change.permille)));
    }
}

/// `-3.5` for -35 permille: exact, no float on the way.
fn percent(permille: i64) -> String {
    let sign = if permille < 0 { "-" } else { "" };
    let size = permille.unsigned_abs();
    format!("{sign}{}.{}", size / 10, size % 10)
}

/// `tonnage-costs-2026-11-tenant-service.csv`: letters, digits and dashes only,
/// so that it needs no quoting in any header or file system.
#[must_use]
pub fn costs_file_name(report: &CostReport, extension: &str) -> String {
    let mut name = format!("tonnage-costs-{}", report.period);
    for key in &report.by {
        name.push('-');
        name.extend(
            key.chars()
                .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' })
                .take(40),
        );
    }
    format!("{name}.{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use wire::{Basis, ChangeKind, PageInfo, ReconciliationLine};

    fn row(tenant: &str, service: &str, cost: &str, prior: Option<&str>, kind: RowKind) -> CostRow {
        CostRow {
            keys: BTreeMap::from([("tenant".into(), tenant.into()), ("ServiceName".into(), service.into())]),
            cost: cost.into(),
            prior: prior.map(Into::into),
            change: prior.map(|_| Change {
                amount: "-0.5".into(),
                permille: Some(-35),
                kind: ChangeKind::Moved,
            }),
            share_permille: Some(123),
            bar_permille: 1000,
            trend: Vec::new(),
            sparkline: None,
            kind,
            note: None,
            explain_id: Some("1f3c".into()),
        }
    }

    /// A report with the names that hurt a spreadsheet.
    pub(super) fn report() -> CostReport {
        CostReport {
            period: "2026-11".into(),
            basis: Basis::Effective,
            currency: "USD".into(),
            by: vec!["tenant".into(), "ServiceName".into()],
            rows: vec![
                row(
                    "=1+1",
                    "say \"hi\", twice",
                    "61894.640000000000000001",
                    Some("1"),
                    RowKind::Owner,
                ),
                row("-12.5", "@home\nnew line", "-0.005", None, RowKind::Owner),
                row("", "", "0.004", Some("0"), RowKind::Unallocated),
            ],
            total: "61894.639000000000000001".into(),
            against: Some("2026-10".into()),
            days: None,
            against_days: None,
            prior_total: Some("1".into()),
            total_change: None,
            unallocated: "0.004".into(),
            other: None,
            page: PageInfo {
                page: 1,
                pages: 1,
                rows: 3,
            },
            reconciliation: ReconciliationLine {
                label: "Bill to date".into(),
                bill: "61894.639000000000000001".into(),
                parts: Vec::new(),
                residual: "0".into(),
            },
            as_of: None,
        }
    }

    pub(super) fn options() -> Vec<GroupOption> {
        vec![
            GroupOption {
                key: "tenant".into(),
                label: "Tenant".into(),
                owner: true,
            },
            GroupOption {
                key: "ServiceName".into(),
                label: "Bill service".into(),
                owner: false,
            },
        ]
    }

    #[test]
    fn the_table_has_the_columns_of_the_page() {
        let table = costs_table(&report(), &options());
        let heads = [
            "Row",
            "Tenant",
            "Bill service",
            "Cost (USD, effective)",
            "Cost 2026-10 (USD, effective)",
            "Change (USD)",
            "Change (%)",
            "Share (%)",
            "Explain id",
        ];
        assert_eq!(table.heads, heads);
        assert!(table.rows.iter().all(|row| row.len() == heads.len()));
        assert_eq!(
            table.rows[2][..3],
            ["group", "Unallocated cost", "none"].map(|text| Cell::Text(text.into()))
        );
        let alone = CostReport {
            by: Vec::new(),
            against: None,
            ..report()
        };
        let table = costs_table(&alone, &[]);
        assert_eq!(
            table.heads,
            ["Row", "Costs", "Cost (USD, effective)", "Share (%)", "Explain id"]
        );
        assert!(table.rows.iter().all(|row| row.len() == 5));
    }

    #[test]
    fn classes_are_called_on_pages_and_in_files_what_the_domain_calls_them() {
        for class in domain::class::Class::ALL {
            assert_eq!(words::value("class", class.as_str()), class.label());
        }
        for part in domain::usage::Part::ALL {
            assert_eq!(words::value("AllocationPart", part.as_str()), part.label());
        }
    }

    #[test]
    fn rows_of_other_pages_stay_in_the_sum() {
        let mut report = report();
        report.page.rows = 45;
        report.other = Some(row("", "", "0", None, RowKind::Other));
        let table = costs_table(&report, &options());
        assert_eq!(
            table.rows[3][..2],
            ["other", "Other (42)"].map(|text| Cell::Text(text.into()))
        );
        assert_eq!(table.rows.len(), 5);
    }

    #[test]
    fn percents_and_file_names() {
        for (permille, text) in [
            (1000, "100.0"),
            (-35, "-3.5"),
            (-4, "-0.4"),
            (0, "0.0"),
            (i64::MIN, "-922337203685477580.8"),
        ] {
            assert_eq!(percent(permille), text);
        }
        let hostile = CostReport {
            by: vec!["a\"/../é".into()],
            ..report()
        };
        assert_eq!(costs_file_name(&hostile, "csv"), "tonnage-costs-2026-11-a------.csv");
        assert_eq!(
            costs_file_name(&report(), "xlsx"),
            "tonnage-costs-2026-11-tenant-ServiceName.xlsx"
        );
    }
}
