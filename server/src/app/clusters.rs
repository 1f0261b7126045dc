//! What an allocation says about clusters: how far bill and usage found each
//! other, in money both ways.

use crate::error::AppError;
use domain::allocate::{CUBE_COLUMNS, Cube, CubeKey};
use domain::catalogue::{Catalogue, Machine};
use domain::class::Class;
use domain::usage::Part;
use domain::{BillingPeriod, Currency, Finding, Money};
use std::collections::{BTreeMap, BTreeSet};

/// Share of node money without facts above which it is a warning (A5's default gate): 0.5 %.
const UNOBSERVED_PERMILLE: i128 = 5;

/// Position of a cube column that is known to exist.
pub(crate) fn column<'k>(key: &'k CubeKey, name: &str) -> Option<&'k str> {
    let at = CUBE_COLUMNS.iter().position(|column| *column == name)?;
    key.columns[at].as_deref()
}

#[derive(Default)]
struct Sums {
    joined: Money,
    unjoined: Money,
    unobserved: Money,
    lines: u64,
}

/// Findings about the join of bill and usage. `prices`: a catalogue and the
/// period, as long as not every delivery of it is final.
///
/// # Errors
/// When a sum overflows.
pub(crate) fn findings(
    cube: &Cube,
    unbilled: &[lake::Unbilled],
    prices: Option<(&Catalogue, BillingPeriod)>,
) -> Result<Vec<Finding>, AppError> {
    let mut sums: BTreeMap<Currency, Sums> = BTreeMap::new();
    for (key, value) in cube.lines.iter().filter(|(key, _)| key.class == Class::NodeCompute) {
        let sums = sums.entry(key.currency.clone()).or_default();
        if column(key, "Cluster").is_none() {
            sums.unjoined = sums.unjoined.checked_add(value.effective)?;
            sums.lines += value.charges;
        } else {
            sums.joined = sums.joined.checked_add(value.effective)?;
        }
        if column(key, "AllocationPart") == Some(Part::Unobserved.as_str()) {
            sums.unobserved = sums.unobserved.checked_add(value.effective)?;
        }
    }
    let mut findings = Vec::new();
    for (currency, sums) in &sums {
        // without any usage there is nothing to miss
        if !sums.unjoined.is_zero() && !sums.joined.is_zero() {
            let total = sums.joined.checked_add(sums.unjoined)?;
            findings.push(
                Finding::warning(
                    "node_cost_without_usage",
                    format!("{} {currency} of {total} {currency} of node cost have no usage facts; they stay whole, with the owner of their charge", sums.unjoined),
                )
                .times(sums.lines.max(1))
                .money(format!("{} {currency}", sums.unjoined))
                .remedy("ingest the node hours of these machines, or check that provider_id is the bill's ResourceId"),
            );
        }
        let limit = sums.joined.units() / 1_000 * UNOBSERVED_PERMILLE;
        if sums.unobserved.units() > limit {
            findings.push(
                Finding::warning(
                    "unobserved_node_cost",
                    format!(
                        "{} {currency} of node cost fall on hours without usage facts",
                        sums.unobserved
                    ),
                )
                .money(format!("{} {currency}", sums.unobserved))
                .remedy("ingest the missing hours; facts that come late are taken in"),
            );
        }
    }
    findings.extend(unmeasured(cube)?);
    findings.extend(unbilled.iter().flat_map(|missing| without_bill(missing, prices)));
    Ok(findings)
}

/// Traffic whose bytes nobody measured (A33): it follows effective requests.
fn unmeasured(cube: &Cube) -> Result<Vec<Finding>, AppError> {
    let mut sums: BTreeMap<Currency, (Money, u64)> = BTreeMap::new();
    let unmeasured = Some(Part::UnmeasuredNetwork.as_str());
    for (key, value) in cube
        .lines
        .iter()
        .filter(|(key, _)| column(key, "AllocationPart") == unmeasured)
    {
        let sum = sums.entry(key.currency.clone()).or_default();
        *sum = (sum.0.checked_add(value.effective)?, sum.1 + value.charges);
    }
    let finding = |(currency, (money, lines)): (Currency, (Money, u64))| {
        Finding::warning(
            "network_unmeasured",
            format!("{money} {currency} of traffic of nodes follow the effective requests of their pods: no bytes were measured"),
        )
        .times(lines.max(1))
        .money(format!("{money} {currency}"))
    };
    Ok(sums.into_iter().map(finding).collect())
}

/// What node hours of a cluster without a bill line are estimated at in a
/// currency, by these findings; `None` when nothing of it is estimated.
///
/// # Errors
/// When a sum overflows.
pub(crate) fn estimate_of(findings: &[Finding], cluster: &str, currency: &str) -> Result<Option<Money>, AppError> {
    let own = |finding: &&Finding| {
        let rest = finding.message.strip_prefix(&format!("cluster {cluster}"));
        finding.code == "nodes_without_bill"
            && rest.is_some_and(|rest| {
                [", pool ", ", capacity ", ": node hours"]
                    .iter()
                    .any(|next| rest.starts_with(next))
            })
    };
    let money = |finding: &Finding| {
        let (amount, of) = finding.money.as_deref()?.split_once(' ')?;
        (of == currency).then(|| Money::parse(amount).ok())?
    };
    let mut sum = None;
    for money in findings.iter().filter(own).filter_map(money) {
        sum = Some(sum.unwrap_or(Money::ZERO).checked_add(money)?);
    }
    Ok(sum)
}

/// Node hours without a bill line (A6): an estimate while a delivery is open,
/// nothing once all are final; never in a total.
fn without_bill(missing: &lake::Unbilled, prices: Option<(&Catalogue, BillingPeriod)>) -> Vec<Finding> {
    let named = [("pool", &missing.pool), ("capacity", &missing.capacity_type)].into_iter();
    let named = named.filter(|(_, name)| !name.is_empty());
    let nodes: Vec<String> = [("cluster", &missing.cluster)]
        .into_iter()
        .chain(named)
        .map(|(what, name)| format!("{what} {name}"))
        .collect();
    let nodes = nodes.join(", ");
    let remedy = "check that the bill of this account is in, and that provider_id is the bill's ResourceId";
    let found = |text: String| {
        Finding::warning("nodes_without_bill", format!("{nodes}: {text}"))
            .times(missing.node_hours)
            .remedy(remedy)
    };
    let Some((catalogue, period)) = prices else {
        return vec![found(
            "node hours no line of the final bill pays for; they cost nothing".to_owned(),
        )];
    };
    if !missing.estimates.is_empty() {
        let estimate = |(currency, money): (&Currency, &Money)| {
            found(format!(
                "node hours no line of the bill pays for yet; estimated at {money} {currency} beside the actuals, at the price of billed nodes like them"
            ))
            .money(format!("{money} {currency}"))
        };
        return missing.estimates.iter().map(estimate).collect();
    }
    let (listed, unknown) = list_price(missing, catalogue, period);
    let estimate = |(currency, (money, sources)): (Currency, (Money, BTreeSet<String>))| {
        let sources: Vec<String> = sources.into_iter().collect();
        found(format!(
            "node hours no line of the bill pays for yet; estimated at {money} {currency} beside the actuals, at list prices ({})",
            sources.join("; ")
        ))
        .money(format!("{money} {currency}"))
    };
    let mut findings: Vec<Finding> = listed.into_iter().map(estimate).collect();
    if !unknown.is_empty() {
        let named: Vec<String> = unknown.iter().map(|machine| machine_name(machine)).collect();
        findings.push(
            Finding::warning(
                "nodes_without_price",
                format!("{nodes}: node hours no line of the bill pays for, and neither a billed node like them nor the price catalogue tells their price ({}); what they will cost is unknown", named.join("; ")),
            )
            .times(missing.node_hours)
            .remedy("take in a price list by `tonnage prices import FILE`, or the bill of this account"),
        );
    }
    findings
}

/// Money and the sources of its prices, by currency; and machines without a price.
type Listed<'m> = (BTreeMap<Currency, (Money, BTreeSet<String>)>, Vec<&'m Machine>);

/// What machines cost by the catalogue.
fn list_price<'m>(missing: &'m lake::Unbilled, catalogue: &Catalogue, period: BillingPeriod) -> Listed<'m> {
    let (mut listed, mut unknown): Listed<'_> = Default::default();
    for (machine, seconds) in &missing.machines {
        let quote = catalogue.quote(machine, period.first_day());
        let Some((cost, quote)) = quote.and_then(|quote| Some((quote.of_seconds(*seconds)?, quote))) else {
            unknown.push(machine);
            continue;
        };
        let sum = listed.entry(quote.currency).or_default();
        match sum.0.checked_add(cost) {
            Ok(total) => sum.0 = total,
            Err(_) => unknown.push(machine),
        }
        sum.1.insert(quote.source);
    }
    (listed, unknown)
}

/// A machine for people: `aws m6i.2xlarge in eu-central-1, spot`.
fn machine_name(machine: &Machine) -> String {
    let kind = if machine.resource_type.is_empty() {
        "of unknown type"
    } else {
        &machine.resource_type
    };
    let place = if machine.region.is_empty() {
        String::new()
    } else {
        format!(" in {}", machine.region)
    };
    let spot = if machine.spot { ", spot" } else { "" };
    format!("{} {kind}{place}{spot}", machine.provider)
}

/// Bills that have the provider's own split: whose counts, and what counts twice.
pub(crate) fn provider_findings(rows: &[lake::ProviderRows]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for found in rows {
        let (cluster, currency) = (&found.cluster, &found.currency);
        let mut push = |code: &str, money: Money, text: String, remedy: &str| {
            if !money.is_zero() {
                let finding = Finding::warning(code, format!("cluster {cluster}: {text}"));
                let finding = finding.times(found.rows).money(format!("{money} {currency}"));
                findings.push(finding.remedy(remedy));
            }
        };
        push(
            "provider_split",
            found.ours,
            format!(
                "{} {currency} of rows that the provider split (AllocatedMethodId) are split by usage instead",
                found.ours
            ),
            "nothing to do; to let the provider's split count, name the cluster under clusters: provider_split in the rules",
        );
        push(
            "provider_split",
            found.theirs,
            format!(
                "{} {currency} of rows that the provider split keep their split, as the rules say",
                found.theirs
            ),
            "nothing to do; other charges of these nodes are split by usage",
        );
        push(
            "provider_split_twice",
            found.twice,
            format!(
                "{} {currency} are in the bill twice: as rows that the provider split, and as the charges they were made from",
                found.twice
            ),
            "export the bill with one of them",
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_told_apart_by_cluster_and_currency() {
        let usd = Currency::parse("USD").expect("a code");
        let missing = |cluster: &str, pool: &str, money: Option<&str>| lake::Unbilled {
            cluster: cluster.to_owned(),
            pool: pool.to_owned(),
            capacity_type: String::new(),
            node_hours: 2,
            estimates: money
                .map(|money| (usd.clone(), Money::parse(money).expect(money)))
                .into_iter()
                .collect(),
            machines: BTreeMap::new(),
        };
        let all = [
            missing("a", "", Some("1.5")),
            missing("a", "general", Some("0.25")),
            missing("a: node", "", Some("8")),
            missing("ab", "", Some("4")),
            missing("b", "", None),
        ];
        let catalogue = Catalogue::default();
        let of = |prices| -> Vec<Finding> { all.iter().flat_map(|one| without_bill(one, prices)).collect() };
        let open = of(Some((&catalogue, "2026-10".parse().expect("a month"))));
        let closed = of(None);
        for (findings, cluster, currency, expect) in [
            (&open, "a", "USD", Some("1.75")),
            (&open, "a", "EUR", None),
            (&open, "ab", "USD", Some("4")),
            (&open, "b", "USD", None),
            (&closed, "a", "USD", None),
        ] {
            let found = estimate_of(findings, cluster, currency).expect("small");
            assert_eq!(
                found.map(|money| money.to_string()).as_deref(),
                expect,
                "{cluster} {currency}"
            );
        }
    }
}
