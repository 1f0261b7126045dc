//! Stretches of hours of a node's day.

use crate::container_days::Extent;
use domain::allocate::clusters::MachineCost;
use domain::usage::{Measure, NodeHour};
use std::ops::Range;

/// A stretch of hours of a machine that charges pay for together.
pub(super) struct Bin {
    pub cost: MachineCost,
    pub from: u8,
    pub to: u8,
    pub consumed_s: Option<u64>,
    pub amounts: Range<usize>,
}

/// Bins of one layer: none overlaps another.
pub(super) fn take_layer(bins: &[Bin], left: &mut Vec<usize>) -> Vec<usize> {
    let mut taken = [false; 24];
    let mut layer = Vec::new();
    left.retain(|bin| {
        let hours = &mut taken[usize::from(bins[*bin].from)..usize::from(bins[*bin].to)];
        if hours.contains(&true) {
            return true;
        }
        hours.fill(true);
        layer.push(*bin);
        false
    });
    layer
}

pub(super) fn hour_range(hours: &[NodeHour], first_hour: i32, from: u8, to: u8) -> Range<usize> {
    let at = |hour: u8| hours.partition_point(|of| of.hour.0 < first_hour + i32::from(hour));
    at(from)..at(to)
}

pub(super) fn node_extent(hours: &[NodeHour], first_hour: i32) -> Extent {
    let mut extent = Extent {
        first: hours.first().map_or(first_hour, |hour| hour.hour.0),
        end: hours.last().map_or(first_hour + 24, |hour| hour.hour.0 + 1),
        ..Extent::default()
    };
    for hour in hours {
        let ready_s = u64::from(hour.ready_s);
        extent.seconds += ready_s;
        extent.measures[0] = extent.measures[0].plus(hour.capacity.over(ready_s));
        extent.measures[1] = extent.measures[1].plus(hour.allocatable.over(ready_s));
    }
    extent
}

pub(super) fn without_measures(extent: Extent) -> Extent {
    Extent {
        seconds: 0,
        measures: [Measure::ZERO; 3],
        ..extent
    }
}
