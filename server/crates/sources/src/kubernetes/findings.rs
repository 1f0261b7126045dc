//! Findings of a collector between two drains: the same one is counted, not repeated.

use domain::{Finding, Severity};
use std::collections::BTreeMap;

/// Findings by code and what they are about.
#[derive(Debug, Default)]
pub struct Findings(BTreeMap<(&'static str, String), Finding>);

impl Findings {
    /// Adds a warning about `subject`, which may be empty.
    pub fn warn(&mut self, code: &'static str, subject: &str, message: &str) {
        self.add(Severity::Warning, code, subject, message, None);
    }

    /// Adds a finding, or counts it once more and keeps its newest words.
    pub fn add(&mut self, severity: Severity, code: &'static str, subject: &str, message: &str, remedy: Option<&str>) {
        let place = if subject.is_empty() {
            String::new()
        } else {
            format!("{subject}: ")
        };
        let mut finding = Finding::new(severity, code, format!("{place}{message}"));
        finding.remedy = remedy.map(str::to_owned);
        let key = (code, subject.to_owned());
        finding.count = self.0.get(&key).map_or(1, |known| known.count + 1);
        self.0.insert(key, finding);
    }

    /// Takes all of them.
    pub fn take(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.0).into_values().collect()
    }
}
