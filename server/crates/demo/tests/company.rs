//! The demo is deterministic, complete, and its truth adds up to its bills.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use chrono::NaiveDate;

use common::{Line, Output, TODAY, atto, counted, lines, native, pico, plain, produce};

/// Reaches past the takeover, the tenant that leaves and the one that starts.
const MONTHS: u32 = 10;

/// The demo most tests look at, written once.
fn output() -> &'static Output {
    static OUTPUT: OnceLock<Output> = OnceLock::new();
    OUTPUT.get_or_init(|| produce("shared", 1, MONTHS))
}

fn bytes(output: &Output) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = &output.files;
    let deliveries = files.deliveries.iter().chain(&files.native);
    let deliveries = deliveries.map(|delivery| &delivery.path);
    deliveries
        .chain(&files.usage)
        .chain(&files.nodes)
        .chain(&files.volumes)
        .chain(&files.balancers)
        .chain(&files.drivers)
        .chain([
            &files.rules,
            &files.truth,
            &files.truth_bills,
            &files.truth_split,
            &files.truth_resources,
        ])
        .map(|path| (path.clone(), fs::read(output.folder.join(path)).unwrap()))
        .collect()
}

#[test]
fn the_seed_decides_every_byte() {
    let [first, again, other] = [("first", 5), ("again", 5), ("other", 6)].map(|(name, seed)| produce(name, seed, 1));
    assert_eq!(first.files, again.files);
    let first_bytes = bytes(&first);
    assert!(first_bytes == bytes(&again), "same seed, other bytes");
    let other_bytes = bytes(&other);
    for path in first_bytes.keys().filter(|path| **path != first.files.rules) {
        assert!(
            first_bytes[path] != other_bytes[path],
            "{path:?} does not depend on the seed"
        );
    }
    for output in [first, again, other] {
        fs::remove_dir_all(output.folder).unwrap();
    }
}

#[test]
fn the_truth_adds_up_to_the_last_deliveries() {
    let output = output();
    let mut billed: BTreeMap<(String, String), (i128, i128)> = BTreeMap::new();
    for (period, line) in counted(output) {
        let sums = billed.entry((period, line["BillingCurrency"].to_owned())).or_default();
        sums.0 += atto(&line["BilledCost"]);
        sums.1 += atto(&line["EffectiveCost"]);
    }
    for (key, cost) in native(output) {
        let sums = billed.entry(key).or_default();
        sums.0 += cost;
        sums.1 += cost;
    }
    assert_eq!(billed.len(), 2 * MONTHS as usize);
    for path in [&output.files.truth, &output.files.truth_bills] {
        let mut truth: BTreeMap<(String, String), (i128, i128)> = BTreeMap::new();
        let records = plain(output, path);
        assert_eq!(
            &records[0],
            &[
                "billing_period",
                "currency",
                "tenant",
                "service",
                "tier",
                "billed_cost",
                "effective_cost"
            ][..]
        );
        let mut keys = Vec::new();
        for record in &records[1..] {
            let sums = truth.entry((record[0].to_owned(), record[1].to_owned())).or_default();
            sums.0 += atto(&record[5]);
            sums.1 += atto(&record[6]);
            keys.push(record.iter().take(5).collect::<Vec<_>>());
        }
        assert_eq!(truth, billed, "{path:?}");
        assert!(keys.is_sorted() && keys.windows(2).all(|pair| pair[0] != pair[1]));
    }
}

/// The special kinds a charge shows.
fn kinds(line: &Line) -> Vec<&'static str> {
    let is = |column: &str, value: &str| &line[column] == value;
    let negative = pico(&line["BilledCost"]) < 0;
    let usage = is("ChargeCategory", "Usage");
    let table = [
        (
            "on demand",
            usage && is("PricingCategory", "Standard") && is("ChargeClass", ""),
        ),
        ("spot", is("PricingCategory", "Dynamic")),
        (
            "purchase",
            is("ChargeCategory", "Purchase") && !line["CommitmentDiscountId"].is_empty() && is("EffectiveCost", "0"),
        ),
        ("used", is("CommitmentDiscountStatus", "Used") && is("BilledCost", "0")),
        (
            "unused",
            usage && is("CommitmentDiscountStatus", "Unused") && is("BilledCost", "0"),
        ),
        ("credit", is("ChargeCategory", "Credit") && negative),
        ("support", is("ServiceSubcategory", "Support")),
        ("tax", is("ChargeCategory", "Tax")),
        ("marketplace", line["PublisherName"] != line["ProviderName"]),
        (
            "untagged",
            is("Tags", "{}") && usage && is("SubAccountName", "tidewater-platform-prod"),
        ),
        ("tag with a capital", line["Tags"].contains("\"Tenant\"")),
        ("tag of an earlier convention", line["Tags"].contains("TNT-")),
        ("exponent", line["BilledCost"].contains("E-")),
        (
            "refund",
            usage
                && negative
                && is("ChargeClass", "Correction")
                && line["ChargePeriodEnd"] <= line["BillingPeriodStart"],
        ),
    ];
    table
        .into_iter()
        .filter_map(|(kind, shown)| shown.then_some(kind))
        .collect()
}

#[test]
fn every_month_has_every_kind_of_charge_and_none_from_the_future() {
    let output = output();
    let mut rows = 0;
    for delivery in &output.files.deliveries {
        let aws = delivery.source == "aws-focus";
        let mut seen = BTreeSet::new();
        for line in lines(output, &delivery.path) {
            rows += 1;
            assert_eq!(line.record.len(), 59);
            assert_eq!(&line["BillingPeriodStart"][..7], delivery.billing_period);
            assert!(line["ChargePeriodStart"] < line["ChargePeriodEnd"]);
            assert!(&line["ChargePeriodEnd"] <= "2026-11-12T00:00:00Z", "{line:?}");
            assert_eq!(line["InvoiceId"].is_empty(), !delivery.final_);
            assert_eq!(&line["x_Synthetic"], "true");
            seen.extend(kinds(&line));
        }
        let first = delivery.billing_period == output.files.deliveries[0].billing_period;
        let early = !delivery.final_ && delivery.billing_period != "2026-11";
        let expected = match (aws, first, early) {
            (false, ..) => 3,
            (true, true, _) | (true, _, true) => 13,
            (true, false, false) => 14,
        };
        assert_eq!(seen.len(), expected, "{delivery:?}: {seen:?}");
    }
    let native = output.files.native.iter();
    let native: usize = native.map(|delivery| lines(output, &delivery.path).count()).sum();
    assert_eq!(rows + native as u64, output.files.rows);
}

#[test]
fn one_month_is_delivered_twice() {
    let output = output();
    let mut by_period: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for delivery in &output.files.deliveries {
        by_period
            .entry((&delivery.source, &delivery.billing_period))
            .or_default()
            .push(delivery);
    }
    let restated: Vec<_> = by_period
        .into_values()
        .filter(|deliveries| deliveries.len() > 1)
        .collect();
    let [deliveries] = restated.as_slice() else {
        panic!("{restated:?}")
    };
    assert_eq!(
        deliveries.iter().map(|delivery| delivery.final_).collect::<Vec<_>>(),
        [false, true]
    );
    let [early, late] = [0, 1].map(|at| lines(output, &deliveries[at].path).count());
    assert!(0 < early && early < late);
}

#[test]
fn commitments_spread_what_was_billed() {
    // over the months in which the yearly purchase is in force, billed and effective differ by
    // what is left of it; the other commitments are level in every month
    let output = output();
    let mut level: BTreeMap<(String, String), i128> = BTreeMap::new();
    let last: BTreeMap<_, _> = output
        .files
        .deliveries
        .iter()
        .map(|delivery| ((&delivery.source, &delivery.billing_period), delivery))
        .collect();
    let mut upfront = (0, 0);
    for delivery in last.values() {
        for line in lines(output, &delivery.path) {
            let (billed, effective) = (pico(&line["BilledCost"]), pico(&line["EffectiveCost"]));
            match &line["CommitmentDiscountName"] {
                "" => assert_eq!(billed, effective, "{line:?}"),
                "ri-redis-1y" => upfront = (upfront.0 + billed, upfront.1 + effective),
                name => {
                    *level
                        .entry((delivery.billing_period.clone(), name.to_owned()))
                        .or_default() += billed - effective;
                }
            }
        }
    }
    assert_eq!(level.len(), 2 * MONTHS as usize);
    assert!(level.values().all(|difference| *difference == 0), "{level:?}");
    let day = |text: &str| text.parse::<NaiveDate>().unwrap();
    let (used, term) = ((day(TODAY) - day("2026-02-01")).num_days(), 365);
    assert!(upfront.0 > 0);
    assert_eq!(upfront.0 * i128::from(used), upfront.1 * term);
}

#[test]
fn the_takeover_cuts_a_month() {
    let output = output();
    let truth = fs::read_to_string(output.folder.join(&output.files.truth)).unwrap();
    let has = |period: &str, tenant: &str, service: &str| truth.contains(&format!("{period},USD,{tenant},{service},"));
    // seven months after the first; the seats are one charge for the month
    assert!(has("2026-09", "rheinhafen", "label-print") && has("2026-09", "nordkai", "label-print"));
    assert!(!has("2026-08", "nordkai", "label-print"));
    assert!(!has("2026-10", "rheinhafen", "label-print"));
    assert!(
        has("2026-10", "rheinhafen", "wms-core"),
        "the refund of a day before the takeover"
    );
    let rules = fs::read_to_string(output.folder.join(&output.files.rules)).unwrap();
    assert!(rules.contains("from: 2026-09-11") && !rules.contains("2000-"));
    // one tenant leaves in July and is refunded once more, one starts in October
    assert!(has("2026-08", "dockside-audio", "wms-core") && !has("2026-09", "dockside-audio", "wms-core"));
    assert!(has("2026-10", "stadskroon-grocery", "wms-core") && !has("2026-09", "stadskroon-grocery", "wms-core"));
}

#[test]
fn drivers_follow_their_format() {
    let output = output();
    assert_eq!(output.files.drivers.len(), MONTHS as usize);
    for path in &output.files.drivers {
        let records = plain(output, path);
        assert_eq!(&records[0], &["day", "tenant", "driver", "value", "unit"][..]);
        let records = &records[1..];
        assert!(records.len() > 11 * 38 * 3);
        assert!(
            records
                .iter()
                .all(|record| &record[0] < TODAY && record[3].parse::<u64>().is_ok())
        );
    }
    // as long as the bills have a tenant, its business has drivers
    let has = |month: &str, tenant: &str| {
        let path = output
            .files
            .drivers
            .iter()
            .find(|path| path.to_string_lossy().contains(month));
        path.is_some_and(|path| plain(output, path).iter().any(|record| &record[1] == tenant))
    };
    assert!(!has("2026-09", "dockside-audio") && !has("2026-09", "stadskroon-grocery"));
    assert!(has("2026-10", "stadskroon-grocery"));
}

#[test]
fn bills_that_are_not_focus_come_as_their_providers_deliver_them() {
    let output = output();
    let of = |source: &str| {
        let deliveries = output.files.native.iter();
        let of = deliveries.filter(|delivery| delivery.source == source);
        of.collect::<Vec<_>>()
    };
    let (cur2, azure) = (of("havenline-cur2"), of("havenline-azure"));
    // AWS delivers every month twice, Azure one of them
    assert_eq!(cur2.len(), 2 * MONTHS as usize, "{cur2:?}");
    assert_eq!(azure.len(), MONTHS as usize + 1, "{azure:?}");
    for delivery in cur2 {
        for line in lines(output, &delivery.path) {
            assert!(line["resource_tags"].contains("\"user_app\""), "{line:?}");
            assert_eq!(line["bill_invoice_id"].is_empty(), !delivery.final_);
        }
    }
    for line in azure.iter().flat_map(|delivery| lines(output, &delivery.path)) {
        let day = NaiveDate::parse_from_str(&line["Date"], "%m/%d/%Y").unwrap();
        let last = NaiveDate::parse_from_str(&line["BillingPeriodEndDate"], "%m/%d/%Y").unwrap();
        assert!(day <= last && !line["Tags"].starts_with('{'), "{line:?}");
    }
}
