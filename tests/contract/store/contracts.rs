//! Contract commitments: read back as they were taken in, replaced by id.

use crate::databases::{Database, on_every_database};
use domain::contract::Contract;
use domain::instant::Day;
use domain::{Currency, Money};

on_every_database!(contracts_are_read_back_replaced_and_removed);

fn contract(id: &str, cost: Option<&str>) -> Contract {
    Contract {
        id: id.to_owned(),
        contract_id: "c-7".to_owned(),
        kind: "Savings Plan".to_owned(),
        category: "Spend".to_owned(),
        description: "it's \"ours\"".to_owned(),
        start: Day(-5),
        end: Day(20_000),
        cost: cost.map(|cost| Money::parse(cost).expect("an amount")),
        currency: cost.map(|_| Currency::parse("USD").expect("a code")),
        quantity: cost.is_none().then(|| "10".to_owned()),
        unit: "Hours".to_owned(),
        payment: "All Upfront".to_owned(),
        scope: "{\"IsGlobalScope\": true}".to_owned(),
        status: "Active".to_owned(),
        provider: "AWS".to_owned(),
    }
}

async fn contracts_are_read_back_replaced_and_removed(database: &Database) {
    let store = database.open().await;
    let (first, second) = (contract("b", Some("0.000000000000000000000001")), contract("a", None));
    let all = [first.clone(), second.clone()];
    store.set_contracts(&all).await.expect("contracts");
    assert_eq!(store.contracts().await.expect("contracts"), [second.clone(), first]);
    let dearer = contract("b", Some("99999999999999"));
    let one = std::slice::from_ref(&dearer);
    store.set_contracts(one).await.expect("a contract");
    assert_eq!(store.contracts().await.expect("contracts"), [second, dearer.clone()]);
    assert!(store.remove_contract("a").await.expect("removed"));
    assert!(!store.remove_contract("a").await.expect("removed before"));
    assert_eq!(
        store.contracts().await.expect("contracts"),
        std::slice::from_ref(&dearer)
    );
    let empty = Contract { end: Day(-5), ..dearer };
    let never = store.set_contracts(&[empty]).await;
    assert!(never.is_err(), "it ends after it starts");
}
