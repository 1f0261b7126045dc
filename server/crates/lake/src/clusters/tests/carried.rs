//! What carries a figure adds up, level by level, and is what the container-hours say.

use super::*;
use crate::ChargeFile;
use crate::query::{BillLines, Carried, ThingKind};

/// The bill of a world, and its usage.
pub(super) struct World<'w> {
    pub lake: &'w Lake,
    pub files: &'w [ChargeFile],
    pub usage: &'w [UsageFile],
}

impl World<'_> {
    fn ask(&self, wanted: &dyn Fn(&CubeKey) -> bool, basis: Basis, level: &Level) -> BillLines {
        bill_lines(
            self.lake,
            self.files,
            self.usage,
            &program(),
            wanted,
            basis,
            (0..1_000, level),
        )
        .expect("finds")
    }

    /// Walks all levels below a figure: things, their days, the charge periods
    /// of these, their parts and bill lines. Answers how many rows there were.
    pub fn assert_adds_up(&self, wanted: &dyn Fn(&CubeKey) -> bool, basis: Basis) -> usize {
        let found = self.ask(wanted, basis, &Level::Things);
        assert_eq!(found.carried.total, found.of_clusters, "things are what clusters carry");
        let mut rows = 0;
        for thing in &complete(found.carried) {
            let days = self.ask(wanted, basis, &Level::Days(thing.carrier.clone())).carried;
            assert_eq!(days.total, thing.share, "the days of {:?}", thing.carrier);
            for day in &complete(days) {
                let on = day.day.expect("a day");
                let level = Level::Charges(thing.carrier.clone(), on);
                let charges = self.ask(wanted, basis, &level).carried;
                assert_eq!(charges.total, day.share, "the charges of {:?} on {on}", thing.carrier);
                for row in &complete(charges) {
                    let lines = Money::sum(row.lines.iter().map(|line| line.share).chain([row.more_share]));
                    assert_eq!(lines.expect("small"), row.share, "the bill lines of {row:?}");
                    assert!(!row.lines.is_empty(), "{row:?}");
                    rows += 1;
                }
            }
        }
        rows
    }
}

/// The rows of a level, which has few enough for all of them to be listed.
fn complete(level: Carried) -> Vec<crate::query::CarriedRow> {
    assert_eq!(level.count, level.rows.len() as u64);
    for row in &level.rows {
        let parts = Money::sum(row.parts.iter().map(|(_, money)| *money)).expect("small");
        assert_eq!(parts, row.share, "the parts of {row:?}");
    }
    let sum = Money::sum(level.rows.iter().map(|row| row.share)).expect("small");
    assert_eq!(sum, level.total);
    level.rows
}

#[test]
fn a_workload_leads_to_its_node_hour() {
    let lake = Lake::memory();
    let (days, rows) = small_world();
    let (usage, _) = stored(&lake, days);
    let (files, _) = deliver(&lake, &[(COLUMNS.to_vec(), rows)]);
    let world = World {
        lake: &lake,
        files: &files,
        usage: &usage,
    };
    let of_a = |key: &CubeKey| key.columns[8].as_deref() == Some("a");
    assert_eq!(world.assert_adds_up(&of_a, Basis::Effective), 1);
    let things = world.ask(&of_a, Basis::Effective, &Level::Things).carried.rows;
    let carrier = things[0].carrier.clone();
    assert_eq!(
        (carrier.cluster.as_str(), carrier.kind, carrier.name.as_str()),
        ("c", ThingKind::Node, "n0")
    );
    let level = Level::Charges(carrier, Day(FIRST));
    let row = world.ask(&of_a, Basis::Effective, &level).carried.rows.remove(0);
    let core_hours = |measure: Measure| measure.cpu_core_ms / 3_600_000;
    // one core of the four the node has; its own claim, and a half of the DaemonSet's
    assert_eq!((core_hours(row.effective), core_hours(row.shared)), (1, 4));
    assert_eq!(
        (row.cost.to_string(), row.share.to_string()),
        ("5.2".to_owned(), "1.95".to_owned())
    );
    let parts: Vec<_> = row
        .parts
        .iter()
        .map(|(part, money)| (part.map(|part| part.as_str()), money.to_string()))
        .collect();
    let expect = [(Some("workload"), "1.3"), (Some("daemon_set"), "0.65")];
    assert_eq!(parts, expect.map(|(part, money)| (part, money.to_owned())));
    assert_eq!((row.lines.len(), row.lines[0].line, row.more_lines), (1, 2, 0));
    // the container-hours of the day, derived again, say the same
    let hours = hours_of_day(&lake, &files, &usage, &program(), "c", Day(FIRST)).expect("derives");
    let slots = hours
        .iter()
        .flat_map(|hour| &hour.slots)
        .filter(|slot| slot.slot.namespace == "a");
    let own = slots.flat_map(|slot| {
        slot.cost
            .into_iter()
            .chain([slot.system_cost, slot.daemon_cost, slot.disk_cost])
    });
    assert_eq!(Money::sum(own).expect("small"), row.share);
    // nobody asked for by that name on that day
    let level = Level::Days(crate::query::Carrier {
        name: "n9".to_owned(),
        ..things[0].carrier.clone()
    });
    assert_eq!(world.ask(&of_a, Basis::Effective, &level).carried, Carried::default());
}
