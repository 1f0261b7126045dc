//! Volumes and load balancers one by one: what the bill says they cost, and
//! what the usage knows of them.

use super::assets::ThingAsset;
use super::days::Days;
use super::resources::within;
use super::window::Piece;
use crate::error::AppError;
use domain::allocate::clusters::Thing;
use domain::apportion::ApportionError;
use domain::instant::Span;
use domain::usage::key::resource_key;
use domain::usage::{BalancerDay, Hour, VolumeDay};
use domain::{BillingPeriod, Currency};
use lake::Lake;
use lake::things::{ThingCost, things_by_day};
use lake::usage::{UsageFile, read_balancers, read_volumes};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Things by cluster and what the bill calls them, added up over the days they were there.
#[derive(Debug, Default)]
pub(super) struct Things {
    all: BTreeMap<(Thing, String, String), (ThingAsset, bool)>,
}

impl Things {
    fn at(&mut self, thing: Thing, cluster: &str, id: String) -> &mut (ThingAsset, bool) {
        let key = (thing, cluster.to_owned(), id);
        self.all.entry(key).or_insert_with_key(|(_, cluster, id)| {
            let asset = ThingAsset {
                cluster: cluster.clone(),
                id: id.clone(),
                ..ThingAsset::default()
            };
            (asset, false)
        })
    }

    /// What a thing costs in a piece of its day; within the day it runs evenly.
    fn cost(&mut self, cost: &ThingCost, piece: &Piece, currency: &Currency) -> Result<(), AppError> {
        let (asset, billed) = self.at(cost.thing, &cost.cluster, cost.id.clone());
        *billed = true;
        widen(asset, piece.span());
        if cost.currency == *currency {
            let part = within(piece, cost.effective).map_err(cut)?;
            asset.cost = asset.cost.checked_add(part)?;
        }
        Ok(())
    }

    fn volume(&mut self, cluster: &str, day: &VolumeDay, piece: &Piece) {
        let hours = day
            .hours
            .iter()
            .filter(|hour| (piece.from..piece.to).contains(&hour.hour));
        let (asset, _) = self.at(Thing::Volume, cluster, resource_key(&day.volume.volume_id));
        asset.volume = Some(day.volume.clone());
        for hour in hours {
            widen(asset, hour_span(hour.hour));
            asset.seconds += u64::from(hour.seconds);
            asset.capacity_mib_s += u64::from(hour.seconds).saturating_mul(hour.capacity_mib);
            if let Some(used) = hour.used_mib_s {
                asset.used_mib_s = Some(asset.used_mib_s.unwrap_or(0) + used);
            }
        }
    }

    fn balancer(&mut self, cluster: &str, day: &BalancerDay, piece: &Piece) {
        let hours = day
            .hours
            .iter()
            .filter(|hour| (piece.from..piece.to).contains(&hour.hour));
        let (asset, _) = self.at(Thing::Balancer, cluster, resource_key(&day.balancer.balancer_id));
        asset.balancer = Some(day.balancer.clone());
        for hour in hours {
            widen(asset, hour_span(hour.hour));
            asset.seconds += u64::from(hour.seconds);
        }
    }

    /// Volumes and load balancers in order, and how many of them no bill pays for.
    pub fn finish(self) -> (Vec<ThingAsset>, Vec<ThingAsset>, usize) {
        let (mut volumes, mut balancers) = (Vec::new(), Vec::new());
        // facts of the day that have no hour in the window say nothing
        let there = self.all.into_iter().filter(|(_, (asset, _))| asset.span.is_some());
        let mut unbilled = 0;
        for ((thing, ..), (asset, billed)) in there {
            unbilled += usize::from(!billed);
            match thing {
                Thing::Volume => volumes.push(asset),
                _ => balancers.push(asset),
            }
        }
        (volumes, balancers, unbilled)
    }
}

fn widen(asset: &mut ThingAsset, span: Span) {
    let known = asset.span.get_or_insert(span);
    (known.start, known.end) = (known.start.min(span.start), known.end.max(span.end));
}

fn hour_span(hour: Hour) -> Span {
    Span {
        start: hour.start(),
        end: Hour(hour.0 + 1).start(),
    }
}

fn cut(error: ApportionError) -> AppError {
    AppError::broken("a cost could not be shared", error)
}

impl Days {
    /// Adds the volumes and load balancers of a piece.
    ///
    /// # Errors
    /// When a file cannot be read, or a sum overflows.
    pub(super) fn things(
        &self,
        lake: &Lake,
        currency: &Currency,
        piece: &Piece,
        things: &mut Things,
    ) -> Result<(), AppError> {
        for period in self.periods() {
            for cost in self
                .things_of(lake, period)?
                .iter()
                .filter(|cost| cost.day == piece.day)
            {
                things.cost(cost, piece, currency)?;
            }
        }
        let mut seen = BTreeSet::new();
        for file in self.usage_on(piece.day) {
            // the days of several months' charges overlap
            if seen.insert(&file.cluster) {
                self.facts(lake, file, piece, things)?;
            }
        }
        Ok(())
    }

    fn facts(&self, lake: &Lake, file: &UsageFile, piece: &Piece, things: &mut Things) -> Result<(), AppError> {
        for day in read_volumes(lake, file)? {
            things.volume(&file.cluster, &day, piece);
        }
        for day in read_balancers(lake, file)? {
            things.balancer(&file.cluster, &day, piece);
        }
        Ok(())
    }

    /// What the things of a month's bills cost, found once.
    fn things_of(&self, lake: &Lake, period: BillingPeriod) -> Result<Arc<Vec<ThingCost>>, AppError> {
        let Some(inputs) = self.inputs_of(period) else {
            return Ok(Arc::default());
        };
        if let Some(known) = inputs.things.get() {
            return Ok(known.clone());
        }
        let found = Arc::new(things_by_day(lake, &inputs.files, &inputs.usage, &inputs.program)?);
        Ok(inputs.things.get_or_init(|| found).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Money;
    use domain::instant::Day;
    use domain::usage::{Volume, VolumeHour};

    #[test]
    fn a_volume_is_what_its_hours_and_its_bill_say() {
        let usd = Currency::parse("USD").expect("a code");
        let day = Day(20_000);
        let hour = |at: i32| Hour(day.0 * 24 + at);
        let volume = VolumeDay {
            volume: Volume {
                volume_id: "vol-1".to_owned(),
                claim: "data".to_owned(),
                ..Volume::default()
            },
            hours: (0..24)
                .map(|at| VolumeHour {
                    hour: hour(at),
                    seconds: 3_600,
                    capacity_mib: 1_024,
                    used_mib_s: (at < 12).then_some(512 * 3_600),
                })
                .collect(),
            mounts: Vec::new(),
        };
        let cost = ThingCost {
            cluster: "core".to_owned(),
            thing: Thing::Volume,
            id: "vol-1".to_owned(),
            day,
            currency: usd.clone(),
            effective: Money::parse("2.4").expect("money"),
        };
        for (from, to, cost_in_it, seconds) in [(0, 24, "2.4", 86_400), (6, 12, "0.6", 21_600), (23, 24, "0.1", 3_600)]
        {
            let piece = Piece {
                day,
                from: hour(from),
                to: hour(to),
            };
            let mut things = Things::default();
            things.volume("core", &volume, &piece);
            things.cost(&cost, &piece, &usd).expect("small");
            let (volumes, balancers, unbilled) = things.finish();
            let found = &volumes[0];
            assert_eq!((volumes.len(), balancers.len(), unbilled), (1, 0, 0));
            assert_eq!((found.cost.to_string().as_str(), found.seconds), (cost_in_it, seconds));
            assert_eq!(found.capacity_mib_s, seconds * 1_024);
            assert_eq!(found.used_mib_s, (from < 12).then_some(seconds.min(43_200) * 512));
            assert_eq!(found.span, Some(piece.span()));
        }
    }
}
