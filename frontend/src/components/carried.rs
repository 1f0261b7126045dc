//! Which nodes, volumes, load balancers and control planes carry a figure.

use leptos::prelude::*;
use wire::{Carried, CarriedLine, CarriedRow, Explain, ExplainQuery};

use crate::components::deliveries::short_id;
use crate::components::figures::{cost, money, none};
use crate::query::{encode, href, print_explain};
use crate::{format, words};

/// The section; nothing when no cluster carries any of the figure.
pub(crate) fn carried(figures: &Explain) -> Option<AnyView> {
    let carried = figures.carried.as_ref()?;
    let level = Level::of(carried);
    let rows: Vec<_> = carried.rows.iter().map(|row| level.row(&figures.id, row)).collect();
    let rest = (carried.rest_count > 0).then(|| {
        view! {
            <tr class="special">
                <th scope="row" colspan="4">{format!("Other ({})", format::count(carried.rest_count))}</th>
                <td class="r num">{cost(&carried.rest_cost)}</td>
            </tr>
        }
    });
    let caption = level.caption(carried);
    Some(
        view! {
            <h2>"Carried by clusters"</h2>
            {crumbs(&figures.id, carried)}
            <div class="scroll" tabindex="0" role="group" aria-label=caption>
                <table class="lines">
                    <caption>{caption.clone()}" "<span class="unit">{figures.currency.clone()}</span></caption>
                    <thead>
                        <tr>
                            <th scope="col">{level.head()}</th>
                            <th scope="col">"Paid for"</th>
                            <th scope="col" title="Of the containers of this figure, of what all containers of the node shared">
                                "Effective request"
                            </th>
                            <th scope="col" class="r" title="All owners together">"Charges"</th>
                            <th scope="col" class="r">"In the figure"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}{rest}</tbody>
                    <tfoot>
                        <tr>
                            <th scope="row" colspan="4">"Total"</th>
                            <td class="r num">{money(&carried.cost)}</td>
                        </tr>
                    </tfoot>
                </table>
            </div>
            {beside(figures, carried)}
        }
        .into_any(),
    )
}

/// What the rows are.
#[derive(Clone, Copy)]
enum Level {
    Things,
    Days,
    Charges,
}

impl Level {
    fn of(carried: &Carried) -> Level {
        match (&carried.at, &carried.day) {
            (None, _) => Level::Things,
            (Some(_), None) => Level::Days,
            (Some(_), Some(_)) => Level::Charges,
        }
    }

    fn head(self) -> &'static str {
        match self {
            Level::Things => "Node or other thing",
            Level::Days => "Day",
            Level::Charges => "Charge and its bill lines",
        }
    }

    fn caption(self, carried: &Carried) -> String {
        let name = carried.rows.first().map_or("", |row| row.name.as_str());
        let day = carried.day.as_deref().unwrap_or("");
        match self {
            Level::Things => "Nodes and other things of clusters that carry the figure".to_owned(),
            Level::Days => format!("Days of {name}"),
            Level::Charges => format!("Charges of {name} on {day}"),
        }
    }

    /// The row below a row, if there is one.
    fn below(self, id: &str, row: &CarriedRow) -> Option<String> {
        let day = match self {
            Level::Things => None,
            Level::Days => row.day.clone(),
            Level::Charges => return None,
        };
        Some(address(id, Some(&row.at), day.as_deref()))
    }

    fn row(self, id: &str, row: &CarriedRow) -> AnyView {
        let name = words::carried_name(row);
        let name = match self.below(id, row) {
            Some(to) => view! { <a href=to>{name}</a> }.into_any(),
            None => view! { <span>{name}</span> }.into_any(),
        };
        let place = matches!(self, Level::Things).then(|| {
            let kind = words::key(row.at.split('/').next().unwrap_or(""));
            let text = if row.cluster.is_empty() {
                kind
            } else {
                format!("{kind} of {}", row.cluster)
            };
            view! { <span class="under">{text}</span> }
        });
        let lines: Vec<_> = row.lines.iter().map(line).collect();
        let more = (row.more_lines > 0).then(|| {
            let text = format!("{} more: ", format::count(row.more_lines));
            view! { <span class="under">{text}{money(&row.more_cost)}</span> }
        });
        let parts: Vec<_> = row
            .parts
            .iter()
            .map(|part| view! { <span class="by"><span class="faint">{part.label.clone()}</span>" "{money(&part.cost)}</span> })
            .collect();
        view! {
            <tr>
                <th scope="row">{name}{place}{lines}{more}</th>
                <td class="wrap">{parts}</td>
                <td class="wrap">{requests(row)}</td>
                <td class="r num">{money(&row.charge_cost)}</td>
                <td class="r num">{cost(&row.cost)}</td>
            </tr>
        }
        .into_any()
    }
}

fn line(line: &CarriedLine) -> AnyView {
    view! {
        <span class="under">
            {line.file.clone()}":"<b>{line.line.to_string()}</b>" "
            <span title=line.delivery_id.clone()>{short_id(&line.delivery_id)}</span>" · "{money(&line.cost)}" of "
            {money(&line.line_cost)}
        </span>
    }
    .into_any()
}

/// What was held of what was shared, resource by resource.
fn requests(row: &CarriedRow) -> AnyView {
    let (Some(effective), Some(shared)) = (&row.effective, &row.shared) else {
        return none("does not go by requests");
    };
    let of = [
        (effective.core_hours_milli, shared.core_hours_milli, "core-h"),
        (effective.gib_hours_milli, shared.gib_hours_milli, "GiB-h"),
        (effective.gpu_hours_milli, shared.gpu_hours_milli, "GPU-h"),
    ];
    let shown: Vec<_> = of
        .iter()
        .filter(|(part, _, _)| *part > 0)
        .map(|(part, whole, unit)| {
            let share = format::share_of(*part, *whole)
                .map(|share| format!(" ({share})"))
                .unwrap_or_default();
            let text = format!(
                "{} of {} {unit}{share}",
                format::thousandths(*part, 2),
                format::thousandths(*whole, 2)
            );
            view! { <span class="by">{text}</span> }
        })
        .collect();
    shown.into_any()
}

/// Back to the levels above.
fn crumbs(id: &str, carried: &Carried) -> Option<AnyView> {
    let at = carried.at.as_ref()?;
    let name = carried.rows.first().map_or(at, |row| &row.name).clone();
    let day = carried.day.clone().map(|day| view! { <li>{day}</li> });
    let thing = match day {
        Some(_) => view! { <li><a href=address(id, Some(at), None)>{name}</a></li> }.into_any(),
        None => view! { <li>{name}</li> }.into_any(),
    };
    Some(
        view! {
            <nav aria-label="Path of what carries the figure">
                <ol class="crumbs"><li><a href=address(id, None, None)>"All nodes and things"</a></li>{thing}{day}</ol>
            </nav>
        }
        .into_any(),
    )
}

/// The things and what goes beside them are the figure.
fn beside(figures: &Explain, carried: &Carried) -> Option<AnyView> {
    if carried.at.is_some() {
        return None;
    }
    Some(
        view! {
            <p class="sub">
                "Carried by clusters "{money(&carried.of_clusters)}" + bill lines with an owner of their own "
                {money(&carried.beside)}" = figure "{money(&figures.cost)}
            </p>
        }
        .into_any(),
    )
}

fn address(id: &str, at: Option<&str>, day: Option<&str>) -> String {
    let query = ExplainQuery {
        page: 1,
        at: at.map(str::to_owned),
        day: day.map(str::to_owned),
    };
    href(&format!("/explain/{}", encode(id)), &print_explain(&query))
}
