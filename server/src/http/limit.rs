//! How much one caller may ask for: token buckets by address, account and
//! token, in memory. Signing in has a narrower one by address, beside the wait
//! of each account.

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::num::NonZeroU32;

/// Attempts to sign in a minute from one address, and as many at once.
const SIGN_INS_PER_MINUTE: u32 = 30;
/// So many seconds' worth may come at once.
const BURST_S: u32 = 4;
/// Keys remembered before those are forgotten that have their whole bucket again.
const REMEMBERED: usize = 50_000;

/// The buckets.
pub(super) struct Limits {
    callers: DefaultKeyedRateLimiter<String>,
    sign_ins: DefaultKeyedRateLimiter<String>,
    clock: DefaultClock,
}

fn positive(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

impl Limits {
    pub(super) fn new(requests_per_s: u32) -> Limits {
        let per_second = Quota::per_second(positive(requests_per_s));
        let burst = positive(requests_per_s.saturating_mul(BURST_S));
        Limits {
            callers: RateLimiter::keyed(per_second.allow_burst(burst)),
            sign_ins: RateLimiter::keyed(Quota::per_minute(positive(SIGN_INS_PER_MINUTE))),
            clock: DefaultClock::default(),
        }
    }

    /// Whether this caller may be answered now; else the seconds to wait.
    pub(super) fn caller(&self, key: &str) -> Result<(), u64> {
        check(&self.callers, &self.clock, key)
    }

    /// Whether somebody at this address may try to sign in now.
    pub(super) fn sign_in(&self, address: &str) -> Result<(), u64> {
        check(&self.sign_ins, &self.clock, address)
    }
}

fn check(limiter: &DefaultKeyedRateLimiter<String>, clock: &DefaultClock, key: &str) -> Result<(), u64> {
    if limiter.len() > REMEMBERED {
        limiter.retain_recent();
    }
    limiter
        .check_key(&key.to_owned())
        .map_err(|not_until| not_until.wait_time_from(clock.now()).as_secs() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_a_bucket_of_its_own() {
        let limits = Limits::new(2);
        for _ in 0..8 {
            assert_eq!(limits.caller("a"), Ok(()));
        }
        assert_eq!(limits.caller("a"), Err(1));
        assert_eq!(limits.caller("b"), Ok(()));
        for _ in 0..SIGN_INS_PER_MINUTE {
            assert_eq!(limits.sign_in("192.0.2.1"), Ok(()));
        }
        let wait_s = limits.sign_in("192.0.2.1").expect_err("enough");
        assert!((1..=3).contains(&wait_s), "{wait_s}");
        assert_eq!(limits.sign_in("192.0.2.2"), Ok(()));
    }
}
