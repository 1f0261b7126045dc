//! Counts and durations of requests, in the Prometheus text format.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the duration buckets.
const BUCKETS_MS: [u64; 10] = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000];

/// Requests so far, by route and status class.
#[derive(Debug, Default)]
pub(super) struct Metrics(Mutex<BTreeMap<(&'static str, &'static str), Series>>);

#[derive(Debug, Default)]
struct Series {
    /// Requests in each bucket and all before it.
    within: [u64; BUCKETS_MS.len()],
    requests: u64,
    total: Duration,
}

impl Metrics {
    /// Counts one answered request.
    pub(super) fn count(&self, route: &'static str, status: u16, duration: Duration) {
        let class = match status / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        // counting cannot leave half a series behind: a poisoned lock holds good data
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let series = all.entry((route, class)).or_default();
        series.requests += 1;
        series.total += duration;
        for (within, bound_ms) in series.within.iter_mut().zip(BUCKETS_MS) {
            if duration <= Duration::from_millis(bound_ms) {
                *within += 1;
            }
        }
    }

    /// The counts as text, then these gauges: name, help, value.
    pub(super) fn print(&self, gauges: &[(&str, &str, i64)]) -> String {
        let mut out = String::new();
        self.write(&mut out, gauges).unwrap_or_default();
        out
    }

    fn write(&self, out: &mut String, gauges: &[(&str, &str, i64)]) -> std::fmt::Result {
        const NAME: &str = "tonnage_http_request_duration_seconds";
        writeln!(out, "# HELP {NAME} Time to the head of the answer.")?;
        writeln!(out, "# TYPE {NAME} histogram")?;
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for ((route, class), series) in all.iter() {
            let labels = format!("route=\"{route}\",status=\"{class}\"");
            for (within, bound_ms) in series.within.iter().zip(BUCKETS_MS) {
                let bound = Duration::from_millis(bound_ms).as_secs_f64();
                writeln!(out, "{NAME}_bucket{{{labels},le=\"{bound}\"}} {within}")?;
            }
            writeln!(out, "{NAME}_bucket{{{labels},le=\"+Inf\"}} {}", series.requests)?;
            writeln!(out, "{NAME}_sum{{{labels}}} {}", series.total.as_secs_f64())?;
            writeln!(out, "{NAME}_count{{{labels}}} {}", series.requests)?;
        }
        for (name, help, value) in gauges {
            writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let metrics = Metrics::default();
        for ms in [3, 30, 60_000] {
            metrics.count("/costs", 200, Duration::from_millis(ms));
        }
        metrics.count("/costs", 404, Duration::ZERO);
        let text = metrics.print(&[("tonnage_rows", "Rows.", 7)]);
        for line in [
            "_bucket{route=\"/costs\",status=\"2xx\",le=\"0.005\"} 1",
            "_bucket{route=\"/costs\",status=\"2xx\",le=\"0.05\"} 2",
            "_bucket{route=\"/costs\",status=\"2xx\",le=\"10\"} 2",
            "_bucket{route=\"/costs\",status=\"2xx\",le=\"+Inf\"} 3",
            "_sum{route=\"/costs\",status=\"2xx\"} 60.033",
            "_count{route=\"/costs\",status=\"4xx\"} 1",
            "# TYPE tonnage_rows gauge\ntonnage_rows 7",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} in {text}");
        }
    }
}
