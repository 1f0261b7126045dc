//! Invoices: read back as they were entered, one of each issuer's numbers.

use crate::databases::{Database, on_every_database};
use domain::instant::Day;
use domain::invoice::Invoice;
use domain::{Currency, Money};

on_every_database!(invoices_are_read_back_and_removed);

fn invoice(issuer: &str, number: &str, period: &str, net: &str) -> Invoice {
    Invoice {
        issuer: issuer.to_owned(),
        number: number.to_owned(),
        billing_account: String::new(),
        legal_entity: "Tidewater GmbH".to_owned(),
        period: period.parse().expect("a month"),
        currency: Currency::parse("USD").expect("a code"),
        net: Money::parse(net).expect("an amount"),
        tax: None,
        gross: None,
        issued: None,
        due: None,
        exchange_rate: None,
        document_sha256: None,
    }
}

async fn invoices_are_read_back_and_removed(database: &Database) {
    let store = database.open().await;
    let version = store.manifest_version().await.expect("version");
    let full = Invoice {
        billing_account: "004711".to_owned(),
        tax: Some(Money::parse("0.000000000000000000000001").expect("an amount")),
        gross: Some(Money::parse("-99999999999998.999999999999999999999999").expect("an amount")),
        issued: Some(Day(20_000)),
        due: Some(Day(-1)),
        exchange_rate: Some("1.0871".to_owned()),
        document_sha256: Some("ab".to_owned()),
        ..invoice("AWS", "7", "2026-10", "-99999999999999")
    };
    let others = [invoice("", "7", "2026-10", "1"), invoice("AWS", "8", "2026-09", "2")];
    let all: Vec<Invoice> = others.iter().chain([&full]).cloned().collect();
    store.change_invoices(&all, &[], 10).await.expect("new invoices");
    let [nobody, september] = others;
    assert_eq!(
        store.invoices().await.expect("invoices"),
        [september.clone(), nobody.clone(), full.clone()],
        "by month, issuer and number"
    );
    let late = [invoice("AWS", "9", "2026-10", "3"), invoice("AWS", "7", "2026-11", "4")];
    let of_nobody = [(String::new(), "7".to_owned())];
    let refused = store.change_invoices(&late, &of_nobody, 20).await;
    assert!(refused.is_err(), "a number is used once");
    assert_eq!(store.invoices().await.expect("invoices").len(), 3, "all or nothing");
    let remove = async || store.change_invoices(&[], &of_nobody, 20).await.expect("removed");
    assert_eq!(remove().await, 1);
    assert_eq!(remove().await, 0, "removed before");
    assert_eq!(store.invoices().await.expect("invoices"), [september, full]);
    assert_eq!(
        store.manifest_version().await.expect("version"),
        version,
        "invoices are no data"
    );
}
