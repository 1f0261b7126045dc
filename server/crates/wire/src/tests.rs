use std::collections::BTreeMap;

use crate::{AuditChain, Basis, CostRow, FormAnswer, PageError, SignInRefused, Terms};

#[test]
fn terms_are_an_object_in_order() {
    let terms = Terms(vec![("z".into(), "1".into()), ("a".into(), "-2.5".into())]);
    let json = serde_json::to_string(&terms).expect("terms are plain strings");
    assert_eq!(json, r#"{"z":"1","a":"-2.5"}"#);
    assert_eq!(serde_json::from_str::<Terms>(&json).expect("the same shape"), terms);
}

#[test]
fn a_row_keeps_the_documented_shape() {
    let row = CostRow {
        keys: BTreeMap::from([("tenant".into(), "acme".into())]),
        cost: "12.5".into(),
        prior: None,
        change: None,
        share_permille: Some(1000),
        bar_permille: 1000,
        trend: vec![None, Some("12.5".into())],
        sparkline: None,
        kind: crate::RowKind::Owner,
        note: None,
        explain_id: None,
    };
    let json = serde_json::to_value(&row).expect("a row is plain data");
    assert_eq!(json["keys"]["tenant"], "acme");
    assert_eq!(json["cost"], "12.5");
    assert_eq!(serde_json::from_value::<CostRow>(json).expect("the same shape"), row);
}

#[test]
fn a_basis_has_one_word() {
    for basis in [Basis::Effective, Basis::Billed] {
        assert_eq!(Basis::from_key(basis.key()), Some(basis));
        assert_eq!(serde_json::to_value(basis).expect("a word"), basis.key());
    }
    assert_eq!(Basis::from_key("list"), None);
}

#[test]
fn every_error_has_its_status() {
    let table = [
        (PageError::NoData, 200),
        (PageError::NotFound { what: String::new() }, 404),
        (
            PageError::Forbidden {
                what: String::new(),
                who: Vec::new(),
            },
            403,
        ),
        (
            PageError::Unavailable {
                request_id: String::new(),
            },
            503,
        ),
        (
            PageError::BadRequest {
                what: String::new(),
                remedy: String::new(),
            },
            400,
        ),
    ];
    for (error, status) in table {
        assert_eq!(error.status(), status);
    }
}

#[test]
fn answers_and_refusals_say_their_kind() {
    let refused = FormAnswer::Refused {
        form: "/access/grants".into(),
        field: Some("owner".into()),
        problem: "No such tenant".into(),
        written: vec![("role".into(), "viewer".into())],
    };
    let chain = AuditChain::Broken {
        seq: 7,
        what: "it was changed after it was written".into(),
    };
    let table = [
        (serde_json::to_value(&refused), "answer", "refused"),
        (
            serde_json::to_value(SignInRefused::Wait { wait_s: 8 }),
            "refused",
            "wait",
        ),
        (serde_json::to_value(SignInRefused::Wrong), "refused", "wrong"),
        (serde_json::to_value(&chain), "chain", "broken"),
    ];
    for (json, tag, kind) in table {
        assert_eq!(json.expect("plain data")[tag], kind);
    }
    let json = serde_json::to_string(&refused).expect("plain data");
    assert_eq!(
        serde_json::from_str::<FormAnswer>(&json).expect("the same shape"),
        refused
    );
}
