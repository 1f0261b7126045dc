//! What did we commit to, how well is it used, and when does it end?

use leptos::prelude::*;
use wire::{Commitment, CommitmentsPage, ExpiryStep, ServiceCoverage};

use crate::components::bar::{Controls, bar};
use crate::components::figures::{level, maybe_money, money};
use crate::components::state::page;
use crate::format;
use crate::query::parse_page;

/// The Commitments page.
#[component]
pub(crate) fn Commitments() -> impl IntoView {
    page(
        "Commitments",
        |backend, search| {
            let query = parse_page(&search)?;
            Ok(async move { backend.commitments(query).await })
        },
        show,
    )
}

fn show(page: &CommitmentsPage) -> AnyView {
    let context = &page.context;
    let controls = Controls {
        has_basis: false,
        has_currency: false,
        ..Controls::plain("/commitments", context)
    };
    let body = if page.commitments.is_empty() {
        let period = format::month_year(&context.period);
        view! {
            <p class="lead"><b>{format!("No commitment is in the bill of {period}.")}</b></p>
            <p class="sub">
                "Savings plans, reservations and committed use are read from the bill: rows with a "
                <code>"CommitmentDiscountId"</code>
                ". Exports of providers name them by themselves; see docs/FORMATS.md."
            </p>
        }
        .into_any()
    } else {
        view! {
            <p class="lead"><b>{answer(page)}</b></p>
            {inventory(&page.commitments)}
            {coverage(&page.coverage)}
            {expiry(&page.expiry)}
        }
        .into_any()
    };
    view! {
        {bar("Commitments", context, controls)}
        <div class="content">{body}</div>
    }
    .into_any()
}

fn answer(page: &CommitmentsPage) -> String {
    let wasteful = page
        .commitments
        .iter()
        .filter(|one| one.utilisation_permille.is_some_and(|share| share < 1000))
        .count();
    let all = u64::try_from(page.commitments.len()).unwrap_or(u64::MAX);
    let named = format::counted(all, "commitment", "commitments");
    let soon = page.expiry.iter().find(|step| step.when == "within 30 days");
    let ends = soon.map_or(String::new(), |step| {
        format!(
            " {} within 30 days.",
            match step.count {
                1 => "One ends".to_owned(),
                count => format!("{count} end"),
            }
        )
    });
    let unknown = page
        .commitments
        .iter()
        .filter(|one| one.utilisation_permille.is_none())
        .count();
    match wasteful {
        0 if unknown > 0 => format!("{named}; how far {unknown} of them are used is unknown.{ends}"),
        0 => format!("{named}, all of them fully used.{ends}"),
        some => format!("{named}; {some} not fully used.{ends}"),
    }
}

/// A share with its bar; unknown is not zero.
fn share(permille: Option<u32>) -> AnyView {
    match permille {
        Some(permille) => view! { {level(permille)}{format::share(i64::from(permille))} }.into_any(),
        None => view! { <span class="muted">"unknown"</span> }.into_any(),
    }
}

fn inventory(all: &[Commitment]) -> AnyView {
    let rows: Vec<_> = all.iter().map(row).collect();
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label="Commitments of the month">
            <table class="pools commitments">
                <caption>"Commitments of the month"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Commitment"</th>
                        <th scope="col" class="r">"Used"</th>
                        <th scope="col" class="r">"Unused"</th>
                        <th scope="col" class="r">"Utilisation"</th>
                        <th scope="col" class="r">"Saved"</th>
                        <th scope="col" class="r">"Ends"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn row(one: &Commitment) -> AnyView {
    let name = if one.name.is_empty() {
        one.id.clone()
    } else {
        one.name.clone()
    };
    let known = [one.kind.as_str(), one.provider.as_str(), one.account.as_str()];
    let mut facts: Vec<String> = known
        .iter()
        .filter(|text| !text.is_empty())
        .map(|text| (*text).to_owned())
        .collect();
    facts.extend(one.term.clone());
    facts.extend(one.payment.clone());
    let committed = [(&one.total, "in all"), (&one.hourly, "an hour")]
        .into_iter()
        .filter_map(|(amount, what)| Some(format!("{} {what}", format::money(amount.as_ref()?))))
        .collect::<Vec<_>>();
    if !committed.is_empty() {
        facts.push(format!("committed {}", committed.join(", ")));
    }
    facts.extend(one.scope.as_ref().map(|scope| format!("for {scope}")));
    if !one.in_bill {
        facts.push("in no line of this bill".to_owned());
    }
    let hours = (one.hours > 0 && one.hours_with_unused > 0).then(|| {
        let worst = one.worst_hour_permille.map_or(String::new(), |share| {
            format!(", the worst at {}", format::share(i64::from(share)))
        });
        view! {
            <span class="note">
                {format!(
                    "{} of {} hours not full{worst}",
                    format::count(u64::from(one.hours_with_unused)),
                    format::count(u64::from(one.hours)),
                )}
            </span>
        }
    });
    let ends = match (&one.end, one.days_left) {
        (Some(end), Some(left)) => {
            let note = if left < 0 {
                "ended".to_owned()
            } else {
                format!(
                    "in {}",
                    format::counted(u64::try_from(left).unwrap_or(0), "day", "days")
                )
            };
            view! { {end.clone()}<div class="about">{note}</div> }.into_any()
        }
        _ => view! { <span class="muted">"unknown"</span> }.into_any(),
    };
    // a commitment the bill does not name is not used by nobody: nothing is known
    let billed = |amount: &str| match one.in_bill {
        true => money(amount).into_any(),
        false => view! { <span class="muted">"unknown"</span> }.into_any(),
    };
    view! {
        <tr>
            <th scope="row">
                <span title=one.id.clone()>{name}</span>" "<span class="unit">{one.currency.clone()}</span>
                <div class="about">{facts.join(" · ")}</div>
            </th>
            <td class="r num">{billed(&one.used)}</td>
            <td class="r num">{billed(&one.unused)}</td>
            <td class="r num">{share(one.utilisation_permille)}{hours}</td>
            <td class="r num">{maybe_money(one.saving.as_deref())}</td>
            <td class="r num">{ends}</td>
        </tr>
    }
    .into_any()
}

fn coverage(all: &[ServiceCoverage]) -> Option<AnyView> {
    if all.is_empty() {
        return None;
    }
    let rows: Vec<_> = all
        .iter()
        .map(|one| {
            let service = if one.service.is_empty() {
                "(none)".to_owned()
            } else {
                one.service.clone()
            };
            let unlisted = (one.unlisted > 0).then(|| {
                let rows = format::counted(one.unlisted, "row", "rows");
                view! { <span class="note">{format!("{rows} without a list price, in neither")}</span> }
            });
            view! {
                <tr>
                    <th scope="row">{service}" "<span class="unit">{one.currency.clone()}</span>{unlisted}</th>
                    <td class="r num">{money(&one.covered)}</td>
                    <td class="r num">{money(&one.on_demand)}</td>
                    <td class="r num">{share(one.coverage_permille)}</td>
                </tr>
            }
        })
        .collect();
    let table = view! {
        <div class="scroll" tabindex="0" role="group" aria-label="Coverage by service, at list price">
            <table>
                <caption>"Coverage by service, at list price"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Service"</th>
                        <th scope="col" class="r">"Covered"</th>
                        <th scope="col" class="r">"On demand"</th>
                        <th scope="col" class="r">"Coverage"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    };
    Some(table.into_any())
}

fn expiry(steps: &[ExpiryStep]) -> AnyView {
    let rows: Vec<_> = steps
        .iter()
        .map(|step| {
            let costs: Vec<_> = step
                .cost
                .iter()
                .map(|(currency, cost)| view! { <div>{money(cost)}" "<span class="unit">{currency.clone()}</span></div> })
                .collect();
            view! {
                <tr>
                    <th scope="row">{capital(&step.when)}</th>
                    <td class="r num">{format::count(u64::from(step.count))}</td>
                    <td class="r num">{costs}</td>
                </tr>
            }
        })
        .collect();
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label="When they end">
            <table>
                <caption>"When they end"</caption>
                <thead>
                    <tr>
                        <th scope="col">"End"</th>
                        <th scope="col" class="r">"Commitments"</th>
                        <th scope="col" class="r">"Cost in the month"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
