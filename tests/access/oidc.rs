//! Sign-in, as the use cases have it, against the real provider.

use crate::browser::{Browser, Callback};
use crate::provider::{Provider, Wanted, installed};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use domain::access::Scope;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::sync::Arc;
use store::{AuditQuery, SignInState, Store};
use tonnage::Config;
use tonnage::app::App;
use tonnage::app::access::oidc::{OidcSignedIn, SignInRefused, callback_path, state_of};
use tonnage::config::{Flags, Secret};
use tonnage::outbound::oidc::{OidcError, Provider as Asked, Settings};

/// Where this server would be; nothing listens there.
const PUBLIC: &str = "http://127.0.0.1:1";

/// One entry of `sign_in.providers`: its name, issuer, client and secret.
type Entry<'a> = (&'a str, &'a str, &'a str, &'a str);

struct Scene {
    app: App,
    _dir: tempfile::TempDir,
}

impl Scene {
    async fn new(entries: &[Entry<'_>]) -> Scene {
        let dir = tempfile::tempdir().expect("a folder");
        let mut yaml = format!("sign_in:\n  public_url: {PUBLIC}\n  providers:\n");
        for (name, issuer, client, secret) in entries {
            let secret_file = dir.path().join(format!("{name}-secret"));
            std::fs::write(&secret_file, format!("{secret}\n")).expect("written");
            yaml.push_str(&format!(
                "    - name: {name}\n      issuer: {issuer}\n      client_id: {client}\n      \
                 client_secret_file: {}\n      scopes: [profile, groups]\n      groups:\n        \
                 finance: [{{role: finance_preparer, reach: all}}]\n        \
                 admins: [{{role: admin, reach: all}}]\n        \
                 acme-team: [{{role: viewer, reach: 'tenant:acme'}}]\n",
                secret_file.display()
            ));
        }
        let file = dir.path().join("tonnage.yaml");
        std::fs::write(&file, yaml).expect("written");
        let flags = Flags {
            config: Some(file),
            data_dir: Some(dir.path().join("data")),
            ..Flags::default()
        };
        let config = Config::load(flags, &|_| None).expect("a good configuration");
        let app = App::open(&config, Scope::shell("test")).await.expect("opens");
        Scene { app, _dir: dir }
    }

    fn store(&self) -> Store {
        self.app.store().acting(Arc::new(Scope::system("test")))
    }

    /// As far as the callback.
    async fn callback(&self, provider: &str, login: &str) -> Callback {
        let url = self
            .app
            .begin_oidc(provider, "/costs?period=2026-11")
            .await
            .expect("begins");
        let back = Browser::new().sign_in(&url, login).await;
        assert_eq!(back.address, callback(provider));
        assert_eq!(state_of(&url).as_deref(), Some(back.state.as_str()));
        assert!(!back.code.is_empty(), "{back:?}");
        back
    }

    async fn sign_in(&self, provider: &str, login: &str) -> Result<OidcSignedIn, SignInRefused> {
        let back = self.callback(provider, login).await;
        self.app.finish_oidc(provider, &back.code, &back.state).await
    }

    async fn reason(&self, provider: &str, login: &str) -> &'static str {
        self.sign_in(provider, login).await.expect_err("refused").reason()
    }

    /// Reasons of the refusals, in order, as the audit log has them.
    async fn logged(&self) -> Vec<String> {
        let query = AuditQuery {
            action: "sign_in.refused".to_owned(),
            limit: 100,
            ..AuditQuery::default()
        };
        let (entries, _) = self.store().audit(&query).await.expect("the log");
        let reason = |json: &str| serde_json::from_str::<Value>(json).expect("JSON")["reason"].clone();
        let reasons = entries
            .iter()
            .rev()
            .filter_map(|entry| Some(reason(entry.after_json.as_deref()?)));
        reasons.filter_map(|reason| Some(reason.as_str()?.to_owned())).collect()
    }

    /// Changes what was kept when a sign-in was begun.
    async fn tamper(&self, state: &str, change: impl FnOnce(&mut SignInState)) {
        let digest = Sha256::digest([state.as_bytes(), &[0]].concat());
        let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut kept = self.store().end_sign_in(&sha256).await.expect("read").expect("kept");
        change(&mut kept);
        self.store().begin_sign_in(&kept, 0).await.expect("written");
    }
}

fn callback(provider: &str) -> String {
    format!("{PUBLIC}/{}", callback_path(provider))
}

fn start(folder: &Path, in_token: bool) -> Provider {
    let clients = vec![("one", callback("company")), ("two", callback("partner"))];
    Provider::start(
        folder,
        Wanted {
            port: 0,
            in_token,
            clients,
        },
    )
}

fn settings(issuer: &str, client: &str) -> Settings {
    Settings {
        issuer: issuer.to_owned(),
        client_id: client.to_owned(),
        client_secret: Secret(format!("secret-of-{client}")),
        scopes: vec!["profile".to_owned()],
        groups_claim: "groups".to_owned(),
        ca: None,
    }
}

fn grants(signed_in: &OidcSignedIn) -> Vec<String> {
    let grants = signed_in.account.granted();
    grants
        .iter()
        .map(|grant| format!("{} over {}", grant.role.key(), grant.reach))
        .collect()
}

fn payload(id_token: &str) -> Value {
    let part = id_token.split('.').nth(1).expect("three parts");
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64");
    serde_json::from_slice(&bytes).expect("JSON")
}

#[tokio::test]
async fn groups_give_roles_and_take_them_along_when_they_vanish() {
    let Some(folder) = installed() else { return };
    for in_token in [false, true] {
        let provider = start(folder, in_token);
        let scene = Scene::new(&[("company", &provider.issuer, "one", "secret-of-one")]).await;
        let mut ids = Vec::new();
        for (groups, expected) in [
            (
                json!(["finance", "acme-team", "chess"]),
                vec!["viewer over tenant:acme", "finance_preparer over all"],
            ),
            (json!("acme-team"), vec!["viewer over tenant:acme"]),
        ] {
            provider.accounts(&json!({"alice": {"name": "Alice Ångström", "groups": groups}}));
            let signed_in = scene.sign_in("company", "alice").await.expect("signed in");
            assert_eq!(grants(&signed_in), expected, "in the id token: {in_token}");
            let account = &signed_in.account;
            assert_eq!(
                (
                    account.login.as_str(),
                    account.display_name.as_str(),
                    account.issuer.as_str()
                ),
                ("alice", "Alice Ångström", "company")
            );
            assert_eq!(signed_in.next, "/costs?period=2026-11");
            assert_eq!(payload(&signed_in.id_token).get("groups").is_some(), in_token);
            ids.push(account.account_id.clone());
        }
        assert_eq!(ids.first(), ids.last(), "one account");
        provider.accounts(&json!({"alice": {"groups": []}, "bob": {"groups": ["chess"]}}));
        assert_eq!(scene.reason("company", "alice").await, "no_groups");
        let account = scene.store().account(ids.first().expect("an id")).await.expect("alice");
        assert_eq!(account.grants, [], "the roles are gone");
        assert_eq!(scene.reason("company", "bob").await, "no_groups");
        assert_eq!(
            scene.store().accounts().await.expect("accounts").len(),
            1,
            "bob is none"
        );
        assert_eq!(scene.logged().await, ["no_groups", "no_groups"]);
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_logged() {
    let Some(folder) = installed() else { return };
    let provider = start(folder, true);
    provider.accounts(&json!({"alice": {"groups": ["finance"]}}));
    let scene = Scene::new(&[
        ("company", &provider.issuer, "one", "secret-of-one"),
        ("partner", &provider.issuer, "two", "secret-of-two"),
        ("mistyped", &provider.issuer, "one", "secret-of-two"),
    ])
    .await;
    let mut expected = Vec::new();
    let mut refused = |found: Result<OidcSignedIn, SignInRefused>, reason: &'static str| {
        let why = found.expect_err(reason);
        assert_eq!(why.reason(), reason, "{why:?}");
        expected.push(reason);
    };
    let app = &scene.app;

    let back = scene.callback("company", "alice").await;
    app.finish_oidc("company", &back.code, &back.state)
        .await
        .expect("signed in");
    refused(
        app.finish_oidc("company", &back.code, &back.state).await,
        "replayed_state",
    );
    refused(
        app.finish_oidc("company", &back.code, "never sent").await,
        "unknown_state",
    );
    refused(
        app.finish_oidc("nowhere", &back.code, &back.state).await,
        "unknown_provider",
    );

    let back = scene.callback("company", "alice").await;
    refused(
        app.finish_oidc("partner", &back.code, &back.state).await,
        "foreign_state",
    );
    // the state is spent: the right provider comes too late
    refused(
        app.finish_oidc("company", &back.code, &back.state).await,
        "replayed_state",
    );

    let back = scene.callback("company", "alice").await;
    scene.tamper(&back.state, |kept| kept.created_us -= 601_000_000).await;
    refused(
        app.finish_oidc("company", &back.code, &back.state).await,
        "expired_state",
    );

    let back = scene.callback("company", "alice").await;
    refused(
        app.finish_oidc("company", "no such code", &back.state).await,
        "code_refused",
    );

    // a code of another client
    let (theirs, ours) = (
        scene.callback("partner", "alice").await,
        scene.callback("company", "alice").await,
    );
    refused(
        app.finish_oidc("company", &theirs.code, &ours.state).await,
        "code_refused",
    );

    let back = scene.callback("company", "alice").await;
    scene.tamper(&back.state, |kept| kept.verifier = "x".repeat(43)).await;
    refused(
        app.finish_oidc("company", &back.code, &back.state).await,
        "code_refused",
    );

    let back = scene.callback("company", "alice").await;
    scene
        .tamper(&back.state, |kept| kept.nonce = "another".to_owned())
        .await;
    refused(app.finish_oidc("company", &back.code, &back.state).await, "wrong_nonce");

    let url = app.begin_oidc("mistyped", "/").await.expect("begins");
    let state = state_of(&url).expect("a state");
    refused(app.finish_oidc("mistyped", "any", &state).await, "client_refused");

    let url = app.begin_oidc("company", "/").await.expect("begins");
    let state = state_of(&url).expect("a state");
    let why = app.decline_oidc("company", "access_denied", &state).await;
    refused(Err(why), "declined");

    assert_eq!(scene.logged().await, expected);
    assert_eq!(
        scene.store().accounts().await.expect("accounts").len(),
        1,
        "nothing half done"
    );
}

#[tokio::test]
async fn only_paths_of_this_server_are_gone_to_afterwards() {
    let Some(folder) = installed() else { return };
    let provider = start(folder, true);
    provider.accounts(&json!({"alice": {"groups": ["finance"]}}));
    let scene = Scene::new(&[("company", &provider.issuer, "one", "secret-of-one")]).await;
    for (next, expected) in [
        ("/rules", "/rules"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("", "/"),
    ] {
        let url = scene.app.begin_oidc("company", next).await.expect("begins");
        let back = Browser::new().sign_in(&url, "alice").await;
        let signed_in = scene.app.finish_oidc("company", &back.code, &back.state).await;
        assert_eq!(signed_in.expect("signed in").next, expected, "{next:?}");
    }
}

#[tokio::test]
async fn disabled_accounts_taken_logins_and_the_last_admin_are_refused() {
    let Some(folder) = installed() else { return };
    let provider = start(folder, false);
    let scene = Scene::new(&[
        ("company", &provider.issuer, "one", "secret-of-one"),
        ("partner", &provider.issuer, "two", "secret-of-two"),
    ])
    .await;
    provider.accounts(&json!({"alice": {"groups": ["admins"]}, "bob": {"groups": ["finance"]}}));
    let alice = scene.sign_in("company", "alice").await.expect("signed in").account;
    let bob = scene.sign_in("company", "bob").await.expect("signed in").account;

    // the same name at another provider is another person
    assert_eq!(scene.reason("partner", "alice").await, "login_taken");
    scene
        .store()
        .disable_account(&bob.account_id, Some(1))
        .await
        .expect("disabled");
    assert_eq!(scene.reason("company", "bob").await, "account_disabled");
    provider.accounts(&json!({"alice": {"groups": ["finance"]}}));
    assert_eq!(scene.reason("company", "alice").await, "last_admin");
    let still = scene.store().account(&alice.account_id).await.expect("alice");
    assert_eq!(still.grants, alice.grants, "nothing half done");
    assert_eq!(scene.logged().await, ["login_taken", "account_disabled", "last_admin"]);
}

#[tokio::test]
async fn two_providers_stand_side_by_side() {
    let Some(folder) = installed() else { return };
    let (company, partner) = (start(folder, false), start(folder, true));
    company.accounts(&json!({"alice": {"groups": ["finance"]}}));
    partner.accounts(&json!({"bob": {"groups": ["acme-team"]}}));
    let scene = Scene::new(&[
        ("company", &company.issuer, "one", "secret-of-one"),
        ("partner", &partner.issuer, "two", "secret-of-two"),
    ])
    .await;
    for (provider, login, expected) in [
        ("company", "alice", "finance_preparer over all"),
        ("partner", "bob", "viewer over tenant:acme"),
    ] {
        let signed_in = scene.sign_in(provider, login).await.expect("signed in");
        assert_eq!(
            (signed_in.provider.as_str(), grants(&signed_in)),
            (provider, vec![expected.to_owned()])
        );
    }
    let names: Vec<_> = scene.app.providers().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["company", "partner"]);
    // an id token of one is none of the other
    let token = scene.sign_in("partner", "bob").await.expect("signed in").id_token;
    let nonce = payload(&token)["nonce"].as_str().expect("a nonce").to_owned();
    let other = Asked::new(settings(&company.issuer, "two")).expect("prepared");
    let found = other.check_id_token(&token, &nonce, Utc::now()).await;
    assert!(matches!(found, Err(OidcError::Issuer(_))), "{found:?}");
}

#[tokio::test]
async fn keys_may_change_while_the_server_runs() {
    let Some(folder) = installed() else { return };
    let mut provider = start(folder, true);
    provider.accounts(&json!({"alice": {"groups": ["finance"]}}));
    let scene = Scene::new(&[("company", &provider.issuer, "one", "secret-of-one")]).await;
    let before = scene.sign_in("company", "alice").await.expect("signed in").id_token;
    provider.rotate_keys(folder);
    let after = scene
        .sign_in("company", "alice")
        .await
        .expect("signed in with the new keys")
        .id_token;
    // what the provider's present keys did not sign is no longer believed
    let asked = Asked::new(settings(&provider.issuer, "one")).expect("prepared");
    for (token, good) in [(before, false), (after, true)] {
        let nonce = payload(&token)["nonce"].as_str().expect("a nonce").to_owned();
        let found = asked.check_id_token(&token, &nonce, Utc::now()).await;
        assert_eq!(found.is_ok(), good, "{found:?}");
        assert!(good || matches!(found, Err(OidcError::Signature(_))), "{found:?}");
    }
}

#[tokio::test]
async fn an_id_token_is_checked_to_the_second_and_to_the_letter() {
    let Some(folder) = installed() else { return };
    let provider = start(folder, true);
    provider.accounts(&json!({"alice": {"groups": ["finance"]}}));
    let scene = Scene::new(&[("company", &provider.issuer, "one", "secret-of-one")]).await;
    let token = scene.sign_in("company", "alice").await.expect("signed in").id_token;
    let claims = payload(&token);
    let nonce = claims["nonce"].as_str().expect("a nonce");
    let instant = |name: &str| DateTime::<Utc>::from_timestamp(claims[name].as_i64().expect(name), 0).expect(name);
    let asked = Asked::new(settings(&provider.issuer, "one")).expect("prepared");
    for (from, seconds, good) in [
        ("exp", -1, true),
        ("exp", 59, true),
        ("exp", 61, false),
        ("iat", 0, true),
        ("iat", -59, true),
        ("iat", -61, false),
    ] {
        let now = instant(from) + TimeDelta::seconds(seconds);
        let found = asked.check_id_token(&token, nonce, now).await;
        assert_eq!(found.is_ok(), good, "{from} {seconds}: {found:?}");
        assert!(
            good || matches!(found, Err(OidcError::Time(_))),
            "{from} {seconds}: {found:?}"
        );
    }
    let other = Asked::new(settings(&provider.issuer, "two")).expect("prepared");
    let found = other.check_id_token(&token, nonce, Utc::now()).await;
    assert!(matches!(found, Err(OidcError::Audience(_))), "{found:?}");
    let found = asked.check_id_token(&token, "another", Utc::now()).await;
    assert!(matches!(found, Err(OidcError::Nonce(_))), "{found:?}");

    // a token without a signature, and one whose claims were changed
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let mut richer = claims.clone();
    richer["groups"] = json!(["admins"]);
    let [header, _, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts")
    };
    for forged in [
        format!("{}.{}.", part(&json!({"alg": "none"})), part(&claims)),
        format!("{}.{}.{signature}", part(&json!({"alg": "HS256"})), part(&claims)),
        format!("{header}.{}.{signature}", part(&richer)),
    ] {
        let found = asked.check_id_token(&forged, nonce, Utc::now()).await;
        assert!(matches!(found, Err(OidcError::Signature(_))), "{forged}: {found:?}");
    }
    let found = asked.check_id_token("nothing", nonce, Utc::now()).await;
    assert!(matches!(found, Err(OidcError::NoToken)), "{found:?}");
}

#[tokio::test]
async fn signing_out_goes_by_the_provider() {
    let Some(folder) = installed() else { return };
    let provider = start(folder, false);
    provider.accounts(&json!({"alice": {"groups": ["finance"]}}));
    let scene = Scene::new(&[("company", &provider.issuer, "one", "secret-of-one")]).await;
    let signed_in = scene.sign_in("company", "alice").await.expect("signed in");
    let url = scene
        .app
        .oidc_sign_out("company", &signed_in.id_token)
        .await
        .expect("asked")
        .expect("a place");
    assert!(url.as_str().starts_with(&provider.issuer), "{url}");
    let has = |name: &str, value: &str| url.query_pairs().any(|(key, held)| key == name && held == value);
    assert!(has("id_token_hint", &signed_in.id_token), "{url}");
    assert!(has("post_logout_redirect_uri", &format!("{PUBLIC}/sign-in")), "{url}");
    // the provider knows both, and asks whether it is meant
    let (status, page) = Browser::new().page(&url).await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("logout"), "{page}");
    assert_eq!(
        scene
            .app
            .oidc_sign_out("gone", &signed_in.id_token)
            .await
            .expect("asked"),
        None
    );
}

#[tokio::test]
async fn a_provider_that_is_away_or_another_is_said_so() {
    let Some(folder) = installed() else { return };
    let mut provider = start(folder, false);
    provider.accounts(&json!({"alice": {"groups": ["finance"]}}));
    let elsewhere = provider.issuer.replace("127.0.0.1", "localhost");
    let scene = Scene::new(&[
        ("company", &provider.issuer, "one", "secret-of-one"),
        ("partner", &elsewhere, "two", "secret-of-two"),
    ])
    .await;
    let error = scene.app.begin_oidc("partner", "/").await.expect_err("another issuer");
    assert!(error.chain().contains("wrong issuer"), "{}", error.chain());
    let back = scene.callback("company", "alice").await;
    provider.stop();
    let why = scene
        .app
        .finish_oidc("company", &back.code, &back.state)
        .await
        .expect_err("nobody answers");
    assert_eq!(why.reason(), "provider_unusable", "{why:?}");
    assert!(why.to_string().contains("try again"), "{why}");
}
