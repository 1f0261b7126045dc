//! Who pays for what, from when?

use leptos::prelude::*;
use wire::{Coverage, Finding, OwnerRule, PricePolicy, RuleSet, RuleVersion, RulesPage, Severity, TierPreset};

use crate::components::bar::{Controls, bar};
use crate::components::figures::{findings, level, money, none};
use crate::components::state::page;
use crate::query::{encode, parse_rules};
use crate::{format, words};

/// The Rules page.
#[component]
pub(crate) fn Rules() -> impl IntoView {
    page(
        "Rules",
        |backend, search| {
            let query = parse_rules(&search)?;
            Ok(async move { backend.rules(query).await })
        },
        show,
    )
}

fn show(page: &RulesPage) -> AnyView {
    let context = &page.context;
    let rules = match &page.rules {
        Some(rules) => rule_set(rules, &context.currency).into_any(),
        None => no_rules().into_any(),
    };
    let (notes, warnings): (Vec<Finding>, Vec<Finding>) = page
        .findings
        .iter()
        .cloned()
        .partition(|finding| finding.severity == Severity::Info);
    view! {
        {bar("Rules", context, Controls::plain("/rules", context))}
        <div class="content">
            {lead(page)}
            {findings(&warnings)}
            <div class="two">
                <div>{coverage(&page.coverage, &context.currency)}</div>
                <div>{versions(&page.versions)}</div>
            </div>
            {rules}
            {remarks(&notes)}
            {prices(&page.prices)}
            {tiers(&page.tiers)}
        </div>
    }
    .into_any()
}

/// What is worth knowing but needs nothing done: overlaps settled by order,
/// rules without a charge this month.
fn remarks(remarks: &[Finding]) -> Option<AnyView> {
    let list = findings(remarks)?;
    let summary = format::counted(remarks.len() as u64, "remark on these rules", "remarks on these rules");
    Some(view! { <details><summary>{summary}</summary>{list}</details> }.into_any())
}

fn lead(page: &RulesPage) -> Option<AnyView> {
    let tenant = page.coverage.iter().find(|one| one.dimension == "tenant")?;
    let permille = tenant.permille?;
    let period = format::month_year(&page.context.period);
    Some(
        view! {
            <p class="lead">
                <b>{format!("{} of the cost of {period} has a tenant", format::share(i64::from(permille)))}</b>
            </p>
        }
        .into_any(),
    )
}

fn no_rules() -> AnyView {
    view! {
        <section class="empty">
            <h2>"No owner rules yet"</h2>
            <p>"Without rules all cost is unallocated. Write them in YAML, check them, apply them:"</p>
            <pre tabindex="0" role="group" aria-label="Commands for rules"><code>"tonnage rules check rules.yaml\ntonnage rules apply rules.yaml"</code></pre>
        </section>
    }.into_any()
}

fn coverage(all: &[Coverage], currency: &str) -> AnyView {
    let rows: Vec<_> = all
        .iter()
        .map(|one| {
            let share = match one.permille {
                Some(permille) => {
                    view! { {level(permille)}<span>{format::share(i64::from(permille))}</span> }.into_any()
                }
                None => none("no cost").into_any(),
            };
            view! {
                <tr>
                    <th scope="row">{one.label.clone()}</th>
                    <td class="r num">{money(&one.allocated)}</td>
                    <td class="r num">{money(&one.unallocated)}</td>
                    <td class="r num covered">{share}</td>
                </tr>
            }
        })
        .collect();
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label="Coverage">
            <table>
                <caption>"Cost with an owner "<span class="unit">{currency.to_owned()}</span></caption>
                <thead>
                    <tr>
                        <th scope="col">"Dimension"</th>
                        <th scope="col" class="r">"With"</th>
                        <th scope="col" class="r">"Without"</th>
                        <th scope="col" class="r">"Covered"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn versions(all: &[RuleVersion]) -> AnyView {
    let rows: Vec<_> = all
        .iter()
        .map(|one| {
            let to = format!("/rules?version={}", encode(&one.version));
            view! {
                <tr>
                    <th scope="row">
                        <a href=to>{one.version.clone()}</a>
                        {one.current.then(|| view! { " "<span class="badge ok">"in force"</span> })}
                    </th>
                    <td class="muted">{format::instant(&one.created_at)}</td>
                    <td>{one.author.clone()}</td>
                    <td class="r num">{one.rules}</td>
                </tr>
            }
        })
        .collect();
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label="Versions">
            <table>
                <caption>"Versions"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Version"</th>
                        <th scope="col">"Applied"</th>
                        <th scope="col">"By"</th>
                        <th scope="col" class="r">"Rules"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn rule_set(set: &RuleSet, currency: &str) -> AnyView {
    let rows: Vec<_> = set.rules.iter().map(rule).collect();
    let caption = format!(
        "Rules of version {}, in order: the first that fits sets a dimension",
        set.version.version
    );
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label="Rules">
            <table class="rules" data-rows="">
                <caption>{caption}" "<span class="unit">{currency.to_owned()}</span></caption>
                <thead>
                    <tr>
                        <th scope="col" class="r">"#"</th>
                        <th scope="col">"Rule"</th>
                        <th scope="col">"When"</th>
                        <th scope="col">"Sets"</th>
                        <th scope="col" class="r">"Rows"</th>
                        <th scope="col" class="r">"Decided cost"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <details class="data">
            <summary>"Show the rules as written"</summary>
            <pre class="yaml" tabindex="0" role="group" aria-label="Rules as YAML"><code>{set.yaml.clone()}</code></pre>
        </details>
    }
    .into_any()
}

/// What is evened out between the lines of a bill before the rules above.
fn prices(policy: &PricePolicy) -> AnyView {
    let version = match &policy.version {
        Some(version) => format!("version {version}"),
        None => "as Tonnage comes".to_owned(),
    };
    let rows: Vec<_> = policy
        .steps
        .iter()
        .map(|(what, how)| {
            view! {
                <tr>
                    <th scope="row">{what.clone()}</th>
                    <td>{how.clone()}</td>
                </tr>
            }
        })
        .collect();
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label="Prices before owners">
            <table>
                <caption>"Prices before owners "<span class="unit">{version}</span></caption>
                <thead>
                    <tr>
                        <th scope="col">"Step"</th>
                        <th scope="col">"What happens to the effective cost; invoices do not change"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <details class="data">
            <summary>"Show the price policy as written"</summary>
            <pre class="yaml" tabindex="0" role="group" aria-label="Price policy as YAML"><code>{policy.yaml.clone()}</code></pre>
        </details>
    }
    .into_any()
}

fn rule(rule: &OwnerRule) -> AnyView {
    let dates = match (&rule.from, &rule.to) {
        (None, None) => None,
        (Some(from), None) => Some(format!("from {from}")),
        (None, Some(to)) => Some(format!("before {to}")),
        (Some(from), Some(to)) => Some(format!("from {from}, before {to}")),
    };
    let unreachable = (!rule.reachable).then(|| view! { " "<span class="badge est">"unreachable"</span> });
    let overlaps = (!rule.overlaps.is_empty()).then(|| format!("after {}", rule.overlaps.join(", ")));
    let sets: Vec<_> = rule
        .sets
        .iter()
        .map(|(key, value)| {
            view! { <span class="by"><span class="faint">{words::key(key)}</span>" "{value.clone()}</span> }
        })
        .collect();
    view! {
        <tr>
            <td class="r num muted">{rule.position}</td>
            <th scope="row">
                {rule.name.clone()}{unreachable}
                <span class="under">{dates}</span>
                <span class="under">{overlaps}</span>
            </th>
            <td class="wrap"><code class="when">{rule.when.clone()}</code></td>
            <td class="wrap">{sets}</td>
            <td class="r num muted">{format::count(rule.rows)}</td>
            <td class="r num">{money(&rule.cost)}</td>
        </tr>
    }
    .into_any()
}

fn tiers(all: &[TierPreset]) -> Option<AnyView> {
    let first = all.first()?;
    let heads: Vec<_> = first
        .promises
        .iter()
        .map(|(name, _)| view! { <th scope="col">{name.clone()}</th> })
        .collect();
    let rows: Vec<_> = all
        .iter()
        .map(|tier| {
            let cells: Vec<_> = tier
                .promises
                .iter()
                .map(|(_, value)| view! { <td>{value.clone()}</td> })
                .collect();
            view! {
                <tr>
                    <th scope="row">{tier.tier.clone()}<span class="note">{tier.name.clone()}</span></th>
                    {cells}
                </tr>
            }
        })
        .collect();
    Some(
        view! {
            <div class="scroll" tabindex="0" role="group" aria-label="Service tiers">
                <table>
                    <caption>"Service tiers "<span class="unit">"what each promises"</span></caption>
                    <thead><tr><th scope="col">"Tier"</th>{heads}</tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any(),
    )
}
