//! Rows that add up: the table of Costs and of the Overview.

use leptos::prelude::*;
use wire::{CostReport, CostRow, CostsQuery, RowKind, SortKey, SortOrder};

use crate::components::figures::{bar, change, cost as cost_of, maybe_money, money, none};
use crate::query::{href, print_costs};
use crate::{format, words};

/// Where a row leads next: the first of these not in use yet.
const DRILL: [&str; 5] = ["tenant", "service", "environment", "class", "ServiceName"];
/// The same for a row inside a cluster: down to the container, then who pays.
const DRILL_CLUSTER: [&str; 7] = [
    "Cluster",
    "Namespace",
    "Workload",
    "Container",
    "AllocationPart",
    "tenant",
    "service",
];

/// The key that opens what these filters leave.
fn next_key(filters: &[(String, String)]) -> Option<&'static str> {
    let value = |key: &str| {
        filters
            .iter()
            .find(|(filtered, _)| filtered == key)
            .map(|(_, v)| v.as_str())
    };
    let placed = |key: &&str| words::place(key, "").is_some() && value(key).is_some_and(|value| !value.is_empty());
    let in_cluster = ["NodePool", "WorkloadKind"].iter().chain(&DRILL_CLUSTER).any(placed);
    // what has no namespace has no workload either, and what has no workload no container
    let lacks = |key: &str| value(key) == Some("");
    let empty = |key: &str| match key {
        "Workload" => lacks("Namespace"),
        "Container" => lacks("Namespace") || lacks("Workload"),
        _ => false,
    };
    if in_cluster {
        return DRILL_CLUSTER
            .into_iter()
            .find(|key| value(key).is_none() && !empty(key));
    }
    let node = value("class") == Some("node_compute") && value("Cluster").is_none();
    let next = || DRILL.into_iter().find(|key| value(key).is_none());
    if node { Some("Cluster") } else { next() }
}

/// A table of costs and how it can be changed.
pub(crate) struct CostTable<'a> {
    /// The figures.
    pub(crate) report: &'a CostReport,
    /// The query of the page; `None` where the table cannot be sorted.
    pub(crate) query: Option<&'a CostsQuery>,
}

impl CostTable<'_> {
    /// The query that shows these figures on the Costs page.
    fn base(&self) -> CostsQuery {
        self.query.cloned().unwrap_or_else(|| CostsQuery {
            period: Some(self.report.period.clone()),
            by: self.report.by.clone(),
            basis: self.report.basis,
            currency: Some(self.report.currency.clone()),
            page: 1,
            ..CostsQuery::default()
        })
    }

    /// The query that opens a row: filtered to it, grouped by something finer.
    fn inside(&self, row: &CostRow) -> Option<CostsQuery> {
        let mut query = self.base();
        for key in &self.report.by {
            let value = row.keys.get(key)?.clone();
            query.filters.retain(|(filtered, _)| filtered != key);
            query.filters.push((key.clone(), value));
        }
        let next = next_key(&query.filters)?;
        query.by = vec![next.to_owned()];
        query.sort = SortKey::Cost;
        query.dir = SortOrder::Desc;
        query.page = 1;
        Some(query)
    }
}

/// Says that a complete month is compared with a part of another.
pub(crate) fn caveat(report: &CostReport) -> Option<AnyView> {
    let (against, days) = report.against.as_deref().zip(report.against_days)?;
    let month = format::month_year(against);
    Some(
        view! {
            <p class="banner warn" role="note">
                <b>{format!("{month} is not complete. ")}</b>
                {format!("Changes are against its first {days} days, all there is of it.")}
            </p>
        }
        .into_any(),
    )
}

/// The table in a region that scrolls on its own when it is too wide.
pub(crate) fn cost_table(table: &CostTable<'_>) -> AnyView {
    let report = table.report;
    let keys: Vec<String> = report.by.iter().map(|key| words::key(key)).collect();
    let caption = format!(
        "{} by {}, {}",
        words::basis(report.basis),
        keys.join(" and ").to_lowercase(),
        format::month_year(&report.period)
    );
    let rows: Vec<_> = report.rows.iter().map(|row| body_row(table, row)).collect();
    let other = report.other.as_ref().map(|row| body_row(table, row));
    let empty = report.rows.is_empty().then(|| {
        let width = report.by.len() + 5;
        view! { <tr><td colspan=width class="nothing">"No cost fits these filters in this period."</td></tr> }
    });
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label=caption>
            <table class="costs" data-rows="">
                <caption>{caption.clone()}" "<span class="unit">{report.currency.clone()}</span></caption>
                <thead>{head(table, &keys)}</thead>
                <tbody>{rows}{other}{empty}</tbody>
                <tfoot>{foot(report)}</tfoot>
            </table>
        </div>
    }
    .into_any()
}

fn head(table: &CostTable<'_>, keys: &[String]) -> AnyView {
    let report = table.report;
    let names: Vec<_> = keys
        .iter()
        .enumerate()
        .map(|(at, name)| {
            // the first key's heading sorts by all keys in order
            let sort = (at == 0).then_some(SortKey::Name);
            column(table, name.clone(), sort, "")
        })
        .collect();
    let prior = report.against.as_deref().map_or_else(
        || "Before".to_owned(),
        |month| format::month_days(month, report.against_days.or(report.days)),
    );
    view! {
        <tr>
            {names}
            <th scope="col" class="trend">"13 months"</th>
            {column(table, prior, Some(SortKey::Prior), "r prior")}
            {column(table, format::month_days(&report.period, report.days), Some(SortKey::Cost), "r")}
            {column(table, "Change".to_owned(), Some(SortKey::Change), "r")}
            <th scope="col" class="r">"Share"</th>
        </tr>
    }
    .into_any()
}

/// A heading; a link where the table can be sorted by it.
fn column(table: &CostTable<'_>, name: String, sort: Option<SortKey>, class: &'static str) -> AnyView {
    let (Some(query), Some(sort)) = (table.query, sort) else {
        return view! { <th scope="col" class=class>{name}</th> }.into_any();
    };
    let sorted = query.sort == sort;
    let first = if sort == SortKey::Name {
        SortOrder::Asc
    } else {
        SortOrder::Desc
    };
    let flipped = if query.dir == SortOrder::Asc {
        SortOrder::Desc
    } else {
        SortOrder::Asc
    };
    let dir = if sorted { flipped } else { first };
    let to = CostsQuery {
        sort,
        dir,
        page: 1,
        ..query.clone()
    };
    let (state, glyph) = match (sorted, query.dir) {
        (false, _) => (None, ""),
        (true, SortOrder::Asc) => (Some("ascending"), "↑"),
        (true, SortOrder::Desc) => (Some("descending"), "↓"),
    };
    let id = format!("sort-{}", crate::query::sort_word(sort));
    view! {
        <th scope="col" class=class aria-sort=state>
            <a class="sort" id=id href=href("/costs", &print_costs(&to)) data-swap="">
                {name}<span class="dir" aria-hidden="true">{glyph}</span>
            </a>
        </th>
    }
    .into_any()
}

fn body_row(table: &CostTable<'_>, row: &CostRow) -> AnyView {
    let class = if row.kind == RowKind::Owner { "" } else { "special" };
    let cost = match &row.explain_id {
        Some(id) => {
            let href = format!("/explain/{}", crate::query::encode(id));
            view! { <a class="cell" href=href>{cost_of(&row.cost)}</a> }.into_any()
        }
        None => cost_of(&row.cost).into_any(),
    };
    let share = match row.share_permille {
        Some(share) => format::share(i64::from(share)).into_any(),
        None => none("no share of nothing").into_any(),
    };
    view! {
        <tr class=class>
            {names(table, row)}
            <td class="trend" inner_html=row.sparkline.clone().unwrap_or_default()></td>
            <td class="r num muted prior">{maybe_money(row.prior.as_deref())}</td>
            <td class="r num barred">{bar(row.bar_permille)}{cost}</td>
            <td class="r num change">{change(row.change.as_ref())}</td>
            <td class="r num">{share}</td>
        </tr>
    }
    .into_any()
}

/// One cell for each key; the first is the row's heading and opens it.
fn names(table: &CostTable<'_>, row: &CostRow) -> AnyView {
    let by = &table.report.by;
    if row.kind == RowKind::Other {
        return view! { <th scope="row" colspan=by.len()>{other_name(table.report)}</th> }.into_any();
    }
    let inside = table.inside(row).map(|query| href("/costs", &print_costs(&query)));
    let note = row.note.clone().map(|note| view! { <span class="note">{note}</span> });
    let mut cells = by
        .iter()
        .map(|key| words::value(key, row.keys.get(key).map_or("", String::as_str)));
    let first = cells.next().unwrap_or_default();
    let first = match inside {
        Some(href) => view! { <a class="open" href=href>{first}</a> }.into_any(),
        None => first.into_any(),
    };
    let rest: Vec<_> = cells.map(|name| view! { <td class="name">{name}</td> }).collect();
    view! { <th scope="row">{first}{note}</th>{rest} }.into_any()
}

fn other_name(report: &CostReport) -> String {
    let listed = u64::try_from(report.rows.len()).unwrap_or(u64::MAX);
    format!("Other ({})", format::count(report.page.rows.saturating_sub(listed)))
}

fn foot(report: &CostReport) -> AnyView {
    let width = report.by.len();
    let rows = format::counted(report.page.rows, "row", "rows");
    view! {
        <tr>
            <th scope="row" colspan=width>"Total "<span class="note">{rows}</span></th>
            <td class="trend"></td>
            <td class="r num prior">{maybe_money(report.prior_total.as_deref())}</td>
            <td class="r num">{money(&report.total)}</td>
            <td class="r num change">{change(report.total_change.as_ref())}</td>
            <td class="r num">{(!format::is_zero(&report.total)).then(|| format::share(1000))}</td>
        </tr>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::next_key;

    /// The keys of a row, and what it opens into.
    type Opens<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>);

    #[test]
    fn a_row_opens_into_something_finer() {
        let table: [Opens<'_>; 11] = [
            (&[("tenant", "acme")], Some("service")),
            (&[("Cluster", "eu")], Some("Namespace")),
            (&[("Cluster", "eu"), ("Namespace", "shop")], Some("Workload")),
            (
                &[("Cluster", "eu"), ("Namespace", "shop"), ("Workload", "web")],
                Some("Container"),
            ),
            (
                &[
                    ("Cluster", "eu"),
                    ("Namespace", "shop"),
                    ("Workload", "web"),
                    ("Container", "nginx"),
                ],
                Some("AllocationPart"),
            ),
            // idle capacity has no workload
            (&[("Cluster", "eu"), ("Namespace", "")], Some("AllocationPart")),
            (&[("NodePool", "spot")], Some("Cluster")),
            // outside of clusters as everywhere else
            (&[("Cluster", "")], Some("tenant")),
            (
                &[("tenant", "a"), ("service", "b"), ("environment", "c")],
                Some("class"),
            ),
            (&[("tenant", "a"), ("class", "node_compute")], Some("Cluster")),
            (
                &[
                    ("tenant", "a"),
                    ("service", "b"),
                    ("environment", "c"),
                    ("class", "tax"),
                    ("ServiceName", "x"),
                ],
                None,
            ),
        ];
        for (filters, next) in table {
            let filters: Vec<_> = filters
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect();
            assert_eq!(next_key(&filters), next, "{filters:?}");
        }
    }
}
