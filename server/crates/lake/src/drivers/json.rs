//! Records of a JSON file: objects one after another (lines) or in an array.
//! Numbers stay the text they are written in, so no digit is lost.

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::io::{self, BufRead};

/// Longest record, in bytes.
const MAX_RECORD_BYTES: usize = 1 << 20;

/// A record's cells by name, as text; null is empty.
pub(super) type Record = Vec<(String, String)>;

/// Cuts a stream into the texts of its objects.
pub(super) struct Objects<R> {
    reader: R,
    line: u64,
}

/// Why a stream is no series of JSON objects: the line and the reason.
#[derive(Debug)]
pub(super) enum JsonError {
    Io(io::Error),
    Text { line: u64, what: String },
}

impl<R: BufRead> Objects<R> {
    pub fn new(reader: R) -> Objects<R> {
        Objects { reader, line: 1 }
    }

    /// The next object's line and text; `None` at the end.
    pub fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>, JsonError> {
        let mut object = Vec::new();
        let (mut begun, mut depth, mut quoted, mut escaped) = (0, 0u32, false, false);
        while let Some(byte) = self.byte()? {
            if depth == 0 {
                match byte {
                    b'{' => begun = self.line,
                    // what stands between the objects of an array, or of lines
                    b'[' | b']' | b',' | b' ' | b'\t' | b'\r' | b'\n' | 0xef | 0xbb | 0xbf => continue,
                    _ => return Err(self.wrong("is not JSON: an object must begin here")),
                }
            }
            object.push(byte);
            if object.len() > MAX_RECORD_BYTES {
                return Err(self.wrong("has a record longer than 1 MiB"));
            }
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b'{' if !quoted => depth += 1,
                b'}' if !quoted => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(Some((begun, object)));
            }
        }
        if depth > 0 {
            return Err(self.wrong("ends within a record: the file is cut off"));
        }
        Ok(None)
    }

    fn byte(&mut self) -> Result<Option<u8>, JsonError> {
        let Some(&byte) = self.reader.fill_buf().map_err(JsonError::Io)?.first() else {
            return Ok(None);
        };
        self.reader.consume(1);
        self.line += u64::from(byte == b'\n');
        Ok(Some(byte))
    }

    fn wrong(&self, what: &str) -> JsonError {
        JsonError::Text {
            line: self.line,
            what: what.to_owned(),
        }
    }
}

/// The cells of an object.
pub(super) fn record(object: &[u8]) -> Result<Record, String> {
    let mut json = serde_json::Deserializer::from_slice(object);
    let cells = json.deserialize_map(Cells).map_err(|error| error.to_string())?;
    cells
        .into_iter()
        .map(|(name, raw)| text(&raw).map(|text| (name.clone(), text)).ok_or(name))
        .collect::<Result<_, _>>()
        .map_err(|name| format!("{name:?} is neither a text nor a number"))
}

fn text(raw: &RawValue) -> Option<String> {
    let raw = raw.get().trim();
    match raw.bytes().next()? {
        b'"' => serde_json::from_str(raw).ok(),
        b'n' => Some(String::new()),
        b'-' | b'0'..=b'9' => Some(raw.to_owned()),
        _ => None,
    }
}

struct Cells;

impl<'de> Visitor<'de> for Cells {
    type Value = Vec<(String, Box<RawValue>)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object of texts and numbers")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut cells = Vec::new();
        while let Some(cell) = map.next_entry()? {
            cells.push(cell);
        }
        Ok(cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(text: &str) -> Result<Vec<(u64, String)>, (u64, String)> {
        let mut objects = Objects::new(text.as_bytes());
        let mut found = Vec::new();
        loop {
            match objects.next() {
                Ok(Some((line, object))) => found.push((line, String::from_utf8_lossy(&object).into_owned())),
                Ok(None) => return Ok(found),
                Err(JsonError::Text { line, what }) => return Err((line, what)),
                Err(JsonError::Io(error)) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn arrays_and_lines_are_cut_into_objects() {
        let two = vec![(1, "{\"a\":1}".to_owned()), (2, "{\"b\":\"}\\\"{\"}".to_owned())];
        for text in [
            "{\"a\":1}\n{\"b\":\"}\\\"{\"}\n",
            "[{\"a\":1},\n{\"b\":\"}\\\"{\"}]",
            "\u{feff}[ {\"a\":1} ,\r\n {\"b\":\"}\\\"{\"} ]\n",
        ] {
            assert_eq!(objects(text), Ok(two.clone()), "{text}");
        }
        assert_eq!(objects("  \n"), Ok(vec![]));
        for (text, line) in [("{\"a\":1}\nday,driver", 2), ("{\"a\":1}\n{\"b\":", 2), ("<html>", 1)] {
            assert_eq!(objects(text).expect_err(text).0, line, "{text}");
        }
    }

    #[test]
    fn numbers_keep_their_digits() {
        let cells = record(br#"{"a":12345678901234567890.000000000001,"b":"x\n","c":null,"d":1e3}"#);
        let expect = [
            ("a", "12345678901234567890.000000000001"),
            ("b", "x\n"),
            ("c", ""),
            ("d", "1e3"),
        ];
        assert_eq!(cells, Ok(expect.map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec()));
        for bad in ["{\"a\":[1]}", "{\"a\":true}", "{\"a\":{}}", "{\"a\"}"] {
            assert!(record(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
