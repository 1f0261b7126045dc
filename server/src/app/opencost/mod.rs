//! The OpenCost-shaped answers: `/allocation`, `/assets`, `/cloudCost`, made of
//! stored container-days and charges, so that existing clients and dashboards
//! see the figures of the bill.
//!
//! The laws are in `laws.rs`: sums do not depend on grouping, filter or step,
//! and sharing keeps the total. To keep them, what is shared is shared row by
//! row, per UTC day (per hour when sets are cut within days), and before the
//! filter. Money is exact until it is written as a JSON number.

pub mod aggregate;
pub mod answer;
pub mod ask;
pub mod assets;
mod cache;
pub mod cloud;
mod days;
mod facts;
pub mod filter;
#[cfg(test)]
mod laws;
pub mod metrics;
mod number;
mod resources;
pub mod row;
pub mod share;
mod things;
pub mod window;

pub use ask::BadAsk;

use super::App;
use crate::error::AppError;
use aggregate::{Group, Groups};
use answer::{Allocations, Envelope, Set, Summary, Topline, total};
use ask::{AllocationAsk, CurrencyWish, Params, WindowAsk};
use assets::{Assets, Types};
use cache::Kept;
use days::{DayKey, Days};
use domain::instant::{Day, Span};
use domain::{BillingPeriod, Currency};
use facts::Nodes;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use things::Things;
use window::{Piece, by_day, pieces};

/// Bill lines by currency.
type CurrencyLines = BTreeMap<Currency, u64>;

/// Groups of days kept in memory, in bytes.
const KEPT_GROUP_BYTES: usize = 128 << 20;
/// Answers kept in memory, in bytes.
const KEPT_ANSWER_BYTES: usize = 32 << 20;
/// Months of the bill kept in memory, in bytes.
const KEPT_MONTH_BYTES: usize = 64 << 20;
/// Groups one answer may have, over all its sets.
const MAX_GROUPS: usize = 200_000;
/// Answers made at once per share of the keys; the same one is made once.
const GATES: usize = 16;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// The request does not fit.
    #[error(transparent)]
    Bad(#[from] BadAsk),
    /// The use case failed.
    #[error(transparent)]
    App(#[from] AppError),
}

impl From<domain::money::MoneyOverflow> for NoAnswer {
    fn from(error: domain::money::MoneyOverflow) -> NoAnswer {
        NoAnswer::App(error.into())
    }
}

/// In what form allocations are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Every field.
    Full,
    /// Fewer fields, sets with their windows.
    Summary,
    /// All of the summary in one row.
    Topline,
}

/// What is kept between requests.
pub struct OpenCostCache {
    groups: Kept<GroupKey, Vec<Group>>,
    answers: Kept<AnswerKey, Vec<u8>>,
    months: Kept<cloud::MonthKey, cloud::Month>,
    days: std::sync::RwLock<Option<Arc<Days>>>,
    gates: [tokio::sync::Mutex<()>; GATES],
}

/// Groups of a piece of time: of which files, in which shape and currency.
type GroupKey = (DayKey, Piece, Arc<str>);
/// An answer: of which manifest version, to what.
type AnswerKey = (i64, String);

impl Default for OpenCostCache {
    fn default() -> OpenCostCache {
        OpenCostCache {
            groups: Kept::new(KEPT_GROUP_BYTES),
            answers: Kept::new(KEPT_ANSWER_BYTES),
            months: Kept::new(KEPT_MONTH_BYTES),
            days: std::sync::RwLock::default(),
            gates: std::array::from_fn(|_| tokio::sync::Mutex::default()),
        }
    }
}

impl OpenCostCache {
    fn gate(&self, key: &AnswerKey) -> &tokio::sync::Mutex<()> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
        let at = usize::try_from(hash % GATES as u64).unwrap_or(0);
        &self.gates[at]
    }
}

impl App {
    /// `/allocation`, `/allocation/summary` and its topline, as JSON.
    ///
    /// # Errors
    /// What does not fit in the request, and what the use case ends in.
    pub async fn opencost_allocation(&self, query: &str, form: Form) -> Result<Arc<Vec<u8>>, NoAnswer> {
        self.reads_estate()?;
        let ask = AllocationAsk::parse(&Params::parse(query), self.clock.now())?;
        let key = format!("{form:?} {ask:?}");
        self.kept_answer(key, || self.make_allocation(&ask, form)).await
    }

    /// `/assets`, as JSON.
    ///
    /// # Errors
    /// As [`App::opencost_allocation`].
    pub async fn opencost_assets(&self, query: &str) -> Result<Arc<Vec<u8>>, NoAnswer> {
        self.reads_estate()?;
        let params = Params::parse(query);
        let mut ask = WindowAsk::parse(&params, self.clock.now())?;
        let types = asset_types(params.get("filter"), params.get("filterTypes"))?;
        ask.warnings.extend(params.unknown());
        let key = format!("assets {types:?} {ask:?}");
        self.kept_answer(key, || self.make_assets(&ask, types)).await
    }

    /// An answer from memory, or made once, also when many ask at the same time.
    async fn kept_answer<F>(&self, what: String, make: impl Fn() -> F) -> Result<Arc<Vec<u8>>, NoAnswer>
    where
        F: Future<Output = Result<Vec<u8>, NoAnswer>>,
    {
        let cache = self.opencost.clone();
        let key = (self.store.manifest_version().await.map_err(AppError::from)?, what);
        if let Some(answer) = cache.answers.get(&key) {
            return Ok(answer);
        }
        let _alone = cache.gate(&key).lock().await;
        if let Some(answer) = cache.answers.get(&key) {
            return Ok(answer);
        }
        let answer = make().await?;
        let bytes = answer.len() + key.1.len();
        // an allocation made on the way has moved the version on
        let version = self.store.manifest_version().await.map_err(AppError::from)?;
        if version != key.0 {
            return Ok(Arc::new(answer));
        }
        Ok(cache.answers.put(key, answer, bytes))
    }

    async fn make_allocation(&self, ask: &AllocationAsk, form: Form) -> Result<Vec<u8>, NoAnswer> {
        let mut warnings = ask.warnings.clone();
        let Some(days) = self.days(ask.window.hours).await? else {
            warnings.push(AppError::NoData.to_string());
            if form == Form::Topline {
                let (count, combined) = (0, None);
                return json(&Envelope::new(Topline { count, combined }, warnings, None, None));
            }
            return json(&Envelope::new([serde_json::json!({})], warnings, None, None));
        };
        let currency = choose(&ask.currency, &days.currencies(ask.window.hours), &mut warnings)?;
        warnings.extend(days.missing(ask.window.hours));
        let groups = self.sets(ask, &days, &currency).await?;
        let sets: Vec<Set> = ask
            .sets
            .iter()
            .zip(groups)
            .map(|(window, groups)| Set {
                window: *window,
                groups: groups.finish(),
            })
            .collect();
        let (volume, network, balancer) = known_parts(&sets);
        warnings.extend(unknown_parts(volume, network, balancer));
        let groups = || sets.iter().flat_map(|set| &set.groups);
        let (services, annotations) = (groups().any(|group| group.knows.0), groups().any(|group| group.knows.1));
        warnings.extend(ask::unknown_fields(&ask.shape, services, annotations));
        let sum = total(&sets)?;
        let code = Some(currency.as_str());
        match form {
            Form::Full => json(&Envelope::new(
                Allocations { ask, sets: &sets },
                warnings,
                code,
                Some(sum),
            )),
            Form::Summary => json(&Envelope::new(Summary { ask, sets: &sets }, warnings, code, Some(sum))),
            Form::Topline => {
                let (count, combined) = combine(&sets)?;
                let combined = combined.first();
                json(&Envelope::new(Topline { count, combined }, warnings, code, Some(sum)))
            }
        }
    }

    /// The groups of every set, added up over its pieces. A day is read once
    /// for all sets that have a piece of it.
    async fn sets(&self, ask: &AllocationAsk, days: &Arc<Days>, currency: &Currency) -> Result<Vec<Groups>, NoAnswer> {
        let by_day = by_day(&ask.sets);
        let mut wanted: BTreeMap<Day, Vec<(usize, Piece)>> = BTreeMap::new();
        for (set, window) in ask.sets.iter().enumerate() {
            for piece in pieces(*window, by_day) {
                wanted.entry(piece.day).or_default().push((set, piece));
            }
        }
        let mut sets: Vec<Groups> = ask.sets.iter().map(|_| Groups::default()).collect();
        let shape: Arc<str> = format!("{currency} {}", ask.shape).into();
        let wanted: Vec<Vec<(usize, Piece)>> = wanted.into_values().collect();
        // as many days at once as there are cores: each is a job of its own
        for batch in wanted.chunks(self.cores()) {
            let jobs = batch.iter().map(|day| {
                let pieces = day.iter().map(|(_, piece)| *piece).collect();
                self.day_groups(&ask.shape, days, currency, &shape, pieces)
            });
            let made = futures::future::try_join_all(jobs).await?;
            for ((set, _), groups) in batch.iter().flatten().zip(made.into_iter().flatten()) {
                sets[*set].add(&groups)?;
            }
            if sets.iter().map(Groups::count).sum::<usize>() > MAX_GROUPS {
                return Err(too_many().into());
            }
        }
        Ok(sets)
    }

    /// The groups of pieces of one day, from memory where they are kept.
    async fn day_groups(
        &self,
        shape: &ask::Shape,
        days: &Arc<Days>,
        currency: &Currency,
        kept_as: &Arc<str>,
        pieces: Vec<Piece>,
    ) -> Result<Vec<Arc<Vec<Group>>>, NoAnswer> {
        let Some(day) = pieces.first().map(|piece| piece.day) else {
            return Ok(Vec::new());
        };
        let key = days.key(day);
        let kept: Vec<Option<Arc<Vec<Group>>>> = pieces
            .iter()
            .map(|piece| self.opencost.groups.get(&(key.clone(), *piece, kept_as.clone())))
            .collect();
        if kept.iter().all(Option::is_some) {
            return Ok(kept.into_iter().flatten().collect());
        }
        let (days, currency, shape) = (days.clone(), currency.clone(), shape.clone());
        let (lake, asked) = (self.lake.clone(), pieces.clone());
        let made = self
            .heavy("cannot read the container-days", move || {
                days.groups(&lake, &shape, &currency, &asked)
            })
            .await?;
        let keep = |(piece, groups): (Piece, Vec<Group>)| {
            let bytes = groups.iter().map(Group::weight).sum::<usize>() + kept_as.len();
            self.opencost
                .groups
                .put((key.clone(), piece, kept_as.clone()), groups, bytes)
        };
        Ok(pieces.into_iter().zip(made).map(keep).collect())
    }

    async fn make_assets(&self, ask: &WindowAsk, types: Types) -> Result<Vec<u8>, NoAnswer> {
        let mut warnings = ask.warnings.clone();
        let Some(days) = self.days(ask.window.hours).await? else {
            warnings.push(AppError::NoData.to_string());
            return json(&Envelope::new(serde_json::json!({}), warnings, None, None));
        };
        let currency = choose(&ask.currency, &days.currencies(ask.window.hours), &mut warnings)?;
        warnings.extend(days.missing(ask.window.hours));
        warnings.push(
            "nodes, their root disks, volumes and load balancers only: control planes and traffic are in /cloudCost; \
             sizes of root disks are not known and 0"
                .to_owned(),
        );
        let (mut nodes, mut things) = (Nodes::default(), Things::default());
        for piece in pieces(ask.window.hours, true) {
            let (days, lake, currency) = (days.clone(), self.lake.clone(), currency.clone());
            let mut so_far = (std::mem::take(&mut nodes), std::mem::take(&mut things));
            (nodes, things) = self
                .heavy("cannot read the container-days", move || {
                    if types.nodes || types.disks {
                        days.nodes(&lake, &currency, piece, &mut so_far.0)?;
                    }
                    if types.disks || types.balancers {
                        days.things(&lake, &currency, &piece, &mut so_far.1)?;
                    }
                    Ok(so_far)
                })
                .await?;
        }
        let nodes = nodes.finish();
        let (volumes, balancers, unbilled) = things.finish();
        if unbilled > 0 {
            warnings.push(format!(
                "{unbilled} volumes or load balancers have no bill line: their cost is unknown here, not zero"
            ));
        }
        let answer = Assets {
            window: ask.window.hours,
            nodes: &nodes,
            volumes: &volumes,
            balancers: &balancers,
            types,
        };
        let sum = answer.total()?;
        json(&Envelope::new(answer, warnings, Some(currency.as_str()), Some(sum)))
    }
}

fn json<T: Serialize>(envelope: &Envelope<T>) -> Result<Vec<u8>, NoAnswer> {
    serde_json::to_vec(envelope).map_err(|error| AppError::broken("cannot write the answer", error).into())
}

/// How many groups there are over all sets, and all of them as one.
///
/// # Errors
/// When a sum overflows.
fn combine(sets: &[Set]) -> Result<(usize, Vec<Group>), domain::money::MoneyOverflow> {
    let mut names = BTreeSet::new();
    let mut all = Groups::default();
    for group in sets.iter().flat_map(|set| &set.groups) {
        names.insert(group.name.as_str());
        let group = Group {
            name: "combined".to_owned(),
            ..group.clone()
        };
        all.add(std::slice::from_ref(&group))?;
    }
    Ok((names.len(), all.finish()))
}

fn too_many() -> BadAsk {
    BadAsk::new(format!(
        "the answer would have more than {MAX_GROUPS} rows; aggregate by fewer fields, filter, or ask for fewer sets"
    ))
}

/// The one currency of an answer: amounts of two are never added. Clients that
/// know of one currency only do not ask for any: they get the one most bill
/// lines are in, and are told of the others.
///
/// # Errors
/// When another currency is asked for than the window has.
fn choose(wish: &CurrencyWish, lines: &CurrencyLines, warnings: &mut Vec<String>) -> Result<Currency, BadAsk> {
    if let Some(currency) = &wish.0 {
        if !lines.is_empty() && !lines.contains_key(currency) {
            let known: Vec<&str> = lines.keys().map(Currency::as_str).collect();
            return Err(BadAsk::new(format!(
                "the window has no cost in {currency}; use {}",
                known.join(" or ")
            )));
        }
        return Ok(currency.clone());
    }
    // of two with as many lines the first by code
    let most = lines.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)));
    let Some((chosen, _)) = most else {
        return Ok(Currency::unknown());
    };
    let others: Vec<&str> = lines
        .keys()
        .filter(|currency| *currency != chosen)
        .map(Currency::as_str)
        .collect();
    if !others.is_empty() {
        warnings.push(format!(
            "amounts are in {chosen}; the window also has costs in {}, which are not in this answer: ask for them \
             with currency=",
            others.join(", ")
        ));
    }
    Ok(chosen.clone())
}

/// Which parts any row has a cost of.
fn known_parts(sets: &[Set]) -> (bool, bool, bool) {
    let mut known = (false, false, false);
    for group in sets.iter().flat_map(|set| &set.groups) {
        known.0 |= !group.costs.volume.is_zero();
        known.1 |= !group.costs.network.is_zero();
        known.2 |= !group.costs.balancer.is_zero();
    }
    known
}

/// The shape has no word for "unknown": what is not split is 0 there and said.
fn unknown_parts(volume: bool, network: bool, balancer: bool) -> Option<String> {
    let named = [
        (volume, "pvCost"),
        (network, "networkCost"),
        (balancer, "loadBalancerCost"),
    ];
    let unknown: Vec<&str> = named
        .iter()
        .filter(|(known, _)| !known)
        .map(|(_, name)| *name)
        .collect();
    (!unknown.is_empty()).then(|| {
        format!(
            "{} not split among workloads: 0 stands for unknown; the money is in /cloudCost",
            match unknown.as_slice() {
                [one] => format!("{one} is"),
                many => format!("{} are", many.join(", ")),
            }
        )
    })
}

/// Which assets are asked for: nodes, disks, load balancers. Knows
/// `assetType:"node"` and the older `filterTypes=Node`.
fn asset_types(filter: &str, types: &str) -> Result<Types, BadAsk> {
    let of = |holds: &dyn Fn(&'static str) -> bool| Types {
        nodes: holds("node"),
        disks: holds("disk"),
        balancers: holds("loadbalancer"),
    };
    if filter.is_empty() {
        let wanted = types.to_ascii_lowercase();
        let all: Vec<&str> = filter::list(&wanted).collect();
        return Ok(of(&|name| all.is_empty() || all.contains(&name)));
    }
    let field = |name: &str, key: Option<&str>| {
        (key.is_none() && ["assettype", "type"].contains(&name.to_ascii_lowercase().as_str())).then_some(())
    };
    let filter = filter::parse(filter, field)?;
    Ok(of(&|name| filter.holds(&|()| name.into())))
}

/// Billing periods whose bills may pay for a window.
fn around(window: Span) -> (BillingPeriod, BillingPeriod) {
    let last = domain::instant::Instant(window.end.0 - 1);
    (
        BillingPeriod::of(window.start).previous(),
        BillingPeriod::of(last).next(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_in_one_currency_and_tells_of_the_others() {
        let code = |code: &str| Currency::parse(code).expect(code);
        let none = CurrencyWish(None);
        for (wish, lines, chosen, told) in [
            (&none, &[][..], "XXX", 0),
            (&none, &[("EUR", 3)], "EUR", 0),
            (&none, &[("EUR", 3), ("USD", 9)], "USD", 1),
            (&none, &[("USD", 9), ("EUR", 9)], "EUR", 1),
            (&CurrencyWish(Some(code("EUR"))), &[("EUR", 3), ("USD", 9)], "EUR", 0),
        ] {
            let lines: CurrencyLines = lines.iter().map(|(name, count)| (code(name), *count)).collect();
            let mut warnings = Vec::new();
            let currency = choose(wish, &lines, &mut warnings).expect("a known currency");
            assert_eq!((currency.as_str(), warnings.len()), (chosen, told), "{lines:?}");
        }
        let lines = CurrencyLines::from([(code("USD"), 9)]);
        let refused = choose(&CurrencyWish(Some(code("ZZZ"))), &lines, &mut Vec::new());
        assert!(refused.is_err_and(|error| error.to_string().contains("use USD")));
    }
}
