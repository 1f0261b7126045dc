//! Prices and how often spot capacity is taken back: read back as set, replaced by offer and day.

use crate::databases::{Database, on_every_database};
use domain::catalogue::{Offer, Per, Price, Purchase, SpotAdvice};
use domain::instant::Day;
use domain::{Currency, Money};

on_every_database!(prices_are_read_back, spot_advice_is_replaced);

fn price(provider: &str, kind: &str, purchase: Purchase, day: i32, amount: &str) -> Price {
    let reserved = purchase == Purchase::Reserved;
    Price {
        offer: Offer {
            provider: provider.to_owned(),
            region: "eu-central-1".to_owned(),
            resource_type: kind.to_owned(),
            purchase,
            term_months: if reserved { 36 } else { 0 },
            payment: if reserved { "all-upfront" } else { "" }.to_owned(),
            per: Per::Hour,
            currency: Currency::parse("USD").expect("a code"),
            from: Day(day),
        },
        price: Money::parse(amount).expect("an amount"),
        source: "it's \"a\" source".to_owned(),
    }
}

async fn prices_are_read_back(database: &Database) {
    let store = database.open().await;
    let version = store.manifest_version().await.expect("version");
    // more than one statement's worth
    let mut all: Vec<Price> = (0..4_500)
        .map(|number| {
            price(
                "aws",
                &format!("m{number:05}"),
                Purchase::OnDemand,
                20_000,
                "0.000000000000000000000001",
            )
        })
        .collect();
    all.push(price("azure", "D4", Purchase::OnDemand, -1, "99999999999999"));
    all.push(price("azure", "D4", Purchase::Reserved, 20_000, "0.5"));
    all.push(price("azure", "D4", Purchase::Spot, 20_000, "0"));
    store.set_prices(&all, &[]).await.expect("prices");
    assert!(store.prices().await.expect("prices") == all, "as they were set");
    let after = store.manifest_version().await.expect("version");
    assert_eq!(after, version + 1, "what was made with earlier prices is old");
    let dearer = price("azure", "D4", Purchase::Reserved, 20_000, "0.6");
    store
        .set_prices(std::slice::from_ref(&dearer), &[])
        .await
        .expect("a price");
    let index = all.len() - 2;
    all[index] = dearer;
    assert!(store.prices().await.expect("prices") == all, "replaced");
    assert_eq!(store.remove_prices("azure").await.expect("removed"), 3);
    assert_eq!(store.prices().await.expect("prices").len(), 4_500);
    assert_eq!(store.remove_prices("azure").await.expect("removed before"), 0);
}

async fn spot_advice_is_replaced(database: &Database) {
    let store = database.open().await;
    let advice = |kind: &str, below| SpotAdvice {
        region: "eu-central-1".to_owned(),
        os: "Linux".to_owned(),
        resource_type: kind.to_owned(),
        saving_percent: -57,
        interrupted_from_percent: 5,
        interrupted_below_percent: below,
    };
    let first = [advice("a", Some(10)), advice("b", None)];
    store.set_prices(&[], &first).await.expect("advice");
    assert_eq!(store.spot_advice().await.expect("advice"), first);
    store.set_prices(&[], &[]).await.expect("nothing");
    assert_eq!(
        store.spot_advice().await.expect("advice"),
        first,
        "prices alone leave it"
    );
    let second = [advice("b", Some(15))];
    store.set_prices(&[], &second).await.expect("advice");
    assert_eq!(store.spot_advice().await.expect("advice"), second);
}
