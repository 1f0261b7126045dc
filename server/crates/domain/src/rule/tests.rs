use super::*;
use crate::instant;
use crate::money::{Currency, Money};

fn at(text: &str) -> Instant {
    instant::parse(text.as_bytes()).expect(text).instant
}

fn tenant(set: &RuleSet, attributes: &Attributes, when: &str) -> Option<String> {
    let position = set.dimensions.position("tenant").expect("built in");
    set.assign(attributes, at(when)).values[position]
        .as_deref()
        .map(str::to_owned)
}

const RULES: &str = r#"
format: 1
dimensions: [programme]
rules:
  - name: hub moves to north
    from: 2026-01-15
    when: {column: SubAccountId, equals: "4711"}
    set: {tenant: north, programme: x}
  - name: hub
    when: {column: SubAccountId, in: ["4711", "0042"]}
    set: {tenant: hub}
  - name: by name
    when:
      all:
        - {column: ResourceName, regex: "^tnt-(?P<who>[a-z]+)-"}
        - not: {tag: env, equals: dev}
    set: {tenant: {capture: who}}
  - name: by tag
    when: {any: [{tag: tenant, exists: true}, {tag: Tenant, exists: true}]}
    set: {tenant: {tag: tenant}, region: {column: RegionId}}
  - name: clusters
    when: {tag: "kubernetes.io/cluster/*", glob: "own*"}
    set: {tenant: platform}
"#;

#[test]
fn first_match_wins_per_dimension_and_dates_count() {
    let set = RuleSet::parse(RULES).expect("valid");
    let account = |id: &str| Attributes::default().with_column("SubAccountId", id);
    for (attributes, when, expect) in [
        (account("4711"), "2026-01-14T23:59:59Z", Some("hub")),
        (account("4711"), "2026-01-15", Some("north")),
        (account("0042"), "2026-01-15", Some("hub")),
        (
            Attributes::default().with_column("ResourceName", "tnt-acme-1"),
            "2026-01-01",
            Some("acme"),
        ),
        (
            Attributes::default()
                .with_column("ResourceName", "tnt-acme-1")
                .with_tag("env", "dev"),
            "2026-01-01",
            None,
        ),
        (
            Attributes::default().with_tag("tenant", " blue "),
            "2026-01-01",
            Some("blue"),
        ),
        (Attributes::default().with_tag("tenant", ""), "2026-01-01", None),
        (
            Attributes::default().with_tag("kubernetes.io/cluster/prod", "owned"),
            "2026-01-01",
            Some("platform"),
        ),
        (Attributes::default(), "2026-01-01", None),
    ] {
        assert_eq!(
            tenant(&set, &attributes, when).as_deref(),
            expect,
            "{attributes:?} at {when}"
        );
    }
    let columns: Vec<String> = set.columns().into_iter().collect();
    assert_eq!(columns, ["RegionId", "ResourceName", "SubAccountId"]);
    let span = Span {
        start: at("2026-01-01"),
        end: at("2026-02-01"),
    };
    assert_eq!(set.cuts_inside(span).collect::<Vec<_>>(), [at("2026-01-15")]);
}

#[test]
fn refuses_what_it_cannot_keep() {
    for (yaml, expect) in [
        ("format: 2\nrules: []", "format 2 is not known"),
        ("format: 1\nrulez: []", "rulez"),
        ("format: 1\ndimensions: [tenant]", "built in"),
        (
            "format: 1\nrules:\n  - {name: a, set: {tenant: x}}\n  - {name: a, set: {tenant: x}}",
            "used twice",
        ),
        ("format: 1\nrules:\n  - {name: a, set: {tenent: x}}", "is no dimension"),
        ("format: 1\nrules:\n  - {name: a, set: {}}", "sets nothing"),
        (
            "format: 1\nrules:\n  - {name: a, when: {tag: t}, set: {tenant: x}}",
            "exactly one of equals",
        ),
        (
            "format: 1\nrules:\n  - {name: a, when: {tag: t, regex: \"(\"}, set: {tenant: x}}",
            "regex",
        ),
        (
            "format: 1\nrules:\n  - {name: a, when: {tag: t, regex: \"x\"}, set: {tenant: {capture: who}}}",
            "no regex of this rule has a group",
        ),
        (
            "format: 1\nrules:\n  - {name: a, from: 2026-02-01, to: 2026-01-01, set: {tenant: x}}",
            "is not after",
        ),
        (
            "format: 1\nrules:\n  - {name: a, from: soon, set: {tenant: x}}",
            "is not a date",
        ),
    ] {
        let error = RuleSet::parse(yaml).expect_err(yaml).to_string();
        assert!(error.contains(expect), "{yaml}: {error}");
    }
}

#[test]
fn check_reports_reach_overlap_and_coverage() {
    let set = RuleSet::parse(
        "format: 1\nrules:\n  - {name: a, when: {tag: t, equals: x}, set: {tenant: one}}\n  - {name: b, when: {tag: t, exists: true}, set: {tenant: two}}\n  - {name: rest, set: {tenant: three}}\n  - {name: never, when: {tag: q, exists: true}, set: {tenant: four}}",
    )
    .expect("valid");
    let usd = Currency::parse("USD").expect("code");
    let sample = |t: Option<&str>, cost: &str| Sample {
        attributes: t.map_or_else(Attributes::default, |t| Attributes::default().with_tag("t", t)),
        span: Span {
            start: at("2026-01-01"),
            end: at("2026-01-02"),
        },
        currency: usd.clone(),
        cost: Money::parse(cost).expect(cost),
    };
    let report = check(
        &set,
        &[sample(Some("x"), "1.5"), sample(Some("y"), "2"), sample(None, "4")],
    )
    .expect("small");
    let won: Vec<String> = report
        .rules
        .iter()
        .map(|r| r.won.get(&usd).copied().unwrap_or_default().to_string())
        .collect();
    assert_eq!(won, ["1.5", "2", "4", "0"]);
    assert_eq!(report.rules[3].unreachable_because.as_deref(), Some("rest"));
    let overlaps: Vec<(&str, &str, String)> = report
        .overlaps
        .iter()
        .map(|o| (o.first.as_str(), o.second.as_str(), o.cost[&usd].to_string()))
        .collect();
    assert_eq!(
        overlaps,
        [
            ("b", "rest", "2".to_owned()),
            ("a", "b", "1.5".to_owned()),
            ("a", "rest", "1.5".to_owned())
        ]
    );
    assert_eq!(report.coverage[0].owned[&usd], report.coverage[0].total[&usd]);
    assert!(report.coverage[1].owned.is_empty());
}

#[test]
fn namespaces_that_serve_the_whole_cluster_are_declared() {
    let services = |yaml: &str| RuleSet::parse(yaml).map(|rules| rules.clusters.service_namespaces);
    let found = services("format: 1\nclusters: {service_namespaces: [monitoring, kube-system]}").expect("valid");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["kube-system", "monitoring"]);
    let found = services("format: 1").expect("valid");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["kube-system"]);
    for wrong in [
        "format: 1\nclusters: {service_namespaces: [\"\"]}",
        "format: 1\nclusters: {service_namespaces: [\" a\"]}",
        "format: 1\nclusters: {services: [a]}",
    ] {
        assert!(services(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_providers_own_split_counts_where_it_is_chosen() {
    let rules = |yaml: &str| RuleSet::parse(&format!("format: 1\nclusters: {{provider_split: [{yaml}]}}"));
    let set = rules("{cluster: c, from: 2026-10-01, to: 2026-11-01}, {cluster: d}").expect("valid");
    for (cluster, when, expect) in [
        ("c", "2026-09-30T23:00:00Z", false),
        ("c", "2026-10-01", true),
        ("c", "2026-11-01", false),
        ("d", "2026-11-01", true),
        ("e", "2026-10-01", false),
    ] {
        assert_eq!(
            set.clusters.keeps_provider_split(cluster, at(when)),
            expect,
            "{cluster} {when}"
        );
    }
    for wrong in [
        "{from: 2026-10-01}",
        "{cluster: c, from: 2026-10-01, to: 2026-10-01}",
        "{cluster: c, from: x}",
    ] {
        assert!(rules(wrong).is_err(), "{wrong}");
    }
}
