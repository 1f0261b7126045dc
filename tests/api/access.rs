//! Who may ask what: every address, as nobody, as each role, as a tenant's own
//! reader, and by an agent's token. The table is `docs/SECURITY.md`'s.

use crate::site::{Site, token_of};
use domain::access::{Grant, Permission, Reach, Role};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tonnage::app::access::Whence;
use tonnage::http::routes::{Kind, Need, ROUTES, Route};

/// Who asks: name of the column, and what was granted.
fn readers() -> Vec<(String, Vec<Grant>)> {
    let all = |role: Role| Grant {
        role,
        reach: Reach::All,
    };
    let mut readers: Vec<(String, Vec<Grant>)> = Role::ALL
        .iter()
        .map(|role| (role.key().to_owned(), vec![all(*role)]))
        .collect();
    // of a role that may much, so that only the reach is in the way
    let foreign = |role: Role| Grant {
        role,
        reach: Reach::Tenant("acme".to_owned()),
    };
    readers.push((
        "tenant acme".to_owned(),
        [
            Role::Viewer,
            Role::Platform,
            Role::FinancePreparer,
            Role::Auditor,
            Role::Admin,
        ]
        .map(foreign)
        .to_vec(),
    ));
    readers
}

/// What the need of a route comes to for somebody with these grants.
fn expected(need: Need, grants: &[Grant]) -> bool {
    let over_all = |permission: Permission| {
        let mut held = grants.iter();
        held.any(|grant| grant.role.permits(permission) && grant.reach == Reach::All)
    };
    match need {
        Need::Nothing => true,
        // its own token is asked for
        Need::AgentToken => false,
        Need::SignedIn => !grants.is_empty(),
        Need::Some(permission) => grants.iter().any(|grant| grant.role.permits(permission)),
        Need::All(permission) => over_all(permission),
        Need::SeeAccess => over_all(Permission::ReadAudit) || over_all(Permission::ManageAccess),
    }
}

/// Forms that manage access or one's own account: a token could else give
/// itself what it lacks.
pub fn needs_session(route: &Route) -> bool {
    let path = route.path;
    let own = ["/account", "/access"].iter().any(|place| path.starts_with(place));
    route.kind == Kind::Form && (own || path == "/sign-out" || path == "/switch")
}

/// A new session of somebody.
async fn session_of(site: &Site, login: &str) -> String {
    let app = site.app().await;
    let account = app.account_named(login).await.expect("there");
    let code = app.link_code(&account.account_id).await.expect("a link");
    let began = app.follow_link(&code, &Whence::default()).await;
    began.expect("signed in").secret
}

fn sample(path: &str) -> String {
    path.replace("{id}", "0123")
        .replace("{*file}", "none.js")
        .replace("{provider}", "none")
}

/// Whether the answer let the caller in: refusals of access have statuses of their own.
fn let_in(route: &Route, status: u16, location: &str) -> bool {
    let sent_away = status == 303 && location.starts_with("/sign-in") && !route.path.starts_with("/sign-in");
    let sent_away = sent_away && route.path != "/sign-out" && route.path != "/set-up";
    !matches!(status, 401 | 403) && !sent_away
}

async fn ask(site: &Site, route: &Route, token: Option<&str>) -> (u16, String) {
    let path = sample(route.path);
    let answer = match route.method {
        "POST" => site.post_as(&path, "", token).await,
        _ => site.get_as(&path, token).await,
    };
    (answer.status, answer.header("location").to_owned())
}

#[tokio::test]
async fn every_address_lets_in_whom_its_need_names_and_nobody_else() {
    let site = Site::with_bill().await;
    let app = site.app().await;
    let mut tokens = BTreeMap::new();
    for (at, (name, grants)) in readers().into_iter().enumerate() {
        let token = token_of(&app, &format!("reader{at}"), grants).await;
        tokens.insert(name, token);
    }
    let agent = app.create_token("prod", None, None).await.expect("a token").token;
    for route in ROUTES {
        let (status, location) = ask(&site, route, None).await;
        // the way in answers nobody, and an agent's door says 401 by itself
        assert_eq!(
            let_in(route, status, &location),
            expected(route.need, &[]),
            "nobody: {} {}: {status} {location}",
            route.method,
            route.path
        );
        let (status, location) = ask(&site, route, Some(&agent)).await;
        let opens = route.need == Need::AgentToken || expected(route.need, &[]);
        assert_eq!(
            let_in(route, status, &location),
            opens,
            "agent: {} {}: {status} {location}",
            route.method,
            route.path
        );
        for (at, (name, grants)) in readers().into_iter().enumerate() {
            let (mut status, mut location) = ask(&site, route, Some(&tokens[&name])).await;
            if needs_session(route) {
                assert_eq!(status, 403, "{name} by a token: {}", route.path);
                let session = session_of(&site, &format!("reader{at}")).await;
                let answer = site.post_with_session(&sample(route.path), "", &session).await;
                (status, location) = (answer.status, answer.header("location").to_owned());
            }
            assert_eq!(
                let_in(route, status, &location),
                expected(route.need, &grants),
                "{name}: {} {}: {status} {location}",
                route.method,
                route.path
            );
            assert!(status < 500, "{name}: {} {}: {status}", route.method, route.path);
        }
    }
}

/// The table of `docs/SECURITY.md`.
fn table() -> String {
    let readers = readers();
    let mut text = String::from("| address | needs | nobody |");
    for (name, _) in &readers {
        let _ = write!(text, " {} |", name.replace('_', " "));
    }
    text.push_str("\n|---|---|---|");
    text.push_str(&"---|".repeat(readers.len()));
    text.push('\n');
    for route in ROUTES {
        let sign = |allowed: bool| match (allowed, route.need) {
            (true, Need::Some(_)) => "cut",
            (true, _) => "yes",
            (false, _) => "-",
        };
        let _ = write!(
            text,
            "| {} `{}` | {} | {} |",
            route.method,
            route.path,
            route.need.word(),
            sign(expected(route.need, &[]))
        );
        for (name, grants) in &readers {
            let allowed = expected(route.need, grants);
            let whole = allowed && matches!(route.need, Need::Some(_)) && !name.starts_with("tenant");
            let _ = write!(text, " {} |", if whole { "yes" } else { sign(allowed) });
        }
        text.push('\n');
    }
    text
}

#[test]
fn the_documentation_has_the_whole_table() {
    let path = tonnage_tests::repository().join("docs/SECURITY.md");
    let text = std::fs::read_to_string(&path).expect("docs/SECURITY.md");
    let (begin, end) = ("<!-- who may what -->\n", "<!-- /who may what -->");
    let held = text.split(begin).nth(1).and_then(|rest| rest.split(end).next());
    let held = held.expect("the marks around the table");
    if held != table() {
        if std::env::var_os("TONNAGE_WRITE_DOCS").is_some() {
            let written = text.replace(held, &table());
            std::fs::write(&path, written).expect("a writable file");
            return;
        }
        panic!("docs/SECURITY.md is old: run this test with TONNAGE_WRITE_DOCS=1");
    }
}

#[tokio::test]
async fn who_is_nobody_learns_nothing_of_what_there_is() {
    let site = Site::with_bill().await;
    for (path, status, location) in [
        ("/", 303, "/sign-in"),
        (
            "/costs?by=tenant&period=2026-11",
            303,
            "/sign-in?next=%2Fcosts%3Fby%3Dtenant%26period%3D2026-11",
        ),
        ("/nowhere", 303, "/sign-in?next=%2Fnowhere"),
        ("/explain/0123", 303, "/sign-in?next=%2Fexplain%2F0123"),
        ("/costs.csv", 303, "/sign-in?next=%2Fcosts.csv"),
        ("/api/v1/costs", 401, ""),
        ("/api/v1/nowhere", 401, ""),
        ("/allocation?window=1d", 401, ""),
        ("/metrics", 401, ""),
    ] {
        let answer = site.get_as(path, None).await;
        assert_eq!((answer.status, answer.header("location")), (status, location), "{path}");
        assert!(!answer.text().contains("acme"), "{path}");
        if status == 401 {
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{path}");
        }
    }
    for token in ["", "x", "tonnage_api_", "tonnage_api_abc_def", "tonnage_api_\u{fc}_x"] {
        let answer = site.get_as("/api/v1/costs", Some(token)).await;
        assert_eq!(answer.status, 401, "{token}");
    }
}

#[tokio::test]
async fn a_refusal_names_who_can_grant_it() {
    let site = Site::with_bill().await;
    let app = site.app().await;
    let viewer = token_of(
        &app,
        "jo",
        vec![Grant {
            role: Role::Viewer,
            reach: Reach::Tenant("acme".to_owned()),
        }],
    )
    .await;
    let page = site.get_as("/clusters", Some(&viewer)).await;
    assert_eq!(page.status, 403);
    assert!(
        page.text().contains("Reader suite"),
        "the admin's name: {}",
        page.text()
    );
    let api = site.get_as("/api/v1/clusters", Some(&viewer)).await;
    let detail = api.json()["errors"][0]["detail"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(
        detail.contains("whole company") && detail.contains("Reader suite"),
        "{detail}"
    );
    let opencost = site.get_as("/allocation?window=1d", Some(&viewer)).await;
    assert_eq!((opencost.status, opencost.json()["code"].as_u64()), (403, Some(403)));
}

#[tokio::test]
async fn a_token_ends_with_its_account_role_or_time() {
    let site = Site::with_bill().await;
    let app = site.app().await;
    let grant = Grant {
        role: Role::Viewer,
        reach: Reach::All,
    };
    let token = token_of(&app, "jo", vec![grant.clone()]).await;
    let account = app.account_named("jo").await.expect("there");
    let works = async || site.get_as("/api/v1/costs", Some(&token)).await.status;
    assert_eq!(works().await, 200);
    app.change_grants(&account.account_id, &[], std::slice::from_ref(&grant))
        .await
        .expect("taken back");
    assert_eq!(works().await, 403, "what the account lost the token lost");
    app.change_grants(&account.account_id, &[grant], &[])
        .await
        .expect("granted again");
    assert_eq!(works().await, 200);
    app.let_in(&account.account_id, false).await.expect("disabled");
    assert_eq!(works().await, 401);
    app.let_in(&account.account_id, true).await.expect("enabled");
    assert_eq!(works().await, 200);
    let tokens = app.api_tokens().await.expect("tokens");
    let of_jo = tokens.iter().find(|token| token.account_id == account.account_id);
    let id = of_jo.expect("the token").token_id.clone();
    app.revoke_api_token(&id).await.expect("revoked");
    assert_eq!(works().await, 401);
}

#[tokio::test]
async fn a_token_gives_itself_nothing() {
    let site = Site::with_bill().await;
    let app = site.app().await;
    let whole = |role: Role| Grant {
        role,
        reach: Reach::All,
    };
    token_of(&app, "multi", vec![whole(Role::Viewer), whole(Role::Admin)]).await;
    let account = app.account_named("multi").await.expect("there");
    let narrow = app
        .create_api_token(&account, "narrow", &[Role::Viewer], 3)
        .await
        .expect("a token");
    let before = app.api_tokens().await.expect("tokens").len();
    for (path, body) in [
        ("/account/tokens", "name=esc&days=3&role=admin"),
        ("/access/tokens", "name=esc&days=3&role=admin"),
        ("/account/password", "new=hijacked-password-1&again=hijacked-password-1"),
        ("/access/grants", "account_id=x&role=admin&reach=all"),
        ("/switch", "account_id=x"),
    ] {
        let answer = site.post_as(path, body, Some(&narrow.token)).await;
        assert_eq!(answer.status, 403, "{path}");
    }
    assert_eq!(app.api_tokens().await.expect("tokens").len(), before);
    assert!(!app.account_named("multi").await.expect("there").has_password);
}

#[tokio::test]
async fn every_form_of_the_table_is_a_post() {
    for route in ROUTES {
        assert_eq!(
            route.kind == Kind::Form,
            route.method == "POST" && route.path != "/api/v1/usage/facts",
            "{}",
            route.path
        );
    }
}
