//! Volumes and load balancers match the bills and the pods, and who owes them follows from the files
//! alone: worked out again here in floating point.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use chrono::NaiveDateTime;

use common::{Line, Output, atto, counted, lines, plain, produce};

/// The third month has the orphaned volume of a tenant.
const MONTHS: u32 = 3;

fn output() -> &'static Output {
    static OUTPUT: OnceLock<Output> = OnceLock::new();
    OUTPUT.get_or_init(|| produce("resources", 1, MONTHS))
}

#[expect(clippy::cast_precision_loss, reason = "compared with a tolerance")]
fn number(text: &str) -> f64 {
    text.parse::<u64>().unwrap() as f64
}

fn time(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%SZ").unwrap()
}

/// As clusters call it: the last segment of an id, and the name of a load balancer.
fn name_of(resource_id: &str) -> &str {
    let mut segments = resource_id.rsplit('/');
    let last = segments.next().unwrap();
    if resource_id.contains(":loadbalancer/") {
        segments.next().unwrap()
    } else {
        last
    }
}

/// Period, class, resource, part, tenant, service and tier.
type Key = [String; 7];

/// The truth of one class.
fn truth(class: &str) -> BTreeMap<Key, f64> {
    let output = output();
    let records = plain(output, &output.files.truth_resources);
    let columns = [
        "billing_period",
        "currency",
        "cluster",
        "class",
        "resource",
        "part",
        "tenant",
        "service",
        "tier",
        "effective_cost",
    ];
    assert_eq!(&records[0], &columns[..]);
    let of_class = records[1..].iter().filter(|record| &record[3] == class);
    of_class
        .map(|record| {
            let key = [0, 3, 4, 5, 6, 7, 8].map(|at| record[at].to_owned());
            (key, record[9].parse().unwrap())
        })
        .collect()
}

#[track_caller]
fn same(found: &BTreeMap<Key, f64>, expected: &BTreeMap<Key, f64>) {
    assert!(found.len() > 10, "{} lines", found.len());
    let keys: BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    for key in keys {
        let of = |costs: &BTreeMap<Key, f64>| costs.get(key).copied().unwrap_or(0.0);
        let (found, expected) = (of(found), of(expected));
        assert!(
            (found - expected).abs() < 1e-7,
            "{key:?}: {found}, by bills and usage {expected}"
        );
    }
}

/// Lines of the bills that count, with what they pay for.
fn charges(class: &str) -> Vec<(String, String, Line)> {
    let resource_type = match class {
        "volume" => ["Volume", "File System"],
        _ => ["Load Balancer", ""],
    };
    counted(output())
        .filter(|(_, line)| resource_type.contains(&&line["ResourceType"]) && !line["ResourceId"].is_empty())
        .map(|(period, line)| (period, name_of(&line["ResourceId"]).to_owned(), line))
        .collect()
}

/// What the owner rules make of labels and of the names of the demo.
fn owner(namespace: &str, labels: &str, workload: &str) -> [String; 3] {
    let labels: BTreeMap<String, String> = serde_json::from_str(labels).unwrap();
    let label = |key: &str| labels.get(key).cloned().unwrap_or_default();
    let tenant = namespace.strip_prefix("tnt-").unwrap_or("").to_owned();
    let service = [label("app"), label("app.kubernetes.io/name"), workload.to_owned()];
    let service = service.into_iter().find(|service| !service.is_empty()).unwrap();
    let sla = match &*label("sla") {
        "gold" => "T0",
        "silver" => "T1",
        "bronze" => "T2",
        "economy" => "T3",
        _ => "",
    };
    let tier = [label("tier"), sla.to_owned()]
        .into_iter()
        .find(|tier| !tier.is_empty());
    [tenant, service, tier.unwrap_or_default()]
}

/// A day of a volume.
#[derive(Default)]
struct Volume {
    claim: Option<Line>,
    /// Seconds and, if measured, MiB-s, by workload.
    mounts: BTreeMap<String, (f64, Option<f64>)>,
}

fn volumes() -> BTreeMap<(String, String), Volume> {
    let output = output();
    let mut volumes: BTreeMap<(String, String), Volume> = BTreeMap::new();
    for line in output.files.volumes.iter().flat_map(|path| lines(output, path)) {
        let key = (line["volume_id"].to_owned(), line["hour"][..10].to_owned());
        let volume = volumes.entry(key).or_default();
        if !line["pod_uid"].is_empty() {
            let workload = line["workload"].to_owned();
            let mount = volume.mounts.entry(workload).or_insert((0.0, Some(0.0)));
            mount.0 += number(&line["mounted_seconds"]);
            let used = &line["mounted_used_mib_s"];
            let used = (!used.is_empty()).then(|| number(used));
            mount.1 = mount.1.zip(used).map(|(sum, used)| sum + used);
        }
        volume.claim.get_or_insert(line);
    }
    volumes
}

/// The owner of each share of a volume that is held.
fn shares(volume: &Volume, tag_tier: &str) -> Vec<([String; 3], f64)> {
    let claim = volume.claim.as_ref().unwrap();
    let mounts: Vec<_> = volume.mounts.iter().collect();
    if mounts.len() < 2 {
        let mut owner = owner(&claim["namespace"], &claim["labels"], "");
        if owner[2].is_empty() {
            tag_tier.clone_into(&mut owner[2]);
        }
        return vec![(owner, 1.0)];
    }
    let bytes: Option<Vec<f64>> = mounts.iter().map(|(_, (_, used))| *used).collect();
    let weights = bytes.unwrap_or_else(|| mounts.iter().map(|(_, (seconds, _))| *seconds).collect());
    let all: f64 = weights.iter().sum();
    let owner = |workload: &str| owner(&claim["namespace"], &claim["labels"], workload);
    let parts = mounts.iter().zip(weights);
    parts
        .map(|((workload, _), weight)| (owner(workload), weight / all))
        .collect()
}

#[test]
fn volumes_follow_their_claims() {
    let volumes = volumes();
    let mut expected: BTreeMap<Key, f64> = BTreeMap::new();
    let mut joined = BTreeSet::new();
    for (period, id, line) in charges("volume") {
        let key = (id, line["ChargePeriodStart"][..10].to_owned());
        let Some(volume) = volumes.get(&key) else { continue };
        joined.insert(key);
        let claim = volume.claim.as_ref().unwrap();
        let (start, end) = (time(&line["ChargePeriodStart"]), time(&line["ChargePeriodEnd"]));
        let length = (end - start).num_seconds();
        let orphaned = match &claim["claim_deleted"] {
            "" => 0,
            deleted => {
                let released = time(deleted) + chrono::TimeDelta::days(30);
                length - (released - start).num_seconds().clamp(0, length)
            }
        };
        let orphaned = f64::from(i32::try_from(orphaned).unwrap()) / f64::from(i32::try_from(length).unwrap());
        let cost: f64 = line["EffectiveCost"].parse().unwrap();
        let mut give = |part: &str, owner: [String; 3], cost: f64| {
            let name = line["ResourceName"].to_owned();
            let [tenant, service, tier] = owner;
            let key = [
                period.clone(),
                "volume".to_owned(),
                name,
                part.to_owned(),
                tenant,
                service,
                tier,
            ];
            *expected.entry(key).or_default() += cost;
        };
        give("orphaned_volume", Default::default(), cost * orphaned);
        let part = if volume.mounts.is_empty() {
            "unmounted_volume"
        } else {
            "volume"
        };
        let tags: BTreeMap<String, String> = serde_json::from_str(&line["Tags"]).unwrap();
        let tag_tier = tags.get("tier").map_or("", String::as_str);
        for (mut owner, share) in shares(volume, tag_tier) {
            if line["SubAccountName"].contains("hub") {
                "T0".clone_into(&mut owner[2]);
            }
            give(part, owner, cost * (1.0 - orphaned) * share);
        }
    }
    assert_eq!(joined.len(), volumes.len(), "every volume is on the bill, every day");
    expected.retain(|_, cost| *cost != 0.0);
    let found = truth("volume");
    same(&found, &expected);
    let parts: BTreeSet<&str> = found.keys().map(|key| key[3].as_str()).collect();
    assert_eq!(parts.len(), 3, "{parts:?}");
    let shared = found.keys().filter(|key| key[2] == "label-forms").count();
    assert_eq!(shared, 2 * MONTHS as usize, "two owners, every month");
}

#[test]
fn balancers_follow_what_they_pass() {
    let output = output();
    // by balancer and day, for each backend: requests, bytes, hosts
    let mut behind: BTreeMap<(String, String), BTreeMap<[String; 3], [f64; 3]>> = BTreeMap::new();
    let (mut rush, mut night) = (0.0, 0.0);
    for line in output.files.balancers.iter().flat_map(|path| lines(output, path)) {
        let host = line["balancer_id"].split('.').next().unwrap();
        let name = host.rsplit_once('-').unwrap().0;
        assert_eq!(name, &line["name"]);
        let key = (name.to_owned(), line["hour"][..10].to_owned());
        let backends = behind.entry(key).or_default();
        assert_eq!(&line["seconds"], "3600");
        if line["backend_service"].is_empty() {
            continue;
        }
        let mut owner = owner(&line["backend_namespace"], &line["backend_labels"], "");
        if owner[2].is_empty() || &line["cluster"] == "hub-rotterdam" {
            // what the load balancer's own tag and account say
            "T0".clone_into(&mut owner[2]);
        }
        let sums = backends.entry(owner).or_default();
        let [requests, bytes] = ["requests", "bytes"].map(|column| number(&line[column]));
        *sums = [sums[0] + requests, sums[1] + bytes, number(&line["hosts"])];
        match &line["hour"][11..13] {
            "16" => rush += requests,
            "03" => night += requests,
            _ => {}
        }
    }
    assert!(
        rush > 10.0 * night,
        "the wave before a cut-off: {rush}, at night {night}"
    );
    let mut expected: BTreeMap<Key, f64> = BTreeMap::new();
    for (period, name, line) in charges("load_balancer") {
        let Some(backends) = behind.get(&(name.clone(), line["ChargePeriodStart"][..10].to_owned())) else {
            assert!(name.starts_with("ded-"), "{name}");
            continue;
        };
        let cost: f64 = line["EffectiveCost"].parse().unwrap();
        let column = usize::from(&line["ConsumedUnit"] != "Hours");
        let sum = |column: usize| -> f64 { backends.values().map(|sums| sums[column]).sum() };
        let column = if sum(column) > 0.0 { column } else { 2 };
        let mut give = |owner: &[String; 3], cost: f64| {
            let [tenant, service, tier] = owner.clone();
            let kind = ["load_balancer", &name, "load_balancer"].map(str::to_owned);
            let [class, resource, part] = kind;
            let key = [period.clone(), class, resource, part, tenant, service, tier];
            *expected.entry(key).or_default() += cost;
        };
        for (owner, sums) in backends {
            give(owner, cost * sums[column] / sum(column));
        }
        if backends.is_empty() {
            give(&["", "edge-sync", "T1"].map(str::to_owned), cost);
        }
    }
    expected.retain(|_, cost| *cost != 0.0);
    same(&truth("load_balancer"), &expected);
}

#[test]
fn pods_mount_volumes_while_they_run() {
    let output = output();
    let files = &output.files;
    let running: BTreeSet<(String, String, String)> = files
        .usage
        .iter()
        .flat_map(|path| lines(output, path))
        .map(|line| {
            (
                line["pod_uid"].to_owned(),
                line["hour"].to_owned(),
                line["seconds"].to_owned(),
            )
        })
        .collect();
    let (mut seen, mut hours) = (BTreeSet::new(), BTreeMap::new());
    for line in files.volumes.iter().flat_map(|path| lines(output, path)) {
        let text = |column: &str| line[column].to_owned();
        let pod = (text("pod_uid"), text("hour"), text("mounted_seconds"));
        assert!(pod.0.is_empty() || running.contains(&pod), "{line:?}");
        assert_eq!(pod.0.is_empty(), pod.2.is_empty(), "{line:?}");
        assert!(number(&line["used_mib_s"]) <= number(&line["capacity_mib"]) * 3_600.0);
        let day = (text("volume_id"), line["hour"][..10].to_owned());
        hours.entry(day).or_insert_with(BTreeSet::new).insert(text("hour"));
        assert!(seen.insert((text("volume_id"), pod)), "{line:?} comes twice");
    }
    assert!(
        hours.values().all(|hours| hours.len() == 24),
        "mounted or not, it is there"
    );
}

#[test]
fn the_parts_of_a_resource_are_its_cost_to_the_digit() {
    let output = output();
    let mut billed: BTreeMap<[String; 2], i128> = BTreeMap::new();
    for (period, line) in counted(output) {
        let key = [period, line["ResourceName"].to_owned()];
        *billed.entry(key).or_default() += atto(&line["EffectiveCost"]);
    }
    let mut divided: BTreeMap<[String; 2], i128> = BTreeMap::new();
    let mut classes = BTreeSet::new();
    for record in &plain(output, &output.files.truth_resources)[1..] {
        // the control plane is called like its cluster, as is nothing else
        let key = [0, 4].map(|at| record[at].to_owned());
        *divided.entry(key).or_default() += atto(&record[9]);
        classes.insert(record[3].to_owned());
    }
    for (key, cost) in &divided {
        // the disk of a node that did not run all month was nobody's on the other days
        let disk = key[1].ends_with("-root");
        assert!(*cost == billed[key] || disk && *cost < billed[key], "{key:?}");
    }
    let classes: Vec<_> = classes.iter().map(String::as_str).collect();
    assert_eq!(classes, ["control_plane", "load_balancer", "node_disk", "volume"]);
}
