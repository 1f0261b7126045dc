//! `deploy/rbac.yaml` allows what the collector's table names, and nothing more.

use serde_json::Value;
use sources::kubernetes::ACCESS;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The documents of the file.
pub fn documents() -> Vec<Value> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(RBAC);
    let text = std::fs::read_to_string(file).expect("deploy/rbac.yaml");
    text.split("\n---\n")
        .map(|part| serde_saphyr::from_str(part).expect("YAML"))
        .collect()
}

/// Where the file lies, seen from the crate of the tests.
const RBAC: &str = "../deploy/rbac.yaml";

fn strings(value: &Value) -> Vec<String> {
    let items = value.as_array().expect("a list").iter();
    items.map(|item| item.as_str().expect("a string").to_owned()).collect()
}

#[test]
fn the_role_is_the_table() {
    let mut allowed = BTreeSet::new();
    for role in documents().iter().filter(|document| document["kind"] == "ClusterRole") {
        for rule in role["rules"].as_array().expect("rules") {
            let keys: Vec<&String> = rule.as_object().expect("a rule").keys().collect();
            assert_eq!(
                keys,
                ["apiGroups", "resources", "verbs"],
                "nothing but groups, resources and verbs"
            );
            for group in strings(&rule["apiGroups"]) {
                for resource in strings(&rule["resources"]) {
                    for verb in strings(&rule["verbs"]) {
                        let permission = (group.clone(), resource.clone(), verb);
                        assert!(allowed.insert(permission.clone()), "{permission:?} twice");
                    }
                }
            }
        }
    }
    let needed: BTreeSet<_> = ACCESS
        .iter()
        .flat_map(|access| access.verbs.iter().map(|verb| (access.group, access.resource, *verb)))
        .map(|(group, resource, verb)| (group.to_owned(), resource.to_owned(), verb.to_owned()))
        .collect();
    assert_eq!(allowed, needed);
    for (group, resource, verb) in &allowed {
        assert!(["list", "watch"].contains(&verb.as_str()), "{verb} {resource}.{group}");
        assert!(!resource.contains("secret") && !resource.contains("configmap") && !resource.contains('*'));
    }
}

#[test]
fn the_binding_binds_that_role_to_that_account() {
    let documents = documents();
    let of = |kind: &str| {
        documents
            .iter()
            .find(|document| document["kind"] == kind)
            .expect("a document")
    };
    let (role, account, binding) = (of("ClusterRole"), of("ServiceAccount"), of("ClusterRoleBinding"));
    assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
    assert_eq!(binding["subjects"][0]["name"], account["metadata"]["name"]);
    assert_eq!(binding["subjects"][0]["namespace"], account["metadata"]["namespace"]);
    assert_eq!(documents.len(), 3, "and nothing else");
}
