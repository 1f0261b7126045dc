//! Payloads of the metrics operator, written as it writes them.

use super::{Scene, csv};
use domain::finding::Severity;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{Read, Write};

const PODS: &str = "report_period_start,report_period_end,interval_start,interval_end,pod,namespace,node,resource_id,pod_usage_cpu_core_seconds,pod_request_cpu_core_seconds,pod_limit_cpu_core_seconds,pod_usage_memory_byte_seconds,pod_request_memory_byte_seconds,pod_limit_memory_byte_seconds,node_capacity_cpu_cores,node_capacity_cpu_core_seconds,node_capacity_memory_bytes,node_capacity_memory_byte_seconds,pod_labels";
const STORAGE: &str = "report_period_start,report_period_end,interval_start,interval_end,namespace,pod,node,persistentvolumeclaim,persistentvolume,storageclass,csi_driver,csi_volume_handle,persistentvolumeclaim_capacity_bytes,persistentvolumeclaim_capacity_byte_seconds,volume_request_storage_byte_seconds,persistentvolumeclaim_usage_byte_seconds,persistentvolume_labels,persistentvolumeclaim_labels";
const NODE_LABELS: &str = "report_period_start,report_period_end,interval_start,interval_end,node,node_labels";
const NAMESPACE_LABELS: &str =
    "report_period_start,report_period_end,interval_start,interval_end,namespace,namespace_labels";
const VM: &str = "report_period_start,report_period_end,interval_start,interval_end,node,resource_id,namespace,vm_name";
const SPAN: &str = "2026-10-01 00:00:00 +0000 UTC,2026-11-01 00:00:00 +0000 UTC,2026-10-01 09:00:00 +0000 UTC,2026-10-01 09:59:59 +0000 UTC";

fn reports() -> Vec<(&'static str, Vec<u8>)> {
    let pod = |pod: &str, node: &str, used: &str| {
        format!(
            "{SPAN},{pod},shop,{node},i-0alpha,{used},3600,7200,3865470566399.5,1932735283200,15461882265600,4,14400,17179869184,61847529062400,label_tier:gold|label_app:{pod}"
        )
    };
    let volume = |pod: &str| {
        format!(
            "{SPAN},shop,{pod},alpha,data-web-0,pv-1,gp2,ebs.csi.aws.com,vol-1,21474836480.0,77309411328000.0,77309411328000,38654705664000,label_tier:none,label_tenant:acme"
        )
    };
    vec![
        (
            "r.0.csv",
            csv(
                PODS,
                &[
                    &pod("web-0", "alpha", "1800.2509"),
                    &pod("web-1", "alpha", "7200"),
                    &pod("new", "", ""),
                ],
            ),
        ),
        ("r.1.csv", csv(STORAGE, &[&volume("web-0"), &volume("web-1")])),
        (
            "r.2.csv",
            csv(NODE_LABELS, &[&format!("{SPAN},alpha,label_pool:general")]),
        ),
        (
            "r.3.csv",
            csv(
                NAMESPACE_LABELS,
                &[&format!("{SPAN},shop,label_tenant:acme|label_tier:silver")],
            ),
        ),
        ("r.4.csv", csv(VM, &[])),
    ]
}

fn manifest(names: &[&str]) -> Vec<u8> {
    serde_json::json!({"cluster_id": "my-cluster", "uuid": "u-1", "files": names, "version": "1"})
        .to_string()
        .into_bytes()
}

/// An archive as `tar czf` writes it.
fn tar_gz(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, content) in files {
        let mut header = [0u8; 512];
        let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
        put(0, &format!("./{name}"));
        put(100, "0000644\0");
        put(124, &format!("{:011o}\0", content.len()));
        put(148, "        ");
        put(156, "0");
        put(257, "ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend(header);
        tar.extend(content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.extend([0u8; 1_024]);
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(&tar).expect("zipped");
    gz.finish().expect("zipped")
}

const NAMES: [&str; 5] = ["r.0.csv", "r.1.csv", "r.2.csv", "r.3.csv", "r.4.csv"];

#[test]
fn a_payload_of_the_metrics_operator() {
    let mut files = reports();
    files.push(("manifest.json", manifest(&NAMES)));
    let mut scene = Scene::new();
    let staged = scene.taken(&[tar_gz(&files)]);
    let told: Vec<_> = staged.findings.iter().map(|f| (f.code.as_str(), f.count)).collect();
    assert_eq!(told, [("allocatable_is_capacity", 1), ("unscheduled_pods", 1)]);
    let day = scene.day();
    assert_eq!(day.cluster, "my-cluster");
    let [(node, hours)] = day.nodes.as_slice() else {
        panic!("{:?}", day.nodes)
    };
    assert_eq!((node.name.as_str(), node.provider_id.as_str()), ("alpha", "i-0alpha"));
    assert_eq!(node.labels["pool"], "general");
    let hour = hours[0];
    assert_eq!((hour.ready_s, hour.observed_s), (3_600, 3_600));
    assert_eq!(
        (hour.capacity.cpu_millicores, hour.capacity.memory_mib),
        (4_000, 16_384)
    );
    assert_eq!(hour.allocatable, hour.capacity);
    let [(slot, hours), (other, more)] = day.slots.as_slice() else {
        panic!("{:?}", day.slots)
    };
    assert_eq!((slot.pod_uid.as_str(), slot.container.as_str()), ("shop/web-0", "*"));
    let labels: Vec<_> = slot
        .labels
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(labels, [("app", "web-0"), ("tenant", "acme"), ("tier", "gold")]);
    let hour = hours[0];
    assert_eq!(
        (hour.used.cpu_core_ms, hour.requested.cpu_core_ms),
        (1_800_250, 3_600_000)
    );
    // 3,865,470,566,399.5 byte-seconds are one half short of 3,686,400 MiB-s
    assert_eq!(
        (hour.used.memory_mib_s, hour.requested.memory_mib_s),
        (3_686_399, 1_843_200)
    );
    assert_eq!(
        (hour.effective.cpu_core_ms, hour.effective.memory_mib_s),
        (3_600_000, 3_686_399)
    );
    assert_eq!(
        (other.pod.as_str(), more[0].effective.cpu_core_ms),
        ("web-1", 7_200_000)
    );
    let [volume] = day.volumes.as_slice() else {
        panic!("{:?}", day.volumes)
    };
    assert_eq!(
        (volume.volume.volume_id.as_str(), volume.volume.claim.as_str()),
        ("vol-1", "data-web-0")
    );
    assert_eq!(
        (
            volume.volume.labels["tenant"].as_str(),
            volume.volume.labels["tier"].as_str()
        ),
        ("acme", "none")
    );
    let hour = volume.hours[0];
    assert_eq!(
        (hour.seconds, hour.capacity_mib, hour.used_mib_s),
        (3_600, 20_480, Some(36_864_000))
    );
    let mounts: Vec<_> = volume
        .mounts
        .iter()
        .map(|(mount, hours)| (mount.pod.as_str(), hours[0].seconds))
        .collect();
    assert_eq!(mounts, [("web-0", 3_600), ("web-1", 3_600)]);
    assert_eq!(volume.mounts[0].0.labels["tier"], "gold");

    // the same payload in an archive per report, each with the whole manifest
    let apart: Vec<Vec<u8>> = reports()
        .into_iter()
        .map(|file| tar_gz(&[("manifest.json", manifest(&NAMES)), file]))
        .collect();
    let mut other = Scene::new();
    other.taken(&apart);
    assert_eq!(other.hashes(), scene.hashes());
}

#[test]
fn payloads_that_cannot_be_taken() {
    let with = |files: Vec<(&'static str, Vec<u8>)>, names: &[&str]| {
        let mut files = files;
        files.push(("manifest.json", manifest(names)));
        tar_gz(&files)
    };
    let whole = with(reports(), &NAMES);
    let mut cut = Vec::new();
    {
        // cut in the archive, the gzip around it whole
        let mut tar = Vec::new();
        flate2::read::GzDecoder::new(whole.as_slice())
            .read_to_end(&mut tar)
            .expect("unzipped");
        let mut gz = GzEncoder::new(&mut cut, Compression::fast());
        gz.write_all(&tar[..2_000]).expect("zipped");
        gz.finish().expect("zipped");
    }
    let replaced = |at: usize, bytes: Vec<u8>| {
        let mut files = reports();
        files[at].1 = bytes;
        with(files, &NAMES)
    };
    let missing = NAMES.iter().copied().chain(["r.9.csv"]).collect::<Vec<_>>();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let pods = text(&reports()[0].1);
    for (what, archive, code, place, message) in [
        (
            "cut in the gzip",
            whole[..whole.len() / 2].to_vec(),
            "unreadable_usage_file",
            "f0",
            "",
        ),
        ("cut in the tar", cut, "unreadable_usage_file", "f0", "cut off"),
        (
            "no manifest",
            tar_gz(&reports()),
            "missing_manifest",
            "f0",
            "manifest.json",
        ),
        (
            "a manifest that is none",
            tar_gz(&[("manifest.json", b"{".to_vec())]),
            "bad_manifest",
            "f0",
            "no JSON",
        ),
        (
            "a manifest of no cluster",
            tar_gz(&[("manifest.json", br#"{"files":[]}"#.to_vec())]),
            "bad_manifest",
            "f0",
            "cluster_id",
        ),
        (
            "a report that is not there",
            with(reports(), &missing),
            "missing_report",
            "f0",
            "r.9.csv",
        ),
        (
            "a report of something else",
            replaced(3, b"when,what\n1,2\n".to_vec()),
            "unknown_report",
            "f0/r.3.csv",
            "when,what",
        ),
        (
            "a report without a column",
            replaced(0, pods.replace("pod_request_cpu_core_seconds", "other").into_bytes()),
            "missing_column",
            "f0/r.0.csv",
            "pod_request_cpu_core_seconds",
        ),
        (
            "a negative quantity",
            replaced(0, pods.replace("1800.2509", "-1").into_bytes()),
            "bad_usage_row",
            "f0/r.0.csv",
            "-1",
        ),
        (
            "labels that are none",
            replaced(0, pods.replace("label_tier:gold", "gold").into_bytes()),
            "bad_usage_row",
            "f0/r.0.csv",
            "gold",
        ),
    ] {
        let findings = Scene::new().refused(&[archive]);
        let first = &findings[0];
        assert_eq!(
            (first.code.as_str(), first.file.as_deref()),
            (code, Some(place)),
            "{what}: {findings:?}"
        );
        assert!(
            first.message.contains(message) && first.remedy.is_some(),
            "{what}: {first:?}"
        );
    }
    // what is there may be kept
    let mut scene = Scene::new();
    let staged = scene.ingest(&[with(reports(), &missing)], true).expect("the rest");
    assert!(
        staged
            .findings
            .iter()
            .any(|f| f.code == "missing_report" && f.severity == Severity::Warning)
    );
    assert_eq!(scene.day().slots.len(), 2);
}
