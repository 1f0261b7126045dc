//! Node pools: paid, requested and used beside each other.

use leptos::prelude::*;
use wire::{Cluster, Context, CostsQuery, Measured, NodePool};

use crate::components::bar::page_query;
use crate::components::figures::{money, none};
use crate::format;
use crate::query::{href, print_costs};

/// What is measured of a pool: name, unit, and where it is in a measure.
type Resource = (&'static str, &'static str, fn(&Measured) -> u64);

const RESOURCES: [Resource; 3] = [
    ("CPU", "core-h", |measured| measured.core_hours_milli),
    ("Memory", "GiB-h", |measured| measured.gib_hours_milli),
    ("GPU", "GPU-h", |measured| measured.gpu_hours_milli),
];

/// Where the cost of a place in a cluster is shown by owner.
pub(crate) fn costs(context: &Context, filters: &[(&str, &str)]) -> String {
    let page = page_query(context);
    let query = CostsQuery {
        period: page.period,
        basis: page.basis,
        currency: page.currency,
        by: vec!["Namespace".to_owned(), "Workload".to_owned()],
        filters: filters
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        page: 1,
        ..CostsQuery::default()
    };
    href("/costs", &print_costs(&query))
}

/// The pools of a cluster, a row for each resource.
pub(crate) fn pools(context: &Context, cluster: &Cluster) -> AnyView {
    let caption = format!("Node pools of {}: paid, requested, used", cluster.name);
    let rows: Vec<_> = cluster
        .pools
        .iter()
        .flat_map(|pool| pool_rows(context, cluster, pool))
        .collect();
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label=caption>
            <table class="pools">
                <caption>{caption.clone()}" "<span class="unit">"costs in "{context.currency.clone()}</span></caption>
                <thead>
                    <tr>
                        <th scope="col">"Pool"</th>
                        <th scope="col" class="r" title="At most on one day">"Nodes"</th>
                        <th scope="col" class="r">"Cost"</th>
                        <th scope="col" class="r">"Idle cost"</th>
                        <th scope="col">"Resource"</th>
                        <th scope="col" class="r">"Paid"</th>
                        <th scope="col" class="r">"Allocatable"</th>
                        <th scope="col" class="r">"Requested"</th>
                        <th scope="col" class="r">"Used"</th>
                        <th scope="col">"Used of paid"</th>
                        <th scope="col" class="r" title="Requests or usage above what was allocatable, node by node and hour by hour">
                            "Over-committed"
                        </th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <p class="sub">"Hours of one core, of one GiB, over the period. The bar: paid is its length, requested the light part, used the dark one."</p>
    }
    .into_any()
}

fn pool_rows(context: &Context, cluster: &Cluster, pool: &NodePool) -> Vec<AnyView> {
    let shown: Vec<&Resource> = RESOURCES
        .iter()
        // most nodes have no GPU: no row, rather than one of zeros
        .filter(|(name, _, of)| *name != "GPU" || of(&pool.capacity) > 0)
        .collect();
    let span = shown.len();
    let name = if pool.pool.is_empty() {
        "(no node pool)".to_owned()
    } else {
        pool.pool.clone()
    };
    // zero would be a claim
    let known = pool.nodes > 0;
    let cost = |exact: &str, part: Option<&str>| {
        if cluster.cost.is_none() {
            return none("not billed");
        }
        let mut filters = vec![("Cluster", cluster.id.as_str()), ("NodePool", &pool.pool)];
        filters.extend(part.map(|part| ("AllocationPart", part)));
        filters.push(("class", "node_compute"));
        view! { <a class="cell" href=costs(context, &filters)>{money(exact)}</a> }.into_any()
    };
    let mut rows = Vec::new();
    for (at, resource) in shown.into_iter().enumerate() {
        let head = (at == 0).then(|| {
            let nodes = known.then(|| format::count(pool.nodes).into_any());
            view! {
                <th scope="rowgroup" rowspan=span>{name.clone()}</th>
                <td class="r num" rowspan=span>{nodes.unwrap_or_else(|| none("no facts"))}</td>
                <td class="r num" rowspan=span>{cost(&pool.cost, None)}</td>
                <td class="r num" rowspan=span>{cost(&pool.idle_cost, Some("idle_capacity"))}</td>
            }
        });
        let class = if at == 0 { "first" } else { "" };
        rows.push(view! { <tr class=class>{head}{cells(pool, resource, known)}</tr> }.into_any());
    }
    rows
}

fn cells(pool: &NodePool, (name, unit, of): &Resource, known: bool) -> AnyView {
    let amount = |measured: &Measured| {
        let view = if known {
            amount_of(of(measured))
        } else {
            none("no facts")
        };
        view! { <td class="r num">{view}</td> }
    };
    let (paid, requested, used) = (of(&pool.capacity), of(&pool.requested), of(&pool.used));
    let share = match format::permille_of(used, paid).filter(|_| known) {
        Some(permille) => {
            let requested = format::permille_of(requested, paid).unwrap_or(0);
            view! { {bullet(permille, requested)}<span class="num">{format::share_of(used, paid)}</span> }.into_any()
        }
        None => none("no facts"),
    };
    let over = of(&pool.overcommitted) > 0;
    view! {
        <td class="name">{*name}" "<span class="unit">{*unit}</span></td>
        {amount(&pool.capacity)}
        {amount(&pool.allocatable)}
        {amount(&pool.requested)}
        {amount(&pool.used)}
        <td class="used">{share}</td>
        <td class="r num" class:strong=over>
            {if known { amount_of(of(&pool.overcommitted)) } else { none("no facts") }}
        </td>
    }
    .into_any()
}

/// To one decimal, all three on demand.
fn amount_of(milli: u64) -> AnyView {
    view! { <span title=format::thousandths(milli, 3)>{format::thousandths(milli, 1)}</span> }.into_any()
}

/// Used within requested within paid; the figures beside it say the same.
fn bullet(used: u32, requested: u32) -> AnyView {
    view! {
        <svg class="level bullet" viewBox="0 0 1000 9" preserveAspectRatio="none" aria-hidden="true">
            <rect class="level-all" width="1000" height="9" />
            <rect class="level-asked" width=requested.min(1000) height="9" />
            <rect class="level-part" y="3" width=used.min(1000) height="3" />
        </svg>
    }
    .into_any()
}
