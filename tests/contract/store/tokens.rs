//! Tokens of agents: found by id, revoked for good, never deleted.

use crate::databases::{Database, on_every_database};
use ::store::AgentToken;

on_every_database!(tokens_are_found_used_and_revoked);

fn token(id: &str, cluster: Option<&str>, created_us: i64) -> AgentToken {
    AgentToken {
        token_id: id.to_owned(),
        agent: format!("agent of {id}"),
        sha256: format!("hash of {id}"),
        cluster_id: cluster.map(str::to_owned),
        created_us,
        last_used_us: None,
        revoked_us: None,
        expires_us: None,
    }
}

async fn tokens_are_found_used_and_revoked(database: &Database) {
    let store = database.open().await;
    let (first, second) = (token("b", Some("c-1"), 10), token("a", None, 20));
    for token in [&second, &first] {
        store.add_agent_token(token).await.expect("a new token");
    }
    let version = store.manifest_version().await.expect("version");
    assert!(
        store.add_agent_token(&token("b", None, 30)).await.is_err(),
        "an id is used once"
    );
    assert_eq!(
        store.agent_tokens().await.expect("tokens"),
        [first.clone(), second.clone()]
    );
    assert_eq!(store.agent_token("a").await.expect("tokens"), Some(second));
    assert_eq!(store.agent_token("x").await.expect("tokens"), None);
    for at_us in [100, i64::MAX - 1, 50] {
        store.use_agent_token("b", at_us).await.expect("used");
    }
    assert!(store.revoke_agent_token("b", 200).await.expect("revoked"));
    assert!(!store.revoke_agent_token("b", 300).await.expect("revoked before"));
    assert!(!store.revoke_agent_token("x", 300).await.expect("nobody's"));
    let kept = AgentToken {
        last_used_us: Some(i64::MAX - 1),
        revoked_us: Some(200),
        ..first
    };
    assert_eq!(store.agent_token("b").await.expect("tokens"), Some(kept));
    assert_eq!(
        store.manifest_version().await.expect("version"),
        version,
        "tokens are no data"
    );
}
