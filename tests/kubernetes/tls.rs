//! One TLS provider, ring: with two of them the cluster's client panics when
//! it is made.

use std::path::PathBuf;

#[test]
fn ring_is_the_only_provider() {
    let lock = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    let lock = std::fs::read_to_string(lock).expect("Cargo.lock");
    let has = |name: &str| lock.lines().any(|line| line == format!("name = \"{name}\""));
    assert!(has("ring") && has("rustls"), "this test looks at the right file");
    for other in ["aws-lc-rs", "aws-lc-sys", "openssl"] {
        assert!(
            !has(other),
            "{other} came in: `cargo tree -i {other} -e features` says through what"
        );
    }
}
