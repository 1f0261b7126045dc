//! Exchange rates, and costs in one currency (A40): each charge is converted
//! once, before it is split, and what it was in its own stays beside it.

use super::cube::PeriodCube;
use super::{App, hash_of};
use crate::error::AppError;
use domain::access::{Permission, Reaches};
use domain::fx::{Conversion, FxError, Published, RateType, Rates, parse_rate};
use domain::instant::Day;
use domain::{BillingPeriod, Currency, Finding, Money};
use lake::{ChargeFile, LakeError};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::Basis;

/// The rates there are, and the hash of them.
pub(crate) struct Known {
    rates: Arc<Rates>,
    sha256: String,
}

/// What an import did.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct RatesImported {
    /// Rates read.
    pub rates: u64,
    /// Of these, not there before.
    pub new: u64,
    /// Of these, other than before: reports in other currencies change.
    pub changed: u64,
    /// First and last day.
    pub first_day: String,
    /// Last day.
    pub last_day: String,
}

/// The rates there are of a pair.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct RatesOfPair {
    /// One of these ...
    pub base: Currency,
    /// ... in these.
    pub quote: Currency,
    /// First day with a rate.
    pub first_day: String,
    /// Last day with a rate.
    pub last_day: String,
    /// Days with a rate.
    pub days: u64,
}

/// What a report in one currency is asked for.
#[derive(Debug, Clone)]
pub struct ConvertQuery {
    /// Month; the newest when not given.
    pub period: Option<BillingPeriod>,
    /// Keys to group by.
    pub by: Vec<String>,
    /// Which cost.
    pub basis: Basis,
    /// Key and value; values of a key are alternatives.
    pub filters: Vec<(String, String)>,
    /// Currency asked for.
    pub to: Currency,
    /// Which rate.
    pub rate_type: RateType,
}

/// Costs in one currency.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct ConvertedCosts {
    /// Month.
    pub period: BillingPeriod,
    /// Which cost.
    pub basis: Basis,
    /// The currency of `cost` and `total`.
    pub currency: Currency,
    /// `month-average` or `charge-date`.
    pub rate_type: String,
    /// By currency of the bills: what one of it is on average over the month;
    /// at the rates of single days there is no such figure.
    pub rates: BTreeMap<String, Option<Money>>,
    /// Keys.
    pub by: Vec<String>,
    /// Largest first.
    pub rows: Vec<ConvertedRow>,
    /// Sum of the rows.
    pub total: Money,
    /// The same in the currencies of the bills.
    pub origin: BTreeMap<String, Money>,
}

/// A group.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct ConvertedRow {
    /// Values of the keys.
    pub keys: BTreeMap<String, String>,
    /// In the currency asked for.
    pub cost: Money,
    /// In the currencies of the bills.
    pub origin: BTreeMap<String, Money>,
}

impl App {
    /// Takes in rates: the history of the European Central Bank as CSV (`Date,USD,JPY,...`,
    /// one euro in each) or XML, or a CSV of `date,base,quote,rate`.
    ///
    /// # Errors
    /// When a line is no rate; nothing is kept then.
    pub async fn rates_import(&self, name: &str, text: &str) -> Result<RatesImported, AppError> {
        let rates = read_rates(name, text)?;
        let known: BTreeMap<_, i128> = self
            .store
            .fx_rates()
            .await?
            .into_iter()
            .map(|of| ((of.base, of.quote, of.day), of.rate))
            .collect();
        let (mut new, mut changed) = (0, 0);
        for of in &rates {
            match known.get(&(of.base.clone(), of.quote.clone(), of.day)) {
                None => new += 1,
                Some(rate) if *rate != of.rate => changed += 1,
                Some(_) => {}
            }
        }
        let days = || rates.iter().map(|of| of.day);
        let (Some(first), Some(last)) = (days().min(), days().max()) else {
            let finding = Finding::error("no_rates", "has no rate").in_file(name);
            return Err(AppError::Refused(vec![
                finding.remedy("docs/FORMATS.md shows both forms"),
            ]));
        };
        self.store.set_fx_rates(&rates).await?;
        Ok(RatesImported {
            rates: rates.len() as u64,
            new,
            changed,
            first_day: first.to_string(),
            last_day: last.to_string(),
        })
    }

    /// Which rates there are.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn rates(&self) -> Result<Vec<RatesOfPair>, AppError> {
        let known = self.known_rates().await?;
        let pair = |(base, quote, first, last, days): (&Currency, &Currency, Day, Day, usize)| RatesOfPair {
            base: base.clone(),
            quote: quote.clone(),
            first_day: first.to_string(),
            last_day: last.to_string(),
            days: days as u64,
        };
        Ok(known.rates.pairs().map(pair).collect())
    }

    /// Costs of a month in one currency, by keys.
    ///
    /// # Errors
    /// When a charge has no rate, a key is not known, or there is no bill.
    pub async fn costs_converted(&self, query: &ConvertQuery) -> Result<ConvertedCosts, AppError> {
        let period = self.period_or_newest(query.period).await?;
        let known = self.known_rates().await?;
        let conversion = Conversion {
            to: query.to.clone(),
            rate_type: query.rate_type,
            rates: known.rates.clone(),
        };
        let cube = super::allocate::load(self, period).await?;
        super::reports::check_keys(&cube, query.by.iter().chain(query.filters.iter().map(|(key, _)| key)))?;
        let id = hash_of([
            cube.allocation_id.as_bytes(),
            query.to.as_str().as_bytes(),
            query.rate_type.as_str().as_bytes(),
            known.sha256.as_bytes(),
        ]);
        let converted = self
            .converted(period, &id[..32], &conversion, cube.rules_version)
            .await?;
        let group = |cube: &PeriodCube, currency: &str| {
            cube.group(&cube.select(currency, &query.filters), &query.by, query.basis)
        };
        let mut rows: BTreeMap<Vec<Arc<str>>, ConvertedRow> = BTreeMap::new();
        let mut total = Money::ZERO;
        for (keys, (cost, _)) in group(&converted, query.to.as_str())? {
            total = total.checked_add(cost)?;
            let named = query.by.iter().cloned().zip(keys.iter().map(|key| key.to_string()));
            let row = ConvertedRow {
                keys: named.collect(),
                cost,
                origin: BTreeMap::new(),
            };
            rows.insert(keys, row);
        }
        let mut origin: BTreeMap<String, Money> = BTreeMap::new();
        for currency in &cube.currencies {
            for (keys, (cost, _)) in group(&cube, currency.as_str())? {
                if let Some(row) = rows.get_mut(&keys) {
                    row.origin.insert(currency.to_string(), cost);
                }
                let sum = origin.entry(currency.to_string()).or_default();
                *sum = sum.checked_add(cost)?;
            }
        }
        let rate = |currency: &Currency| -> Result<(String, Option<Money>), AppError> {
            let average = match query.rate_type {
                RateType::MonthAverage => conversion
                    .ratio(currency, period, period.first_day())
                    .map_err(|error| no_rate(&error))?
                    .rate(),
                RateType::ChargeDate => None,
            };
            Ok((currency.to_string(), average))
        };
        let mut rows: Vec<ConvertedRow> = rows.into_values().collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.cost.abs()));
        Ok(ConvertedCosts {
            period,
            basis: query.basis,
            currency: query.to.clone(),
            rate_type: query.rate_type.to_string(),
            rates: cube.currencies.iter().map(rate).collect::<Result<_, _>>()?,
            by: query.by.clone(),
            rows,
            total,
            origin,
        })
    }

    /// The rates as of now, read once per manifest version.
    async fn known_rates(&self) -> Result<Arc<Known>, AppError> {
        let version = self.store.manifest_version().await?;
        let read = async {
            let published = self.inner().store.fx_rates().await?;
            let text: String = published.iter().map(|of| format!("{of:?}\n")).collect();
            Ok(Known {
                rates: Arc::new(Rates::new(published)),
                sha256: hash_of([text.as_bytes()]),
            })
        };
        self.rates.get(version, read).await
    }

    /// A month's cube in another currency, kept in memory under an id of all it is made of.
    async fn converted(
        &self,
        period: BillingPeriod,
        id: &str,
        conversion: &Conversion,
        rules_version: i64,
    ) -> Result<Arc<PeriodCube>, AppError> {
        let reaches = self.scope().require_some(Permission::ReadCosts)?;
        let known = match &reaches {
            Reaches::All => self.cubes.get(&super::cube::cache_key(id, None)),
            reaches => self.cubes.get_within(id, reaches),
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let inner = self.inner();
        let (program, _) = inner.program_for(period).await?;
        let files = inner.store.active_files(Some(period)).await?;
        let charges: Vec<ChargeFile> = files.iter().map(super::allocate::charge_file).collect();
        let usage = inner.usage_for(period).await?;
        let (lake, conversion, made_id, wanted) =
            (self.lake.clone(), conversion.clone(), id.to_owned(), reaches.clone());
        let made =
            self.heavy("cannot convert the charges", move || {
                let split = domain::apportion::apportion;
                let mut cube = lake::allocate_converted(&lake, &charges, &usage, &conversion, &program, split)
                    .map_err(|error| match error {
                        LakeError::Fx { source } => no_rate(&source),
                        error => error.into(),
                    })?;
                super::cube::keep_within(&mut cube, &wanted);
                PeriodCube::new(made_id, period, rules_version, None, cube)
            });
        let made = made.await?;
        Ok(match reaches {
            Reaches::All => self.cubes.put(made),
            reaches => self.cubes.put_within(id.to_owned(), &reaches, made),
        })
    }
}

fn no_rate(error: &FxError) -> AppError {
    AppError::usage(
        error.to_string(),
        "take in rates that have it: `tonnage rates import eurofxref-hist.csv`; `tonnage rates list` shows those there are",
    )
}

/// Reads the XML of the European Central Bank: `Cube time="2026-11-20"` with a
/// `Cube currency="USD" rate="1.0512"` for each currency, one euro in each.
fn read_bank_xml(name: &str, text: &str) -> Result<Vec<Published>, AppError> {
    use quick_xml::events::Event;
    let refused = |text: String| {
        let finding = Finding::error("bad_rate", text).in_file(name);
        AppError::Refused(vec![finding.remedy(
            "deliver eurofxref-hist.xml of the European Central Bank as it is; nothing was taken in",
        )])
    };
    let mut reader = quick_xml::Reader::from_str(text);
    let euro = Currency::parse("EUR").unwrap_or_else(Currency::unknown);
    let (mut day, mut rates) = (None, Vec::new());
    loop {
        let element = match reader
            .read_event()
            .map_err(|error| refused(format!("is no whole XML: {error}")))?
        {
            Event::Eof => break,
            Event::Start(element) | Event::Empty(element) if element.local_name().as_ref() == b"Cube" => element,
            _ => continue,
        };
        let attribute = |name: &str| -> Option<String> {
            let found = element.try_get_attribute(name).ok()??;
            Some(String::from_utf8_lossy(&found.value).into_owned())
        };
        if let Some(time) = attribute("time") {
            let parsed = domain::instant::parse(time.as_bytes());
            day = Some(
                parsed
                    .map_err(|_| refused(format!("{time:?} is no date")))?
                    .instant
                    .day(),
            );
        }
        if let (Some(code), Some(rate)) = (attribute("currency"), attribute("rate")) {
            let (Some(day), Some(quote), Some(rate)) = (day, Currency::parse(&code), parse_rate(&rate)) else {
                return Err(refused(format!("{code} {rate} is no rate of a day")));
            };
            rates.push(Published {
                base: euro.clone(),
                quote,
                day,
                rate,
            });
        }
    }
    Ok(rates)
}

/// Reads one of the three forms, told apart by how they begin.
fn read_rates(name: &str, text: &str) -> Result<Vec<Published>, AppError> {
    if text.trim_start_matches('\u{feff}').trim_start().starts_with('<') {
        return read_bank_xml(name, text);
    }
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .flexible(true)
        .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let refused = |finding: Finding| AppError::Refused(vec![finding.in_file(name)]);
    let broken = |error: csv::Error| refused(Finding::error("broken_csv", error.to_string()).remedy("export it again"));
    let header: Vec<String> = reader.headers().map_err(broken)?.iter().map(str::to_owned).collect();
    let at = |column: &str| header.iter().position(|name| name.eq_ignore_ascii_case(column));
    let plain = [at("date"), at("base"), at("quote"), at("rate")];
    let codes: Vec<(usize, Currency)> = header
        .iter()
        .enumerate()
        .filter_map(|(at, code)| Some((at, Currency::parse(code).filter(|_| code.len() == 3)?)))
        .collect();
    let date = at("date").filter(|_| plain.iter().all(Option::is_some) || !codes.is_empty());
    let Some(date) = date else {
        let finding = Finding::error("no_rates", "the columns are not those of exchange rates").at_line(1);
        return Err(refused(finding.remedy(
            "deliver eurofxref-hist.csv of the European Central Bank, or columns date, base, quote, rate",
        )));
    };
    let euro = Currency::parse("EUR").unwrap_or_else(Currency::unknown);
    let (mut rates, mut findings) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |at: usize| record.get(at).unwrap_or("");
        let bad = |what: &str, column: &str| {
            let finding = Finding::error("bad_rate", what.to_owned()).in_file(name).at_line(line);
            finding
                .in_column(column)
                .remedy("correct the line; nothing was taken in")
        };
        let Ok(parsed) = domain::instant::parse(cell(date).as_bytes()) else {
            findings.push(bad(&format!("{:?} is no date", cell(date)), "date"));
            continue;
        };
        let day = parsed.instant.day();
        let mut take =
            |base: Option<Currency>, quote: Option<Currency>, rate: &str| match (base, quote, parse_rate(rate)) {
                (Some(base), Some(quote), Some(rate)) if base != quote => {
                    rates.push(Published { base, quote, day, rate });
                }
                (Some(_), Some(_), _) => findings.push(bad(&format!("{rate:?} is no rate of two currencies"), "rate")),
                _ => findings.push(bad("base and quote are currencies, such as EUR and USD", "base, quote")),
            };
        if let [_, Some(base), Some(quote), Some(rate)] = plain {
            take(Currency::parse(cell(base)), Currency::parse(cell(quote)), cell(rate));
        } else {
            for (at, code) in codes.iter().filter(|(_, code)| *code != euro) {
                // the bank writes N/A for currencies that are no more
                if !matches!(cell(*at), "" | "N/A") {
                    take(Some(euro.clone()), Some(code.clone()), cell(*at));
                }
            }
        }
    }
    if findings.is_empty() {
        let mut seen = BTreeSet::new();
        rates.retain(|of| seen.insert((of.base.clone(), of.quote.clone(), of.day, of.rate)));
        return Ok(rates);
    }
    findings.truncate(20);
    Err(AppError::Refused(findings))
}
