//! What the small world holds beside its pods: volumes, load balancers with a
//! Traefik, and what sizing needs.

use crate::world::{ALWAYS, Metrics, clock, world};

const GIB: i64 = 1 << 30;

fn one(_: i64) -> String {
    "1".to_owned()
}

/// A volume of kube-state-metrics with the claim that has it.
fn volume(m: &mut Metrics, name: &str, (namespace, claim): (&str, &str), made: &str, shown: (&str, &str)) {
    let of = format!("persistentvolume=\"{name}\"");
    let info = format!("{of},storageclass=\"gp3\",csi_driver=\"ebs.csi.aws.com\",csi_volume_handle=\"vol-{name}\"");
    m.ksm("kube_persistentvolume_info", &info, shown, one);
    let claimed = format!("{of},name=\"{claim}\",claim_namespace=\"{namespace}\"");
    m.ksm("kube_persistentvolume_claim_ref", &claimed, shown, one);
    let made = clock(made);
    m.ksm("kube_persistentvolume_created", &of, shown, |_| made.to_string());
}

fn volumes(m: &mut Metrics) {
    // mounted by the database, grown at 09:00
    volume(m, "data", ("tnt-b", "data-db-0"), "01:00:00", ALWAYS);
    let grown = clock("09:00:00");
    m.ksm(
        "kube_persistentvolume_capacity_bytes",
        "persistentvolume=\"data\"",
        ALWAYS,
        |at| (if at < grown { 10 * GIB } else { 20 * GIB }).to_string(),
    );
    let claim = "namespace=\"tnt-b\",persistentvolumeclaim=\"data-db-0\"";
    let info = format!("{claim},storageclass=\"gp3\",volumename=\"data\"");
    m.ksm("kube_persistentvolumeclaim_info", &info, ALWAYS, one);
    m.ksm(
        "kube_persistentvolumeclaim_labels",
        &format!("{claim},label_tenant=\"b\""),
        ALWAYS,
        one,
    );
    for (uid, shown) in [
        ("u-db-1", ("07:36:00", "09:40:00")),
        ("u-db-2", ("09:41:00", "13:00:00")),
    ] {
        let mount = format!("{claim},pod=\"db-0\",uid=\"{uid}\",volume=\"data\"");
        m.ksm("kube_pod_spec_volumes_persistentvolumeclaims_info", &mount, shown, one);
        let kubelet = format!("job=\"kubelet\",{claim}");
        m.scraped("kubelet_volume_stats_used_bytes", &kubelet, 20, shown, |_| {
            (5 * GIB).to_string()
        });
    }
    // its claim went at 07:30, itself at 11:30
    volume(m, "old", ("tnt-a", "old"), "02:00:00", ("05:00:00", "11:30:00"));
    let released = clock("07:30:00");
    let phase = "persistentvolume=\"old\",phase=\"Released\"";
    m.ksm(
        "kube_persistentvolume_status_phase",
        phase,
        ("05:00:00", "11:30:00"),
        |at| u8::from(at >= released).to_string(),
    );
    let info = "namespace=\"tnt-a\",persistentvolumeclaim=\"old\",volumename=\"old\"";
    m.ksm("kube_persistentvolumeclaim_info", info, ("05:00:00", "07:30:00"), one);
    // made at 09:15, mounted by nobody; its size is told by its claim alone
    volume(m, "new", ("tnt-a", "new"), "09:15:00", ("09:15:00", "13:00:00"));
    let claim = "namespace=\"tnt-a\",persistentvolumeclaim=\"new\"";
    let requested = "kube_persistentvolumeclaim_resource_requests_storage_bytes";
    m.ksm(requested, claim, ("09:15:00", "13:00:00"), |_| GIB.to_string());
}

fn balancers(m: &mut Metrics) {
    for (namespace, service, kind, shown) in [
        ("kube-system", "traefik", "LoadBalancer", ALWAYS),
        ("tnt-a", "web", "ClusterIP", ALWAYS),
        ("tnt-a", "api", "ClusterIP", ALWAYS),
        ("tnt-b", "direct", "LoadBalancer", ("09:15:00", "10:15:00")),
    ] {
        let of = format!("namespace=\"{namespace}\",service=\"{service}\"");
        m.ksm("kube_service_spec_type", &format!("{of},type=\"{kind}\""), shown, one);
        m.ksm(
            "kube_service_labels",
            &format!("{of},label_app=\"{service}\""),
            shown,
            one,
        );
        let point = match service {
            "traefik" => "hostname=\"edge.elb\",ip=\"\"",
            _ => "hostname=\"\",ip=\"203.0.113.7\"",
        };
        if kind == "LoadBalancer" {
            let status = format!("{of},{point}");
            m.ksm("kube_service_status_load_balancer_ingress", &status, shown, one);
        }
    }
    let ingress = "namespace=\"tnt-a\",ingress=\"web\"";
    m.ksm(
        "kube_ingress_info",
        &format!("{ingress},ingressclass=\"traefik\""),
        ALWAYS,
        one,
    );
    for (host, service, shown) in [
        ("a.example", "web", ALWAYS),
        ("b.example", "web", ALWAYS),
        ("", "api", ("09:00:00", "13:00:00")),
    ] {
        let path = format!("{ingress},host=\"{host}\",path=\"/\",service_name=\"{service}\",service_port=\"80\"");
        m.ksm("kube_ingress_path", &path, shown, one);
    }
    let traefik = "job=\"traefik\",instance=\"t-1\",namespace=\"kube-system\",service=\"tnt-a-web-80@kubernetes\"";
    // ten a second; it starts anew at 09:00, and the first errors are counted at 09:30:15
    let (begun, anew) = (clock("05:00:00"), clock("09:00:00"));
    let requests = "traefik_service_requests_total";
    m.scraped(requests, &format!("{traefik},code=\"200\""), 15, ALWAYS, |at| {
        (10 * (at - if at < anew { begun } else { anew })).to_string()
    });
    let errors = format!("{traefik},code=\"500\"");
    m.scraped(requests, &errors, 15, ("09:30:00", "13:00:00"), |_| "3".to_owned());
    for (metric, each_s) in [
        ("traefik_service_requests_bytes_total", 100),
        ("traefik_service_responses_bytes_total", 900),
    ] {
        let of = format!("{traefik},code=\"200\"");
        m.scraped(metric, &of, 15, ALWAYS, |at| (each_s * (at - begun)).to_string());
    }
    let own = "job=\"traefik\",instance=\"t-1\",namespace=\"kube-system\",service=\"dashboard@internal\",code=\"200\"";
    m.scraped(requests, own, 15, ALWAYS, |at| at.to_string());
}

fn sizing(m: &mut Metrics) {
    let app = "namespace=\"tnt-a\",pod=\"web-1\",container=\"app\"";
    let of = format!("{app},uid=\"u-web\"");
    let resized = clock("08:00:00");
    m.ksm(
        "kube_pod_container_resource_limits",
        &format!("{of},resource=\"cpu\",unit=\"core\""),
        ALWAYS,
        one,
    );
    m.ksm(
        "kube_pod_container_resource_limits",
        &format!("{of},resource=\"memory\",unit=\"byte\""),
        ALWAYS,
        |at| (if at < resized { GIB } else { 2 * GIB }).to_string(),
    );
    // killed for want of memory at 09:00, ended by itself at 10:05
    let (killed, ended) = (clock("09:00:00"), clock("10:05:00"));
    m.ksm("kube_pod_container_status_restarts_total", &of, ALWAYS, |at| {
        (2 + u8::from(at >= killed) + u8::from(at >= ended)).to_string()
    });
    let reason = format!("{of},reason=\"OOMKilled\"");
    m.ksm(
        "kube_pod_container_status_last_terminated_reason",
        &reason,
        ("09:00:00", "10:05:00"),
        one,
    );
    let scaled = clock("08:30:00");
    m.ksm(
        "kube_deployment_spec_replicas",
        "namespace=\"tnt-a\",deployment=\"web\"",
        ALWAYS,
        |at| (if at < scaled { 2 } else { 5 }).to_string(),
    );
    for (id, shown, since) in [
        ("c1", ("05:00:00", "09:00:00"), "05:00:00"),
        ("c2", ("09:00:00", "13:00:00"), "09:00:00"),
    ] {
        let since = clock(since);
        let of = format!("job=\"kubelet\",{app},id=\"{id}\"");
        for (metric, each_s) in [
            ("container_cpu_cfs_periods_total", 10.0),
            ("container_cpu_cfs_throttled_periods_total", 1.0),
            ("container_cpu_cfs_throttled_seconds_total", 0.05),
        ] {
            m.scraped(metric, &of, 20, shown, |at| {
                format!("{:.3}", each_s * (at - since) as f64)
            });
        }
    }
    let side = "job=\"kubelet\",namespace=\"tnt-a\",pod=\"web-1\",container=\"side\",id=\"s1\"";
    m.scraped("container_oom_events_total", side, 20, ALWAYS, |_| "0".to_owned());
}

pub fn resources() -> String {
    let mut metrics = Metrics::new("demo");
    volumes(&mut metrics);
    balancers(&mut metrics);
    sizing(&mut metrics);
    Metrics::finish(vec![world("demo"), metrics, world("other")])
}
