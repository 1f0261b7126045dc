//! The price catalogue: what machines cost by provider, region, type and way
//! of buying. It prices what no bill line pays for yet, as an estimate (A6), and
//! machines outside the cloud; bills always win over it.
//!
//! A price is dated: of several the newest that is in force on the day counts;
//! before the first one the first counts, since lists rarely reach back.

use crate::instant::Day;
use crate::money::{Currency, Money};
use ethnum::U256;
use std::collections::BTreeMap;
use std::fmt;

/// How capacity is bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purchase {
    /// By the hour, without a promise.
    OnDemand,
    /// Spare capacity that can be taken back.
    Spot,
    /// Promised for a term; an upfront fee is spread over the hours of the term.
    Reserved,
}

impl Purchase {
    /// All.
    pub const ALL: [Purchase; 3] = [Purchase::OnDemand, Purchase::Spot, Purchase::Reserved];

    /// Stable key, as in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Purchase::OnDemand => "on-demand",
            Purchase::Spot => "spot",
            Purchase::Reserved => "reserved",
        }
    }

    /// Back from [`Purchase::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Purchase> {
        Purchase::ALL
            .into_iter()
            .find(|of| of.as_str().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for Purchase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a price is per.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Per {
    /// Hour of a machine.
    Hour,
    /// Hour of a core.
    CoreHour,
    /// Hour of a GiB of memory.
    GibibyteHour,
}

impl Per {
    /// All.
    pub const ALL: [Per; 3] = [Per::Hour, Per::CoreHour, Per::GibibyteHour];

    /// Stable key, as in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Per::Hour => "hour",
            Per::CoreHour => "core-hour",
            Per::GibibyteHour => "gib-hour",
        }
    }

    /// Back from [`Per::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Per> {
        Per::ALL.into_iter().find(|of| of.as_str().eq_ignore_ascii_case(text))
    }
}

/// What a price is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offer {
    /// `aws`, `azure`, `gcp`; `own` for machines outside the cloud; lower case.
    pub provider: String,
    /// As the provider writes it; empty: everywhere.
    pub region: String,
    /// Instance type (`m6i.2xlarge`), family (`n2`) where cores and memory are
    /// priced apart, or `*`: every type of the provider.
    pub resource_type: String,
    /// How it is bought.
    pub purchase: Purchase,
    /// Of a reservation; 0 otherwise.
    pub term_months: u32,
    /// `no-upfront`, `partial-upfront`, `all-upfront`; empty otherwise.
    pub payment: String,
    /// What the price is per.
    pub per: Per,
    /// Of the price.
    pub currency: Currency,
    /// From this day.
    pub from: Day,
}

/// A price, with where it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// For what.
    pub offer: Offer,
    /// Not negative.
    pub price: Money,
    /// Who published it, and when.
    pub source: String,
}

/// A machine to be priced.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Machine {
    /// As in [`Offer::provider`].
    pub provider: String,
    /// Empty when unknown.
    pub region: String,
    /// Instance type; empty when unknown.
    pub resource_type: String,
    /// Spot capacity; anything else is priced on demand.
    pub spot: bool,
    /// Thousandths of a core.
    pub cpu_milli: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
}

impl Machine {
    /// A machine by what Kubernetes knows of its node: `spec.providerID`, the
    /// well-known labels, and how it is bought.
    #[must_use]
    pub fn of_node(provider_id: &str, label: &dyn Fn(&str) -> Option<String>, spot: bool) -> Machine {
        let provider = match provider_id.split_once("://") {
            Some(("gce", _)) => "gcp",
            Some((scheme @ ("aws" | "azure"), _)) => scheme,
            _ => "own",
        };
        let first = |names: [&str; 2]| names.into_iter().find_map(label).unwrap_or_default();
        let zone = first(["topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"]);
        let region = Some(first([
            "topology.kubernetes.io/region",
            "failure-domain.beta.kubernetes.io/region",
        ]))
        .filter(|region| !region.is_empty());
        Machine {
            provider: provider.to_owned(),
            region: region.unwrap_or_else(|| region_of_zone(provider, &zone)),
            resource_type: first(["node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type"]),
            spot,
            ..Machine::default()
        }
    }
}

/// `eu-central-1` of `eu-central-1a`, `europe-west3` of `europe-west3-b`.
fn region_of_zone(provider: &str, zone: &str) -> String {
    let region = match provider {
        "aws" => zone.trim_end_matches(|c: char| c.is_ascii_lowercase()),
        "gcp" => zone.rsplit_once('-').map_or(zone, |(region, _)| region),
        _ => zone,
    };
    region.to_owned()
}

/// What a machine costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Per hour.
    pub hourly: Money,
    /// Of the price.
    pub currency: Currency,
    /// In force from.
    pub from: Day,
    /// Who published it.
    pub source: String,
}

impl Quote {
    /// What so many seconds cost, cut off below 1e-24; `None` when it does not fit.
    #[must_use]
    pub fn of_seconds(&self, seconds: u64) -> Option<Money> {
        scaled(self.hourly, seconds, 3_600)
    }
}

/// `money * numerator / denominator`, cut off; `money` is not negative.
fn scaled(money: Money, numerator: u64, denominator: u64) -> Option<Money> {
    let units = U256::from(money.units().unsigned_abs()) * U256::from(numerator) / U256::from(denominator);
    Money::from_units(i128::try_from(units).ok()?)
}

/// Everything of an [`Offer`] but its day and currency.
type Key = (String, String, String, Purchase, Per);

/// Prices to look up. Types and regions are compared without case.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    prices: BTreeMap<Key, BTreeMap<(Day, Currency), Price>>,
}

impl Catalogue {
    /// Takes prices of which those without a term can be looked up; of two for
    /// one offer the later one counts.
    #[must_use]
    pub fn new(prices: impl IntoIterator<Item = Price>) -> Catalogue {
        let mut catalogue = Catalogue::default();
        for price in prices {
            let offer = &price.offer;
            if offer.term_months > 0 {
                continue;
            }
            let key = (
                offer.provider.to_ascii_lowercase(),
                offer.region.to_ascii_lowercase(),
                offer.resource_type.to_ascii_lowercase(),
                offer.purchase,
                offer.per,
            );
            let dated = (offer.from, offer.currency.clone());
            catalogue.prices.entry(key).or_default().insert(dated, price);
        }
        catalogue
    }

    /// What a machine costs on a day: the price of its type in its region, else
    /// of its type everywhere, else cores and memory of its family, else of its
    /// provider. `None`: unknown, never zero.
    #[must_use]
    pub fn quote(&self, machine: &Machine, on: Day) -> Option<Quote> {
        let purchase = if machine.spot {
            Purchase::Spot
        } else {
            Purchase::OnDemand
        };
        let kind = machine.resource_type.to_ascii_lowercase();
        let family = kind.split_once(['-', '.']).map_or(kind.as_str(), |(family, _)| family);
        let region = machine.region.to_ascii_lowercase();
        let regions = [region.as_str(), ""];
        let find = |region: &str, kind: &str, per: Per| {
            let key = (
                machine.provider.clone(),
                region.to_owned(),
                kind.to_owned(),
                purchase,
                per,
            );
            in_force(self.prices.get(&key)?, on)
        };
        let whole = |kind: &str| {
            let price = regions.iter().find_map(|region| find(region, kind, Per::Hour))?;
            Some(quote_of(price, price.price))
        };
        let parts = |kind: &str| {
            regions.iter().find_map(|region| {
                let core = find(region, kind, Per::CoreHour)?;
                let gibibyte = find(region, kind, Per::GibibyteHour)?;
                if core.offer.currency != gibibyte.offer.currency {
                    return None;
                }
                let cores = scaled(core.price, machine.cpu_milli, 1_000)?;
                let memory = scaled(gibibyte.price, machine.memory_bytes, 1 << 30)?;
                Some(quote_of(core, cores.checked_add(memory).ok()?))
            })
        };
        let typed = Some(kind.as_str()).filter(|kind| !kind.is_empty());
        typed
            .and_then(whole)
            .or_else(|| typed.and_then(|_| parts(family)))
            .or_else(|| whole("*"))
            .or_else(|| parts("*"))
    }
}

fn quote_of(price: &Price, hourly: Money) -> Quote {
    Quote {
        hourly,
        currency: price.offer.currency.clone(),
        from: price.offer.from,
        source: price.source.clone(),
    }
}

/// The newest in force on a day, else the first.
fn in_force(dated: &BTreeMap<(Day, Currency), Price>, on: Day) -> Option<&Price> {
    let before = dated.iter().rev().find(|((from, _), _)| *from <= on);
    before.or_else(|| dated.iter().next()).map(|(_, price)| price)
}

/// How often spot capacity of a type was taken back over the trailing month, as
/// the AWS Spot Instance Advisor publishes it: a band, never a promise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpotAdvice {
    /// Region.
    pub region: String,
    /// `Linux` or `Windows`.
    pub os: String,
    /// Instance type.
    pub resource_type: String,
    /// Saving against on demand, per cent; below zero where spot capacity is dearer.
    pub saving_percent: i32,
    /// Lower bound of the share taken back, per cent.
    pub interrupted_from_percent: u32,
    /// Upper bound; `None`: open.
    pub interrupted_below_percent: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        crate::instant::parse(text.as_bytes()).expect(text).instant.day()
    }

    /// provider region type purchase per currency price from
    fn price(line: &str) -> Price {
        let of: Vec<&str> = line.split(' ').collect();
        Price {
            offer: Offer {
                provider: of[0].to_owned(),
                region: of[1].trim_matches('-').to_owned(),
                resource_type: of[2].to_owned(),
                purchase: Purchase::parse(of[3]).expect("a way of buying"),
                term_months: 0,
                payment: String::new(),
                per: Per::parse(of[4]).expect("a unit"),
                currency: Currency::parse(of[5]).expect("a currency"),
                from: day(of[7]),
            },
            price: Money::parse(of[6]).expect("a price"),
            source: "test".to_owned(),
        }
    }

    fn catalogue() -> Catalogue {
        Catalogue::new(
            [
                "aws eu-central-1 m6i.2xlarge on-demand hour USD 0.46 2024-01-01",
                "aws eu-central-1 m6i.2xlarge on-demand hour USD 0.44 2025-01-01",
                "aws - m6i.2xlarge on-demand hour USD 0.5 2024-01-01",
                "aws eu-central-1 m6i.2xlarge spot hour USD 0.2 2024-01-01",
                "gcp europe-west3 n2 on-demand core-hour USD 0.04 2024-01-01",
                "gcp europe-west3 n2 on-demand gib-hour USD 0.005 2024-01-01",
                "gcp europe-west4 n2 on-demand core-hour USD 0.04 2024-01-01",
                "own - * on-demand core-hour EUR 0.01 2024-01-01",
                "own - * on-demand gib-hour EUR 0.002 2024-01-01",
                "own - ax102 on-demand hour EUR 0.17 2024-01-01",
            ]
            .map(price),
        )
    }

    #[test]
    fn a_machine_is_priced_by_type_then_family_then_provider() {
        let catalogue = catalogue();
        for (provider, region, kind, spot, on, expect) in [
            (
                "aws",
                "eu-central-1",
                "m6i.2xlarge",
                false,
                "2024-06-01",
                Some("0.46 USD"),
            ),
            (
                "aws",
                "eu-central-1",
                "m6i.2xlarge",
                false,
                "2025-01-01",
                Some("0.44 USD"),
            ),
            // before the first price the first one
            (
                "aws",
                "eu-central-1",
                "m6i.2xlarge",
                false,
                "2020-01-01",
                Some("0.46 USD"),
            ),
            (
                "aws",
                "EU-CENTRAL-1",
                "M6I.2xlarge",
                true,
                "2025-01-01",
                Some("0.2 USD"),
            ),
            ("aws", "us-east-1", "m6i.2xlarge", false, "2025-01-01", Some("0.5 USD")),
            // spot of a type without a spot price is not its on-demand price
            ("aws", "us-east-1", "m6i.2xlarge", true, "2025-01-01", None),
            ("aws", "eu-central-1", "m7i.2xlarge", false, "2025-01-01", None),
            (
                "gcp",
                "europe-west3",
                "n2-standard-4",
                false,
                "2025-01-01",
                Some("0.24 USD"),
            ),
            // memory has no price there: half a price is none
            ("gcp", "europe-west4", "n2-standard-4", false, "2025-01-01", None),
            ("own", "rack-1", "", false, "2025-01-01", Some("0.072 EUR")),
            ("own", "rack-1", "ax102", false, "2025-01-01", Some("0.17 EUR")),
            ("azure", "westeurope", "Standard_D4s_v5", false, "2025-01-01", None),
        ] {
            let machine = Machine {
                provider: provider.to_owned(),
                region: region.to_owned(),
                resource_type: kind.to_owned(),
                spot,
                cpu_milli: 4_000,
                memory_bytes: 16 << 30,
            };
            let quote = catalogue.quote(&machine, day(on));
            let found = quote.map(|quote| format!("{} {}", quote.hourly, quote.currency));
            assert_eq!(found.as_deref(), expect, "{provider} {region} {kind} {spot} {on}");
        }
    }

    #[test]
    fn seconds_cost_their_share_of_the_hour() {
        let quote = Quote {
            hourly: Money::parse("0.46").expect("money"),
            currency: Currency::parse("USD").expect("a currency"),
            from: Day(0),
            source: String::new(),
        };
        for (seconds, expect) in [(0, "0"), (3_600, "0.46"), (900, "0.115"), (86_400, "11.04")] {
            assert_eq!(quote.of_seconds(seconds), Money::parse(expect).ok(), "{seconds}");
        }
    }

    #[test]
    fn a_node_tells_its_machine() {
        for (provider_id, labels, expect) in [
            (
                "aws:///eu-central-1a/i-0abc",
                vec![
                    ("topology.kubernetes.io/zone", "eu-central-1a"),
                    ("node.kubernetes.io/instance-type", "m6i.2xlarge"),
                ],
                ("aws", "eu-central-1", "m6i.2xlarge"),
            ),
            (
                "gce://p/europe-west3-b/n1",
                vec![("topology.kubernetes.io/zone", "europe-west3-b")],
                ("gcp", "europe-west3", ""),
            ),
            (
                "azure:///subscriptions/s/x",
                vec![
                    ("topology.kubernetes.io/region", "westeurope"),
                    ("topology.kubernetes.io/zone", "westeurope-1"),
                    ("beta.kubernetes.io/instance-type", "Standard_D4s_v5"),
                ],
                ("azure", "westeurope", "Standard_D4s_v5"),
            ),
            ("", vec![], ("own", "", "")),
            ("hcloud://12", vec![], ("own", "", "")),
        ] {
            let label = |name: &str| {
                let found = labels.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let machine = Machine::of_node(provider_id, &label, false);
            let found = (
                machine.provider.as_str(),
                machine.region.as_str(),
                machine.resource_type.as_str(),
            );
            assert_eq!(found, expect, "{provider_id}");
        }
    }
}
