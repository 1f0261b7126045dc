//! Usage matches the bills, and the truth of the split follows from the two: all of it is worked out
//! again here from the files alone, in floating point.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use common::{Evened, Line, Output, atto, counted, lines, plain, produce};

/// The second month has the long gap of observation.
const MONTHS: u32 = 3;

fn output() -> &'static Output {
    static OUTPUT: OnceLock<Output> = OnceLock::new();
    OUTPUT.get_or_init(|| produce("usage", 1, MONTHS))
}

/// CPU in core-ms, memory in MiB-s.
type Pair = [f64; 2];

fn number(line: &Line, column: &str) -> u64 {
    line[column].parse().unwrap()
}

#[expect(clippy::cast_precision_loss, reason = "compared with a tolerance")]
fn pair(line: &Line, columns: [&str; 2]) -> Pair {
    columns.map(|column| number(line, column) as f64)
}

/// An hour of a node, with its containers.
#[derive(Debug)]
struct Hour {
    ready_s: u32,
    observed_s: u32,
    capacity: Pair,
    allocatable: Pair,
    /// What it is called and its effective request.
    held: Vec<(String, Pair)>,
}

/// A charge for a node's machine.
#[derive(Debug)]
struct Charge {
    from: String,
    to: String,
    billed_s: f64,
    cost: f64,
}

/// Bill and usage of one node, joined by the machine's id.
#[derive(Debug, Default)]
struct Node {
    charges: Vec<Charge>,
    hours: BTreeMap<String, Hour>,
}

/// An hour, what its containers are taken to have held, and whether that is known.
type Known<'a> = (&'a Hour, &'a [(String, Pair)], bool);

/// By cluster and node.
type World = BTreeMap<(String, String), Node>;

fn hours(output: &Output, world: &mut World, machines: &mut BTreeMap<String, (String, String)>) {
    for line in output.files.nodes.iter().flat_map(|path| lines(output, path)) {
        let key = (line["cluster"].to_owned(), line["node"].to_owned());
        let id = line["provider_id"].rsplit('/').next().unwrap().to_owned();
        let known = machines.entry(id).or_insert_with(|| key.clone());
        assert_eq!(*known, key, "one machine, one node");
        let hour = Hour {
            ready_s: line["ready_seconds"].parse().unwrap(),
            observed_s: line["observed_seconds"].parse().unwrap(),
            capacity: pair(&line, ["cpu_capacity_millicores", "memory_capacity_mib"]),
            allocatable: pair(&line, ["cpu_allocatable_millicores", "memory_allocatable_mib"]),
            held: Vec::new(),
        };
        assert!(hour.ready_s <= 3_600 && [0, hour.ready_s].contains(&hour.observed_s));
        let before = world
            .entry(key)
            .or_default()
            .hours
            .insert(line["hour"].to_owned(), hour);
        assert!(before.is_none(), "{line:?} comes twice");
    }
    for line in output.files.usage.iter().flat_map(|path| lines(output, path)) {
        let key = (line["cluster"].to_owned(), line["node"].to_owned());
        let hour = world.get_mut(&key).unwrap().hours.get_mut(&line["hour"]).unwrap();
        let effective = pair(&line, ["cpu_effective_core_ms", "memory_effective_mib_s"]);
        // what serves the cluster is not what its users run
        let serves = &line["namespace"] == "kube-system" && &line["role"] == "workload";
        let role = if serves { "cluster_services" } else { &line["role"] };
        hour.held.push((role.to_owned(), effective));
    }
}

/// Everything of one period.
fn world(output: &Output) -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let (mut world, mut machines) = (World::new(), BTreeMap::new());
        hours(output, &mut world, &mut machines);
        let evened = Evened::of(output);
        for (period, line) in counted(output) {
            let Some(key) = machines.get(&line["ResourceId"]) else {
                continue;
            };
            assert_eq!(
                (&line["ResourceName"], &line["ConsumedUnit"]),
                (key.1.as_str(), "Hours")
            );
            world.get_mut(key).unwrap().charges.push(Charge {
                from: line["ChargePeriodStart"].to_owned(),
                to: line["ChargePeriodEnd"].to_owned(),
                billed_s: line["ConsumedQuantity"].parse::<f64>().unwrap() * 3_600.0,
                cost: evened.cost(&period, &line),
            });
        }
        world
    })
}

#[test]
fn every_billed_hour_of_a_node_has_usage_and_no_other() {
    let world = world(output());
    assert_eq!(world.len(), 45);
    let (mut joined, mut boots) = (0, 0);
    for (key, node) in world {
        assert!(!node.charges.is_empty(), "{key:?} is not on the bill");
        for charge in &node.charges {
            let hours: Vec<_> = node.hours.range(charge.from.clone()..charge.to.clone()).collect();
            let most: f64 = hours.iter().map(|_| 3_600.0).sum();
            let ready: f64 = hours.iter().map(|(_, hour)| f64::from(hour.ready_s)).sum();
            // whole seconds, started hours only, and never more ready than billed
            assert!(
                (charge.billed_s - charge.billed_s.round()).abs() < 1e-6,
                "{key:?} {charge:?}"
            );
            assert!(
                charge.billed_s <= most && most < charge.billed_s + 7_200.0,
                "{key:?} {charge:?}"
            );
            assert!(ready <= charge.billed_s + 1e-6, "{key:?} {charge:?}");
            joined += hours.len();
            boots += usize::from(ready + 1.0 < charge.billed_s);
        }
    }
    let all: usize = world.values().map(|node| node.hours.len()).sum();
    assert_eq!(joined, all, "an hour without a charge, or with two");
    assert!(boots > 100, "{boots} charges with a boot");
}

#[test]
fn containers_keep_to_their_format() {
    let output = output();
    let world = world(output);
    let (mut roles, mut pods, mut seen) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
    let (mut requestless, mut short) = (0, 0);
    for line in output.files.usage.iter().flat_map(|path| lines(output, path)) {
        let hour = &world[&(line["cluster"].to_owned(), line["node"].to_owned())].hours[&line["hour"]];
        let value = |column: &str| number(&line, column);
        for resource in ["cpu_*_core_ms", "memory_*_mib_s", "gpu_*_ms"] {
            let [request, used, effective] =
                ["request", "usage", "effective"].map(|kind| value(&resource.replace('*', kind)));
            assert!(effective >= request.max(used), "{line:?}");
        }
        let seconds: u32 = line["seconds"].parse().unwrap();
        assert!(0 < seconds && seconds <= hour.observed_s, "{line:?}");
        short += usize::from(seconds < hour.observed_s);
        requestless += usize::from(value("cpu_request_core_ms") == 0 && value("cpu_effective_core_ms") > 0);
        assert!(
            line["labels"].starts_with('{') && line["labels"].ends_with('}'),
            "{line:?}"
        );
        assert_eq!(line["container"].is_empty(), &line["role"] == "pod_overhead");
        let node = pods
            .entry(line["pod_uid"].to_owned())
            .or_insert_with(|| line["node"].to_owned());
        assert_eq!(*node, line["node"], "a pod on two nodes");
        let slot = (
            line["pod_uid"].to_owned(),
            line["container"].to_owned(),
            line["hour"].to_owned(),
        );
        assert!(seen.insert(slot), "{line:?} comes twice");
        roles.insert(line["role"].to_owned());
    }
    assert_eq!(
        roles.iter().map(String::as_str).collect::<Vec<_>>(),
        ["daemon_set", "placeholder", "pod_overhead", "workload"]
    );
    assert!(requestless > 1_000 && short > 1_000, "{requestless} {short}");
    let others = [&output.files.volumes, &output.files.balancers].into_iter().flatten();
    let others: usize = others.map(|path| lines(output, path).count()).sum();
    let hours: usize = world.values().map(|node| node.hours.len()).sum();
    assert_eq!((seen.len() + hours + others) as u64, output.files.usage_rows);
    let hours = || world.values().flat_map(|node| node.hours.values());
    assert!(
        hours().all(|hour| hour.held.is_empty() == (hour.observed_s == 0)),
        "an observed hour has its DaemonSet, another nothing"
    );
    let gaps = hours().filter(|hour| hour.observed_s < hour.ready_s).count();
    // three pools with three hours a month, once fifteen
    assert_eq!(gaps, 3 * 3 * MONTHS as usize + 12);
    let crowded = hours().filter(|hour| sum(&hour.held)[0] > hour.allocatable[0] * f64::from(hour.observed_s));
    assert!(crowded.count() > 1_000, "hours in which more CPU is held than there is");
}

#[test]
fn sizing_is_plausible() {
    let output = output();
    let (mut throttled, mut killed, mut restarted, mut limited) = (0, 0, 0, 0);
    for line in output.files.usage.iter().flat_map(|path| lines(output, path)) {
        let values = |columns: &[&str]| -> Vec<u64> {
            let cells = columns.iter().filter(|column| !line[**column].is_empty());
            cells.map(|column| number(&line, column)).collect()
        };
        let measured = !line["metered_seconds"].is_empty();
        assert!(measured || line["role"] == *"pod_overhead" || line["role"] == *"placeholder");
        let spread = ["p50", "p90", "p95", "p99", "max"].map(|at| format!("cpu_{at}_millicores"));
        let spread = values(&spread.each_ref().map(String::as_str));
        assert_eq!(spread.len(), if measured { 5 } else { 0 }, "{line:?}");
        assert!(spread.is_sorted(), "{line:?}");
        if measured {
            let mean = number(&line, "cpu_usage_core_ms") / number(&line, "seconds");
            assert!(spread[0] <= mean && mean <= spread[4], "{line:?}");
            assert_eq!(line["metered_seconds"], line["seconds"]);
        }
        if let [peak, limit] = values(&["memory_peak_mib", "memory_limit_mib"])[..] {
            assert!(peak <= limit, "{line:?}");
        }
        if let [periods, stopped, _] = values(&["cfs_periods", "cfs_throttled_periods", "cfs_throttled_ms"])[..] {
            assert!(
                stopped <= periods && !line["cpu_limit_millicores"].is_empty(),
                "{line:?}"
            );
            limited += 1;
            throttled += usize::from(stopped > 0);
        }
        if let [kills, restarts] = values(&["oom_kills", "restarts"])[..] {
            assert!(kills <= restarts, "{line:?}");
            killed += kills;
            restarted += restarts;
        }
    }
    assert!(0 < throttled && throttled < limited, "{throttled} of {limited}");
    assert!(0 < killed && killed < restarted, "{killed} of {restarted}");
}

#[test]
fn disks_of_nodes_are_on_the_bill() {
    let output = output();
    let volumes: BTreeMap<String, String> = counted(output)
        .filter(|(_, line)| &line["ResourceType"] == "Volume")
        .map(|(_, line)| (line["ResourceId"].to_owned(), line["ResourceName"].to_owned()))
        .collect();
    let mut kinds = BTreeSet::new();
    for line in output.files.nodes.iter().flat_map(|path| lines(output, path)) {
        assert_eq!(volumes[&line["root_volume_id"]], format!("{}-root", &line["node"]));
        assert!(line["provider_id"].starts_with("aws:///eu-central-1"));
        kinds.insert((line["pool"].to_owned(), line["capacity_type"].to_owned()));
    }
    let kinds: Vec<_> = kinds.iter().map(|(pool, kind)| format!("{pool} {kind}")).collect();
    assert_eq!(
        kinds,
        [
            "burst on-demand",
            "general on-demand",
            "hub on-demand",
            "memory on-demand",
            "spot spot",
            "test on-demand"
        ]
    );
}

fn sum(held: &[(String, Pair)]) -> Pair {
    held.iter()
        .fold([0.0; 2], |sum, (_, pair)| [sum[0] + pair[0], sum[1] + pair[1]])
}

/// The hours of a charge with what unobserved ones are taken to have held (A5), and whether they are known.
fn filled<'a>(hours: &[(&str, &'a Hour)]) -> Vec<Known<'a>> {
    let at = |hour: &str| hour[11..13].parse::<i32>().unwrap();
    let whole = |(name, hour): &(&str, &'a Hour)| {
        if hour.observed_s == hour.ready_s {
            return (*hour, hour.held.as_slice(), true);
        }
        let away = |other: &&(&str, &'a Hour)| (at(other.0) - at(name)).abs();
        let observed = hours.iter().filter(|(_, other)| other.observed_s > 0);
        let nearest = observed.min_by_key(|other| (away(other), at(other.0))).unwrap();
        if away(&nearest) > 6 {
            return (*hour, [].as_slice(), false);
        }
        // gaps lie in days without a restart
        assert!(nearest.1.observed_s == 3_600 && hour.ready_s == 3_600);
        (*hour, nearest.1.held.as_slice(), true)
    };
    hours.iter().map(whole).collect()
}

/// What a charge is made of, by the rules, without any of the generator's arithmetic.
fn divide(node: &Node, charge: &Charge) -> BTreeMap<String, f64> {
    let hours: Vec<_> = node
        .hours
        .range(charge.from.clone()..charge.to.clone())
        .map(|(name, hour)| (name.as_str(), hour))
        .collect();
    // in core-hours and GiB-hours, one core worth nine GiB
    let units = [9.0 / 1_000.0, 1.0 / 1_024.0];
    let ready: f64 = hours.iter().map(|(_, hour)| f64::from(hour.ready_s)).sum();
    let hours = filled(&hours);
    let mut worth: Vec<(String, f64)> = Vec::new();
    for (resource, unit) in units.into_iter().enumerate() {
        let over = |seconds: &dyn Fn(&Hour, bool) -> f64| -> f64 {
            hours.iter().map(|(hour, _, known)| seconds(hour, *known)).sum::<f64>() * unit
        };
        let system = over(&|hour, _| (hour.capacity[resource] - hour.allocatable[resource]) * f64::from(hour.ready_s));
        let known = over(&|hour, known| {
            if known {
                hour.allocatable[resource] * f64::from(hour.ready_s)
            } else {
                0.0
            }
        });
        let unknown = over(&|hour, known| {
            if known {
                0.0
            } else {
                hour.allocatable[resource] * f64::from(hour.ready_s)
            }
        });
        let not_ready = hours[0].0.capacity[resource] * (charge.billed_s - ready) * unit;
        let mut by_role: BTreeMap<&str, f64> = BTreeMap::new();
        for (hour, held, _) in &hours {
            for (role, pair) in *held {
                // what is taken to have been held stays unobserved
                let seen = hour.observed_s > 0 || role == "daemon_set";
                let part = if seen { role } else { "unobserved" };
                *by_role.entry(part).or_default() += pair[resource] * unit;
            }
        }
        let held: f64 = by_role.values().sum();
        let scale = if held > known { known / held } else { 1.0 };
        worth.extend(by_role.into_iter().map(|(role, held)| (role.to_owned(), held * scale)));
        worth.push(("system_reserved".to_owned(), system));
        worth.push(("not_ready".to_owned(), not_ready));
        worth.push(("unobserved".to_owned(), unknown));
        worth.push(("idle_capacity".to_owned(), (known - held).max(0.0)));
    }
    let all: f64 = worth.iter().map(|(_, worth)| worth).sum();
    // with nobody to follow, what the node runs for others is idle capacity
    let alone = !worth
        .iter()
        .any(|(part, worth)| ["workload", "pod_overhead"].contains(&part.as_str()) && *worth > 0.0)
        && hours
            .iter()
            .all(|(hour, _, _)| hour.observed_s > 0 || hour.ready_s == 0);
    let mut parts = BTreeMap::new();
    for (part, worth) in worth {
        let part = match part.as_str() {
            "placeholder" => "planned_headroom".to_owned(),
            "system_reserved" | "daemon_set" if alone => "idle_capacity".to_owned(),
            _ => part,
        };
        *parts.entry(part).or_default() += charge.cost * worth / all;
    }
    parts
}

#[test]
fn the_split_follows_from_bills_and_usage() {
    let output = output();
    let mut expected: BTreeMap<[String; 4], f64> = BTreeMap::new();
    for ((cluster, name), node) in world(output) {
        for charge in &node.charges {
            for (part, cost) in divide(node, charge) {
                let key = [charge.from[..7].to_owned(), cluster.clone(), name.clone(), part];
                *expected.entry(key).or_default() += cost;
            }
        }
    }
    let records = plain(output, &output.files.truth_split);
    assert_eq!(
        &records[0],
        &[
            "billing_period",
            "currency",
            "cluster",
            "node",
            "part",
            "effective_cost"
        ][..]
    );
    let mut parts = BTreeSet::new();
    for record in &records[1..] {
        let key = [0, 2, 3, 4].map(|at| record[at].to_owned());
        parts.insert(key[3].clone());
        let found: f64 = record[5].parse().unwrap();
        let wanted = expected.remove(&key).unwrap_or_else(|| panic!("{key:?} has no cost"));
        assert!(
            (found - wanted).abs() < 1e-7,
            "{key:?}: {found}, by bills and usage {wanted}"
        );
    }
    assert!(expected.values().all(|cost| cost.abs() < 1e-9), "{expected:?}");
    assert_eq!(parts.len(), 9, "{parts:?}");
}

#[test]
fn the_parts_of_a_node_are_its_cost_to_the_digit() {
    let output = output();
    let mut nodes = BTreeMap::new();
    for line in output.files.nodes.iter().flat_map(|path| lines(output, path)) {
        nodes.insert(
            line["provider_id"].rsplit('/').next().unwrap().to_owned(),
            line["node"].to_owned(),
        );
    }
    // exact where nothing is moved between lines, which is for floats
    let evened = Evened::of(output);
    let mut billed: BTreeMap<[String; 3], (i128, f64, bool)> = BTreeMap::new();
    for (period, line) in counted(output) {
        if let Some(node) = nodes.get(&line["ResourceId"]) {
            let key = [period.clone(), line["BillingCurrency"].to_owned(), node.clone()];
            let sums = billed.entry(key).or_default();
            sums.0 += atto(&line["EffectiveCost"]);
            sums.1 += evened.cost(&period, &line);
            sums.2 |= evened.moves(&period, &line);
        }
    }
    let mut divided: BTreeMap<[String; 3], i128> = BTreeMap::new();
    for record in &plain(output, &output.files.truth_split)[1..] {
        let key = [0, 1, 3].map(|at| record[at].to_owned());
        *divided.entry(key).or_default() += atto(&record[5]);
    }
    let mut exact = 0;
    for (key, (billed, cost, moved)) in &billed {
        let divided = divided.remove(key).unwrap_or_else(|| panic!("{key:?} is not divided"));
        if *moved {
            assert!(
                (divided as f64 / 1e18 - cost).abs() < 1e-7,
                "{key:?}: {divided}, evened {cost}"
            );
        } else {
            assert_eq!(divided, *billed, "{key:?}");
            exact += 1;
        }
    }
    assert!(divided.is_empty(), "{divided:?}");
    assert!(exact > 10 && exact < billed.len(), "{exact} of {}", billed.len());
}
