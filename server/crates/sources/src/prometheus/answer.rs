//! Reading an answer of the query API as it arrives: one series at a time is
//! held, whatever the size of the whole.

use super::error::{PrometheusError, shown};
use domain::number::{Excess, parse_units};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Labels of a series, `__name__` included.
pub type Labels = BTreeMap<String, String>;

/// Largest single series, bytes of JSON: a week of samples every second.
const SERIES_BYTES_MAX: usize = 64 << 20;
/// Largest frame around the series: status, warnings, an error page.
const FRAME_BYTES_MAX: usize = 4 << 20;

/// One series of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// Its labels.
    pub labels: Labels,
    /// (milliseconds since the epoch, value in units of `10^-decimals`), in order of time.
    pub samples: Vec<(i64, i64)>,
    /// Values that are no finite number or too large.
    pub unreadable: u64,
}

/// What stands around the series.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Frame {
    #[serde(default)]
    pub status: String,
    #[serde(default, rename = "errorType")]
    pub error_type: String,
    #[serde(default)]
    pub error: String,
    #[serde(default)]
    pub warnings: Vec<String>,
    #[serde(default)]
    pub data: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Element<'a> {
    #[serde(default)]
    metric: Labels,
    #[serde(default, borrow)]
    values: Vec<(f64, Cow<'a, str>)>,
    #[serde(default, borrow)]
    value: Option<(f64, Cow<'a, str>)>,
}

/// Cuts the series out of the bytes of an answer and keeps the frame.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// Inside `data.result`.
    in_result: bool,
    /// Inside a series of it.
    in_series: bool,
    series: Vec<u8>,
    frame: Vec<u8>,
}

/// Why the splitting stopped.
#[derive(Debug)]
pub(crate) enum SplitError {
    /// More bytes than allowed.
    TooLong,
    /// A series that is no JSON of the known shape.
    Malformed(String),
}

impl Splitter {
    /// Takes the next bytes and hands out the series they complete.
    pub(crate) fn push(&mut self, bytes: &[u8], decimals: u32, mut each: impl FnMut(Series)) -> Result<(), SplitError> {
        for &byte in bytes {
            if self.in_series {
                self.series.push(byte);
            } else if self.starts_series(byte) {
                self.in_series = true;
                self.series.push(byte);
            } else {
                self.frame.push(byte);
            }
            if self.step(byte) {
                each(decode(&self.series, decimals).map_err(SplitError::Malformed)?);
                self.series.clear();
                self.in_series = false;
            }
            if self.series.len() > SERIES_BYTES_MAX || self.frame.len() > FRAME_BYTES_MAX {
                return Err(SplitError::TooLong);
            }
        }
        Ok(())
    }

    fn starts_series(&self, byte: u8) -> bool {
        self.in_result && !self.in_string && self.depth == 3 && byte == b'{'
    }

    /// Follows the nesting; true when a series has just ended.
    fn step(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' => self.depth += 1,
            b'[' => {
                self.depth += 1;
                if self.depth == 3 && !self.in_series {
                    self.in_result = names_result(&self.frame);
                }
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if self.in_series {
                    return self.depth == 3;
                }
                if self.depth == 2 {
                    self.in_result = false;
                }
            }
            _ => {}
        }
        false
    }

    /// The frame, once all bytes are in.
    pub(crate) fn finish(self) -> Result<Frame, String> {
        if self.in_series || self.depth != 0 {
            return Err("it breaks off in the middle".to_owned());
        }
        // the commas between the series stay behind in the frame
        let text = String::from_utf8_lossy(&self.frame);
        let tidy = without_lone_commas(&text);
        serde_json::from_str(&tidy).map_err(|_| shown(&text))
    }

    /// Beginning of what is no series, for messages.
    pub(crate) fn excerpt(&self) -> String {
        shown(&String::from_utf8_lossy(&self.frame))
    }
}

/// Whether the array that just began is the value of `result`.
fn names_result(frame: &[u8]) -> bool {
    let before: Vec<u8> = frame
        .iter()
        .rev()
        .skip(1)
        .filter(|byte| !byte.is_ascii_whitespace())
        .take(9)
        .copied()
        .collect();
    before == *b":\"tluser\""
}

/// `[,,]` as the series left it becomes `[]`.
fn without_lone_commas(text: &str) -> String {
    let mut tidy = String::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    let mut last = ' ';
    for c in text.chars() {
        if in_string {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => in_string = false,
                _ => {}
            }
        } else if c == ',' && matches!(last, '[' | ',') || c.is_whitespace() {
            continue;
        } else if c == '"' {
            in_string = true;
        }
        tidy.push(c);
        last = c;
    }
    tidy
}

fn decode(json: &[u8], decimals: u32) -> Result<Series, String> {
    let element: Element<'_> = serde_json::from_slice(json).map_err(|error| {
        format!(
            "a series cannot be read ({error}): {}",
            shown(&String::from_utf8_lossy(json))
        )
    })?;
    let mut series = Series {
        labels: element.metric,
        samples: Vec::with_capacity(element.values.len() + usize::from(element.value.is_some())),
        unreadable: 0,
    };
    for (at_s, text) in element.values.iter().chain(&element.value) {
        match units(text, decimals) {
            Some(value) => series.samples.push((millis(*at_s), value)),
            None => series.unreadable += 1,
        }
    }
    Ok(series)
}

/// Exact, rounded half away from zero beyond the decimals; `None` for `NaN`,
/// infinities and what fits no 64 bits.
pub(crate) fn units(text: &str, decimals: u32) -> Option<i64> {
    let units = parse_units(text.as_bytes(), decimals, Excess::Round).ok()?;
    i64::try_from(units).ok()
}

/// Prometheus writes instants as seconds with three decimals, well within what
/// a double holds.
#[expect(
    clippy::cast_possible_truncation,
    reason = "instants of any calendar fit; others saturate"
)]
fn millis(at_s: f64) -> i64 {
    (at_s * 1_000.0).round() as i64
}

impl Frame {
    /// Turns an error of the server into ours.
    pub(crate) fn refusal(&self, query: &str) -> PrometheusError {
        PrometheusError::Refused {
            query: shown(query),
            kind: self.error_type.clone(),
            message: shown(&self.error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(json: &str, cut: usize) -> (Vec<Series>, Result<Frame, String>) {
        let mut splitter = Splitter::default();
        let mut found = Vec::new();
        for piece in json.as_bytes().chunks(cut) {
            splitter.push(piece, 3, |series| found.push(series)).expect("splits");
        }
        (found, splitter.finish())
    }

    #[test]
    fn series_come_out_one_by_one_wherever_the_bytes_are_cut() {
        let json = r#"{ "status":"success", "data":{"resultType":"matrix", "result" : [
            {"metric":{"pod":"a{\"]}","x":""},"values":[[1700000000.123,"1.5"],[1700000030,"NaN"],[1700000060.001,"2e3"]]},
            {"metric":{},"value":[1.5,"-0.0004"]} , {"metric":{"e":"1"},"values":[]} ]},
            "warnings":["one, [two]", "three"], "infos":[{"a":1}]}"#;
        for cut in [1, 2, 7, 64, 10_000] {
            let (series, frame) = split(json, cut);
            assert_eq!(series.len(), 3, "cut at {cut}");
            assert_eq!(series[0].labels["pod"], "a{\"]}");
            assert_eq!(
                series[0].samples,
                [(1_700_000_000_123, 1_500), (1_700_000_060_001, 2_000_000)]
            );
            assert_eq!(series[0].unreadable, 1);
            assert_eq!(series[1].samples, [(1_500, 0)]);
            let frame = frame.expect("a frame");
            assert_eq!(frame.status, "success");
            assert_eq!(frame.warnings, ["one, [two]", "three"]);
        }
    }

    #[test]
    fn answers_without_series() {
        // (what, json, status or none when it is no answer)
        for (what, json, expect) in [
            (
                "error",
                r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#,
                Some("error"),
            ),
            (
                "scalar",
                r#"{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}"#,
                Some("success"),
            ),
            (
                "empty",
                r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#,
                Some("success"),
            ),
            ("page", "<html>Not found</html>", None),
            (
                "cut",
                r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a"#,
                None,
            ),
            ("nothing", "", None),
        ] {
            let (series, frame) = split(json, 5);
            assert!(series.is_empty(), "{what}");
            assert_eq!(frame.ok().map(|frame| frame.status).as_deref(), expect, "{what}");
        }
    }

    #[test]
    fn values() {
        for (text, decimals, expect) in [
            ("0.1", 9, Some(100_000_000)),
            ("1.8446744073709552e+19", 0, None),
            ("+Inf", 0, None),
            ("1.7e+09", 3, Some(1_700_000_000_000)),
            ("0.0005", 3, Some(1)),
        ] {
            assert_eq!(units(text, decimals), expect, "{text}");
        }
    }
}
