//! Providers that answer what they should not.

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use serde_json::{Value, json};
use tonnage::config::Secret;
use tonnage::outbound::oidc::{Provider, Settings};

const DISCOVERY: &str = "/.well-known/openid-configuration";

fn described(issuer: &str, authorization: &str, jwks: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": authorization,
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": jwks,
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })
}

#[tokio::test]
async fn nothing_but_a_plain_answer_from_a_safe_address_is_taken() {
    for (case, part) in [
        ("good", ""),
        ("redirect", "sends elsewhere"),
        ("long", "more than"),
        ("not json", "parse"),
        ("keys in the clear", "not reached by https"),
        ("sign-in in the clear", "not reached by https"),
        ("error", "500"),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let issuer = format!("http://{}", listener.local_addr().expect("an address"));
        let (here, keys) = (format!("{issuer}/auth"), format!("{issuer}/jwks"));
        let body = match case {
            "keys in the clear" => described(&issuer, &here, "http://keys.example/jwks").to_string(),
            "sign-in in the clear" => described(&issuer, "http://login.example/auth", &keys).to_string(),
            "long" => " ".repeat(2 * 1024 * 1024),
            "not json" => "<html>".to_owned(),
            _ => described(&issuer, &here, &keys).to_string(),
        };
        let answer = move || async move {
            let json = [(header::CONTENT_TYPE, "application/json")];
            match case {
                "redirect" => (StatusCode::FOUND, [(header::LOCATION, "http://127.0.0.1:1/")]).into_response(),
                "error" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
                _ => (json, body).into_response(),
            }
        };
        let router = Router::new().route(DISCOVERY, get(answer)).route(
            "/jwks",
            get(|| async { ([(header::CONTENT_TYPE, "application/json")], "{\"keys\":[]}") }),
        );
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        let provider = Provider::new(Settings {
            issuer,
            client_id: "one".to_owned(),
            client_secret: Secret("s3cret".to_owned()),
            scopes: Vec::new(),
            groups_claim: "groups".to_owned(),
            ca: None,
        })
        .expect("prepared");
        let redirect = "http://127.0.0.1:1/back".parse().expect("an address");
        let found = provider.begin(&redirect).await;
        match found {
            Ok(begun) => {
                assert_eq!(part, "", "{case}");
                let sent = |name: &str| {
                    begun
                        .url
                        .query_pairs()
                        .find(|(key, _)| key == name)
                        .map(|(_, value)| value.into_owned())
                };
                assert_eq!(sent("code_challenge_method").as_deref(), Some("S256"));
                assert_eq!(sent("state"), Some(begun.state.clone()));
                assert_eq!(sent("nonce"), Some(begun.nonce.clone()));
                assert!(!begun.url.as_str().contains(&begun.verifier), "the verifier stays here");
            }
            Err(error) => assert!(!part.is_empty() && error.to_string().contains(part), "{case}: {error}"),
        }
        serving.abort();
    }
}
