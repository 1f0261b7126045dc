//! Figures, words and bars inside tables and tiles.

use leptos::prelude::*;
use wire::{Change, ChangeKind, Figure, Finding, ReconciliationLine, Severity, Tone};

use crate::components::reader::may_open;
use crate::format;

/// An amount to the minor unit, every digit on demand.
pub(crate) fn money(exact: &str) -> AnyView {
    let shown = format::money(exact);
    let full = format::exact(exact);
    let title = (full != shown).then_some(full);
    view! { <span title=title>{shown}</span> }.into_any()
}

/// A cost; below zero it also says in a word what it is.
pub(crate) fn cost(exact: &str) -> AnyView {
    let word = format::is_negative(exact).then(|| view! { <span class="word">"credit"</span> });
    view! {
        {word}
        {money(exact)}
    }
    .into_any()
}

/// An amount that may not be known, which is not zero.
pub(crate) fn maybe_money(exact: Option<&str>) -> AnyView {
    match exact {
        Some(exact) => money(exact).into_any(),
        None => none("no data yet").into_any(),
    }
}

/// A dash with a name for those who do not see it.
pub(crate) fn none(name: &'static str) -> AnyView {
    view! { <span aria-hidden="true">"—"</span><span class="vh">{name}</span> }.into_any()
}

/// Glyph, sign, amount and percentage: colour is only one of four ways to tell.
pub(crate) fn change(change: Option<&Change>) -> AnyView {
    let Some(change) = change else {
        return none("nothing to compare with").into_any();
    };
    let (class, glyph) = direction(&change.amount);
    let part = match (change.kind, change.permille) {
        (ChangeKind::New, _) => "new".to_owned(),
        (ChangeKind::Ended, _) => "ended".to_owned(),
        (ChangeKind::Moved, Some(permille)) => format::percent(permille),
        (ChangeKind::Moved, None) => "n/m".to_owned(),
    };
    view! {
        <span class=class>
            <span class="glyph" aria-hidden="true">{glyph}</span>
            {format::signed(&change.amount)}
            <span class="part">{part}</span>
        </span>
    }
    .into_any()
}

fn direction(amount: &str) -> (&'static str, &'static str) {
    if format::is_zero(amount) {
        ("same", "")
    } else if format::is_negative(amount) {
        ("save", "▼ ")
    } else {
        ("over", "▲ ")
    }
}

/// A bar beside a number, never behind its digits; `permille` of its full length.
pub(crate) fn bar(permille: u32) -> AnyView {
    view! {
        <svg class="sharebar" viewBox="0 0 1000 1" preserveAspectRatio="none" aria-hidden="true">
            <rect width=permille.min(1000) height="1" />
        </svg>
    }
    .into_any()
}

/// A level from the left: coverage.
pub(crate) fn level(permille: u32) -> AnyView {
    view! {
        <svg class="level" viewBox="0 0 1000 1" preserveAspectRatio="none" aria-hidden="true">
            <rect class="level-all" width="1000" height="1" />
            <rect class="level-part" width=permille.min(1000) height="1" />
        </svg>
    }
    .into_any()
}

/// The class of a tone.
pub(crate) fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Strong => "strong",
        Tone::Over => "over",
        Tone::Save => "save",
        Tone::Warn => "warn",
    }
}

/// The figure of a tile.
pub(crate) fn figure(figure: &Figure) -> AnyView {
    match figure {
        Figure::Money(exact) => view! { <span title=format::exact(exact)>{format::whole(exact)}</span> }.into_any(),
        Figure::MoneyExact(exact) => money(exact).into_any(),
        Figure::Permille(permille) => format::share(*permille).into_any(),
        Figure::Text(text) => text.clone().into_any(),
        Figure::Unknown => none("not known").into_any(),
    }
}

/// The line under a cost table: bill = parts, residual.
pub(crate) fn reconciliation(line: &ReconciliationLine, href: String) -> AnyView {
    let clean = format::is_zero(&line.residual);
    let parts: Vec<_> = line
        .parts
        .iter()
        .enumerate()
        .map(|(at, (label, amount))| {
            let sign = if at == 0 { "=" } else { "+" };
            view! {
                <span class="term"><span class="op">{sign}</span>{label.clone()}<b>{money(amount)}</b></span>
            }
        })
        .collect();
    view! {
        <div class="recon" role="group" aria-label="Reconciliation">
            {reconciled(clean)}
            <span class="term">{line.label.clone()}<b>{money(&line.bill)}</b></span>
            {parts}
            <span class=if clean { "term" } else { "term error" }>
                <span class="op">"·"</span>"residual"<b>{money(&line.residual)}</b>
            </span>
            {may_open(&href).then(|| view! { <a class="more" href=href>"How it adds up"</a> })}
        </div>
    }
    .into_any()
}

/// The badge of a check.
pub(crate) fn reconciled(clean: bool) -> AnyView {
    if clean {
        view! { <span class="badge ok">"reconciled"</span> }.into_any()
    } else {
        view! { <span class="badge bad">"does not add up"</span> }.into_any()
    }
}

/// `42020.651986153085 USD` as `42,020.65 USD`.
fn amount(exact: &str) -> String {
    match exact.split_once(' ') {
        Some((amount, currency)) => format!("{} {currency}", format::money(amount)),
        None => format::money(exact),
    }
}

/// Files named before the others are counted.
const NAMED_FILES: usize = 2;

/// What was noticed, worst first, the same remark about several files as one;
/// nothing when there is nothing.
pub(crate) fn findings<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Option<AnyView> {
    let mut folded: Vec<Vec<&Finding>> = Vec::new();
    for finding in findings {
        // remarks about money stay apart, so that each keeps its amount
        let same = |with: &&mut Vec<&Finding>| {
            let first = with[0];
            finding.cost.is_none()
                && first.cost.is_none()
                && (&first.code, &first.message, &first.remedy, first.severity)
                    == (&finding.code, &finding.message, &finding.remedy, finding.severity)
        };
        match folded.iter_mut().find(same) {
            Some(group) => group.push(finding),
            None => folded.push(vec![finding]),
        }
    }
    folded.sort_by_key(|group| match group[0].severity {
        Severity::Error => 0,
        Severity::Warning => 1,
        Severity::Info => 2,
    });
    let items: Vec<_> = folded.iter().map(|group| remark(group)).collect();
    (!items.is_empty()).then(|| view! { <ul class="findings">{items}</ul> }.into_any())
}

/// One remark about one or several places.
fn remark(group: &[&Finding]) -> AnyView {
    let first = group[0];
    let (class, word) = match first.severity {
        Severity::Error => ("badge bad", "error"),
        Severity::Warning => ("badge est", "warning"),
        Severity::Info => ("badge", "note"),
    };
    let count: u64 = group.iter().map(|finding| finding.count).sum();
    // one remark about each file is not "several times"
    let many = count > u64::try_from(group.len()).unwrap_or(u64::MAX);
    let times = many.then(|| format!(" · {} times", format::count(count)));
    let cost = first
        .cost
        .as_deref()
        .map(|cost| view! { " · " <span class="num">{amount(cost)}</span> });
    let remedy = (!first.remedy.is_empty()).then(|| view! { <p class="sub">{first.remedy.clone()}</p> });
    view! {
        <li>
            <span class=class>{word}</span>
            <div>
                <p>{first.message.clone()}<span class="faint">{places(group)}{times}{cost}</span></p>
                {remedy}
            </div>
        </li>
    }
    .into_any()
}

/// Where: file names with their whole path as a title, the first few of many.
fn places(group: &[&Finding]) -> Option<AnyView> {
    let named: Vec<&&Finding> = group.iter().filter(|finding| finding.file.is_some()).collect();
    let column = group[0].column.clone().map(|column| format!(" · column {column}"));
    if named.is_empty() {
        return column.map(|column| column.into_any());
    }
    // files of several deliveries often share a name: it is said once
    let mut names: Vec<(String, Vec<&str>)> = Vec::new();
    for finding in &named {
        let path = finding.file.as_deref().unwrap_or_default();
        let line = finding.line.map_or_else(String::new, |line| format!(":{line}"));
        let name = format!("{}{line}", file_name(path));
        match names.iter_mut().find(|(known, _)| *known == name) {
            Some((_, paths)) => paths.push(path),
            None => names.push((name, vec![path])),
        }
    }
    let shown: Vec<_> = names
        .iter()
        .take(NAMED_FILES)
        .map(|(name, paths)| view! { " · " <span title=paths.join("\n")>{name.clone()}</span> })
        .collect();
    let rest: Vec<&str> = names
        .iter()
        .skip(NAMED_FILES)
        .flat_map(|(_, paths)| paths.clone())
        .collect();
    let more = (!rest.is_empty()).then(|| {
        let count = format::counted(rest.len() as u64, "more file", "more files");
        view! { <span title=rest.join("\n")>{format!(" and {count}")}</span> }
    });
    Some(view! { {shown}{more}{column} }.into_any())
}

/// The last part of a path.
fn file_name(path: &str) -> String {
    path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn names_of_files() {
        for (path, name) in [
            ("/a/b.csv", "b.csv"),
            ("b.csv", "b.csv"),
            ("C:\\a\\b.csv", "b.csv"),
            ("", ""),
        ] {
            assert_eq!(file_name(path), name);
        }
    }
}
