//! Does it add up to the invoice?

use leptos::prelude::*;
use leptos_router::hooks::use_url;
use wire::{CurrencyReconciliation, InvoiceCheck, PrepaidFee, ReconciliationPage};

use crate::components::bar::{Controls, bar};
use crate::components::deliveries::deliveries;
use crate::components::figures::{maybe_money, money, reconciled};
use crate::components::invoice_form::{Entered, invoice_form, take_back};
use crate::components::reader::reader;
use crate::components::state::page;
use crate::query::{encode, parse_page};
use crate::{format, words};

/// The Reconciliation page.
#[component]
pub(crate) fn Reconciliation() -> impl IntoView {
    let entered = Entered::of(&use_url().with_untracked(|url| url.search().to_owned()));
    page(
        "Reconciliation",
        |backend, search| {
            let query = parse_page(&search)?;
            Ok(async move { backend.reconciliation(query).await })
        },
        move |answer| {
            let may_enter = reader().is_some_and(|reader| reader.may_enter_invoices);
            show(answer, may_enter.then_some(&entered))
        },
    )
}

/// `entered` is what was written in the form, for those who may enter invoices.
fn show(page: &ReconciliationPage, entered: Option<&Entered>) -> AnyView {
    let context = &page.context;
    // the currency chosen comes first
    let (chosen, others): (Vec<_>, Vec<_>) = page
        .report
        .currencies
        .iter()
        .partition(|report| report.currency == context.currency);
    let sections: Vec<_> = chosen
        .into_iter()
        .chain(others)
        .map(|report| currency(report, entered.is_some()))
        .collect();
    let controls = Controls {
        has_basis: false,
        ..Controls::plain("/reconciliation", context)
    };
    let empty = sections.is_empty().then(|| {
        view! { <p class="lead">"No bill of this period has been taken in, so there is nothing to add up."</p> }
    });
    view! {
        {bar("Reconciliation", context, controls)}
        <div class="content">
            {empty}{sections}
            {entered.map(|entered| invoice_form(entered, &context.period, &context.currency))}
        </div>
    }
    .into_any()
}

fn currency(report: &CurrencyReconciliation, may_enter: bool) -> AnyView {
    let adds_up = format::is_zero(&report.residual) && report.links.iter().all(|link| format::is_zero(&link.residual));
    let wrong = report.invoices.iter().filter(|invoice| invoice.mismatch).count();
    let clean = adds_up && wrong == 0;
    let answer = if adds_up && wrong > 0 {
        let wrong = format::counted(u64::try_from(wrong).unwrap_or(u64::MAX), "invoice is", "invoices are");
        format!(
            "{} {} add up, but {wrong} not what the bill's lines are",
            format::money(&report.billed),
            report.currency
        )
    } else if adds_up {
        format!(
            "{} {} add up to the last digit",
            format::money(&report.billed),
            report.currency
        )
    } else {
        format!("{} {} do not add up", format::money(&report.billed), report.currency)
    };
    view! {
        <section class="currency" aria-label=format!("Reconciliation in {}", report.currency)>
            <p class="lead"><b>{answer}</b>" "{reconciled(clean)}</p>
            {quarantine(report)}
            <div class="two even">
                <div>{ladder(report)}{checks(report)}</div>
                <div>{classes(report)}{causes(report)}</div>
            </div>
            {missing(&report.missing_accounts)}
            {invoices(report, may_enter)}
            {prepaid(report)}
            {deliveries(format!("Deliveries, {}", report.currency), &report.deliveries)}
        </section>
    }
    .into_any()
}

/// Accounts the bill had last month and has no longer.
fn missing(accounts: &[String]) -> Option<AnyView> {
    (!accounts.is_empty()).then(|| {
        let names = accounts.join(", ");
        view! {
            <p class="banner warn" role="note">
                <b>"Missing: "</b>
                {format!("account {names} was in the bill of the month before and is not in this one.")}
            </p>
        }
        .into_any()
    })
}

/// Invoices beside the lines that name them.
fn invoices(report: &CurrencyReconciliation, may_enter: bool) -> Option<AnyView> {
    if report.invoices.is_empty() {
        return None;
    }
    let rows: Vec<_> = report.invoices.iter().map(|one| invoice(one, may_enter)).collect();
    let caption = format!("Invoices, {}", report.currency);
    let table = view! {
        <div class="scroll gap" tabindex="0" role="group" aria-label=caption>
            <table>
                <caption>{caption.clone()}</caption>
                <thead>
                    <tr>
                        <th scope="col">"Invoice"</th>
                        <th scope="col">"State"</th>
                        <th scope="col" class="r">"Net"</th>
                        <th scope="col" class="r">"its lines"</th>
                        <th scope="col" class="r">"Tax"</th>
                        <th scope="col" class="r">"its lines"</th>
                        <th scope="col" class="r">"Difference"</th>
                        {may_enter.then(|| view! { <th scope="col"><span class="vh">"Action"</span></th> })}
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    };
    Some(table.into_any())
}

fn invoice(one: &InvoiceCheck, may_enter: bool) -> AnyView {
    let (badge, word) = match one.state.as_str() {
        "agrees" => ("badge ok", "agrees"),
        "rounded" => ("badge ok", "agrees, rounded"),
        "differs" => ("badge est", "differs"),
        "no_lines" => ("badge est", "no lines yet"),
        _ => ("badge", "not entered"),
    };
    let note: Vec<&str> = [one.issuer.as_str(), one.account.as_str()]
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    let class = if one.mismatch { "error" } else { "" };
    let entered = one
        .net
        .is_some()
        .then(|| take_back(&one.number, &one.issuer, &one.billing_period));
    view! {
        <tr class=class>
            <th scope="row">{one.number.clone()}<span class="note">{note.join(" · ")}</span></th>
            <td><span class=badge>{word}</span></td>
            <td class="r num">{maybe_money(one.net.as_deref())}</td>
            <td class="r num">{maybe_money(one.lines_net.as_deref())}</td>
            <td class="r num">{maybe_money(one.tax.as_deref())}</td>
            <td class="r num">{maybe_money(one.lines_tax.as_deref())}</td>
            <td class="r num">{maybe_money(one.difference.as_deref())}</td>
            {may_enter.then(|| view! { <td>{entered}</td> })}
        </tr>
    }
    .into_any()
}

/// Fees over their term: what is prepaid before the month and after it.
fn prepaid(report: &CurrencyReconciliation) -> Option<AnyView> {
    if report.prepaid.is_empty() {
        return None;
    }
    let rows: Vec<_> = report.prepaid.iter().map(prepaid_fee).collect();
    let caption = format!("Fees on a schedule, {}", report.currency);
    let table = view! {
        <div class="scroll gap" tabindex="0" role="group" aria-label=caption>
            <table>
                <caption>{caption.clone()}</caption>
                <thead>
                    <tr>
                        <th scope="col">"Fee"</th>
                        <th scope="col">"Term"</th>
                        <th scope="col" class="r">"Prepaid before"</th>
                        <th scope="col" class="r">"Purchased"</th>
                        <th scope="col" class="r">"Amortised"</th>
                        <th scope="col" class="r">"Refunded"</th>
                        <th scope="col" class="r">"Prepaid after"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    };
    Some(table.into_any())
}

fn prepaid_fee(fee: &PrepaidFee) -> AnyView {
    let note: Vec<&str> = [fee.service.as_str(), fee.account.as_str()]
        .into_iter()
        .filter(|text| !text.is_empty() && *text != fee.name)
        .collect();
    view! {
        <tr>
            <th scope="row">{fee.name.clone()}<span class="note">{note.join(" · ")}</span></th>
            <td>{fee.start.clone()}" to before "{fee.end.clone()}</td>
            <td class="r num">{money(&fee.opening)}</td>
            <td class="r num">{money(&fee.purchases)}</td>
            <td class="r num">{money(&fee.amortised)}</td>
            <td class="r num">{money(&fee.refunds)}</td>
            <td class="r num">{money(&fee.closing)}</td>
        </tr>
    }
    .into_any()
}

/// From the invoice down to the owners, one term a line.
fn ladder(report: &CurrencyReconciliation) -> AnyView {
    let term = |name: String, amount: Option<&str>, class: &'static str| {
        view! { <tr class=class><th scope="row">{name}</th><td class="r num">{maybe_money(amount)}</td></tr> }
    };
    let mut rows = vec![
        term("Invoiced".into(), report.invoiced.as_deref(), "term"),
        term("Not invoiced yet".into(), report.not_invoiced.as_deref(), "term"),
        term("Billed".into(), Some(&report.billed), "sum"),
    ];
    let ends = ["billed", "effective"];
    let bridge = report.bridge.0.iter().filter(|(key, _)| !ends.contains(&key.as_str()));
    rows.extend(bridge.map(|(key, amount)| term(words::term(key), Some(amount), "term")));
    rows.push(term("Effective".into(), Some(&report.effective), "sum"));
    rows.push(term("With an owner".into(), Some(&report.allocated), "term"));
    rows.push(term(words::UNALLOCATED.into(), Some(&report.unallocated), "term"));
    let left = report.remainders.0.iter();
    rows.extend(left.map(|(key, amount)| term(format!("Remainder: {}", words::term(key)), Some(amount), "term")));
    let last = if format::is_zero(&report.residual) {
        "sum"
    } else {
        "sum error"
    };
    rows.push(term("Residual".into(), Some(&report.residual), last));
    view! {
        <table class="ladder">
            <caption>"From invoice to owners "<span class="unit">{report.currency.clone()}</span></caption>
            <thead><tr><th scope="col">"Step"</th><th scope="col" class="r">"Amount"</th></tr></thead>
            <tbody>{rows}</tbody>
        </table>
        <p class="sub">
            "In final deliveries "<b class="num">{money(&report.actual)}</b>
            ", in open ones "<b class="num">{money(&report.estimated)}</b>" of effective cost."
        </p>
    }
    .into_any()
}

/// Every equation with both sides.
fn checks(report: &CurrencyReconciliation) -> AnyView {
    let rows: Vec<_> = report
        .links
        .iter()
        .map(|link| {
            let class = if format::is_zero(&link.residual) { "" } else { "error" };
            view! {
                <tr class=class>
                    <th scope="row">{link.from.clone()}" = "{link.to.clone()}</th>
                    <td class="r num">{money(&link.left)}</td>
                    <td class="r num">{money(&link.right)}</td>
                    <td class="r num">{money(&link.residual)}</td>
                </tr>
            }
        })
        .collect();
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label="Checks">
            <table>
                <caption>"Checks"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Equation"</th>
                        <th scope="col" class="r">"Left"</th>
                        <th scope="col" class="r">"Right"</th>
                        <th scope="col" class="r">"Residual"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn classes(report: &CurrencyReconciliation) -> AnyView {
    let rows: Vec<_> = report
        .classes
        .iter()
        .map(|class| {
            view! {
                <tr>
                    <th scope="row">{class.label.clone()}</th>
                    <td class="r num muted">{format::count(class.rows)}</td>
                    <td class="r num">{money(&class.cost)}</td>
                </tr>
            }
        })
        .collect();
    view! {
        <table>
            <caption>"What was charged "<span class="unit">"effective, "{report.currency.clone()}</span></caption>
            <thead>
                <tr>
                    <th scope="col">"Charge class"</th>
                    <th scope="col" class="r">"Rows"</th>
                    <th scope="col" class="r">"Cost"</th>
                </tr>
            </thead>
            <tbody>{rows}</tbody>
            <tfoot>
                <tr><th scope="row" colspan="2">"Effective"</th><td class="r num">{money(&report.effective)}</td></tr>
            </tfoot>
        </table>
    }
    .into_any()
}

fn causes(report: &CurrencyReconciliation) -> AnyView {
    if report.unallocated_causes.is_empty() {
        return view! { <p class="sub">"Every charge has an owner."</p> }.into_any();
    }
    let rows: Vec<_> = report
        .unallocated_causes
        .iter()
        .map(|cause| {
            let name = match &cause.explain_id {
                Some(id) => view! { <a href=format!("/explain/{}", encode(id))>{cause.label.clone()}</a> }.into_any(),
                None => cause.label.clone().into_any(),
            };
            view! {
                <tr>
                    <th scope="row">{name}</th>
                    <td class="r num muted">{format::count(cause.rows)}</td>
                    <td class="r num">{money(&cause.cost)}</td>
                </tr>
            }
        })
        .collect();
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label="Causes of unallocated cost">
            <table data-rows="">
                <caption>"Causes of unallocated cost "<span class="unit">"largest first"</span></caption>
                <thead>
                    <tr>
                        <th scope="col">"Cause"</th>
                        <th scope="col" class="r">"Rows"</th>
                        <th scope="col" class="r">"Cost"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn quarantine(report: &CurrencyReconciliation) -> Option<AnyView> {
    let set_aside = &report.quarantined;
    (set_aside.rows > 0).then(|| {
        let rows = format::counted(set_aside.rows, "row", "rows");
        let money = match &set_aside.billed {
            Some(billed) => format!("worth {} {} billed", format::money(billed), report.currency),
            None => "of unknown worth".to_owned(),
        };
        view! {
            <p class="banner warn" role="note">
                <b>{format!("{rows} set aside")}</b>
                {format!(" because they could not be read, {money}. They are not in the figures below.")}
            </p>
        }
        .into_any()
    })
}
