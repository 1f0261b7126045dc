//! The bar on top of a page: title, state, period, basis, compare, freshness.

use leptos::prelude::*;
use leptos_meta::Title;
use wire::{Basis, Context, PeriodState};

use crate::components::reader::{link, may_open};
use crate::query::{PageQuery, href, print_page};
use crate::{format, words};

/// Builds the query string of the page for another period.
pub(crate) type AtPeriod = Box<dyn Fn(&str) -> String>;

/// What the bar offers.
pub(crate) struct Controls {
    /// The page's path, where the form leads.
    pub(crate) path: &'static str,
    /// State of the page the form must not lose.
    pub(crate) hidden: Vec<(&'static str, String)>,
    /// The query string for another period.
    pub(crate) at_period: AtPeriod,
    /// There is a period to compare with on this page.
    pub(crate) compares: bool,
    /// The page shows one basis at a time.
    pub(crate) has_basis: bool,
    /// The page shows one currency at a time, or one before the others.
    pub(crate) has_currency: bool,
}

impl Controls {
    /// For a page that knows nothing but period, basis and currency.
    pub(crate) fn plain(path: &'static str, context: &Context) -> Self {
        let query = page_query(context);
        let at_period = Box::new(move |period: &str| {
            print_page(&PageQuery {
                period: Some(period.to_owned()),
                against: None,
                ..query.clone()
            })
        });
        Self {
            path,
            hidden: Vec::new(),
            at_period,
            compares: false,
            has_basis: true,
            has_currency: true,
        }
    }
}

/// The query that leads to another page about the same figures.
pub(crate) fn page_query(context: &Context) -> PageQuery {
    PageQuery {
        period: Some(context.period.clone()),
        basis: context.basis,
        currency: (context.currencies.len() > 1).then(|| context.currency.clone()),
        against: None,
    }
}

/// The bar of a page with figures.
pub(crate) fn bar(title: &'static str, context: &Context, controls: Controls) -> AnyView {
    let page_title = format!("{title}, {} - Tonnage", format::month_year(&context.period));
    view! {
        <Title text=page_title />
        <header class="bar">
            <h1>{title}</h1>
            {state(context.state)}
            {form(context, controls)}
            {freshness(context)}
        </header>
        {stale(context)}
    }
    .into_any()
}

/// Whether figures can still change, in a word.
pub(crate) fn state(state: PeriodState) -> AnyView {
    let (badge, title) = match state {
        PeriodState::Estimated => (
            "badge est",
            "A delivery of this period is still open: figures can change",
        ),
        PeriodState::Actual => ("badge ok", "Every delivery of this period is final"),
    };
    view! { <span class=badge title=title>{words::period_state(state)}</span> }.into_any()
}

/// The bar of a page without a period.
pub(crate) fn plain_bar(title: &'static str) -> AnyView {
    view! {
        <Title text=format!("{title} - Tonnage") />
        <header class="bar"><h1>{title}</h1></header>
    }
    .into_any()
}

fn form(context: &Context, controls: Controls) -> AnyView {
    let at = context.periods.iter().position(|period| *period == context.period);
    let step = |period: Option<&String>| {
        period.map(|period| {
            (
                href(controls.path, &(controls.at_period)(period)),
                format::month_year(period),
            )
        })
    };
    let before = step(
        at.and_then(|at| at.checked_sub(1))
            .and_then(|at| context.periods.get(at)),
    );
    let after = step(at.and_then(|at| context.periods.get(at + 1)));
    let mut kept = controls.hidden;
    // a choice this page has no use for is kept for the next one
    if !controls.has_basis && context.basis != Basis::default() {
        kept.push(("basis", context.basis.key().to_owned()));
    }
    let many = context.currencies.len() > 1;
    if !controls.has_currency && many {
        kept.push(("currency", context.currency.clone()));
    }
    let mut chosen = vec![format::month_year(&context.period)];
    chosen.extend(controls.has_basis.then(|| words::basis(context.basis).to_owned()));
    chosen.extend((controls.has_currency && many).then(|| context.currency.clone()));
    let hidden: Vec<_> = kept
        .into_iter()
        .map(|(name, value)| view! { <input r#type="hidden" name=name value=value /> })
        .collect();
    view! {
        {fold(chosen.join(" · "))}
        <form id="q" class="controls" method="get" action=controls.path data-auto="">
            {hidden}
            <div class="stepper" role="group" aria-label="Period">
                {step_link(before, "prev", "‹", "Earlier: ")}
                {period_select("period", "period", true, &context.periods, Some(&context.period))}
                {step_link(after, "next", "›", "Later: ")}
            </div>
            {controls.has_basis.then(|| basis_select(context.basis))}
            {controls.compares.then(|| {
                let others: Vec<String> =
                    context.periods.iter().filter(|period| **period != context.period).cloned().collect();
                period_select("against", "against", false, &others, context.against.as_deref())
            })}
            {(controls.has_currency && many).then(|| currency_select(context))}
            <button class="btn" r#type="submit">"Apply"</button>
        </form>
    }
    .into_any()
}

/// What the controls after it are set to. On a narrow screen it opens them;
/// elsewhere they are open and this is not shown.
pub(crate) fn fold(chosen: String) -> AnyView {
    view! { <details class="fold"><summary>{chosen}</summary></details> }.into_any()
}

fn step_link(to: Option<(String, String)>, rel: &'static str, glyph: &'static str, word: &'static str) -> AnyView {
    match to {
        Some((href, name)) => {
            view! { <a class="step" rel=rel href=href aria-label=format!("{word}{name}")>{glyph}</a> }.into_any()
        }
        None => view! { <span class="step off" aria-hidden="true">{glyph}</span> }.into_any(),
    }
}

fn period_select(
    name: &'static str,
    label: &'static str,
    quiet: bool,
    periods: &[String],
    chosen: Option<&str>,
) -> AnyView {
    // newest first: what people look for
    let options: Vec<_> = periods
        .iter()
        .rev()
        .map(|period| {
            let selected = chosen == Some(period.as_str());
            view! { <option value=period.clone() selected=selected>{format::month_year(period)}</option> }
        })
        .collect();
    let nothing = chosen
        .is_none()
        .then(|| view! { <option value="" selected=true>"nothing"</option> });
    view! {
        <label class="ctl">
            <span class=if quiet { "vh" } else { "" }>{label}</span>
            <select name=name>{nothing}{options}</select>
        </label>
    }
    .into_any()
}

fn basis_select(chosen: Basis) -> AnyView {
    let options = [Basis::Effective, Basis::Billed].map(|basis| {
        view! { <option value=basis.key() selected=basis == chosen>{words::basis(basis)}</option> }
    });
    view! { <label class="ctl"><span>"basis"</span><select name="basis">{options.to_vec()}</select></label> }.into_any()
}

fn currency_select(context: &Context) -> AnyView {
    let options: Vec<_> = context
        .currencies
        .iter()
        .map(|currency| {
            let selected = *currency == context.currency;
            view! { <option value=currency.clone() selected=selected>{currency.clone()}</option> }
        })
        .collect();
    view! { <label class="ctl"><span>"currency"</span><select name="currency">{options}</select></label> }.into_any()
}

fn freshness(context: &Context) -> AnyView {
    let as_of = context
        .as_of
        .as_deref()
        .map(|at| format!("as of {}", format::instant(at)));
    let through = context
        .data_through
        .as_deref()
        .map(|day| format!("Charges through {day}"));
    let sources = format!("{} of {} sources fresh", context.sources_fresh, context.sources_total);
    view! { <p class="asof">
        <span title=through>{as_of}</span>
        {link("/sources".to_owned(), sources)}
    </p> }
    .into_any()
}

fn stale(context: &Context) -> Option<AnyView> {
    let as_of = context
        .as_of
        .as_deref()
        .map_or_else(|| "an earlier time".to_owned(), format::instant);
    context.stale.then(|| {
        view! {
            <p class="banner warn" role="status">
                <b>"Behind. "</b>
                {format!("These figures are as of {as_of}; a newer delivery is late. ")}
                {may_open("/sources").then(|| view! { <a href="/sources">"See sources"</a> })}
            </p>
        }
        .into_any()
    })
}
