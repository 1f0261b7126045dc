//! What a reader of one tenant sees does not depend on anybody else's data: in
//! random worlds, every answer stays the same when only others change.

use crate::site::{Site, token_of};
use domain::access::{Grant, Reach, Role};
use std::fmt::Write as _;

/// Worlds of a run; `TONNAGE_LONG=1` makes it fifty.
const WORLDS: u64 = 4;
const TENANTS: [&str; 5] = ["acme", "bolt", "cargo", "delta", ""];
const SERVICES: [&str; 3] = ["Compute", "Database", "Storage"];

/// A generator that is the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// A bill of a world. `others` moves the amounts of all tenants but acme, and
/// the services they use.
fn bill(world: u64, others: u64) -> String {
    let mut text = String::from(
        "BilledCost,EffectiveCost,ListCost,ContractedCost,BillingAccountId,BillingCurrency,BillingPeriodStart,\
         BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ChargeDescription,ProviderName,\
         PublisherName,InvoiceIssuerName,ServiceName,ServiceCategory,Tags\n",
    );
    let (mut own, mut foreign) = (Random(world), Random(world ^ others.wrapping_mul(0x9e37_79b9)));
    for (month, next) in [("2026-10", "2026-11"), ("2026-11", "2026-12")] {
        for line in 0..24 {
            let tenant = TENANTS[line % TENANTS.len()];
            let random = if tenant == "acme" { &mut own } else { &mut foreign };
            let cost = format!("{}.{:06}", random.next(900), random.next(1_000_000));
            let service = SERVICES[usize::try_from(random.next(3)).expect("small")];
            // the days with a bill are how fresh it is, which everybody may know
            let day = 1 + (line * 7) % 18;
            let tags = if tenant.is_empty() {
                "{}".to_owned()
            } else {
                format!("{{\"\"tenant\"\": \"\"{tenant}\"\"}}")
            };
            let _ = writeln!(
                text,
                "{cost},{cost},{cost},{cost},4711,USD,{month}-01T00:00:00Z,{next}-01T00:00:00Z,\
                 {month}-{day:02}T00:00:00Z,{month}-{:02}T00:00:00Z,Usage,a charge,AWS,AWS,AWS,{service},{service},\"{tags}\"",
                day + 1
            );
        }
    }
    text
}

const RULES: &str = "format: 1\nrules:\n  - name: tenant tag\n    set:\n      tenant: {tag: tenant}\n";

/// Everything the reader is answered, without what names the request and the file.
async fn seen(world: u64, others: u64) -> Vec<(String, u16, String)> {
    let site = Site::with_usage(&bill(world, others), &[]).await;
    let app = site.app().await;
    app.rules_apply(RULES, None, None).await.expect("good rules");
    let reader = |tenant: &str| {
        vec![Grant {
            role: Role::Viewer,
            reach: Reach::Tenant(tenant.to_owned()),
        }]
    };
    let token = token_of(&app, "tom", reader("acme")).await;
    let mut paths: Vec<String> = [
        "/",
        "/?period=2026-10",
        "/costs",
        "/costs?by=service",
        "/costs?by=tenant,service&period=2026-10",
        "/costs?by=ServiceName&sort=change",
        "/costs?f=tenant:bolt",
        "/costs?by=nothing",
        "/costs.csv?by=ServiceName",
        "/costs/converted",
        "/costs/converted.csv",
        "/explain/0123",
        "/clusters",
        "/sources",
        "/api/v1/overview",
        "/api/v1/costs?by=tenant",
        "/api/v1/costs?by=ServiceName&period=2026-10",
        "/api/v1/costs?by=tenant&currency=EUR",
        "/api/v1/costs/converted",
        "/api/v1/periods",
        "/api/v1/reconciliation",
        "/allocation?window=2026-11-01T00:00:00Z,2026-11-20T00:00:00Z",
        "/glossary",
    ]
    .map(str::to_owned)
    .to_vec();
    let costs = site.get_as("/api/v1/costs?by=ServiceName", Some(&token)).await.json();
    for row in costs["rows"].as_array().expect("rows") {
        // a row of the month before only has none
        let Some(id) = row["explain_id"].as_str() else { continue };
        paths.push(format!("/api/v1/explain/{id}"));
        paths.push(format!("/explain/{id}"));
    }
    let deliveries: Vec<String> = app
        .deliveries(None)
        .await
        .expect("deliveries")
        .into_iter()
        .map(|delivery| delivery.delivery_id)
        .collect();
    let mut answers = Vec::new();
    for path in paths {
        let answer = site.get_as(&path, Some(&token)).await;
        let mut text = answer.text().replace(answer.header("x-request-id"), "REQUEST");
        for delivery in &deliveries {
            text = text.replace(delivery.as_str(), "DELIVERY");
            text = text.replace(&delivery[..10], "DELIVERY");
        }
        // a page's nonce is its own
        while let Some((before, rest)) = text.split_once("nonce=\"") {
            let (_, after) = rest.split_once('"').expect("a closed attribute");
            text = format!("{before}NONCE{after}");
        }
        answers.push((path, answer.status, text));
    }
    answers
}

#[tokio::test]
async fn nothing_a_reader_sees_depends_on_anybody_else() {
    let worlds = if tonnage_tests::long() { 50 } else { WORLDS };
    for world in 1..=worlds {
        let (one, other) = (seen(world, 1).await, seen(world, 2).await);
        assert_eq!(one.len(), other.len(), "world {world}");
        for ((path, status, text), (other_path, other_status, other_text)) in one.iter().zip(&other) {
            assert_eq!((path, status), (other_path, other_status), "world {world}");
            if text != other_text {
                let same = text.bytes().zip(other_text.bytes()).take_while(|(a, b)| a == b).count();
                let around = |text: &str| text.chars().skip(same.saturating_sub(60)).take(160).collect::<String>();
                panic!("world {world}: {path}:\n{}\n{}", around(text), around(other_text));
            }
        }
        let whole: String = one.iter().map(|(_, _, text)| text.as_str()).collect();
        assert!(whole.contains("acme"), "the reader's own is there");
        assert!(!whole.contains("cargo") && !whole.contains("delta"), "world {world}");
    }
}
