//! Entering an invoice and taking one back: plain forms, without scripts. What
//! does not fit comes back in the address with all that was written.

use leptos::prelude::*;

use crate::query::pairs;

/// Fields of the form, in order: name, label, whether it must be there, what fits.
const FIELDS: [(&str, &str, bool, &str); 8] = [
    (
        "number",
        "Number",
        true,
        "the number that is on the invoice, which its lines in the bill name",
    ),
    ("issuer", "Issuer", false, "the name of the issuer"),
    ("period", "Month", true, "a month such as 2026-10"),
    ("currency", "Currency", true, "a code such as USD"),
    (
        "net",
        "Net",
        true,
        "an amount such as 1234.50, without tax; below zero for a credit memo",
    ),
    ("tax", "Tax", false, "an amount such as 234.56, or nothing"),
    ("date", "Date", false, "a date such as 2026-11-03, or nothing"),
    ("due", "Due", false, "a date such as 2026-12-03, or nothing"),
];

/// What was written and did not fit, from the address.
#[derive(Clone, Default)]
pub struct Entered {
    values: Vec<(String, String)>,
    /// Name of the field, or `exists`.
    wrong: Option<String>,
}

impl Entered {
    /// Reads `invoice_<field>` and `invoice_wrong`.
    #[must_use]
    pub fn of(search: &str) -> Entered {
        let mut entered = Entered::default();
        for (name, value) in pairs(search) {
            match name.strip_prefix("invoice_") {
                Some("wrong") => entered.wrong = Some(value),
                Some(field) => entered.values.push((field.to_owned(), value)),
                None => {}
            }
        }
        entered
    }

    fn value(&self, field: &str) -> Option<String> {
        let found = self.values.iter().find(|(name, _)| name == field);
        found.map(|(_, value)| value.clone())
    }

    /// In words that are ours: an address cannot put others on the page.
    fn problem(&self) -> Option<String> {
        let wrong = self.wrong.as_deref()?;
        if wrong == "exists" {
            return Some("This invoice is there already, with other figures. Take it back first.".to_owned());
        }
        let (_, label, _, fits) = FIELDS.iter().find(|(name, ..)| *name == wrong)?;
        Some(format!("{label} does not fit: write {fits}. Nothing was entered."))
    }
}

/// The form, open when something did not fit.
pub(crate) fn invoice_form(entered: &Entered, period: &str, currency: &str) -> AnyView {
    let problem = entered.problem();
    let fields: Vec<_> = FIELDS
        .iter()
        .map(|(name, label, required, fits)| {
            let value = entered.value(name).unwrap_or_else(|| match *name {
                "period" => period.to_owned(),
                "currency" => currency.to_owned(),
                _ => String::new(),
            });
            let wrong = (entered.wrong.as_deref() == Some(*name)).then_some("true");
            view! {
                <label class="entry" title=*fits>
                    {*label}
                    <input type="text" name=*name value=value required=*required aria-invalid=wrong autocomplete="off"/>
                </label>
            }
        })
        .collect();
    let banner = problem
        .clone()
        .map(|problem| view! { <p class="banner bad" role="alert">{problem}</p> });
    view! {
        <details class="enter" id="invoice" open=problem.is_some()>
            <summary>"Enter an invoice"</summary>
            {banner}
            <form method="post" action="/invoices" class="fields">
                {fields}
                <button class="btn" type="submit">"Enter"</button>
            </form>
        </details>
    }
    .into_any()
}

/// Takes an entered invoice back.
pub(crate) fn take_back(number: &str, issuer: &str, period: &str) -> AnyView {
    let label = format!("Take invoice {number} back");
    view! {
        <form method="post" action="/invoices/remove">
            <input type="hidden" name="number" value=number.to_owned()/>
            <input type="hidden" name="issuer" value=issuer.to_owned()/>
            <input type="hidden" name="period" value=period.to_owned()/>
            <button class="btn small" type="submit" aria-label=label>"Take back"</button>
        </form>
    }
    .into_any()
}
