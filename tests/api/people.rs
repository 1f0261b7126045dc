//! Sign-in, sessions and what people do with access, as a browser does it.

use crate::site::{Answer, NOVEMBER, Site, token_of};
use domain::access::{Grant, Reach, Role};
use tonnage::app::access::NewPerson;

const PASSWORD: &str = "a sentence long enough";

fn cookie(answer: &Answer) -> Option<String> {
    let cookies = answer.headers.get_all("set-cookie").iter();
    let texts = cookies.filter_map(|value| value.to_str().ok());
    texts
        .filter_map(|text| text.strip_prefix("tonnage_session="))
        .map(|rest| rest.split(';').next().unwrap_or_default().to_owned())
        .next()
}

async fn person(site: &Site, login: &str, role: Role, reach: Reach) {
    let new = NewPerson {
        login: login.to_owned(),
        name: format!("Person {login}"),
        grants: vec![Grant { role, reach }],
        password: Some(PASSWORD.to_owned()),
    };
    site.app().await.invite(&new).await.expect("a new account");
}

fn login_form(login: &str, password: &str, next: &str) -> String {
    format!(
        "login={login}&password={}&next={}",
        password.replace(' ', "+"),
        next.replace('/', "%2F").replace(':', "%3A").replace('?', "%3F")
    )
}

async fn sign_in(site: &Site, login: &str) -> String {
    let answer = site.post_as("/sign-in", &login_form(login, PASSWORD, ""), None).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/"));
    cookie(&answer).expect("a session")
}

#[tokio::test]
async fn the_first_admin_is_made_with_the_code_and_nobody_else_is() {
    let site = Site::bare().await;
    let app = site.app().await;
    let page = site.get_as("/sign-in", None).await;
    assert!(page.text().contains("Set up Tonnage"), "{}", page.text());
    let code = app
        .setup_code()
        .await
        .expect("asked")
        .expect("nobody manages access yet");
    let form = |code: &str, login: &str, new: &str, again: &str| {
        format!("code={code}&login={login}&name=Maria+Roth&new={new}&again={again}")
    };
    for (body, says) in [
        (form("wrong", "maria", "a-long-password", "a-long-password"), "code"),
        (form(&code, "maria", "short", "short"), "12 characters"),
        (form(&code, "maria", "a-long-password", "another-password"), "differ"),
        (
            form(&code, "not a login", "a-long-password", "a-long-password"),
            "login",
        ),
    ] {
        let refused = site.post_as("/set-up", &body, None).await;
        assert_eq!(refused.status, 303);
        assert_eq!(cookie(&refused), None);
        let back = site.get_as(refused.header("location"), None).await;
        assert!(back.text().contains("Maria Roth"), "what was written is kept");
        assert!(!back.text().contains("a-long-password"), "but for the password");
        assert!(back.text().to_lowercase().contains(says), "{says}: {}", back.text());
    }
    let body = form(&code, "Maria", "a-long-password", "a-long-password");
    let made = site.post_as("/set-up", &body, None).await;
    assert_eq!((made.status, made.header("location")), (303, "/"));
    let session = cookie(&made).expect("signed in");
    assert_eq!(site.get_with_session("/access", &session).await.status, 200);
    let again = site
        .post_as(
            "/set-up",
            &form(&code, "eve", "a-long-password", "a-long-password"),
            None,
        )
        .await;
    assert_eq!(cookie(&again), None, "the code is used up");
    assert_eq!(app.setup_code().await.expect("asked"), None);
    assert!(!site.get_as("/sign-in", None).await.text().contains("Set up Tonnage"));
}

#[tokio::test]
async fn a_session_begins_by_password_and_ends_by_sign_out() {
    let site = Site::with_bill().await;
    person(&site, "jo", Role::Viewer, Reach::All).await;
    for (login, password) in [("jo", "wrong but long enough"), ("nobody", PASSWORD), ("jo", "")] {
        let refused = site
            .post_as("/sign-in", &login_form(login, password, "/costs"), None)
            .await;
        assert_eq!((refused.status, cookie(&refused)), (303, None), "{login}");
        let back = site.get_as(refused.header("location"), None).await;
        assert!(back.text().contains(&format!("value=\"{login}\"")), "the login stays");
        let once = site.get_as(refused.header("location"), None).await;
        assert!(!once.text().contains(&format!("value=\"{login}\"")), "it is told once");
    }
    let session = sign_in(&site, "JO").await;
    let page = site.get_with_session("/", &session).await;
    assert!(page.status == 200 && page.text().contains("Person jo"));
    let out = site.post_with_session("/sign-out", "", &session).await;
    assert_eq!((out.status, out.header("location")), (303, "/sign-in"));
    assert_eq!(
        site.get_with_session("/", &session).await.status,
        303,
        "it is over on the server"
    );
}

#[tokio::test]
async fn a_session_cannot_be_planted() {
    let site = Site::with_bill().await;
    person(&site, "jo", Role::Viewer, Reach::All).await;
    let planted = "0".repeat(64);
    assert_eq!(site.get_with_session("/", &planted).await.status, 303);
    let first = sign_in(&site, "jo").await;
    let second = sign_in(&site, "jo").await;
    assert!(first != planted && first != second, "each sign-in makes a new secret");
}

#[tokio::test]
async fn sign_in_goes_to_pages_of_this_server_only() {
    let site = Site::with_bill().await;
    person(&site, "jo", Role::Viewer, Reach::All).await;
    for (next, expected) in [
        ("/costs?by=tenant", "/costs?by=tenant"),
        ("", "/"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
    ] {
        let answer = site.post_as("/sign-in", &login_form("jo", PASSWORD, next), None).await;
        assert_eq!(answer.header("location"), expected, "{next}");
        let page = site
            .get_as(&format!("/sign-in?next={}", next.replace('/', "%2F")), None)
            .await;
        assert!(!page.text().contains("evil.example"), "{next}");
    }
}

#[tokio::test]
async fn after_refusals_there_is_a_wait_whether_there_is_such_a_login_or_not() {
    let site = Site::with_bill().await;
    person(&site, "jo", Role::Viewer, Reach::All).await;
    let mut said = Vec::new();
    for login in ["jo", "nobody"] {
        for _ in 0..5 {
            site.post_as("/sign-in", &login_form(login, "wrong but long", ""), None)
                .await;
        }
        // the right one is not looked at either
        let refused = site.post_as("/sign-in", &login_form(login, PASSWORD, ""), None).await;
        assert_eq!(cookie(&refused), None, "{login}");
        let page = site.get_as(refused.header("location"), None).await;
        assert!(page.text().contains("second"), "{}", page.text());
        said.push(
            page.text()
                .replace(login, "LOGIN")
                .replace(refused.header("location"), ""),
        );
    }
    let plain = |text: &str| -> String {
        let start = text.find("role=\"alert\"").unwrap_or(0);
        text[start..].chars().take(200).collect()
    };
    assert_eq!(plain(&said[0]), plain(&said[1]), "the words are the same");
}

#[tokio::test]
async fn forms_of_a_session_must_come_from_a_page_here() {
    let site = Site::with_bill().await;
    person(&site, "jo", Role::FinancePreparer, Reach::All).await;
    let session = sign_in(&site, "jo").await;
    let cookie = format!("tonnage_session={session}");
    let body = "number=7&period=2026-10&currency=USD&net=1.5";
    for (headers, status) in [
        (vec![("cookie", cookie.as_str())], 403),
        (vec![("cookie", &cookie), ("origin", "https://evil.example")], 403),
        (vec![("cookie", &cookie), ("origin", "null")], 403),
        (vec![("cookie", &cookie), ("sec-fetch-site", "cross-site")], 403),
        (vec![("cookie", &cookie), ("sec-fetch-site", "same-site")], 403),
        (vec![("cookie", &cookie), ("referer", "http://127.0.0.1:8080/")], 403),
        (vec![("cookie", &cookie), ("origin", "http://127.0.0.1:8080")], 303),
    ] {
        let answer = site.post_bare("/invoices", body, &headers).await;
        assert_eq!(answer.status, status, "{headers:?}");
    }
    let entered = site.app().await.store().invoices().await.expect("invoices");
    assert_eq!(entered.len(), 1, "only the last was taken");
}

#[tokio::test]
async fn a_user_removed_in_mid_session_is_out_at_the_next_request() {
    let site = Site::with_bill().await;
    person(&site, "jo", Role::Viewer, Reach::All).await;
    let session = sign_in(&site, "jo").await;
    assert_eq!(site.get_with_session("/clusters", &session).await.status, 200);
    let app = site.app().await;
    let id = app.account_named("jo").await.expect("there").account_id;
    let whole = Grant {
        role: Role::Viewer,
        reach: Reach::All,
    };
    let own = Grant {
        role: Role::Viewer,
        reach: Reach::Tenant("acme".to_owned()),
    };
    app.change_grants(&id, &[own], &[whole]).await.expect("narrowed");
    assert_eq!(site.get_with_session("/clusters", &session).await.status, 403);
    assert_eq!(site.get_with_session("/costs", &session).await.status, 200);
    app.let_in(&id, false).await.expect("disabled");
    assert_eq!(site.get_with_session("/costs", &session).await.status, 303);
}

#[tokio::test]
async fn a_secret_is_shown_once_and_kept_as_a_hash() {
    let site = Site::with_bill().await;
    person(&site, "ada", Role::Admin, Reach::All).await;
    let session = sign_in(&site, "ada").await;
    let made = site
        .post_with_session("/account/tokens", "name=BI&role=admin&days=30", &session)
        .await;
    assert_eq!(made.status, 303);
    assert!(
        !made.header("location").contains("tonnage_api_"),
        "no secret in an address"
    );
    let page = site.get_with_session(made.header("location"), &session).await;
    let token = page.text().split("tonnage_api_").nth(1).expect("the token").to_owned();
    let token: String = token
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect();
    let token = format!("tonnage_api_{token}");
    assert_eq!(site.get_as("/api/v1/costs", Some(&token)).await.status, 200);
    let again = site.get_with_session(made.header("location"), &session).await;
    assert!(!again.text().contains(&token), "it is shown once");
    let database = std::fs::read(site.dir().join("data/tonnage.db")).expect("the database");
    let secret = token.rsplit('_').next().expect("a secret");
    let holds = |needle: &str| database.windows(needle.len()).any(|window| window == needle.as_bytes());
    assert!(!holds(secret) && !holds(&session), "neither token nor session is kept");
}

#[tokio::test]
async fn an_admin_lets_somebody_in_and_takes_them_out() {
    let site = Site::with_bill().await;
    person(&site, "ada", Role::Admin, Reach::All).await;
    let session = sign_in(&site, "ada").await;
    let body = "login=tom&name=Tom+Vale&role=viewer&reach=tenant&owner=acme";
    let made = site.post_with_session("/access/accounts", body, &session).await;
    let page = site.get_with_session(made.header("location"), &session).await;
    let code = page.text().split("/sign-in?code=").nth(1).expect("a link").to_owned();
    let code: String = code.chars().take_while(char::is_ascii_hexdigit).collect();
    let opened = site.get_as(&format!("/sign-in?code={code}"), None).await;
    assert!(
        opened.text().contains("Tom Vale") && cookie(&opened).is_none(),
        "opening signs nobody in"
    );
    let toms = site.post_as("/sign-in/link", &format!("code={code}"), None).await;
    let toms = cookie(&toms).expect("signed in");
    let used = site.post_as("/sign-in/link", &format!("code={code}"), None).await;
    assert_eq!(cookie(&used), None, "once");
    let set = site
        .post_with_session("/account/password", "new=a-long-password&again=a-long-password", &toms)
        .await;
    assert!(
        set.header("location").starts_with("/account?note="),
        "{} {}",
        set.status,
        set.header("location")
    );
    let toms_new = cookie(&set).expect("a new session");
    assert_eq!(
        site.get_with_session("/account", &toms).await.status,
        303,
        "the old one has ended"
    );
    assert_eq!(site.get_with_session("/account", &toms_new).await.status, 200);
    let refused = site.post_with_session("/access/accounts", body, &session).await;
    let page = site.get_with_session(refused.header("location"), &session).await;
    assert!(
        page.text().contains("already") && page.text().contains("Tom Vale"),
        "what was written comes back"
    );
    let id = site.app().await.account_named("tom").await.expect("there").account_id;
    site.post_with_session("/access/disable", &format!("account_id={id}"), &session)
        .await;
    let out = site
        .post_as("/sign-in", &login_form("tom", "a-long-password", ""), None)
        .await;
    assert_eq!(cookie(&out), None);
    let last = site.app().await.account_named("ada").await.expect("there").account_id;
    let kept = site
        .post_with_session("/access/disable", &format!("account_id={last}"), &session)
        .await;
    let page = site.get_with_session(kept.header("location"), &session).await;
    // the suite's own account is an admin too
    assert!(page.status == 200 || page.status == 303);
    let audit = site.get("/audit.csv").await;
    for action in [
        "account.created",
        "code.used",
        "session.began",
        "account.password_set",
        "account.disabled",
        "sign_in.refused",
    ] {
        assert!(audit.text().contains(action), "{action} in {}", audit.text());
    }
    assert!(!audit.text().contains("a-long-password"));
}

#[tokio::test]
async fn a_reader_of_one_tenant_sees_its_own_and_nothing_of_others() {
    let site = Site::with_bill().await;
    let grants = vec![Grant {
        role: Role::Viewer,
        reach: Reach::Tenant("acme".to_owned()),
    }];
    let token = token_of(&site.app().await, "tom", grants).await;
    let costs = site
        .get_as("/api/v1/costs?by=tenant&period=2026-11", Some(&token))
        .await;
    assert_eq!(costs.json()["total"], "100.249999999999999999999997");
    assert_ne!(costs.json()["total"].as_str(), Some(NOVEMBER));
    for path in [
        "/",
        "/costs",
        "/costs?by=service",
        "/costs?by=tenant,service&period=2026-10",
        "/costs?f=tenant:%3Dcmd()",
        "/costs.csv?by=tenant",
        "/costs/converted",
        "/api/v1/costs?by=tenant",
        "/api/v1/overview",
        "/api/v1/periods",
    ] {
        let answer = site.get_as(path, Some(&token)).await;
        let text = answer.text();
        for secret in ["cmd()", "50.5", "7.125", "107.37", "0.005", "150.5"] {
            let own_filter = path.contains("%3Dcmd") && secret == "cmd()";
            assert!(own_filter || !text.contains(secret), "{path}: {secret} in {text}");
        }
    }
    // an id of somebody else's figure is one that nobody has
    let whole = site.get("/api/v1/costs?by=tenant&period=2026-11").await.json();
    let rows = whole["rows"].as_array().expect("rows").clone();
    for row in rows {
        let id = row["explain_id"].as_str().expect("an id");
        let own = row["keys"]["tenant"] == "acme";
        let answer = site.get_as(&format!("/api/v1/explain/{id}"), Some(&token)).await;
        let unknown = site.get_as("/api/v1/explain/00000000000000000000", Some(&token)).await;
        assert_eq!(answer.status, if own { 200 } else { 404 }, "{}", answer.text());
        if !own {
            let words = |text: &str| text.replace(id, "ID").replace("00000000000000000000", "ID");
            let detail = |answer: &Answer| words(&answer.json()["errors"].to_string());
            assert_eq!(detail(&answer), detail(&unknown));
        }
    }
}
