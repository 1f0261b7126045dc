use super::*;
use domain::usage::{Node, Slot};

fn slot() -> Slot {
    Slot {
        namespace: "shop".to_owned(),
        pod: "web-7".to_owned(),
        container: "web".to_owned(),
        workload_kind: "Deployment".to_owned(),
        workload: "web".to_owned(),
        labels: [("app", "x"), ("app.kubernetes.io/name", "web"), ("env", "prod")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        services: vec!["api".to_owned(), "web".to_owned()],
        annotations: [("example.com/owner".to_owned(), "jo".to_owned())].into(),
        ..Slot::default()
    }
}

fn node() -> Node {
    Node {
        name: "n-1".to_owned(),
        provider_id: "aws:///eu/i-1".to_owned(),
        ..Node::default()
    }
}

#[test]
fn filters_hold_as_written() {
    let (slot, node) = (slot(), node());
    let row = Row::of("core", Some(&node), Some(&slot));
    let nobody = Row::of("core", Some(&node), None);
    for (text, passes, idle) in [
        ("namespace:\"shop\"", true, false),
        ("namespace:shop", true, false),
        ("namespace!:\"shop\"", false, true),
        ("namespace:\"a\",\"shop\"", true, false),
        ("namespace!:\"a\",\"shop\"", false, true),
        ("namespace~:\"ho\"", true, false),
        ("namespace!~:\"ho\"", false, true),
        ("namespace<~:\"sh\"", true, false),
        ("namespace!<~:\"sh\"", false, true),
        ("namespace~>:\"op\"", true, false),
        ("namespace!~>:\"op\"", false, true),
        ("namespace:\"shop\"+label[app]:\"x\"", true, false),
        ("namespace:\"shop\" label[app]:\"y\"", false, false),
        ("namespace:\"no\"|label[app]:\"x\"", true, false),
        ("(namespace:\"no\"|label[app]:\"x\")+cluster:\"core\"", true, false),
        (
            "( namespace:\"no\" | label[app]:\"x\" ) + cluster:\"core\"",
            true,
            false,
        ),
        ("label[app_kubernetes_io_name]:\"web\"", true, false),
        ("label[app.kubernetes.io/name]:\"web\"", true, false),
        ("label[none]:\"\"", true, true),
        ("label[none]:\"__unallocated__\"", true, true),
        ("annotation[a]:\"b\"", false, false),
        ("annotation[example.com/owner]:\"jo\"", true, false),
        ("annotation[example_com_owner]:\"jo\"", true, false),
        ("services:\"web\"", true, false),
        ("services:\"api\"", true, false),
        ("services:\"api,web\"", false, false),
        ("services!:\"web\"", false, true),
        ("services<~:\"we\"", true, false),
        ("services:\"\"", false, true),
        (
            "controllerKind:deployment+controllerName:\"web\"+pod<~:\"web-\"+container:\"web\"",
            true,
            false,
        ),
        ("CONTROLLERKIND:deployment", true, false),
        ("node:\"n-1\"+provider:\"aws\"+services:\"\"", false, true),
        ("environment:\"prod\"", true, false),
    ] {
        let filter = parse(text, allocation_field).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((filter.passes(&row), filter.passes(&nobody)), (passes, idle), "{text}");
    }
}

#[test]
fn errors_name_the_character() {
    let deep = "(".repeat(100);
    for (text, part) in [
        ("", "at character 1: expected a field"),
        ("namespace", "at character 10: expected an operator"),
        ("namespace:", "at character 11: expected a value"),
        ("namespace:\"a", "at character 13: expected `\"`, found the end"),
        ("namespace:\"a\"+", "at character 15: expected a field"),
        ("color:\"red\"", "at character 1: there is no field color"),
        ("label:\"x\"", "at character 1: label needs a key"),
        ("label[]:\"x\"", "key between the brackets is empty"),
        ("label[a:\"x\"", "expected `]`"),
        (
            "namespace:\"a\"+pod:\"b\"|pod:\"c\"",
            "at character 22: `+` and `|` are mixed",
        ),
        ("(namespace:\"a\"", "at character 15: expected `)`"),
        (
            "namespace:\"a\")",
            "at character 14: expected `+`, `|` or the end, found `)`",
        ),
        ("äöü:\"a\"", "at character 1: there is no field äöü"),
        ("namespace:\"ä\"?", "at character 14"),
        (&deep, "deeper than 32"),
    ] {
        let error = parse(text, allocation_field).expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn older_parameters_mean_the_same() {
    let (slot, node) = (slot(), node());
    let row = Row::of("core", Some(&node), Some(&slot));
    for (name, text, passes) in [
        ("filterNamespaces", "a, shop", true),
        ("filterNamespaces", "sh*", true),
        ("filterNamespaces", "sh", false),
        ("filterControllers", "deployment:web", true),
        ("filterControllers", "daemonset:web", false),
        ("filterControllers", "web", true),
        ("filterControllerKinds", "Deployment", true),
        ("filterLabels", "app:x", true),
        ("filterLabels", "app:y,env:prod", true),
        ("filterClusters", "core", true),
        ("filterNodes", "n-2", false),
        ("filterAnnotations", "a:b", false),
    ] {
        let filter = legacy(name, text).expect(text).expect(name);
        assert_eq!(filter.passes(&row), passes, "{name}={text}");
    }
    assert!(legacy("filterLabels", "app").is_err());
    assert_eq!(legacy("filterColors", "red"), Ok(None));
}
