//! Sign-in, Access, one's own account, Audit, and the frame that knows its reader.

use frontend::shell::Theme;
use wire::{FormAnswer, OneTimeLink, PageError, Reader, SecretKind, SignInPage, SignInRefused};

use super::fixture::{Fixture, access};
use super::{Page, fixture, page, plain};

async fn with(path: &str, change: impl FnOnce(&mut Fixture)) -> Page {
    let mut fixture = fixture(None);
    change(&mut fixture);
    page(path, fixture, Theme::System).await
}

fn reading(change: impl FnOnce(&mut Reader)) -> Fixture {
    let mut fixture = fixture(None);
    let mut reader = access::reader();
    change(&mut reader);
    fixture.site.reader = Some(reader);
    fixture
}

/// Text of the tag that has this piece in it.
fn tag<'a>(page: &'a Page, piece: &str) -> &'a str {
    let at = page.html.find(piece).unwrap_or_else(|| panic!("no {piece}"));
    let start = page.html[..at].rfind('<').unwrap_or_default();
    let end = page.html[at..].find('>').map_or(page.html.len(), |end| at + end);
    &page.html[start..end]
}

/// How many folded parts are open.
fn open(page: &Page) -> usize {
    let tags = page.html.split("<details").skip(1);
    let tags = tags.filter_map(|piece| piece.split_once('>'));
    tags.filter(|(tag, _)| tag.split(' ').any(|attribute| attribute == "open"))
        .count()
}

/// Text after the tag that has this piece in it.
fn text<'a>(page: &'a Page, piece: &str) -> &'a str {
    let after = page.html.split_once(piece).unwrap_or_else(|| panic!("no {piece}")).1;
    after.split_once('>').map_or("", |(_, text)| text)
}

fn refused(form: &str, field: Option<&str>, written: &[(&str, &str)]) -> Option<FormAnswer> {
    Some(FormAnswer::Refused {
        form: form.into(),
        field: field.map(str::to_owned),
        problem: "This <does> not fit".into(),
        written: written
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect(),
    })
}

#[tokio::test]
async fn navigation_shows_what_the_reader_may_open() {
    let estate = ["/clusters", "/commitments", "/reconciliation", "/rules", "/sources"];
    let mut nobody = fixture(None);
    nobody.site.reader = None;
    let table: [(Fixture, &[&str], &[&str]); 4] = [
        (reading(|_| ()), &["/access", "/audit", "/rules", "/costs"], &[]),
        (
            reading(|reader| (reader.may_read_estate, reader.may_read_audit) = (false, false)),
            &["/access", "/costs"],
            &[
                "/clusters",
                "/commitments",
                "/reconciliation",
                "/rules",
                "/sources",
                "/audit",
            ],
        ),
        (reading(|reader| reader.may_see_access = false), &estate, &["/access"]),
        (
            nobody,
            &[],
            &["/costs", "/rules", "/sources", "/access", "/audit", "/account"],
        ),
    ];
    for (fixture, open, shut) in table {
        // a page without links of its own to these
        let page = page("/glossary", fixture, Theme::System).await;
        let links = page.values("href");
        let leads = |path: &str| links.iter().any(|link| link == path);
        assert!(open.iter().all(|path| leads(path)), "{open:?} in {links:?}");
        assert!(!shut.iter().any(|path| leads(path)), "{shut:?} not in {links:?}");
    }
}

#[tokio::test]
async fn the_frame_says_who_reads_and_lets_them_out() {
    let page = plain("/costs?by=tenant").await;
    page.has("Ada Quist");
    page.has("Admin, Finance preparer");
    assert!(tag(&page, "action=\"/sign-out\"").contains("method=\"post\""));
    assert!(tag(&page, "action=\"/switch\"").contains("method=\"post\""));
    assert!(tag(&page, "value=\"a1\"").contains("disabled"));
    assert!(!tag(&page, "value=\"a2\"").contains("disabled"));
    page.has("name=\"back\" value=\"/costs?by=tenant\"");
    assert_eq!(page.count("Only costs of"), 0);

    let narrow = super::page(
        "/costs",
        reading(|reader| {
            reader.only = vec!["retail-north".into(), "Quay <BV>".into()];
            reader.switch.clear();
        }),
        Theme::System,
    )
    .await;
    assert!(
        narrow
            .values("href")
            .iter()
            .any(|link| link.starts_with("/reconciliation"))
    );
    narrow.has("Only costs of retail-north and Quay &lt;BV&gt;");
    assert_eq!(narrow.count("action=\"/switch\""), 0);
}

#[tokio::test]
async fn no_page_leads_to_one_that_will_not_open() {
    for path in [
        "/",
        "/costs?by=tenant",
        "/costs/converted?to=EUR",
        "/explain/9f86d081884c0",
        "/account",
    ] {
        let reader = reading(|reader| reader.may_read_estate = false);
        let page = page(path, reader, Theme::System).await;
        assert_eq!(page.status, 200, "{path}");
        let shut = [
            "/clusters",
            "/commitments",
            "/reconciliation",
            "/rules",
            "/sources",
            "/deliveries",
        ];
        let links = page.values("href");
        let leads = links.iter().find(|link| shut.iter().any(|path| link.starts_with(path)));
        assert_eq!(leads, None, "{path}");
    }
}

#[tokio::test]
async fn only_who_may_enter_invoices_sees_the_form() {
    plain("/reconciliation").await.has("action=\"/invoices\"");
    let reader = reading(|reader| reader.may_enter_invoices = false);
    let page = page("/reconciliation", reader, Theme::System).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.count("action=\"/invoices"), 0);
}

#[tokio::test]
async fn sign_in_offers_what_is_set_up() {
    let page = plain("/sign-in?next=%2Fcosts%3Fby%3Dtenant").await;
    page.has("/sign-in/oidc/harbour?next=%2Fcosts%3Fby%3Dtenant");
    page.has("name=\"next\" value=\"/costs?by=tenant\"");
    assert!(tag(&page, "action=\"/sign-in\"").contains("method=\"post\""));
    assert!(tag(&page, "id=\"login\"").contains("autocomplete=\"username\""));
    assert!(tag(&page, "id=\"password\"").contains("autocomplete=\"current-password\""));
    assert_eq!(page.count("<nav"), 0, "no navigation around it");
    assert_eq!(page.count("role=\"alert\""), 0);

    let providers_only = with("/sign-in", |fixture| fixture.sign_in.local = false).await;
    assert_eq!(providers_only.count("name=\"password\""), 0);
    let nothing = with("/sign-in", |fixture| fixture.sign_in = SignInPage::default()).await;
    nothing.has("Nobody can sign in");
    let link = with("/sign-in", |fixture| {
        fixture.sign_in.link = Some(OneTimeLink {
            code: "k7".into(),
            name: "Vera Lund".into(),
        });
    })
    .await;
    assert!(tag(&link, "action=\"/sign-in/link\"").contains("method=\"post\""));
    link.has("name=\"code\" value=\"k7\"");
    link.has("Sign in as Vera Lund");
}

#[tokio::test]
async fn a_refused_sign_in_says_what_to_do_and_not_who_exists() {
    let table = [
        (SignInRefused::Wrong, "do not fit together", true),
        (SignInRefused::Wait { wait_s: 8 }, "Wait 8 seconds", true),
        (SignInRefused::Link, "Ask an admin for a new one", false),
        (SignInRefused::Ended, "the session has ended", false),
        (
            SignInRefused::Provider {
                label: "Harbour sign-in".into(),
                request_id: "r-17".into(),
            },
            "r-17",
            false,
        ),
        (
            SignInRefused::NoRole {
                name: "Gil".into(),
                who: vec!["Ada".into(), "Bo".into()],
            },
            "Ask Ada or Bo for a role",
            false,
        ),
    ];
    for (refused, words, about_fields) in table {
        let page = with("/sign-in", |fixture| {
            fixture.sign_in.refused = Some(refused.clone());
            fixture.sign_in.login = "vera".into();
        })
        .await;
        assert_eq!(page.count("role=\"alert\""), 1, "{refused:?}");
        page.has(words);
        let login = tag(&page, "id=\"login\"");
        assert!(login.contains("value=\"vera\""), "{login}");
        assert_eq!(
            login.contains("aria-describedby=\"refused\""),
            about_fields,
            "{refused:?}"
        );
        let password = tag(&page, "id=\"password\"");
        assert!(!password.contains("value="), "a password never comes back: {password}");
    }
}

#[tokio::test]
async fn the_first_set_up_says_where_its_code_is() {
    let first = |refused: Option<SignInRefused>| SignInPage {
        first_run: true,
        local: true,
        refused,
        login: "ada".into(),
        name: "Ada <Quist>".into(),
        code: "k7".into(),
        ..SignInPage::default()
    };
    let page = with("/sign-in", |fixture| fixture.sign_in = first(None)).await;
    page.has("The server printed it where it was started");
    page.has("At least 12 characters");
    assert!(tag(&page, "action=\"/set-up\"").contains("method=\"post\""));
    for (id, parts) in [
        ("code", &["value=\"k7\"", "autocomplete=\"one-time-code\""][..]),
        ("login", &["value=\"ada\"", "autocomplete=\"username\""]),
        ("name", &["value=\"Ada &lt;Quist&gt;\""]),
        ("new", &["autocomplete=\"new-password\"", "minlength=\"12\""]),
        ("again", &["autocomplete=\"new-password\"", "minlength=\"12\""]),
    ] {
        let field = tag(&page, &format!(" id=\"{id}\"")).to_owned();
        assert!(parts.iter().all(|part| field.contains(part)), "{field}");
        assert!(!field.contains("aria-invalid"), "{field}");
    }
    for (refused, id) in [
        (SignInRefused::Code, "code"),
        (SignInRefused::Login, "login"),
        (SignInRefused::Name, "name"),
        (SignInRefused::Short, "new"),
        (SignInRefused::Long, "new"),
        (SignInRefused::Differ, "again"),
    ] {
        let page = with("/sign-in", |fixture| fixture.sign_in = first(Some(refused.clone()))).await;
        assert_eq!(page.count("aria-invalid=\"true\""), 1, "{refused:?}");
        let field = tag(&page, &format!(" id=\"{id}\""));
        assert!(
            field.contains("aria-invalid") && field.contains("aria-describedby=\"refused"),
            "{field}"
        );
    }
}

#[tokio::test]
async fn access_shows_everything_and_its_forms_to_admins() {
    let posts = [
        "/access/accounts",
        "/access/grants",
        "/access/revoke-grant",
        "/access/disable",
        "/access/enable",
        "/access/link",
        "/access/sessions/end",
        "/access/tokens",
        "/access/tokens/revoke",
        "/access/agent-tokens",
        "/access/agent-tokens/revoke",
    ];
    let admin = plain("/access").await;
    for path in posts {
        assert!(
            tag(&admin, &format!("action=\"{path}\"")).contains("method=\"post\""),
            "{path}"
        );
    }
    let auditor = with("/access", |fixture| fixture.may_manage = false).await;
    assert_eq!(auditor.count("action=\"/access"), 0);
    auditor.has("You see access and cannot change it");
    for page in [&admin, &auditor] {
        for words in [
            "2 people may sign in",
            "1 no longer",
            " of tenant retail-north",
            " of the whole company",
            "given by a group of Harbour sign-in",
            "one-time link; no password yet",
            "whoever prepares a statement must not approve it",
            "month-end export",
            "6f1e-core",
            "Firefox on Linux",
            "never used",
            "see costs; manage access",
            "Gil &lt;b&gt;Moor&lt;/b&gt;",
        ] {
            page.has(words);
        }
        assert_eq!(page.count("<img"), 0);
    }
    // 2 own grants and Vera's: what a provider's group gives is taken back there
    assert_eq!(admin.count("action=\"/access/revoke-grant\""), 3);
    // whoever is signed in does not disable themselves; who is disabled can be enabled
    assert_eq!(admin.count("action=\"/access/disable\""), 1);
    assert_eq!(admin.count("action=\"/access/enable\""), 1);
    // what ended or is revoked cannot be revoked
    assert_eq!(admin.count("action=\"/access/tokens/revoke\""), 1);
    assert_eq!(
        admin.count("type=\"checkbox\" name=\"role\""),
        2,
        "own roles, and no others"
    );
}

#[tokio::test]
async fn a_refused_form_comes_back_open_with_all_that_was_written() {
    let table = [
        (
            "/access/accounts",
            "new-account",
            "login",
            &[
                ("login", "ve\"ra"),
                ("name", "Vera"),
                ("role", "admin"),
                ("reach", "tenant"),
                ("owner", "no-such"),
            ][..],
            &[
                "value=\"Vera\"",
                "value=\"no-such\"",
                "value=\"admin\" selected",
                "value=\"tenant\" selected",
            ][..],
        ),
        (
            "/access/grants",
            "grant-1",
            "owner",
            &[
                ("account_id", "a2"),
                ("role", "finance_preparer"),
                ("reach", "legal_entity"),
                ("owner", "no-such"),
            ],
            &["value=\"no-such\"", "value=\"finance_preparer\" selected"],
        ),
        (
            "/access/tokens",
            "new-token",
            "role",
            &[("name", "nightly"), ("days", "400"), ("role", "admin")],
            &["value=\"nightly\"", "value=\"400\"", "value=\"admin\" checked"],
        ),
        (
            "/access/agent-tokens",
            "new-agent",
            "agent",
            &[("agent", "core"), ("cluster", "6f1e-core"), ("days", "9")],
            &["value=\"6f1e-core\" selected", "value=\"9\""],
        ),
    ];
    for (path, id, field, written, parts) in table {
        let page = with("/access", |fixture| {
            fixture.answer = refused(path, Some(field), written);
        })
        .await;
        page.has("Nothing was changed. ");
        page.has(&format!("href=\"#{id}\""));
        assert!(text(&page, &format!("id=\"{id}-{field}-wrong\"")).starts_with("This &lt;does&gt; not fit."));
        for part in parts {
            page.has(part);
        }
        assert_eq!(page.count("class=\"wrong\""), 1, "{path}");
        assert_eq!(open(&page), 1, "{path}");
    }
    let other = with("/access", |fixture| {
        fixture.answer = refused("/access/disable", None, &[("account_id", "a2")]);
    })
    .await;
    other.has("This &lt;does&gt; not fit. ");
    assert_eq!(other.count("class=\"wrong\""), 0);
    assert_eq!(open(&other), 0);
}

#[tokio::test]
async fn a_secret_is_shown_once_with_what_to_do() {
    let secret = |kind, until: Option<&str>| {
        Some(FormAnswer::Secret {
            kind,
            secret: "tnt_<k7>".into(),
            whom: "Vera Lund".into(),
            until: until.map(str::to_owned),
        })
    };
    let table = [
        (
            SecretKind::Link,
            Some("2026-11-25T14:00:00Z"),
            "One-time link for Vera Lund",
            "2026-11-25 14:00 UTC",
        ),
        (
            SecretKind::ApiToken,
            Some("2027-01-30T00:00:00Z"),
            "Authorization: Bearer",
            "2027-01-30",
        ),
        (SecretKind::AgentToken, None, "secret in the cluster", "It has no end."),
    ];
    for (kind, until, what, end) in table {
        let page = with("/access", |fixture| fixture.answer = secret(kind, until)).await;
        page.has(what);
        page.has(end);
        assert_eq!(page.count("tnt_&lt;k7&gt;"), 1, "{kind:?}");
    }
    let page = with("/account", |fixture| {
        fixture.answer = Some(FormAnswer::Done {
            what: "The session was ended".into(),
        });
    })
    .await;
    page.has("The session was ended.");
}

#[tokio::test]
async fn an_account_shows_its_own_and_changes_its_password() {
    let local = plain("/account").await;
    for path in [
        "/account/password",
        "/account/tokens",
        "/account/tokens/revoke",
        "/account/sessions/end",
    ] {
        assert!(
            tag(&local, &format!("action=\"{path}\"")).contains("method=\"post\""),
            "{path}"
        );
    }
    for words in [
        "signed in as vera",
        " of tenant retail-north",
        "Viewer reads costs within its reach",
        "At least 12",
    ] {
        local.has(words);
    }
    for (id, autocomplete) in [
        ("password-current", "current-password"),
        ("password-new", "new-password"),
        ("password-again", "new-password"),
    ] {
        let field = tag(&local, &format!(" id=\"{id}\""));
        assert!(field.contains(&format!("autocomplete=\"{autocomplete}\"")) && field.contains("type=\"password\""));
    }
    // with one role there is nothing to choose
    assert!(tag(&local, "type=\"checkbox\" name=\"role\"").contains("checked"));

    let wrong = refused("/account/password", Some("current"), &[("current", "hunter2")]);
    let wrong = with("/account", |fixture| fixture.answer = wrong).await;
    wrong.has("id=\"password-current-wrong\"");
    wrong.has("href=\"#password\"");
    assert_eq!(wrong.count("hunter2"), 0, "a password never comes back");

    let vouched = with("/account", |fixture| fixture.may_manage = false).await;
    assert_eq!(vouched.count("type=\"password\""), 0);
    vouched.has("You sign in with Harbour sign-in");
}

#[tokio::test]
async fn audit_searches_pages_and_says_whether_it_is_whole() {
    let page = plain("/audit?actor=ada&action=invoice.&from=2026-11-01&to=2026-11-30&page=2").await;
    let query = "actor=ada&action=invoice.&from=2026-11-01&to=2026-11-30";
    let links = page.values("href");
    for to in [
        format!("/audit.csv?{query}"),
        format!("/audit?{query}"),
        format!("/audit?{query}&page=3"),
        "/audit?action=invoice.entered".to_owned(),
        "/audit".to_owned(),
    ] {
        assert!(links.contains(&to), "{to} in {links:?}");
    }
    for words in [
        "1,204 entries fit",
        "1,204 entries, none changed or missing.",
        "2026-11-22 13:40:09 UTC",
        "10.00",
        "12.50",
        "viewer over all",
        "invoice &lt;i&gt;R-1&lt;/i&gt;",
        "192.0.2.7",
        "r-17",
        "from the machine itself",
        "value=\"2026-11-01\"",
    ] {
        page.has(words);
    }
    page.has(&"5f".repeat(32));
    assert_eq!(
        page.count("<span class=\"key\">tax"),
        0,
        "what did not change is left out"
    );

    plain("/audit?text=broken")
        .await
        .has("The log is not whole at entry 7.");
    let empty = plain("/audit?actor=nobody").await;
    empty.has("No entry fits");
    assert_eq!(empty.count("<table"), 0);
}

#[tokio::test]
async fn a_forbidden_page_says_who_can_grant_it() {
    let error = PageError::Forbidden {
        what: "manage access".into(),
        who: vec!["Ada <Quist>".into()],
    };
    let page = page("/access", fixture(Some(error)), Theme::System).await;
    assert_eq!(page.status, 403);
    page.has("You may not manage access");
    page.has("Ask Ada &lt;Quist&gt; to grant it");
    assert!(page.values("href").contains(&"/account".to_owned()));
    let nobody = PageError::Forbidden {
        what: "manage access".into(),
        who: vec![],
    };
    let page = super::page("/access", fixture(Some(nobody)), Theme::System).await;
    page.has("Nobody here can grant it");
}
