mod payloads;
mod samples;

use super::*;
use crate::usage::{read_day, write_day};
use polars::prelude::{Column, DataFrame, IntoColumn, NewChunkedArray, ParquetWriter, StringChunked};

const CONTAINERS: &str = "hour,cluster,node,namespace,pod,container,seconds,cpu_request_core_ms,cpu_usage_core_ms,memory_request_mib_s,memory_usage_mib_s";
const NODES: &str = "hour,cluster,node,provider_id,ready_seconds,observed_seconds,cpu_capacity_millicores,cpu_allocatable_millicores,memory_capacity_mib,memory_allocatable_mib";
const VOLUMES: &str = "hour,cluster,volume_id,namespace,claim,name,storage_class,labels,provisioned,claim_deleted,seconds,capacity_mib,used_mib_s,pod,mounted_seconds";
const BALANCERS: &str =
    "hour,cluster,balancer_id,namespace,service,seconds,backend_namespace,backend_service,requests,bytes,hosts";
const SAMPLES: &str = "at,cluster,node,namespace,pod,container,labels,interval_seconds,cpu_request_millicores,memory_request_mib,cpu_usage_millicores,memory_usage_mib";
const NODE_SAMPLES: &str = "at,cluster,node,provider_id,ready,interval_seconds,cpu_capacity_millicores,cpu_allocatable_millicores,memory_capacity_mib,memory_allocatable_mib";

fn csv(header: &str, rows: &[&str]) -> Vec<u8> {
    let mut text = format!("{header}\n");
    for row in rows {
        text.push_str(row);
        text.push('\n');
    }
    text.into_bytes()
}

/// A lake and what its manifest would name.
struct Scene {
    lake: Lake,
    known: BTreeMap<DayKey, UsageFile>,
}

impl Scene {
    fn new() -> Scene {
        Scene {
            lake: Lake::memory(),
            known: BTreeMap::new(),
        }
    }

    fn ingest(&mut self, files: &[Vec<u8>], skip_bad_rows: bool) -> Result<StagedUsage, UsageError> {
        let dir = tempfile::tempdir().expect("a folder");
        let mut named = Vec::new();
        for (at, bytes) in files.iter().enumerate() {
            let path = dir.path().join(at.to_string());
            std::fs::write(&path, bytes).expect("written");
            named.push((format!("f{at}"), path));
        }
        let known = |cluster: &str, day: Day| self.known.get(&(cluster.to_owned(), day)).cloned();
        let request = UsageRequest {
            files: &named,
            skip_bad_rows,
            known: &known,
        };
        let staged = ingest_usage(&self.lake, &request, &|_| ())?;
        for file in &staged.days {
            self.known.insert((file.cluster.clone(), file.day), file.clone());
        }
        Ok(staged)
    }

    fn taken(&mut self, files: &[Vec<u8>]) -> StagedUsage {
        self.ingest(files, false).expect("good files")
    }

    fn refused(&mut self, files: &[Vec<u8>]) -> Vec<Finding> {
        match self.ingest(files, false) {
            Err(UsageError::Refused(findings)) => findings,
            other => panic!("not refused: {other:?}"),
        }
    }

    fn day(&self) -> ClusterDay {
        let file = self.known.values().next().expect("a day");
        read_day(&self.lake, file).expect("read")
    }

    fn hashes(&self) -> Vec<&str> {
        self.known.values().map(|file| file.sha256.as_str()).collect()
    }
}

#[test]
fn volumes_balancers_and_sizing_come_from_files() {
    let mut scene = Scene::new();
    let volumes = csv(
        VOLUMES,
        &[
            r#"2026-10-21T09:00:00Z,c,vol-1,shop,data,pv-1,gp3,"{""tenant"":""acme""}",2026-10-01T06:30:00Z,,3600,20480,36864000,web-0,1800"#,
            r#"2026-10-21T09:00:00Z,c,vol-1,shop,data,pv-1,gp3,"{""tenant"":""acme""}",2026-10-01T06:30:00Z,,3600,20480,36864000,web-1,600"#,
            "2026-10-21T09:00:00Z,c,vol-2,shop,old,pv-2,gp3,,,2026-10-20T00:00:00Z,3600,1024,,,",
        ],
    );
    let balancers = csv(
        BALANCERS,
        &[
            "2026-10-21T09:00:00Z,c,a1.elb.eu-west-1.amazonaws.com,ingress,traefik,3600,shop,web,1000,5000000,2",
            "2026-10-21T09:00:00Z,c,a1.elb.eu-west-1.amazonaws.com,ingress,traefik,3600,,docs,,,",
            "2026-10-21T09:00:00Z,c,lonely,ingress,lonely,1800,,,,,",
        ],
    );
    let sizing = csv(
        &format!(
            "{CONTAINERS},cpu_p50_millicores,cpu_p90_millicores,cpu_p95_millicores,cpu_p99_millicores,cpu_max_millicores,memory_peak_mib,cpu_limit_millicores,cfs_periods,cfs_throttled_periods,restarts,replicas"
        ),
        &[
            "2026-10-21T09:00:00Z,c,n1,shop,web-0,web,1800,1,1,1,1,10,20,30,40,50,600,2000,36000,12,1,3",
            "2026-10-21T10:00:00Z,c,n1,shop,web-0,web,3600,1,1,1,1,,,,,,,,,,,",
        ],
    );
    let staged = scene.taken(&[volumes.clone(), balancers.clone(), sizing.clone()]);
    assert_eq!(staged.rows, 8);
    let day = scene.day();
    let [one, two] = day.volumes.as_slice() else {
        panic!("{:?}", day.volumes)
    };
    assert_eq!(
        (one.volume.volume_id.as_str(), one.volume.claim.as_str()),
        ("vol-1", "data")
    );
    assert_eq!(one.volume.labels["tenant"], "acme");
    assert!(one.volume.provisioned.is_some() && one.volume.claim_deleted.is_none());
    assert_eq!(one.hours.len(), 1, "a row per pod repeats the volume's own facts");
    assert_eq!(
        (one.hours[0].seconds, one.hours[0].used_mib_s),
        (3_600, Some(36_864_000))
    );
    let mounted: Vec<_> = one
        .mounts
        .iter()
        .map(|(mount, hours)| (mount.pod_uid.as_str(), hours[0].seconds))
        .collect();
    assert_eq!(mounted, [("shop/web-0", 1_800), ("shop/web-1", 600)]);
    assert!(two.volume.claim_deleted.is_some() && two.mounts.is_empty());
    assert_eq!(two.hours[0].used_mib_s, None, "not measured is not empty");

    let [shared, lonely] = day.balancers.as_slice() else {
        panic!("{:?}", day.balancers)
    };
    assert_eq!(shared.hours.len(), 1);
    let traffic: Vec<_> = shared
        .backends
        .iter()
        .map(|(of, hours)| {
            (
                of.namespace.as_str(),
                of.service.as_str(),
                hours[0].requests,
                hours[0].hosts,
            )
        })
        .collect();
    assert_eq!(traffic, [("ingress", "docs", None, 1), ("shop", "web", Some(1_000), 2)]);
    assert!(lonely.backends.is_empty() && lonely.hours[0].seconds == 1_800);

    let [(slot, hours)] = day.sizing.as_slice() else {
        panic!("{:?}", day.sizing)
    };
    assert_eq!(slot, &day.slots[0].0.id());
    let [hour] = hours.as_slice() else {
        panic!("an hour of which nothing is known has no row: {hours:?}")
    };
    assert_eq!(
        (hour.metered_s, hour.cpu.map(|cpu| cpu.p95), hour.restarts),
        (1_800, Some(30), Some(1))
    );
    assert_eq!(
        hour.throttling.map(|t| (t.periods, t.throttled_periods)),
        Some((36_000, 12))
    );
    assert_eq!((hour.memory_limit_mib, hour.oom_kills), (None, None));

    // the same from Parquet
    let mut other = Scene::new();
    other.taken(&[parquet(&volumes), parquet(&balancers), parquet(&sizing)]);
    assert_eq!(other.hashes(), scene.hashes());
}

/// A CSV as Parquet, all columns texts.
fn parquet(bytes: &[u8]) -> Vec<u8> {
    let mut reader = ::csv::Reader::from_reader(bytes);
    let names: Vec<String> = reader.headers().expect("a header").iter().map(str::to_owned).collect();
    let rows: Vec<::csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
    let column = |(at, name): (usize, &String)| -> Column {
        let cells = rows.iter().map(|row| row.get(at).filter(|cell| !cell.is_empty()));
        StringChunked::from_iter_options(name.as_str().into(), cells).into_column()
    };
    let columns = names.iter().enumerate().map(column).collect();
    let mut frame = DataFrame::new(rows.len(), columns).expect("a frame");
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame).expect("written");
    bytes
}

#[test]
fn a_bad_cell_is_named_by_line_and_column() {
    let sizing = format!(
        "{CONTAINERS},metered_seconds,cpu_p50_millicores,cpu_p90_millicores,cpu_p95_millicores,cpu_p99_millicores,cpu_max_millicores,cfs_periods,cfs_throttled_periods"
    );
    let v = "2026-10-21T09:00:00Z,c,vol-1,shop,data,pv-1,gp3";
    let b = "2026-10-21T09:00:00Z,c,lb,ingress,traefik";
    let c = "2026-10-21T09:00:00Z,c,n1,shop,web-0,web";
    let s = "c,n1,shop,web-0,web";
    for (header, row, column) in [
        (VOLUMES, format!("{v},,,,3601,10,,,"), "seconds"),
        (VOLUMES, format!("{v},,,,3600,-10,,,"), "capacity_mib"),
        (VOLUMES, format!("{v},,,,3600,21474836480000,,,"), "capacity_mib"),
        (VOLUMES, format!("{v},,yesterday,,3600,10,,,"), "provisioned"),
        (VOLUMES, format!("{v},,,,1800,10,,web-0,1801"), "mounted_seconds"),
        (VOLUMES, format!("{v},,,,1800,10,,web-0,"), "mounted_seconds"),
        (VOLUMES, format!("{v},,,,1800,10,,,60"), "pod"),
        (
            VOLUMES,
            "2026-10-21T09:00:00Z,c,,shop,data,pv-1,gp3,,,,3600,10,,,".to_owned(),
            "volume_id",
        ),
        (
            VOLUMES,
            "2026-10-21T09:00:00Z,,v,shop,data,pv-1,gp3,,,,3600,10,,,".to_owned(),
            "cluster",
        ),
        (BALANCERS, format!("{b},3600,shop,web,-1,1,1"), "requests"),
        (BALANCERS, format!("{b},3600,,,5,,"), "backend_service"),
        (BALANCERS, format!("{b},,shop,web,1,1,1"), "seconds"),
        (
            sizing.as_str(),
            format!("{c},600,1,1,1,1,700,,,,,,,"),
            "metered_seconds",
        ),
        (
            sizing.as_str(),
            format!("{c},600,1,1,1,1,,1,2,3,,5,,"),
            "cpu_p50_millicores",
        ),
        (
            sizing.as_str(),
            format!("{c},600,1,1,1,1,,9,2,3,4,5,,"),
            "cpu_p50_millicores",
        ),
        (
            sizing.as_str(),
            format!("{c},600,1,1,1,1,,,,,,,10,11"),
            "cfs_throttled_periods",
        ),
        (sizing.as_str(), format!("{c},600,1,1,1,1,,,,,,,10,"), "cfs_periods"),
        (
            SAMPLES,
            format!("2026-10-21T09:00:30Z,{s},,0,1,1,1,1"),
            "interval_seconds",
        ),
        (
            SAMPLES,
            format!("2026-10-21T09:00:30Z,{s},,60,1,1,1,"),
            "cpu_usage_millicores",
        ),
        (
            SAMPLES,
            format!("2026-10-21T09:00:30Z,{s},,60,1,1,9999999,1"),
            "cpu_usage_millicores",
        ),
        (SAMPLES, format!("soon,{s},,60,1,1,1,1"), "at"),
        (
            NODE_SAMPLES,
            "2026-10-21T09:00:30Z,c,n1,i-1,yes,60,4000,4000,1,1".to_owned(),
            "ready",
        ),
        (
            NODE_SAMPLES,
            "2026-10-21T09:00:30Z,c,n1,i-1,true,60,4000,4001,1,1".to_owned(),
            "cpu_allocatable_millicores",
        ),
    ] {
        let findings = Scene::new().refused(&[csv(header, &[row.as_str()])]);
        let places: Vec<_> = findings
            .iter()
            .map(|f| (f.code.as_str(), f.line, f.column.as_deref()))
            .collect();
        assert_eq!(
            places,
            [("bad_usage_row", Some(2), Some(column))],
            "{row}: {findings:?}"
        );
    }
}

#[test]
fn bad_usage_is_told_with_its_effect() {
    let container = |node: &str, pod: &str, seconds: u32, cpu: u64| {
        format!("2026-10-21T09:00:00Z,c,{node},shop,{pod},web,{seconds},{cpu},{cpu},3686400,3686400")
    };
    let node = |observed: u32, allocatable: u32| {
        format!("2026-10-21T09:00:00Z,c,n1,i-1,3600,{observed},4000,{allocatable},16384,16384")
    };
    let good = container("n1", "a", 3_600, 3_600_000);
    for (what, containers, nodes, code, count, effect) in [
        ("all is well", vec![good.clone()], vec![node(3_600, 4_000)], "", 0, ""),
        (
            "an unknown node",
            vec![good.clone(), container("n2", "b", 3_600, 7_200_000)],
            vec![node(3_600, 4_000)],
            "usage_of_unknown_nodes",
            1,
            "2.0 core-hours, 1.0 GiB-hours",
        ),
        (
            "no node hours at all",
            vec![good.clone()],
            vec![],
            "usage_of_unknown_nodes",
            1,
            "1.0 core-hours",
        ),
        (
            "on two nodes at once",
            vec![good.clone(), container("n3", "a", 60, 60_000)],
            vec![node(3_600, 4_000), node(3_600, 4_000).replace("n1,i-1", "n3,i-3")],
            "container_on_two_nodes",
            1,
            "1.1 core-hours",
        ),
        (
            "moved within the hour",
            vec![container("n1", "a", 1_800, 1), container("n3", "a", 1_800, 1)],
            vec![node(3_600, 4_000), node(3_600, 4_000).replace("n1,i-1", "n3,i-3")],
            "",
            0,
            "",
        ),
        (
            "no allocatable capacity",
            vec![good.clone()],
            vec![node(3_600, 0)],
            "missing_allocatable",
            1,
            "4.0 core-hours",
        ),
        (
            "two names of one machine",
            vec![good.clone()],
            vec![node(3_600, 4_000), node(3_600, 4_000).replace("n1,i-1", "n3,i-1")],
            "machine_of_two_names",
            1,
            "4.0 core-hours",
        ),
        (
            "requests without time",
            vec![good.clone(), container("n1", "b", 0, 60_000)],
            vec![node(3_600, 4_000)],
            "container_hours_without_time",
            1,
            "core-hours",
        ),
        (
            "a gap of half an hour",
            vec![good.clone()],
            vec![node(1_800, 4_000)],
            "unobserved_node_hours",
            1,
            "2.0 core-hours",
        ),
        (
            "core-ns for core-ms",
            vec![container("n1", "a", 3_600, 36_000_000)],
            vec![node(3_600, 4_000)],
            "usage_above_capacity",
            1,
            "6.0 core-hours",
        ),
        (
            "twice, alike",
            vec![good.clone(), good.clone()],
            vec![node(3_600, 4_000)],
            "",
            0,
            "",
        ),
        (
            "twice, with other values",
            vec![good.clone(), container("n1", "a", 3_600, 1_800_000)],
            vec![node(3_600, 4_000)],
            "overlapping_hours",
            1,
            "differ by 0.5 core-hours",
        ),
        (
            "a node hour twice",
            vec![good.clone()],
            vec![node(3_600, 4_000), node(3_600, 4_000).replace("3600,3600", "1800,1800")],
            "overlapping_hours",
            1,
            "0.5 hours of existence",
        ),
    ] {
        let mut files = vec![csv(
            CONTAINERS,
            &containers.iter().map(String::as_str).collect::<Vec<_>>(),
        )];
        if !nodes.is_empty() {
            files.push(csv(NODES, &nodes.iter().map(String::as_str).collect::<Vec<_>>()));
        }
        let findings = Scene::new().taken(&files).findings;
        let told: Vec<_> = findings
            .iter()
            .map(|finding| (finding.code.as_str(), finding.count))
            .collect();
        if code.is_empty() {
            assert!(told.is_empty(), "{what}: {told:?}");
        } else {
            assert_eq!(told, [(code, count)], "{what}");
            assert!(findings[0].message.contains(effect), "{what}: {}", findings[0].message);
        }
    }
    for (row, column) in [
        (
            container("n1", "a", 3_600, 3_600_000).replace("3686400,3686400", "-1,3686400"),
            "memory_request_mib_s",
        ),
        (container("n1", "a", 3_601, 1), "seconds"),
        (container("n1", "a", 3_600, 90_000_000_000), "cpu_effective_core_ms"),
    ] {
        let findings = Scene::new().refused(&[csv(CONTAINERS, &[row.as_str()])]);
        assert_eq!(findings[0].column.as_deref(), Some(column), "{row}");
    }
    // quarantine keeps the rest
    let bad = container("n1", "a", 3_601, 1);
    let staged = Scene::new().ingest(
        &[csv(CONTAINERS, &[&good, &bad]), csv(NODES, &[&node(3_600, 4_000)])],
        true,
    );
    let staged = staged.expect("the good row");
    assert_eq!((staged.rows, staged.rejected_rows), (2, 1));
}

#[test]
fn late_and_repeated_files_converge() {
    let row = |hour: u8, seconds: u32, cpu: u64| {
        format!("2026-10-21T{hour:02}:00:00Z,c,n1,shop,web-0,web,{seconds},{cpu},{cpu},1,1")
    };
    let volume = |hour: u8, used: &str| {
        format!("2026-10-21T{hour:02}:00:00Z,c,vol-1,shop,data,pv-1,gp3,,,,3600,20480,{used},web-0,60")
    };
    let files = [
        csv(CONTAINERS, &[&row(9, 1_800, 900), &row(10, 3_600, 50)]),
        csv(CONTAINERS, &[&row(9, 3_600, 700), &row(11, 3_600, 70)]),
        csv(VOLUMES, &[&volume(9, ""), &volume(10, "5")]),
        csv(VOLUMES, &[&volume(10, ""), &volume(9, "7")]),
    ];
    let after = |order: &[usize]| {
        let mut scene = Scene::new();
        for at in order {
            scene.taken(std::slice::from_ref(&files[*at]));
        }
        (scene.day(), scene.known.into_values().next().expect("a day").sha256)
    };
    let (day, expect) = after(&[0, 1, 2, 3]);
    assert_eq!(
        day.slots[0].1.iter().map(|hour| hour.seconds).collect::<Vec<_>>(),
        [3_600; 3]
    );
    assert_eq!(
        day.slots[0].1[0].effective.cpu_core_ms, 700,
        "the better observed one, not the larger"
    );
    assert_eq!(day.volumes[0].hours[0].used_mib_s, Some(7));
    for order in [vec![3, 2, 1, 0], vec![1, 3, 0, 2, 1, 1, 3], vec![0, 0, 2, 2, 1, 3, 0]] {
        assert_eq!(after(&order).1, expect, "{order:?}");
    }
}

#[test]
fn a_day_from_before_has_no_volumes() {
    let lake = Lake::memory();
    let day = ClusterDay {
        cluster: "c".to_owned(),
        ..ClusterDay::default()
    };
    let file = write_day(&lake, &day).expect("written");
    assert_eq!(
        (&file.volumes_path, &file.balancers_path, &file.sizing_path),
        (&None, &None, &None)
    );
    assert_eq!(read_day(&lake, &file).expect("read"), day);
}
