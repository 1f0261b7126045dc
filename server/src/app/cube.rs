//! Cubes in memory: one billing period, without days, in columns of codes, so
//! that grouping is adding into an array. Kept by allocation id: a new
//! allocation is another cube, and nothing is ever stale.

use crate::error::AppError;
use domain::access::Reaches;
use domain::allocate::{CUBE_COLUMNS, Cube, CubeKey, CubeValue};
use domain::bridge::BridgeTerm;
use domain::class::Class;
use domain::instant::Day;
use domain::money::MoneySum;
use domain::{BillingPeriod, Currency, Money};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, RwLock};
use wire::Basis;

/// Periods kept in memory at most.
const KEPT: usize = 64;

/// Cubes by allocation id, and explain ids known to be kept.
#[derive(Default)]
pub struct CubeCache {
    cubes: RwLock<HashMap<String, Arc<PeriodCube>>>,
    /// Cubes cut to what some caller may see, by cache key and reach.
    within: RwLock<HashMap<(String, Reaches), Arc<PeriodCube>>>,
    explained: RwLock<HashSet<String>>,
    view: RwLock<Option<Arc<super::view::View>>>,
}

/// Cubes of callers who may not see everything, kept in memory at most.
const KEPT_WITHIN: usize = 512;

/// Explain ids remembered at most; forgetting them only costs a write.
const EXPLAINED_KEPT: usize = 100_000;

impl CubeCache {
    pub(crate) fn get(&self, key: &str) -> Option<Arc<PeriodCube>> {
        self.cubes.read().ok()?.get(key).cloned()
    }

    /// Keeps a cube; the older cube of the same period is let go.
    pub(crate) fn put(&self, cube: PeriodCube) -> Arc<PeriodCube> {
        let cube = Arc::new(cube);
        if let Ok(mut map) = self.cubes.write() {
            map.retain(|_, kept| kept.period != cube.period || kept.days_cut != cube.days_cut);
            if map.len() >= KEPT {
                map.clear();
            }
            map.insert(cube.cache_key(), cube.clone());
        }
        cube
    }

    /// A cube cut to what is within reach.
    pub(crate) fn get_within(&self, key: &str, reaches: &Reaches) -> Option<Arc<PeriodCube>> {
        let key = (key.to_owned(), reaches.clone());
        self.within.read().ok()?.get(&key).cloned()
    }

    /// Keeps one; all are let go when there are many.
    pub(crate) fn put_within(&self, key: String, reaches: &Reaches, cube: PeriodCube) -> Arc<PeriodCube> {
        let cube = Arc::new(cube);
        if let Ok(mut map) = self.within.write() {
            if map.len() >= KEPT_WITHIN {
                map.clear();
            }
            map.insert((key, reaches.clone()), cube.clone());
        }
        cube
    }

    /// The manifest at a version, if it was read already.
    pub(super) fn view(&self, version: i64) -> Option<Arc<super::view::View>> {
        self.view
            .read()
            .ok()?
            .as_ref()
            .filter(|view| view.version == version)
            .cloned()
    }

    pub(super) fn keep_view(&self, view: super::view::View) -> Arc<super::view::View> {
        let view = Arc::new(view);
        if let Ok(mut kept) = self.view.write() {
            *kept = Some(view.clone());
        }
        view
    }

    /// Whether this process has not kept this explain id yet.
    pub(crate) fn unseen(&self, explain_id: &str) -> bool {
        self.explained.read().is_ok_and(|known| !known.contains(explain_id))
    }

    /// These explain ids are kept now.
    pub(crate) fn saw(&self, ids: impl Iterator<Item = String>) {
        if let Ok(mut known) = self.explained.write() {
            if known.len() > EXPLAINED_KEPT {
                known.clear();
            }
            known.extend(ids);
        }
    }
}

/// Leaves in a cube what is within reach: the one place where lines of others
/// are taken out, before anything is added up.
pub(crate) fn keep_within(cube: &mut Cube, reaches: &Reaches) {
    let Cube { dimensions, lines, .. } = cube;
    lines.retain(|key, _| covers(reaches, key, dimensions));
}

/// Whether a cube line is within reach.
pub(crate) fn covers(reaches: &Reaches, key: &CubeKey, dimensions: &domain::owner::Dimensions) -> bool {
    let owner = |name: &str| value_of(key, dimensions, name);
    reaches.covers(owner("tenant"), owner("legal_entity"))
}

/// Sums by the values of some keys: cost, and number of charges.
pub type Groups = BTreeMap<Vec<Arc<str>>, (Money, u64)>;

/// One way to group: a code per line, and what the codes mean.
pub struct KeyColumn {
    /// Owner dimension or FOCUS column.
    pub key: String,
    /// Per line.
    pub codes: Vec<u32>,
    /// Code to value; the empty text is "none".
    pub values: Vec<Arc<str>>,
}

/// The cube of one billing period, by months.
pub struct PeriodCube {
    /// The allocation it belongs to.
    pub allocation_id: String,
    /// The month.
    pub period: BillingPeriod,
    /// Rules it was made with.
    pub rules_version: i64,
    /// Only the first days of the month, when it is compared with an
    /// unfinished one.
    pub days_cut: Option<i32>,
    /// Ways to group.
    pub columns: Vec<KeyColumn>,
    /// Per line: position in `currencies`.
    pub currency: Vec<u32>,
    /// Currencies in it.
    pub currencies: Vec<Currency>,
    /// Amounts per line.
    pub values: Vec<CubeValue>,
    /// Class per line.
    pub classes: Vec<Class>,
    /// Bridge term per line.
    pub terms: Vec<BridgeTerm>,
    /// Whether the line's charges name an invoice.
    pub invoiced: Vec<bool>,
    /// Totals by day.
    pub days: BTreeMap<(Currency, Day), CubeValue>,
}

/// Keys every cube can be grouped by, besides owner dimensions: (key, label).
pub const BILL_KEYS: [(&str, &str); 15] = [
    ("class", "Charge class"),
    ("ServiceName", "Bill service"),
    ("ServiceCategory", "Bill service category"),
    ("ProviderName", "Provider"),
    ("BillingAccountId", "Billing account"),
    ("SubAccountId", "Sub-account"),
    ("RegionId", "Bill region"),
    ("ChargeCategory", "Charge category"),
    ("Cluster", "Cluster"),
    ("NodePool", "Node pool"),
    ("Namespace", "Namespace"),
    ("WorkloadKind", "Workload kind"),
    ("Workload", "Workload"),
    ("Container", "Container"),
    ("AllocationPart", "Part of the cluster"),
];

/// Keys a report can be grouped by at once.
pub const MAX_KEYS: usize = 4;

/// The amount of a basis.
#[must_use]
pub fn amount(value: &CubeValue, basis: Basis) -> Money {
    match basis {
        Basis::Effective => value.effective,
        Basis::Billed => value.billed,
    }
}

/// The value a line has for a key; `None` = none, or no such key.
#[must_use]
pub fn value_of<'a>(key: &'a CubeKey, dimensions: &domain::owner::Dimensions, name: &str) -> Option<&'a str> {
    if let Some(at) = dimensions.position(name) {
        return key.assignment.values[at].as_deref();
    }
    match name {
        "class" => Some(key.class.as_str()),
        "ChargeCategory" => Some(key.category.as_str()),
        _ => CUBE_COLUMNS
            .iter()
            .position(|column| *column == name)
            .and_then(|at| key.columns[at].as_deref()),
    }
}

impl PeriodCube {
    /// What schedules move into the month, or out of it (A24), and what is not
    /// elapsed of it (A23): it is in no line of the month's bill.
    ///
    /// # Errors
    /// When a sum overflows.
    pub fn beside_bill(&self, currency: &str, basis: Basis) -> Result<Money, AppError> {
        let mut lines = self.select(currency, &[]);
        lines.retain(|line| matches!(self.terms[*line], BridgeTerm::Scheduled | BridgeTerm::NotElapsed));
        self.total(&lines, basis)
    }

    /// Turns a cube by days into columns by months.
    ///
    /// # Errors
    /// When a sum overflows.
    pub fn new(
        allocation_id: String,
        period: BillingPeriod,
        rules_version: i64,
        days_cut: Option<i32>,
        mut cube: Cube,
    ) -> Result<PeriodCube, AppError> {
        if let Some(days) = days_cut {
            // corrections of earlier days belong to the month from its first day on
            let end = period.first_day().0 + days;
            cube.lines.retain(|key, _| key.day.is_none_or(|day| day.0 < end));
        }
        let mut days: BTreeMap<(Currency, Day), CubeValue> = BTreeMap::new();
        for (key, value) in &cube.lines {
            if let Some(day) = key.day {
                days.entry((key.currency.clone(), day)).or_default().add(*value)?;
            }
        }
        let months = cube.by_month()?;
        let names = cube
            .dimensions
            .keys()
            .iter()
            .map(String::as_str)
            .chain(BILL_KEYS.iter().map(|(key, _)| *key));
        let columns = names.map(|name| key_column(name, &months)).collect();
        let mut currencies: Vec<Currency> = Vec::new();
        let mut currency = Vec::with_capacity(months.lines.len());
        for key in months.lines.keys() {
            let at = currencies
                .iter()
                .position(|known| *known == key.currency)
                .unwrap_or_else(|| {
                    currencies.push(key.currency.clone());
                    currencies.len() - 1
                });
            currency.push(u32::try_from(at).unwrap_or(u32::MAX));
        }
        Ok(PeriodCube {
            allocation_id,
            period,
            rules_version,
            days_cut,
            columns,
            currency,
            currencies,
            values: months.lines.values().copied().collect(),
            classes: months.lines.keys().map(|key| key.class).collect(),
            terms: months.lines.keys().map(|key| key.term).collect(),
            invoiced: months.lines.keys().map(|key| key.invoiced).collect(),
            days,
        })
    }

    /// What it is kept under.
    fn cache_key(&self) -> String {
        cache_key(&self.allocation_id, self.days_cut)
    }

    /// A way to group, by key.
    #[must_use]
    pub fn column(&self, key: &str) -> Option<&KeyColumn> {
        self.columns.iter().find(|column| column.key == key)
    }

    /// Positions of the lines in a currency that pass the filters: values of
    /// one key are alternatives, keys are cumulative; a key this cube does not
    /// know has no value anywhere.
    #[must_use]
    pub fn select(&self, currency: &str, filters: &[(String, String)]) -> Vec<usize> {
        let mut wanted: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (key, value) in filters {
            wanted.entry(key).or_default().push(value);
        }
        let tests: Vec<(Option<&KeyColumn>, Vec<bool>, bool)> = wanted
            .iter()
            .map(|(key, values)| {
                let column = self.column(key);
                let pass = column.map_or_else(Vec::new, |c| c.values.iter().map(|v| values.contains(&&**v)).collect());
                (column, pass, values.contains(&""))
            })
            .collect();
        let Some(code) = self.currencies.iter().position(|c| c.as_str() == currency) else {
            return Vec::new();
        };
        (0..self.values.len())
            .filter(|line| self.currency[*line] as usize == code)
            .filter(|line| {
                tests
                    .iter()
                    .all(|(column, pass, none)| column.map_or(*none, |column| pass[column.codes[*line] as usize]))
            })
            .collect()
    }

    /// Sums of selected lines by up to [`MAX_KEYS`] keys, with the number of charges.
    ///
    /// # Errors
    /// When a sum overflows.
    pub fn group(&self, lines: &[usize], keys: &[String], basis: Basis) -> Result<Groups, AppError> {
        let columns: Vec<Option<&KeyColumn>> = keys.iter().map(|key| self.column(key)).collect();
        let mut sums: HashMap<[u32; MAX_KEYS], (MoneySum, u64)> = HashMap::new();
        for line in lines {
            let mut code = [0u32; MAX_KEYS];
            for (slot, column) in code.iter_mut().zip(&columns) {
                *slot = column.map_or(0, |column| column.codes[*line]);
            }
            let value = &self.values[*line];
            let sum = sums.entry(code).or_default();
            sum.0.add(amount(value, basis));
            sum.1 += value.charges;
        }
        let mut named = Groups::new();
        for (code, (sum, charges)) in sums {
            let names = columns
                .iter()
                .zip(code)
                .map(|(column, code)| column.map_or_else(|| Arc::from(""), |c| c.values[code as usize].clone()));
            let entry = named.entry(names.collect()).or_default();
            *entry = (entry.0.checked_add(sum.total()?)?, entry.1 + charges);
        }
        Ok(named)
    }

    /// Sum of selected lines.
    ///
    /// # Errors
    /// When it overflows.
    pub fn total(&self, lines: &[usize], basis: Basis) -> Result<Money, AppError> {
        Ok(Money::sum(lines.iter().map(|line| amount(&self.values[*line], basis)))?)
    }
}

/// What the cube of an allocation, or its first days, is kept under.
pub(super) fn cache_key(allocation_id: &str, days_cut: Option<i32>) -> String {
    days_cut.map_or_else(
        || allocation_id.to_owned(),
        |days| format!("{allocation_id} to day {days}"),
    )
}

fn key_column(name: &str, cube: &Cube) -> KeyColumn {
    let mut values: Vec<Arc<str>> = vec![Arc::from("")];
    let mut known: HashMap<Arc<str>, u32> = HashMap::from([(Arc::from(""), 0)]);
    let codes = cube
        .lines
        .keys()
        .map(|key| {
            let value = value_of(key, &cube.dimensions, name).unwrap_or("");
            known.get(value).copied().unwrap_or_else(|| {
                let code = u32::try_from(values.len()).unwrap_or(u32::MAX);
                values.push(Arc::from(value));
                known.insert(Arc::from(value), code);
                code
            })
        })
        .collect();
    KeyColumn {
        key: name.to_owned(),
        codes,
        values,
    }
}
