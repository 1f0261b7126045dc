//! `sign_in` of the configuration file: what is taken, what is refused, what is shown.

use domain::access::{Grant, Reach, Role};
use std::collections::BTreeMap;
use tonnage::config::Flags;
use tonnage::{AppError, Config};

const GOOD: &str = "
public_url: https://cost.example/tonnage
providers:
  - name: company
    label: Company account
    issuer: https://login.example/realms/company
    client_id: tonnage
    client_secret_env: OIDC_SECRET
    scopes: [openid, profile, groups]
    groups:
      finance: [{role: finance_preparer, reach: all}]
      acme-team: [{role: viewer, reach: 'tenant:acme'}]
";

fn load(yaml: &str) -> Result<Config, AppError> {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("tonnage.yaml");
    let indented: Vec<_> = yaml.lines().map(|line| format!("  {line}\n")).collect();
    std::fs::write(&file, format!("sign_in:\n{}", indented.concat())).expect("written");
    let env = |name: &str| match name {
        "OIDC_SECRET" => Some("s3cret\n".to_owned()),
        "EMPTY" => Some(" ".to_owned()),
        _ => None,
    };
    let flags = Flags {
        config: Some(file),
        ..Flags::default()
    };
    Config::load(flags, &env)
}

#[test]
fn what_is_written_is_what_is_meant() {
    let config = load(GOOD).expect("good");
    let sign_in = config.sign_in.as_ref().expect("sign-in");
    let provider = sign_in.providers.first().expect("one");
    assert_eq!(
        (
            sign_in.public_url.as_str(),
            provider.label.as_str(),
            provider.settings.client_secret.0.as_str()
        ),
        ("https://cost.example/tonnage/", "Company account", "s3cret")
    );
    assert_eq!(provider.settings.scopes, ["profile", "groups"]);
    let grant = |role, reach| Grant { role, reach };
    let expected = BTreeMap::from([
        (
            "acme-team".to_owned(),
            vec![grant(Role::Viewer, Reach::Tenant("acme".to_owned()))],
        ),
        ("finance".to_owned(), vec![grant(Role::FinancePreparer, Reach::All)]),
    ]);
    assert_eq!(provider.groups, expected);
    let shown = config.shown();
    let ours = shown.iter().filter(|one| one.name.starts_with("sign_in"));
    let text: Vec<_> = ours.map(|one| format!("{} {}", one.name, one.value)).collect();
    assert_eq!(
        text,
        [
            "sign_in.public_url https://cost.example/tonnage/",
            "sign_in.provider company at https://login.example/realms/company; client tonnage; \
             secret *** from environment OIDC_SECRET; scopes openid profile groups; groups in groups; \
             acme-team gives viewer over tenant:acme; finance gives finance_preparer over all",
        ]
    );
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn what_is_wrong_is_named_with_what_to_write() {
    let twice = GOOD.split_once("providers:\n").expect("providers").1;
    let twice = format!("{GOOD}{twice}");
    let with = |from: &str, to: &str| {
        assert!(GOOD.contains(from), "{from}");
        GOOD.replace(from, to)
    };
    for (yaml, place, remedy) in [
        (with("https://cost", "http://cost"), "sign_in.public_url ", "https://"),
        (
            twice,
            "sign_in.providers[company].name is there twice",
            "name of its own",
        ),
        (
            with("name: company", "name: local"),
            "sign_in.providers[local].name",
            "mean something else",
        ),
        (
            with("name: company", "name: a/b"),
            "sign_in.providers[a/b].name",
            "small letters",
        ),
        (
            with("https://login", "http://login"),
            "sign_in.providers[company].issuer",
            "https://",
        ),
        (
            with("client_id: tonnage", "client_id: ''"),
            "sign_in.providers[company].client_id is empty",
            "write it",
        ),
        (
            with("    client_secret_env: OIDC_SECRET\n", ""),
            "client_secret_file is missing",
            "client_secret_env",
        ),
        (
            with("OIDC_SECRET", "NOT_SET"),
            "client_secret_env names NOT_SET",
            "set it",
        ),
        (
            with("OIDC_SECRET", "EMPTY"),
            "client_secret_env holds no secret",
            "put the client's secret",
        ),
        (
            with("client_secret_env: OIDC_SECRET", "client_secret_file: /nowhere/at/all"),
            "client_secret_file cannot read /nowhere/at/all",
            "check the path",
        ),
        (
            with("finance_preparer", "financier"),
            "groups[\"finance\"] has role \"financier\"",
            "viewer, finance_preparer",
        ),
        (
            with("reach: all", "reach: acme"),
            "groups[\"finance\"] has a wrong reach",
            "tenant:NAME",
        ),
        (
            with("[{role: finance_preparer, reach: all}]", "[]"),
            "groups[\"finance\"] gives nothing",
            "leave it out",
        ),
    ] {
        let error = load(&yaml).expect_err(place);
        let text = error.to_string();
        assert!(text.contains(place) && text.contains(remedy), "{place}: {text}");
        assert_eq!(error.exit_code(), 2, "{text}");
    }
}
