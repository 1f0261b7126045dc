//! What `/cloudCost` is asked for.

use crate::app::opencost::BadAsk;
use crate::app::opencost::ask::{Params, WindowAsk};
use crate::app::opencost::filter::{self, Filter, UNALLOCATED};
use crate::app::opencost::window::{self, Accumulate, parse_accumulate};
use domain::Money;
use domain::instant::{DAY_US, Instant, Span};
use lake::cloud::{CloudCosts, CloudKey};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// What the bill is grouped and filtered by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// A column of the bill, with the original's name for it.
    Column(&'static str, &'static str),
    /// A tag.
    Label(String),
}

/// The original's names, and the FOCUS columns behind them.
const COLUMNS: [(&str, &str); 10] = [
    ("invoiceEntityID", "BillingAccountId"),
    ("accountID", "SubAccountId"),
    ("provider", "ProviderName"),
    ("providerID", "ResourceId"),
    ("category", "ServiceCategory"),
    ("service", "ServiceName"),
    ("invoiceEntityName", "BillingAccountName"),
    ("accountName", "SubAccountName"),
    ("regionID", "RegionId"),
    ("availabilityZone", "AvailabilityZone"),
];
/// Without `aggregate` the original takes the first six.
const DEFAULT_COLUMNS: usize = 6;

fn dimension(name: &str, key: Option<&str>) -> Option<Dimension> {
    if let Some(key) = key {
        return name
            .eq_ignore_ascii_case("label")
            .then(|| Dimension::Label(key.to_owned()));
    }
    let short = match name.to_ascii_lowercase().as_str() {
        "account" => "accountID",
        "region" => "regionID",
        "invoiceentity" => "invoiceEntityID",
        _ => name,
    };
    let found = COLUMNS.iter().find(|(known, _)| known.eq_ignore_ascii_case(short));
    found.map(|(name, column)| Dimension::Column(name, column))
}

/// Which cost a view shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    List,
    Net,
    AmortizedNet,
    Invoiced,
    Amortized,
}

impl Metric {
    pub(super) fn parse(text: &str) -> Result<Metric, BadAsk> {
        Ok(match text {
            "" => Metric::AmortizedNet,
            "listCost" | "ListCost" => Metric::List,
            "netCost" | "NetCost" => Metric::Net,
            "amortizedNetCost" | "AmortizedNetCost" => Metric::AmortizedNet,
            "invoicedCost" | "InvoicedCost" => Metric::Invoiced,
            "amortizedCost" | "AmortizedCost" => Metric::Amortized,
            _ => {
                return Err(BadAsk::new(format!(
                    "costMetric={text} does not fit; write listCost, netCost, amortizedNetCost, invoicedCost or amortizedCost"
                )));
            }
        })
    }

    pub(super) fn of(self, costs: &CloudCosts) -> Money {
        match self {
            Metric::List => costs.list,
            Metric::Net => costs.billed,
            Metric::AmortizedNet | Metric::Amortized => costs.effective,
            Metric::Invoiced => costs.invoiced,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Name,
    Cost,
    Kubernetes,
}

/// A request for cloud costs.
#[derive(Debug, Clone)]
pub(super) struct CloudAsk {
    pub(super) base: WindowAsk,
    pub(super) sets: Vec<Span>,
    pub(super) by: Vec<Dimension>,
    pub(super) filter: Option<Filter<Dimension>>,
    /// Everything looked at, in order.
    pub(super) dimensions: Vec<Dimension>,
    pub(super) metric: Metric,
    pub(super) limit: usize,
    pub(super) offset: usize,
    pub(super) sort: Sort,
    pub(super) ascending: bool,
}

impl CloudAsk {
    pub(super) fn parse(params: &Params, now: Instant) -> Result<CloudAsk, BadAsk> {
        let mut base = WindowAsk::parse(params, now)?;
        let days = Span {
            start: base.window.hours.start.day().start(),
            end: Instant(-(-base.window.hours.end.0).div_euclid(DAY_US) * DAY_US),
        };
        if days != base.window.hours {
            base.warnings.push(format!(
                "bills are by day: the window is {} to {}",
                days.start, days.end
            ));
            base.window.hours = days;
        }
        let accumulate = match parse_accumulate("accumulate", params.get("accumulate"))? {
            Accumulate::Hour => return Err(BadAsk::new("accumulate=hour does not fit; bills are by day")),
            given => given,
        };
        let sets = window::sets(days, Some(DAY_US), accumulate)?;
        let by = aggregate(params.get("aggregate"))?;
        let filter = match params.get("filter") {
            "" => None,
            text => Some(filter::parse(text, dimension)?),
        };
        let mut all: BTreeSet<Dimension> = by.iter().cloned().collect();
        if let Some(filter) = &filter {
            let mut fields = Vec::new();
            filter.fields(&mut fields);
            all.extend(fields.into_iter().cloned());
        }
        let word = |name: &str, words: &[&str]| {
            let text = params.get(name);
            let fits = text.is_empty() || words.contains(&text);
            let bad = || BadAsk::new(format!("{name}={text} does not fit; write {}", words.join(" or ")));
            fits.then_some(text).ok_or_else(bad)
        };
        let sort = match word("sortBy", &["cost", "name", "kubernetesPercent"])? {
            "name" => Sort::Name,
            "kubernetesPercent" => Sort::Kubernetes,
            _ => Sort::Cost,
        };
        let ascending = word("sortByOrder", &["asc", "desc"])? == "asc";
        let metric = Metric::parse(params.get("costMetric"))?;
        let limit = params.count("limit")?.filter(|limit| *limit > 0);
        let offset = params.count("offset")?;
        base.warnings.extend(params.unknown());
        Ok(CloudAsk {
            sets,
            by,
            filter,
            dimensions: all.into_iter().collect(),
            metric,
            limit: limit.unwrap_or(usize::MAX),
            offset: offset.unwrap_or(0),
            sort,
            ascending,
            base,
        })
    }

    pub(super) fn value<'k>(&self, key: &'k CloudKey, wanted: &Dimension) -> Option<&'k str> {
        // columns come before tags in the key, as in the order of dimensions
        let at = self.dimensions.iter().position(|known| known == wanted)?;
        key.values.get(at)?.as_deref()
    }

    pub(super) fn name(&self, key: &CloudKey) -> String {
        let part = |wanted| self.value(key, wanted).unwrap_or(UNALLOCATED);
        self.by.iter().map(part).collect::<Vec<_>>().join("/")
    }

    pub(super) fn passes(&self, key: &CloudKey) -> bool {
        let value = |wanted: &Dimension| Cow::Borrowed(self.value(key, wanted).unwrap_or(""));
        self.filter.as_ref().is_none_or(|filter| filter.holds(&value))
    }
}

fn aggregate(text: &str) -> Result<Vec<Dimension>, BadAsk> {
    let by: Vec<Dimension> = filter::list(text)
        .map(|name| {
            let (name, key) = name
                .split_once(':')
                .map_or((name, None), |(name, key)| (name, Some(key)));
            dimension(name, key).ok_or_else(|| {
                let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
                BadAsk::new(format!(
                    "aggregate={name} does not fit; write {} or label:NAME",
                    names.join(", ")
                ))
            })
        })
        .collect::<Result<_, _>>()?;
    if by.is_empty() {
        let all = COLUMNS.iter().take(DEFAULT_COLUMNS);
        return Ok(all.map(|(name, column)| Dimension::Column(name, column)).collect());
    }
    Ok(by)
}

impl Dimension {
    pub(super) fn column(&self) -> Option<&'static str> {
        match self {
            Dimension::Column(_, column) => Some(column),
            Dimension::Label(_) => None,
        }
    }

    pub(super) fn tag(&self) -> Option<String> {
        match self {
            Dimension::Column(..) => None,
            Dimension::Label(key) => Some(key.clone()),
        }
    }
}

impl Dimension {
    pub(super) fn text(&self) -> String {
        match self {
            Dimension::Column(name, _) => (*name).to_owned(),
            Dimension::Label(key) => format!("label:{key}"),
        }
    }
}
