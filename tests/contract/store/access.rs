//! Access: who may change it, who cannot be locked out, and that every change
//! has its entry.

use crate::databases::{Database, on_every_database};
use ::store::{AuditQuery, CodePurpose, NewAccount, NewRules, RulesKind, Session, Store, StoreError, Verdict, Vouched};
use domain::access::{Actor, Grant, Permission, Reach, Role, Scope};
use std::sync::Arc;

on_every_database!(
    nobody_opens_anything,
    a_grant_lets_in_as_far_as_it_reaches,
    the_last_admin_stays,
    of_two_admins_who_remove_each_other_one_stays,
    groups_that_vanish_take_their_roles_along,
    a_code_works_once,
    a_disabled_account_has_no_session,
    every_change_has_its_entry_and_the_chain_holds,
    writers_at_once_keep_the_chain,
);

fn grant(role: Role, reach: Reach) -> Grant {
    Grant { role, reach }
}

fn person(id: &str, grants: Vec<Grant>) -> NewAccount {
    NewAccount {
        account_id: id.to_owned(),
        login: format!("{id}@example.com"),
        display_name: format!("Person {id}"),
        password_hash: Some("$argon2id$x".to_owned()),
        grants,
    }
}

fn admin(id: &str) -> NewAccount {
    person(id, vec![grant(Role::Admin, Reach::All)])
}

/// The store as somebody with these grants.
fn as_account(store: &Store, id: &str, grants: Vec<Grant>) -> Store {
    let actor = Actor {
        kind: "account",
        id: id.to_owned(),
        name: format!("Person {id}"),
        address: "192.0.2.7".to_owned(),
        request_id: "r-1".to_owned(),
    };
    store.acting(Arc::new(Scope::of(actor, grants)))
}

async fn nobody_opens_anything(database: &Database) {
    let store = database.open().await;
    let nobody = store.acting(Arc::new(Scope::nobody()));
    let refused = |result: Result<(), StoreError>, what: &str| {
        assert!(matches!(result, Err(StoreError::Forbidden(_))), "{what}: {result:?}");
    };
    refused(nobody.manifest_version().await.map(drop), "version");
    refused(nobody.get_setting("company").await.map(drop), "setting");
    refused(nobody.periods().await.map(drop), "periods");
    refused(nobody.deliveries(None).await.map(drop), "deliveries");
    refused(nobody.active_totals(None).await.map(drop), "totals");
    refused(nobody.active_files(None).await.map(drop), "files");
    refused(nobody.invoices().await.map(drop), "invoices");
    refused(nobody.contracts().await.map(drop), "contracts");
    refused(nobody.prices().await.map(drop), "prices");
    refused(nobody.fx_rates().await.map(drop), "rates");
    refused(nobody.agent_tokens().await.map(drop), "agent tokens");
    refused(nobody.accounts().await.map(drop), "accounts");
    refused(nobody.sessions(0).await.map(drop), "sessions");
    refused(nobody.api_tokens().await.map(drop), "tokens");
    refused(nobody.audit(&AuditQuery::default()).await.map(drop), "audit");
    refused(nobody.set_setting("company", "x").await, "set");
    refused(nobody.set_fx_rates(&[]).await, "set rates");
    refused(nobody.add_account(&admin("a"), 1).await, "account");
    refused(nobody.note("a.b", "c", serde_json::Value::Null).await, "note");
}

async fn a_grant_lets_in_as_far_as_it_reaches(database: &Database) {
    let store = database.open().await;
    let rules = NewRules {
        kind: RulesKind::Owner,
        yaml: "format: 1\n".to_owned(),
        sha256: "x".to_owned(),
        author: Some("a".to_owned()),
        note: None,
        created_us: 1,
    };
    let table = [
        (Role::Viewer, Reach::All, [true, false, false, false]),
        (Role::Viewer, Reach::Tenant("acme".to_owned()), [false; 4]),
        (Role::Platform, Reach::All, [true, true, false, false]),
        (Role::Platform, Reach::Tenant("acme".to_owned()), [false; 4]),
        (Role::Auditor, Reach::All, [true, false, true, false]),
        (Role::Admin, Reach::All, [true, false, true, true]),
        (Role::FinanceApprover, Reach::All, [true, false, false, false]),
    ];
    store.add_account(&admin("kept"), 1).await.expect("an admin");
    for (role, reach, [reads, writes_rules, audits, manages]) in table {
        let id = format!("{}-{}", role.key(), reach.kind());
        let grants = vec![grant(role, reach)];
        store
            .add_account(&person(&id, grants.clone()), 1)
            .await
            .expect("a new account");
        let somebody = as_account(&store, &id, grants);
        assert!(somebody.manifest_version().await.is_ok(), "{id}");
        assert_eq!(somebody.deliveries(None).await.is_ok(), reads, "{id} reads");
        let version = store.manifest_version().await.expect("version");
        assert_eq!(
            somebody.add_rules(&rules, version).await.is_ok(),
            writes_rules,
            "{id} writes rules"
        );
        assert_eq!(
            somebody.audit(&AuditQuery::default()).await.is_ok(),
            audits,
            "{id} audits"
        );
        let made = somebody.add_account(&person(&format!("by-{id}"), Vec::new()), 2).await;
        assert_eq!(made.is_ok(), manages, "{id} manages: {made:?}");
    }
}

async fn the_last_admin_stays(database: &Database) {
    let store = database.open().await;
    store.add_account(&admin("a"), 1).await.expect("an admin");
    store.add_account(&admin("b"), 1).await.expect("an admin");
    let whole = [grant(Role::Admin, Reach::All)];
    store.disable_account("b", Some(5)).await.expect("one is left");
    for refused in [
        store.disable_account("a", Some(5)).await,
        store.change_grants("a", &[], &whole, 5).await.map(drop),
    ] {
        assert!(
            matches!(&refused, Err(StoreError::Invalid { reason }) if reason.contains("last admin")),
            "{refused:?}"
        );
    }
    assert_eq!(store.account("a").await.expect("there").granted(), whole);
    store.disable_account("b", None).await.expect("enabled");
    store.change_grants("a", &[], &whole, 6).await.expect("one is left");
    assert_eq!(store.admins().await.expect("counted"), 1);
    assert!(matches!(store.account("x").await, Err(StoreError::NotFound { .. })));
    assert!(matches!(
        store.add_account(&admin("b"), 7).await,
        Err(StoreError::Invalid { .. })
    ));
}

async fn of_two_admins_who_remove_each_other_one_stays(database: &Database) {
    let store = database.open().await;
    for round in 0..5 {
        let (a, b) = (format!("a{round}"), format!("b{round}"));
        let whole = vec![grant(Role::Admin, Reach::All)];
        for id in [&a, &b] {
            store.add_account(&admin(id), 1).await.expect("an admin");
        }
        if round > 0 {
            // whoever was left from the round before
            let left = store.accounts().await.expect("accounts");
            for old in left.iter().filter(|one| one.account_id != a && one.account_id != b) {
                if old.granted() == whole {
                    store
                        .change_grants(&old.account_id, &[], &whole, 2)
                        .await
                        .expect("others are left");
                }
            }
        }
        let (first, second) = (
            as_account(&store, &a, whole.clone()),
            as_account(&store, &b, whole.clone()),
        );
        let (one, other) = tokio::join!(
            first.change_grants(&b, &[], &whole, 3),
            second.change_grants(&a, &[], &whole, 3)
        );
        assert!(one.is_ok() != other.is_ok(), "exactly one: {one:?} {other:?}");
        let refused = one.err().or(other.err()).expect("one was refused");
        assert!(
            matches!(refused, StoreError::Forbidden(no) if no.0 == Permission::ManageAccess),
            "{refused:?}"
        );
        assert_eq!(store.admins().await.expect("counted"), 1);
    }
}

async fn groups_that_vanish_take_their_roles_along(database: &Database) {
    let store = database.open().await;
    store.add_account(&admin("kept"), 1).await.expect("an admin");
    let vouched = |grants: Vec<Grant>| Vouched {
        account_id: "v1".to_owned(),
        issuer: "corp".to_owned(),
        subject: "42".to_owned(),
        login: "maria@example.com".to_owned(),
        display_name: "Maria".to_owned(),
        grants,
    };
    let viewer = grant(Role::Viewer, Reach::All);
    let planner = grant(Role::Planner, Reach::All);
    let first = store
        .vouch(&vouched(vec![viewer.clone(), planner.clone()]), 5)
        .await
        .expect("made");
    store
        .change_grants(&first.account_id, std::slice::from_ref(&viewer), &[], 6)
        .await
        .expect("granted here too");
    let refused = store
        .change_grants(&first.account_id, &[], std::slice::from_ref(&planner), 6)
        .await;
    assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{refused:?}");
    let later = store.vouch(&vouched(Vec::new()), 7).await.expect("known");
    assert_eq!(later.account_id, first.account_id);
    assert_eq!(
        later.grants,
        [(viewer, "local".to_owned())],
        "what was granted here stays"
    );
    let other = Vouched {
        subject: "43".to_owned(),
        account_id: "v2".to_owned(),
        ..vouched(vec![planner])
    };
    let taken = store.vouch(&other, 8).await;
    assert!(
        matches!(taken, Err(StoreError::Invalid { .. })),
        "a login is one person's: {taken:?}"
    );
}

async fn a_code_works_once(database: &Database) {
    let store = database.open().await;
    store.add_account(&admin("a"), 1).await.expect("an admin");
    store
        .add_code("h1", CodePurpose::Link, "a", 10, 20)
        .await
        .expect("kept");
    for (hash, purpose, now_us, expected) in [
        ("h1", CodePurpose::Setup, 15, None),
        ("h2", CodePurpose::Link, 15, None),
        ("h1", CodePurpose::Link, 20, None),
        ("h1", CodePurpose::Link, 15, Some("a")),
        ("h1", CodePurpose::Link, 15, None),
    ] {
        let known = store.knows_code(hash, purpose, now_us).await.expect("read");
        let taken = store.take_code(hash, purpose, now_us).await.expect("written");
        assert_eq!(
            (known.as_deref(), taken.as_deref()),
            (expected, expected),
            "{hash} {purpose:?} {now_us}"
        );
    }
    store
        .add_code("h3", CodePurpose::Link, "a", 10, 20)
        .await
        .expect("kept");
    store
        .add_code("h4", CodePurpose::Link, "a", 11, 21)
        .await
        .expect("kept");
    assert_eq!(
        store.take_code("h3", CodePurpose::Link, 15).await.expect("written"),
        None,
        "replaced"
    );
    store.add_account(&admin("b"), 1).await.expect("an admin");
    store
        .add_code("h5", CodePurpose::Link, "b", 10, 20)
        .await
        .expect("kept");
    store.set_password("b", "$argon2id$z").await.expect("set");
    let ended = store.take_code("h5", CodePurpose::Link, 15).await.expect("written");
    assert_eq!(ended, None, "a new password ends links");
    let (one, other) = tokio::join!(
        store.take_code("h4", CodePurpose::Link, 15),
        store.take_code("h4", CodePurpose::Link, 15)
    );
    let got = [one, other]
        .into_iter()
        .filter_map(|taken| taken.expect("written"))
        .count();
    assert_eq!(got, 1, "of two at once one gets it");
}

fn session(id: &str, account_id: &str) -> Session {
    Session {
        session_id: id.to_owned(),
        sha256: format!("hash of {id}"),
        account_id: account_id.to_owned(),
        method: "password".to_owned(),
        id_token: None,
        created_us: 100,
        last_seen_us: 100,
        expires_us: 200,
        address: "192.0.2.1".to_owned(),
        user_agent: "suite".to_owned(),
    }
}

async fn a_disabled_account_has_no_session(database: &Database) {
    let store = database.open().await;
    store.add_account(&admin("a"), 1).await.expect("an admin");
    store.add_account(&admin("b"), 1).await.expect("an admin");
    for (id, account) in [("s1", "b"), ("s2", "b"), ("s3", "a")] {
        store.begin_session(&session(id, account), 0).await.expect("begun");
    }
    assert_eq!(store.sessions(150).await.expect("read").len(), 3);
    assert_eq!(store.sessions(200).await.expect("read"), [], "they end by time");
    store.disable_account("b", Some(150)).await.expect("disabled");
    let left = store.sessions(150).await.expect("read");
    assert_eq!(
        left.iter().map(|one| one.session_id.as_str()).collect::<Vec<_>>(),
        ["s3"]
    );
    store.set_password("a", "$argon2id$y").await.expect("set");
    assert_eq!(store.sessions(150).await.expect("read"), [], "a new password ends them");
    assert!(!store.end_session("s3").await.expect("written"), "it has ended");
}

async fn every_change_has_its_entry_and_the_chain_holds(database: &Database) {
    let store = database.open().await;
    store.add_account(&admin("a"), 1).await.expect("an admin");
    let by = as_account(&store, "a", vec![grant(Role::Admin, Reach::All)]);
    by.add_account(&person("b", Vec::new()), 2).await.expect("made");
    by.change_grants("b", &[grant(Role::Viewer, Reach::Tenant("acme".to_owned()))], &[], 3)
        .await
        .expect("granted");
    store.set_setting("company", "100% of Müller_& Co").await.expect("set");
    store
        .note("sign_in.refused", "nul \0 here", serde_json::json!({}))
        .await
        .expect("noted");
    let all = |query: AuditQuery| {
        let store = &store;
        async move {
            let limit = 50;
            store.audit(&AuditQuery { limit, ..query }).await.expect("read")
        }
    };
    let (entries, count) = all(AuditQuery::default()).await;
    assert_eq!((entries.len(), count), (5, 5));
    let change = entries
        .iter()
        .find(|entry| entry.action == "account.grants_changed")
        .expect("an entry");
    assert_eq!(
        (
            change.actor_kind.as_str(),
            change.actor_id.as_str(),
            change.object.as_str()
        ),
        ("account", "a", "b@example.com")
    );
    assert_eq!(change.after_json.as_deref(), Some("[\"viewer over tenant:acme\"]"));
    assert_eq!(
        (change.address.as_str(), change.request_id.as_str()),
        ("192.0.2.7", "r-1")
    );
    for (query, expected) in [
        (
            AuditQuery {
                actor: "PERSON A".to_owned(),
                ..AuditQuery::default()
            },
            2,
        ),
        (
            AuditQuery {
                action: "account.".to_owned(),
                ..AuditQuery::default()
            },
            3,
        ),
        (
            AuditQuery {
                text: "100%".to_owned(),
                ..AuditQuery::default()
            },
            1,
        ),
        (
            AuditQuery {
                text: "r_&".to_owned(),
                ..AuditQuery::default()
            },
            1,
        ),
        (
            AuditQuery {
                text: "r_x".to_owned(),
                ..AuditQuery::default()
            },
            0,
        ),
        (
            AuditQuery {
                from_us: Some(i64::MAX),
                ..AuditQuery::default()
            },
            0,
        ),
        (
            AuditQuery {
                to_us: Some(0),
                ..AuditQuery::default()
            },
            0,
        ),
        (
            AuditQuery {
                skip: 4,
                ..AuditQuery::default()
            },
            1,
        ),
    ] {
        let (found, _) = all(query.clone()).await;
        assert_eq!(found.len(), expected, "{query:?}");
    }
    let verified = store.verify_audit(None).await.expect("read");
    assert_eq!((verified.entries, verified.verdict), (5, Verdict::Whole));
    let kept = (5, entries[0].sha256.as_str());
    assert_eq!(
        store.verify_audit(Some(kept)).await.expect("read").verdict,
        Verdict::Whole
    );
    for wrong in [(5, "another"), (6, entries[0].sha256.as_str())] {
        let verdict = store.verify_audit(Some(wrong)).await.expect("read").verdict;
        assert!(matches!(verdict, Verdict::Broken { .. }), "{wrong:?}");
    }
}

async fn writers_at_once_keep_the_chain(database: &Database) {
    let store = database.open().await;
    let other = database.open().await;
    let write = |store: Store, name: &'static str| async move {
        for number in 0..20 {
            store.set_setting(name, &number.to_string()).await.expect("written");
        }
    };
    tokio::join!(
        write(store.clone(), "a"),
        write(other.clone(), "b"),
        write(store.clone(), "c"),
        write(other, "d")
    );
    let verified = store.verify_audit(None).await.expect("read");
    assert_eq!((verified.entries, verified.verdict), (80, Verdict::Whole));
}
