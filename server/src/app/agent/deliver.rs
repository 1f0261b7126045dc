//! Delivering: the oldest entry of the spool is pushed until the server says
//! that it has it; only then it is removed.

use super::Shared;
use super::spool::{Entry, Kind};
use crate::app::push::Push;
use crate::outbound::{Answer, NoAnswer, Outbound, backoff, share};
use domain::Finding;
use serde::Deserialize;
use std::time::Duration;

/// Where pushes go.
const PATH: &str = "/api/v1/usage/facts";
/// What the server says of a push that it will never take.
const HOPELESS: [&str; 3] = ["bad_push", "bad_facts", "too_large"];

/// What delivering came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Entries the server took.
    pub pushed: u64,
    /// Entries it had already.
    pub already: u64,
    /// Entries that were set aside.
    pub set_aside: u64,
}

/// What became of an entry.
enum Fate {
    /// The server has it; whether it had it before.
    Taken(bool),
    /// The server will never take it, and says why.
    Hopeless(String),
    /// Not now.
    Later(Again),
}

/// Why an entry has to be pushed again.
struct Again {
    why: String,
    /// When the server wants to be asked again.
    retry_after: Option<Duration>,
    /// Waiting alone does not help: somebody has to change the token.
    token: bool,
}

impl Again {
    fn new(why: String) -> Again {
        Again {
            why,
            retry_after: None,
            token: false,
        }
    }
}

#[derive(Deserialize)]
struct Receipt {
    id: String,
    already: bool,
}

#[derive(Deserialize)]
struct Refusal {
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
}

impl Shared {
    /// Delivers what the spool holds, and what comes to it, for ever. Counts
    /// in `done` as it goes: the future may be dropped at any moment.
    pub async fn deliver(&self, to: &Outbound, done: &mut Delivered) {
        let mut failures = 0;
        let mut said = String::new();
        loop {
            let Some(entry) = self.oldest() else {
                self.wake.notified().await;
                continue;
            };
            match self.push(to, &entry, done).await {
                None => {
                    if failures > 0 {
                        tracing::info!("pushed again after {failures} failures");
                    }
                    failures = 0;
                    said.clear();
                }
                Some(Again { why, retry_after, .. }) => {
                    failures += 1;
                    let wait = backoff(failures, retry_after, share());
                    let wait_s = wait.as_secs();
                    if why == said {
                        tracing::debug!(failures, wait_s, "cannot push: {why}");
                    } else {
                        let (waiting, bytes) = self.load();
                        tracing::warn!(waiting, bytes, wait_s, "cannot push to {}: {why}", to.address());
                        said = why;
                    }
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Delivers until the spool is empty; gives up after so many failures in a
    /// row, saying why.
    ///
    /// # Errors
    /// What the last failure was.
    pub async fn drain(&self, to: &Outbound, tries: u32, done: &mut Delivered) -> Result<(), String> {
        let mut failures = 0;
        while let Some(entry) = self.oldest() {
            let Some(again) = self.push(to, &entry, done).await else {
                failures = 0;
                continue;
            };
            failures += 1;
            if failures >= tries || again.token {
                return Err(again.why);
            }
            tokio::time::sleep(backoff(failures, again.retry_after, share())).await;
        }
        Ok(())
    }

    /// Pushes one entry; `Some` when it has to be tried again.
    async fn push(&self, to: &Outbound, entry: &Entry, done: &mut Delivered) -> Option<Again> {
        let loaded = self.spool().load(entry);
        let body = match loaded {
            Ok(Some(body)) => body,
            Ok(None) => {
                done.set_aside += 1;
                return self.set_aside(entry, "its bytes are damaged");
            }
            Err(error) => return Some(Again::new(format!("cannot read {}: {error}", entry.name()))),
        };
        let headers = [
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
            ("idempotency-key", entry.id.as_str()),
        ];
        match fate(entry, to.post(PATH, &headers, body).await) {
            Fate::Taken(already) => {
                if already {
                    done.already += 1;
                } else {
                    done.pushed += 1;
                }
                let removed = self.spool().remove(entry);
                removed
                    .err()
                    .map(|error| Again::new(format!("cannot remove {}: {error}", entry.name())))
            }
            Fate::Hopeless(why) => {
                done.set_aside += 1;
                self.set_aside(entry, &format!("the server refuses it: {why}"))
            }
            Fate::Later(again) => Some(again),
        }
    }

    /// Moves an entry out of the way, and has the server told, unless telling
    /// is what failed.
    fn set_aside(&self, entry: &Entry, why: &str) -> Option<Again> {
        let moved = self.spool().set_aside(entry);
        let place = match moved {
            Ok(place) => place,
            Err(error) => return Some(Again::new(format!("cannot move {} aside: {error}", entry.name()))),
        };
        tracing::error!("{}: {why}", place.display());
        let cluster = self.cluster();
        if entry.kind == Kind::Notice || cluster.is_none() {
            return None;
        }
        let (id, name) = cluster.unwrap_or_default();
        let finding = Finding::warning(
            "agent_entry_set_aside",
            format!("facts the agent had spooled could not be pushed: {why}; their hours may be unobserved"),
        )
        .in_file(place.display().to_string())
        .remedy("put the file back into the spool when it can be taken");
        let mut spool = self.spool();
        let notice = Push::new((&id, &name), spool.agent(), Vec::new(), vec![finding]);
        let put = spool.put(&notice);
        if let Err(error) = put {
            tracing::error!(%error, "the server cannot be told of it");
        }
        None
    }
}

/// What an answer means. Only an answer that is Tonnage's own counts for good:
/// a proxy on the way may say anything.
fn fate(entry: &Entry, answer: Result<Answer, NoAnswer>) -> Fate {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Fate::Later(Again::new(error.to_string())),
    };
    if answer.status == 200 {
        return match serde_json::from_str::<Receipt>(&answer.text) {
            Ok(receipt) if receipt.id == entry.id => Fate::Taken(receipt.already),
            _ => Fate::Later(Again::new(
                "the answer is no receipt: is this a Tonnage server?".to_owned(),
            )),
        };
    }
    let problem = serde_json::from_str::<Refusal>(&answer.text)
        .ok()
        .and_then(|refusal| refusal.errors.into_iter().next());
    let why = match problem {
        Some(problem) if HOPELESS.contains(&problem.code.as_str()) => return Fate::Hopeless(problem.detail),
        Some(problem) => format!("{}: {}", answer.status, problem.detail),
        None => format!("answered with status {}", answer.status),
    };
    Fate::Later(Again {
        why,
        retry_after: answer.retry_after,
        token: matches!(answer.status, 401 | 403),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_servers_own_words_are_final() {
        let entry = Entry {
            sequence: 1,
            kind: Kind::Facts,
            id: "ab".to_owned(),
        };
        for (status, text, expect) in [
            (200, r#"{"id":"ab","already":false,"rows":3}"#, "taken"),
            (200, r#"{"id":"ab","already":true,"rows":0}"#, "taken already"),
            (200, r#"{"id":"cd","already":false,"rows":3}"#, "later"),
            (200, "<html>welcome</html>", "later"),
            (302, "", "later"),
            (
                400,
                r#"{"errors":[{"code":"bad_facts","detail":"x"}],"request_id":"r"}"#,
                "hopeless",
            ),
            (
                400,
                r#"{"errors":[{"code":"unknown_push_format","detail":"x"}],"request_id":"r"}"#,
                "later",
            ),
            (
                400,
                r#"{"errors":[{"code":"wrong_id","detail":"x"}],"request_id":"r"}"#,
                "later",
            ),
            (400, "<html>bad request</html>", "later"),
            (
                401,
                r#"{"errors":[{"code":"bad_token","detail":"x"}],"request_id":"r"}"#,
                "refused",
            ),
            (
                403,
                r#"{"errors":[{"code":"foreign_cluster","detail":"x"}],"request_id":"r"}"#,
                "refused",
            ),
            (413, "<html>too large</html>", "later"),
            (
                413,
                r#"{"errors":[{"code":"too_large","detail":"x"}],"request_id":"r"}"#,
                "hopeless",
            ),
            (
                500,
                r#"{"errors":[{"code":"broken","detail":"x"}],"request_id":"r"}"#,
                "later",
            ),
            (503, "", "later"),
        ] {
            let answer = Answer {
                status,
                retry_after: None,
                text: text.to_owned(),
            };
            let found = match fate(&entry, Ok(answer)) {
                Fate::Taken(false) => "taken",
                Fate::Taken(true) => "taken already",
                Fate::Hopeless(_) => "hopeless",
                Fate::Later(Again { token: false, .. }) => "later",
                Fate::Later(_) => "refused",
            };
            assert_eq!(found, expect, "{status} {text}");
        }
    }
}
