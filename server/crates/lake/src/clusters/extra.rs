//! What charges of several days add to the container-days of each day.

use domain::Money;
use domain::instant::Day;
use domain::usage::Part;
use std::collections::BTreeMap;

/// By position of the cluster and day.
pub(super) type Extras = BTreeMap<(u32, Day), Vec<Extra>>;

/// Where on a day money lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// With a slot: its position in the day's files, and whether filled.
    Slot(u32, bool),
    /// With the node, under this part.
    Node(Part),
    /// The root disk nobody pays for.
    Disk,
    /// By resource, what followed the pods: part of the node's total alone.
    Followed,
}

/// Money of a machine's charge on one day.
#[derive(Debug, Clone)]
pub(super) struct Extra {
    pub machine: u32,
    pub kind: u32,
    pub at: At,
    pub cost: [Money; 3],
    pub system: Money,
    pub daemon: Money,
    pub disk: Money,
    pub billed: Money,
}

impl Extra {
    pub fn new(machine: u32, kind: u32, at: At) -> Extra {
        Extra {
            machine,
            kind,
            at,
            cost: [Money::ZERO; 3],
            system: Money::ZERO,
            daemon: Money::ZERO,
            disk: Money::ZERO,
            billed: Money::ZERO,
        }
    }
}
