//! Which nodes, volumes, load balancers and control planes carry a figure, day
//! by day and charge by charge.

use super::Basis;
use crate::app::reports::clusters::measured;
use crate::error::AppError;
use domain::Money;
use domain::allocate::clusters::MachineCost;
use domain::instant::Day;
use domain::usage::Part;
use lake::query::{BillLines, Carrier, Level, ThingKind};
use wire::{Carried, CarriedLine, CarriedPart, CarriedRow, CarrierKind};

/// Reads `at` and `day` of a request.
///
/// # Errors
/// [`AppError::Usage`] naming what does not fit.
pub(super) fn level(at: Option<&str>, day: Option<&str>) -> Result<Level, AppError> {
    let carrier = match at {
        None if day.is_some() => {
            return Err(AppError::usage(
                "a day without a thing does not fit",
                "name the thing, as at in the answer without it",
            ));
        }
        None => return Ok(Level::Things),
        Some(at) => carrier(at).ok_or_else(|| {
            let what = format!("at={at} does not fit");
            AppError::usage(what, "write KIND/CLUSTER/NAME, as at in the answer without it")
        })?,
    };
    let Some(text) = day else {
        return Ok(Level::Days(carrier));
    };
    let day = domain::instant::parse(text.as_bytes())
        .ok()
        .map(|parsed| parsed.instant.day());
    match day.filter(|day| day.to_string() == text) {
        Some(day) => Ok(Level::Charges(carrier, day)),
        None => Err(AppError::usage(format!("day={text} does not fit"), "write YYYY-MM-DD")),
    }
}

fn carrier(at: &str) -> Option<Carrier> {
    let mut parts = at.splitn(3, '/');
    let kind = parts.next()?;
    Some(Carrier {
        kind: ThingKind::ALL.into_iter().find(|known| known.as_str() == kind)?,
        cluster: parts.next()?.to_owned(),
        name: parts.next()?.to_owned(),
    })
}

fn at(carrier: &Carrier) -> String {
    format!("{}/{}/{}", carrier.kind.as_str(), carrier.cluster, carrier.name)
}

/// What the lake found, as it is shown; `file_of` names the file of a delivery's part.
///
/// # Errors
/// [`AppError::NotFound`] when nothing of that name carries the figure.
pub(super) fn carried(
    found: &BillLines,
    level: &Level,
    (cost, basis): (Money, Basis),
    file_of: impl Fn(&str, u32) -> String,
) -> Result<Option<Carried>, AppError> {
    let of = &found.carried;
    let (asked, day) = match level {
        Level::Things if of.count == 0 => return Ok(None),
        Level::Things => (None, None),
        Level::Days(carrier) => (Some(at(carrier)), None),
        Level::Charges(carrier, day) => (Some(at(carrier)), Some(*day)),
    };
    if let (Some(asked), 0) = (&asked, of.count) {
        let on = day.map_or_else(String::new, |day| format!(" on {day}"));
        return Err(AppError::NotFound {
            what: format!("{asked} in this figure{on}"),
        });
    }
    let shown = Money::sum(of.rows.iter().map(|row| row.share))?;
    Ok(Some(Carried {
        at: asked,
        day: day.as_ref().map(Day::to_string),
        cost: of.total.to_string(),
        of_clusters: found.of_clusters.to_string(),
        beside: cost.checked_sub(found.of_clusters)?.to_string(),
        rows: of.rows.iter().map(|found| row(found, basis, &file_of)).collect(),
        rest_count: of.count - of.rows.len() as u64,
        rest_cost: of.total.checked_sub(shown)?.to_string(),
    }))
}

fn row(found: &lake::query::CarriedRow, basis: Basis, file_of: &impl Fn(&str, u32) -> String) -> CarriedRow {
    let part = |(part, cost): &(Option<Part>, Money)| CarriedPart {
        part: part.map_or("", Part::as_str).to_owned(),
        label: part.map_or("Not split", Part::label).to_owned(),
        cost: cost.to_string(),
    };
    let line = |line: &lake::query::BillLine| CarriedLine {
        delivery_id: line.delivery_id.clone(),
        file: file_of(&line.delivery_id, line.part),
        line: line.line,
        cost: line.share.to_string(),
        line_cost: match basis {
            Basis::Effective => line.effective,
            Basis::Billed => line.billed,
        }
        .to_string(),
    };
    let charge = found.charge.as_ref();
    let by_requests = !found.effective.is_zero();
    CarriedRow {
        at: at(&found.carrier),
        kind: kind(found.carrier.kind),
        cluster: found.carrier.cluster.clone(),
        name: found.carrier.name.clone(),
        day: found.day.as_ref().map(Day::to_string),
        start: charge.map(|(start, ..)| start.to_string()),
        end: charge.map(|(_, end, _)| end.to_string()),
        what: charge.map(|(.., cost)| paid_for(*cost).to_owned()),
        charge_cost: found.cost.to_string(),
        cost: found.share.to_string(),
        parts: found.parts.iter().map(part).collect(),
        effective: by_requests.then(|| measured(&found.effective)),
        shared: by_requests.then(|| measured(&found.shared)),
        lines: found.lines.iter().map(line).collect(),
        more_lines: found.more_lines,
        more_cost: found.more_share.to_string(),
    }
}

fn kind(kind: ThingKind) -> CarrierKind {
    match kind {
        ThingKind::Node => CarrierKind::Node,
        ThingKind::Volume => CarrierKind::Volume,
        ThingKind::LoadBalancer => CarrierKind::LoadBalancer,
        ThingKind::ControlPlane => CarrierKind::ControlPlane,
    }
}

fn paid_for(cost: MachineCost) -> &'static str {
    match cost {
        MachineCost::Compute => "machine",
        MachineCost::RootDisk => "root_disk",
        MachineCost::Network => "traffic",
        MachineCost::Volume => "volume",
        MachineCost::BalancerHours => "balancer_hours",
        MachineCost::BalancerUsage => "balancer_usage",
        MachineCost::ControlPlane => "control_plane",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_thing_and_a_day() {
        let node = || Carrier {
            cluster: "core".to_owned(),
            kind: ThingKind::Node,
            name: "a/b".to_owned(),
        };
        for (asked, expect) in [
            ((None, None), Some(Level::Things)),
            ((Some("node/core/a/b"), None), Some(Level::Days(node()))),
            (
                (Some("node/core/a/b"), Some("1970-01-03")),
                Some(Level::Charges(node(), Day(2))),
            ),
            ((None, Some("1970-01-03")), None),
            ((Some("pod/core/a"), None), None),
            ((Some("node/core"), None), None),
            ((Some("node/core/a"), Some("1970-1-3")), None),
            ((Some("node/core/a"), Some("1970-01-03T00:00:00Z")), None),
        ] {
            assert_eq!(level(asked.0, asked.1).ok(), expect, "{asked:?}");
        }
        assert_eq!(carrier(&at(&node())), Some(node()));
    }
}
