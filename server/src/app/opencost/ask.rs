//! What a client asks for: the parameters of the routes, read strictly. What
//! the original knows and this does not is told, not refused.

use super::aggregate::{Grouping, parse_fields};
use super::filter::{self, Filter, allocation_field, list};
use super::row::Field;
use super::share::{Idle, Sharing, Split, parse_monthly, shared_rows};
use super::window::{self, Accumulate, Window, parse_accumulate, parse_step, parse_window};
use domain::instant::{Instant, Span};
use domain::money::Currency;
use std::cell::RefCell;
use std::fmt;

/// A request that does not fit, with what would.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadAsk(String);

impl BadAsk {
    pub(crate) fn new(what: impl Into<String>) -> BadAsk {
        BadAsk(what.into())
    }
}

/// Parameters that change nothing here: facts are stored and hourly, volumes
/// and balancers are split where the cube splits them.
const WITHOUT_EFFECT: [&str; 8] = [
    "resolution",
    "sharelb",
    "reconcile",
    "reconcileNetwork",
    "external",
    "disableAggregatedStores",
    "disableRemoteReads",
    "format",
];

/// A query string, decoded; the first of several of one name counts.
#[derive(Debug)]
pub struct Params {
    pairs: Vec<(String, String)>,
    used: RefCell<Vec<String>>,
}

impl Params {
    /// Of a raw query string.
    #[must_use]
    pub fn parse(raw: &str) -> Params {
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        };
        Params {
            pairs: raw.split('&').filter(|part| !part.is_empty()).map(pair).collect(),
            used: RefCell::default(),
        }
    }

    /// A value; empty when it is not there.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.used.borrow_mut().push(name.to_owned());
        let found = self.pairs.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.trim())
    }

    /// A switch.
    ///
    /// # Errors
    /// When it is neither on nor off.
    pub fn switch(&self, name: &str) -> Result<bool, BadAsk> {
        match self.get(name) {
            "" | "false" | "False" | "FALSE" | "0" | "f" | "F" => Ok(false),
            "true" | "True" | "TRUE" | "1" | "t" | "T" => Ok(true),
            other => Err(BadAsk::new(format!("{name}={other} does not fit; write true or false"))),
        }
    }

    /// A number of zero or more.
    ///
    /// # Errors
    /// When it is none.
    pub fn count(&self, name: &str) -> Result<Option<usize>, BadAsk> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(None);
        }
        let bad = || BadAsk::new(format!("{name}={text} does not fit; write a number of zero or more"));
        text.parse().map(Some).map_err(|_| bad())
    }

    /// Names that nothing looked at, as warnings.
    #[must_use]
    pub fn unknown(&self) -> Vec<String> {
        let used = self.used.borrow();
        let mut names: Vec<&str> = self.pairs.iter().map(|(name, _)| name.as_str()).collect();
        names.retain(|name| !used.iter().any(|known| known == name) && !WITHOUT_EFFECT.contains(name));
        names.sort_unstable();
        names.dedup();
        let one = |name: &str| format!("the parameter {name} is not known here and changed nothing");
        names.into_iter().map(one).collect()
    }
}

/// Decodes percent and plus; bytes that are not UTF-8 become replacement characters.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Which currency an answer is in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CurrencyWish(pub Option<Currency>);

impl CurrencyWish {
    fn of(params: &Params) -> Result<CurrencyWish, BadAsk> {
        let text = params.get("currency");
        if text.is_empty() {
            return Ok(CurrencyWish(None));
        }
        let bad = || BadAsk::new(format!("currency={text} does not fit; write a code such as USD"));
        Currency::parse(text)
            .map(|currency| CurrencyWish(Some(currency)))
            .ok_or_else(bad)
    }
}

/// How rows become the groups of a piece of time. Its text is what answers are
/// kept under.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// How rows are grouped.
    pub grouping: Grouping,
    /// What is shared.
    pub sharing: Sharing,
    /// What is left out.
    pub filter: Option<Filter<Field>>,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// A request for allocations.
#[derive(Debug, Clone)]
pub struct AllocationAsk {
    /// The window.
    pub window: Window,
    /// The step, as asked for, in microseconds.
    pub step_us: i64,
    /// The sets of the answer.
    pub sets: Vec<Span>,
    /// How rows become groups.
    pub shape: Shape,
    /// The currency.
    pub currency: CurrencyWish,
    /// Labels that all rows of a group have are in the answer.
    pub metadata: bool,
    /// What must be told.
    pub warnings: Vec<String>,
}

impl AllocationAsk {
    /// Reads the parameters of `/allocation` and its like.
    ///
    /// # Errors
    /// Names the parameter and what would fit.
    pub fn parse(params: &Params, now: Instant) -> Result<AllocationAsk, BadAsk> {
        let mut warnings = Vec::new();
        let window = parse_window(params.get("window"), now)?;
        warnings.extend(widened(&window));
        let step_us = match params.get("step") {
            "" => None,
            text => Some(parse_step(text)?),
        };
        let accumulate = match parse_accumulate("accumulate", params.get("accumulate"))? {
            Accumulate::None => parse_accumulate("accumulateBy", params.get("accumulateBy"))?,
            given => given,
        };
        let sets = window::sets(window.hours, step_us, accumulate)?;
        let sharing = sharing(params, &mut warnings)?;
        let filter = filter_of(params)?;
        let grouping = Grouping {
            fields: parse_fields(params.get("aggregate"))?,
            split_idle: params.switch("splitIdle")?,
            idle_by_node: sharing.idle_by_node,
        };
        let metadata = params.switch("includeAggregatedMetadata")? || grouping.fields.is_empty();
        let currency = CurrencyWish::of(params)?;
        if params.switch("includeProportionalAssetResourceCosts")? {
            warnings.push("proportional asset costs are not in this answer".to_owned());
        }
        if params.switch("shareTenancyCosts")? {
            warnings
                .push("control planes are not shared by shareTenancyCosts; shareCost takes a fixed amount".to_owned());
        }
        warnings.extend(params.unknown());
        let shape = Shape {
            grouping,
            sharing,
            filter,
        };
        warnings.extend(about(&shape, window::by_day(&sets)));
        Ok(AllocationAsk {
            step_us: step_us.unwrap_or_else(|| window.hours.duration_us()),
            window,
            sets,
            shape,
            currency,
            metadata,
            warnings,
        })
    }
}

/// A request for assets or cloud costs.
#[derive(Debug, Clone)]
pub struct WindowAsk {
    /// The window.
    pub window: Window,
    /// The currency.
    pub currency: CurrencyWish,
    /// What must be told.
    pub warnings: Vec<String>,
}

impl WindowAsk {
    /// Reads window and currency; the caller reads the rest and then asks for
    /// [`Params::unknown`].
    ///
    /// # Errors
    /// Names the parameter and what would fit.
    pub fn parse(params: &Params, now: Instant) -> Result<WindowAsk, BadAsk> {
        let window = parse_window(params.get("window"), now)?;
        Ok(WindowAsk {
            warnings: widened(&window).into_iter().collect(),
            window,
            currency: CurrencyWish::of(params)?,
        })
    }
}

fn widened(window: &Window) -> Option<String> {
    (window.asked != window.hours).then(|| {
        let Span { start, end } = window.hours;
        format!("facts are hourly: the window is {start} to {end}")
    })
}

fn sharing(params: &Params, warnings: &mut Vec<String>) -> Result<Sharing, BadAsk> {
    let include = params.switch("includeIdle")?;
    let idle = match params.get("shareIdle") {
        "weighted" => Idle::Shared,
        "even" => {
            warnings.push("idle capacity is shared by cost: evenly would charge those who hold nothing".to_owned());
            Idle::Shared
        }
        "separate" => Idle::Separate,
        "hide" => Idle::Hidden,
        _ if params.switch("shareIdle")? => Idle::Shared,
        _ if include => Idle::Separate,
        _ => Idle::Hidden,
    };
    let namespaces: Vec<String> = list(params.get("shareNamespaces")).map(str::to_owned).collect();
    let label = |pair: &str| {
        let (key, value) = pair.split_once([':', '='])?;
        Some((key.trim().to_owned(), value.trim().to_owned()))
    };
    let labels = list(params.get("shareLabels"))
        .map(|pair| {
            let bad = || BadAsk::new(format!("shareLabels={pair} does not fit; write key:value"));
            label(pair).ok_or_else(bad)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let monthly = match params.get("shareCost") {
        "" => domain::Money::ZERO,
        text => parse_monthly(text)?,
    };
    let split = match params.get("shareSplit") {
        "" | "weighted" => Split::Weighted,
        "even" => Split::Even,
        other => {
            return Err(BadAsk::new(format!(
                "shareSplit={other} does not fit; write weighted or even"
            )));
        }
    };
    Ok(Sharing {
        idle,
        idle_by_node: params.switch("idleByNode")?,
        rows: shared_rows(&namespaces, &labels),
        monthly,
        split,
    })
}

/// The filter, and the older parameters besides: all must hold.
fn filter_of(params: &Params) -> Result<Option<Filter<Field>>, BadAsk> {
    let mut all = Vec::new();
    match params.get("filter") {
        "" => {}
        text => all.push(filter::parse(text, allocation_field)?),
    }
    for name in filter::LEGACY {
        let text = params.get(name);
        if !text.is_empty() {
            all.extend(filter::legacy(name, text)?);
        }
    }
    Ok(match all.len() {
        0 => None,
        1 => all.pop(),
        _ => Some(Filter::And(all)),
    })
}

/// What must be told about a shape: where the original breaks sums.
fn about(shape: &Shape, by_day: bool) -> Vec<String> {
    let mut told = Vec::new();
    let shares = shape.sharing.rows.is_some() || !shape.sharing.monthly.is_zero();
    if shares && shape.sharing.split == Split::Even {
        told.push(
            "shared costs are split evenly over the namespaces of each cluster, so that no grouping changes a sum; \
             OpenCost splits them over the rows of the answer"
                .to_owned(),
        );
    }
    if shape.filter.is_some() && shape.sharing.idle == Idle::Separate {
        told.push(
            "idle capacity is what the rows that pass the filter would bear of it, so that filters add up; \
             OpenCost states more when costs are shared too"
                .to_owned(),
        );
    }
    if !by_day && (shares || shape.sharing.idle == Idle::Shared) {
        told.push("sets are cut within days: what is shared is shared by hour, not by day".to_owned());
    }
    told
}

/// What must be told when fields were asked for that no row of the answer has:
/// `services` and `annotations` are what any row has.
pub(super) fn unknown_fields(shape: &Shape, services: bool, annotations: bool) -> Vec<String> {
    let mut fields: Vec<&Field> = shape.grouping.fields.iter().collect();
    if let Some(filter) = &shape.filter {
        filter.fields(&mut fields);
    }
    let asked = |is: fn(&Field) -> bool| fields.iter().any(|field| is(field));
    let mut told = Vec::new();
    if !services && asked(|field| *field == Field::Service) {
        told.push(
            "no row of this answer has a service: services are known of clusters that are watched, and from usage \
             files with a column services"
                .to_owned(),
        );
    }
    if !annotations && asked(|field| matches!(field, Field::Annotation(_))) {
        told.push(
            "no row of this answer has an annotation: of watched clusters those named by --annotation are kept, and \
             those of usage files with a column annotations"
                .to_owned(),
        );
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::instant::parse as parse_instant;

    fn ask(query: &str) -> Result<AllocationAsk, BadAsk> {
        let now = parse_instant(b"2026-11-25T10:20:30Z").expect("an instant").instant;
        AllocationAsk::parse(&Params::parse(query), now)
    }

    #[test]
    fn every_parameter_is_read() {
        let given = ask(
            "window=7d&aggregate=namespace,label:app&step=1d&accumulate=false&includeIdle=true&idleByNode=true\
             &splitIdle=true&shareNamespaces=kube-system,monitoring&shareLabels=app:shared&shareCost=100.50\
             &shareSplit=even&filter=namespace%3A%22a%22%2Blabel[app]:%22x%22&filterClusters=core&resolution=1m\
             &includeAggregatedMetadata=true&currency=eur&colour=red",
        )
        .expect("a good request");
        assert_eq!((given.sets.len(), given.shape.sharing.idle), (7, Idle::Separate));
        assert!(given.shape.grouping.split_idle && given.shape.sharing.idle_by_node && given.metadata);
        assert_eq!(given.shape.sharing.monthly.to_string(), "100.5");
        assert_eq!(given.currency.0.as_ref().map(Currency::as_str), Some("EUR"));
        assert!(matches!(given.shape.filter, Some(Filter::And(ref all)) if all.len() == 2));
        let told = given.warnings.join("\n");
        for part in [
            "evenly over the namespaces",
            "pass the filter would bear",
            "colour is not known",
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
        assert!(!told.contains("resolution"), "{told}");
    }

    #[test]
    fn a_bare_window_is_enough() {
        let given = ask("window=today").expect("a good request");
        assert_eq!((given.sets.len(), given.warnings.len()), (1, 0), "{:?}", given.warnings);
        assert_eq!(given.shape.sharing, Sharing::default());
        assert!(given.metadata, "without grouping labels are shown");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (query, part) in [
            ("", "window is missing"),
            ("window=x", "window=x"),
            ("window=1d&step=5m", "step=5m"),
            ("window=1d&accumulate=x", "accumulate=x"),
            ("window=1d&accumulateBy=x", "accumulateBy=x"),
            ("window=1d&aggregate=colour", "aggregate=colour"),
            ("window=1d&aggregate=label:", "aggregate=label:"),
            ("window=1d&includeIdle=maybe", "includeIdle=maybe"),
            ("window=1d&shareIdle=maybe", "shareIdle=maybe"),
            ("window=1d&idleByNode=2", "idleByNode=2"),
            ("window=1d&shareLabels=app", "shareLabels=app"),
            ("window=1d&shareCost=ten", "shareCost=ten"),
            ("window=1d&shareCost=-1", "shareCost=-1"),
            ("window=1d&shareSplit=odd", "shareSplit=odd"),
            ("window=1d&filter=namespace", "filter at character 10"),
            ("window=1d&filterLabels=app", "filterLabels=app"),
            ("window=1d&currency=%20%2F", "currency=/"),
        ] {
            let error = ask(query).expect_err(query).to_string();
            assert!(error.contains(part), "{query}: {error}");
        }
    }

    #[test]
    fn idle_has_three_ways() {
        for (query, idle) in [
            ("", Idle::Hidden),
            ("&includeIdle=true", Idle::Separate),
            ("&shareIdle=true", Idle::Shared),
            ("&includeIdle=true&shareIdle=true", Idle::Shared),
            ("&shareIdle=weighted", Idle::Shared),
            ("&shareIdle=even", Idle::Shared),
            ("&shareIdle=separate", Idle::Separate),
        ] {
            let given = ask(&format!("window=1d{query}")).expect(query);
            assert_eq!(given.shape.sharing.idle, idle, "{query}");
        }
    }
}
