//! `deploy/agent.yaml` starts what this binary understands, as the account of
//! `deploy/rbac.yaml`.

use crate::scene::{CLUSTER, Scene};
use serde_json::Value;
use tonnage_tests::program::{Ended, command};

fn documents(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(tonnage_tests::repository().join("deploy").join(name)).expect("readable");
    text.split("\n---\n")
        .map(|part| serde_saphyr::from_str(part).expect("YAML"))
        .collect()
}

fn of_kind(documents: &[Value], kind: &str) -> Value {
    let found = documents.iter().find(|document| document["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind}")).clone()
}

#[tokio::test]
async fn the_deployment_starts_an_agent() {
    let documents = documents("agent.yaml");
    let (deployment, claim) = (
        of_kind(&documents, "Deployment"),
        of_kind(&documents, "PersistentVolumeClaim"),
    );
    assert_eq!(
        (&deployment["spec"]["replicas"], &deployment["spec"]["strategy"]["type"]),
        (&Value::from(1), &Value::from("Recreate"))
    );
    let pod = &deployment["spec"]["template"]["spec"];
    let account = of_kind(&self::documents("rbac.yaml"), "ServiceAccount");
    assert_eq!(pod["serviceAccountName"], account["metadata"]["name"]);
    assert_eq!(deployment["metadata"]["namespace"], account["metadata"]["namespace"]);
    assert_eq!(
        pod["volumes"][0]["persistentVolumeClaim"]["claimName"],
        claim["metadata"]["name"]
    );
    let container = &pod["containers"][0];
    // its spool and its token lie in what is mounted
    let env = |name: &str| {
        let all = container["env"].as_array().expect("a list");
        let found = all.iter().find(|variable| variable["name"] == name);
        found.unwrap_or_else(|| panic!("no {name}"))["value"]
            .as_str()
            .expect("text")
            .to_owned()
    };
    for (name, mount) in [("TONNAGE_AGENT_SPOOL", 0), ("TONNAGE_AGENT_TOKEN_FILE", 1)] {
        let path = container["volumeMounts"][mount]["mountPath"].as_str().expect("a path");
        assert!(env(name).starts_with(path), "{name}");
    }
    assert!(env("TONNAGE_AGENT_SERVER").starts_with("https://"));
    // the same call outside a cluster gets as far as the cluster
    let scene = Scene::new(Some(CLUSTER));
    let args: Vec<&str> = container["args"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|arg| arg.as_str().expect("a text"))
        .collect();
    let output = command(&scene.data, &args)
        .env("TONNAGE_AGENT_SERVER", env("TONNAGE_AGENT_SERVER"))
        .env("TONNAGE_AGENT_TOKEN_FILE", &scene.token_file)
        .env("TONNAGE_AGENT_SPOOL", scene.folder("spool"))
        .env_remove("KUBERNETES_SERVICE_HOST")
        .output()
        .expect("the binary starts");
    let ended = Ended::of(&output, &args).exits(2);
    assert!(
        ended.err.contains("cannot use this cluster configuration"),
        "{}",
        ended.err
    );
}
