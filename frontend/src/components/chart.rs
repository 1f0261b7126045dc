//! A drawing with its words and its table.

use leptos::prelude::*;
use wire::{Chart, ChartTable};

use crate::components::figures::maybe_money;

/// `<figure>`: finding, one sentence, drawing, and the same facts as a table.
pub(crate) fn chart(chart: &Chart) -> AnyView {
    let Chart {
        id,
        title,
        summary,
        svg,
        table,
    } = chart.clone();
    let title_id = format!("{id}-title");
    // reading by position needs points in order of time
    let reads = table.points.windows(2).all(|pair| pair[0].x < pair[1].x);
    let readout = reads.then(|| view! { <p class="readout" role="status"></p> });
    let label = format!("{title}, drawing");
    view! {
        <figure class="figure" id=id data-reads=reads.then_some("")>
            <figcaption>
                <h2 id=title_id>{title}</h2>
                <p class="sub" id=format!("{id}-summary")>{summary}</p>
            </figcaption>
            {readout}
            <div class="plot" tabindex="0" role="group" aria-label=label inner_html=svg></div>
            <details class="data">
                <summary>"Show the figures"</summary>
                {figures(&table)}
            </details>
        </figure>
    }
    .into_any()
}

fn figures(table: &ChartTable) -> AnyView {
    let heads: Vec<_> = table
        .heads
        .iter()
        .map(|head| view! { <th scope="col" class="r">{head.clone()}</th> })
        .collect();
    let rows: Vec<_> = table
        .points
        .iter()
        .map(|point| {
            let cells: Vec<_> = point
                .values
                .iter()
                .map(|value| view! { <td class="r num">{maybe_money(value.as_deref())}</td> })
                .collect();
            view! { <tr data-x=point.x><th scope="row">{point.label.clone()}</th>{cells}</tr> }
        })
        .collect();
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label="Figures of the drawing">
            <table>
                <thead><tr><th scope="col">{table.label_head.clone()}</th>{heads}</tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}
