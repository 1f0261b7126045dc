//! Passwords: argon2id, in PHC form.
//!
//! 64 MiB and three passes are the second recommended setting of RFC 9106 with
//! one lane; docs/SECURITY.md has how long that takes.

use crate::error::AppError;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;
/// The shortest password, in characters.
pub(crate) const MIN_CHARS: usize = 12;
/// The longest, in bytes: a sentence fits, a file does not.
const MAX_BYTES: usize = 1024;

/// A shorter login is in half of all words.
const LOGIN_CHARS: usize = 4;

fn argon2() -> Result<Argon2<'static>, AppError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map_err(|error| AppError::broken("cannot set argon2id up", error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// That a new password is one.
///
/// # Errors
/// Says what is wrong with it, never what it is.
pub(crate) fn check_new(login: &str, password: &str) -> Result<(), AppError> {
    let remedy = format!("take {MIN_CHARS} characters or more; several words do well");
    let lower = password.to_lowercase();
    let what = if password.chars().count() < MIN_CHARS {
        "the new password is too short"
    } else if password.len() > MAX_BYTES {
        "the new password is too long"
    } else if login.chars().count() >= LOGIN_CHARS && lower.contains(&login.to_lowercase()) {
        "the new password has the login in it"
    } else if distinct(&lower) < 5 {
        "the new password repeats the same few characters"
    } else {
        return Ok(());
    };
    Err(AppError::usage(what, remedy))
}

fn distinct(text: &str) -> usize {
    text.chars().collect::<std::collections::BTreeSet<char>>().len()
}

/// The hash that is kept.
///
/// # Errors
/// When the operating system gives no random bytes.
pub(crate) fn hash(password: &str) -> Result<String, AppError> {
    let mut salt = [0u8; 16];
    getrandom::fill(&mut salt)
        .map_err(|error| AppError::broken("the operating system gives no random bytes", error.to_string()))?;
    let broken = |error: argon2::password_hash::Error| AppError::broken("cannot hash a password", error.to_string());
    let salt = SaltString::encode_b64(&salt).map_err(broken)?;
    Ok(argon2()?
        .hash_password(password.as_bytes(), &salt)
        .map_err(broken)?
        .to_string())
}

/// Whether the password is the one of the hash. Without a hash it takes as
/// long and is not: nobody learns by the time which logins there are.
///
/// # Errors
/// When argon2id cannot be set up.
pub(crate) fn matches(kept: Option<&str>, password: &str) -> Result<bool, AppError> {
    // of a password that nobody has: 64 MiB, three passes, as every other
    const NOBODY: &str =
        "$argon2id$v=19$m=65536,t=3,p=1$bm9ib2R5bm9ib2R5bm9ib2R5$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    if password.len() > MAX_BYTES {
        return Ok(false);
    }
    let parsed = PasswordHash::new(kept.unwrap_or(NOBODY))
        .map_err(|error| AppError::broken("cannot read a password hash", error.to_string()))?;
    let same = argon2()?.verify_password(password.as_bytes(), &parsed).is_ok();
    Ok(same && kept.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_argon2id_and_matches_its_password_only() {
        let kept = hash("correct horse battery").expect("hashed");
        assert!(kept.starts_with("$argon2id$v=19$m=65536,t=3,p=1$"), "{kept}");
        assert_ne!(kept, hash("correct horse battery").expect("hashed"), "salted");
        for (password, right) in [
            ("correct horse battery", true),
            ("correct horse battery ", false),
            ("", false),
        ] {
            assert_eq!(matches(Some(&kept), password).expect("checked"), right, "{password:?}");
        }
        assert!(!matches(None, "correct horse battery").expect("checked"));
    }

    #[test]
    fn checking_a_password_costs_what_it_should_with_or_without_an_account() {
        let kept = hash("correct horse battery").expect("hashed");
        for kept in [Some(kept.as_str()), None] {
            let started = std::time::Instant::now();
            matches(kept, "something else").expect("checked");
            assert!(started.elapsed().as_millis() >= 50, "{:?}", started.elapsed());
        }
    }

    #[test]
    fn a_new_password_is_long_and_no_login() {
        let table = [
            ("mo", "elevenchars", false),
            ("mo", "twelve chars and more", true),
            ("mo", "aaaaaaaaaaaaaaaa", false),
            ("maria", "my name is Maria!", false),
            ("", "aaaabbbbccccddddeeee", true),
        ];
        for (login, password, good) in table {
            assert_eq!(check_new(login, password).is_ok(), good, "{password}");
        }
        assert!(check_new("", &"word ".repeat(300)).is_err());
    }
}
