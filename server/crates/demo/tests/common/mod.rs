//! What the tests of the demo share: writing it, and reading its files without its code.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it by panicking")]
#![allow(dead_code, reason = "not every test needs every helper")]

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Index;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use demo::{DemoConfig, DemoFiles};
use flate2::read::GzDecoder;

pub const TODAY: &str = "2026-11-12";

/// One line of a file, by column name.
#[derive(Debug)]
pub struct Line {
    columns: Arc<BTreeMap<String, usize>>,
    pub record: csv::StringRecord,
}

impl Index<&str> for Line {
    type Output = str;

    fn index(&self, column: &str) -> &str {
        &self.record[self.columns[column]]
    }
}

pub struct Output {
    pub folder: PathBuf,
    pub files: DemoFiles,
}

pub fn produce(name: &str, seed: u64, months: u32) -> Output {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("demo").join(name);
    let config = DemoConfig {
        seed,
        months,
        today: TODAY.parse().unwrap(),
    };
    let files = demo::write(&folder, &config, &mut |_| {}).unwrap();
    Output { folder, files }
}

pub fn lines(output: &Output, path: &Path) -> impl Iterator<Item = Line> + use<> {
    let file = GzDecoder::new(File::open(output.folder.join(path)).unwrap());
    let mut csv = csv::Reader::from_reader(file);
    let columns = csv
        .headers()
        .unwrap()
        .iter()
        .zip(0..)
        .map(|(name, at)| (name.to_owned(), at))
        .collect();
    let columns = Arc::new(columns);
    csv.into_records().map(move |record| Line {
        columns: Arc::clone(&columns),
        record: record.unwrap(),
    })
}

/// An exact decimal in units of 1e-12, read without any code of the generator.
pub fn pico(text: &str) -> i128 {
    decimal(text, 12)
}

/// An exact decimal in units of 1e-18.
pub fn atto(text: &str) -> i128 {
    decimal(text, 18)
}

pub fn decimal(text: &str, scale: i32) -> i128 {
    let (number, exponent) = text.split_once(['E', 'e']).unwrap_or((text, "0"));
    let (sign, number) = number.strip_prefix('-').map_or((1, number), |rest| (-1, rest));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().unwrap();
    let shift = scale + exponent.parse::<i32>().unwrap() - i32::try_from(fraction.len()).unwrap();
    sign * digits * 10_i128.pow(u32::try_from(shift).expect("no more decimals than that"))
}

/// The lines of the deliveries that count: the last of each source and period.
pub fn counted(output: &Output) -> impl Iterator<Item = (String, Line)> + use<'_> {
    let last: BTreeMap<_, _> = output
        .files
        .deliveries
        .iter()
        .map(|delivery| ((&delivery.source, &delivery.billing_period), &delivery.path))
        .collect();
    last.into_iter()
        .flat_map(|((_, period), path)| lines(output, path).map(|line| (period.clone(), line)))
}

/// The cost of the lines that count and are not FOCUS, by period and currency, in units of 1e-18.
pub fn native(output: &Output) -> Vec<((String, String), i128)> {
    let last: BTreeMap<_, _> = output
        .files
        .native
        .iter()
        .map(|delivery| ((&delivery.source, &delivery.billing_period), &delivery.path))
        .collect();
    let mut costs = Vec::new();
    for ((source, period), path) in last {
        let (cost, currency) = match source.as_str() {
            "havenline-azure" => ("CostInBillingCurrency", "BillingCurrencyCode"),
            _ => ("line_item_unblended_cost", "line_item_currency_code"),
        };
        for line in lines(output, path) {
            costs.push(((period.clone(), line[currency].to_owned()), atto(&line[cost])));
        }
    }
    costs
}

/// Lines of a plain CSV file.
pub fn plain(output: &Output, path: &Path) -> Vec<csv::StringRecord> {
    let mut csv = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_path(output.folder.join(path))
        .unwrap();
    csv.records().map(Result::unwrap).collect()
}

/// What lines cost when nobody pays by luck for what a commitment happened to cover (A16), by
/// period and SKU: the part of the contracted cost that covered and on-demand use cost together.
pub struct Evened(BTreeMap<[String; 3], f64>);

fn pool(period: &str, line: &Line) -> Option<[String; 3]> {
    let plain = &line["ChargeCategory"] == "Usage" && line["ChargeClass"].is_empty();
    let standard = line["CommitmentDiscountId"].is_empty() && &line["PricingCategory"] == "Standard";
    let taken = plain && (standard || &line["CommitmentDiscountStatus"] == "Used");
    taken.then(|| [period, &line["SkuId"], &line["RegionId"]].map(str::to_owned))
}

impl Evened {
    pub fn of(output: &Output) -> Evened {
        let mut pools: BTreeMap<[String; 3], (f64, f64, bool)> = BTreeMap::new();
        for (period, line) in counted(output) {
            let Some(pool) = pool(&period, &line) else { continue };
            let sums = pools.entry(pool).or_default();
            sums.0 += line["EffectiveCost"].parse::<f64>().unwrap();
            sums.1 += line["ContractedCost"].parse::<f64>().unwrap();
            sums.2 |= &line["CommitmentDiscountStatus"] == "Used";
        }
        let used = pools.into_iter().filter(|(_, (_, _, used))| *used);
        Evened(
            used.map(|(pool, (effective, contracted, _))| (pool, effective / contracted))
                .collect(),
        )
    }

    /// Whether a line's cost is moved at all.
    pub fn moves(&self, period: &str, line: &Line) -> bool {
        pool(period, line).is_some_and(|pool| self.0.contains_key(&pool))
    }

    pub fn cost(&self, period: &str, line: &Line) -> f64 {
        match pool(period, line).and_then(|pool| self.0.get(&pool)) {
            Some(part) => part * line["ContractedCost"].parse::<f64>().unwrap(),
            None => line["EffectiveCost"].parse().unwrap(),
        }
    }
}
