//! Bills as JSON objects, one after the other (with or without newlines
//! between): every field a cell, nested ones as JSON text, into the same checks
//! as CSV. The n-th object is line n.

use super::feed::Feed;
use super::reader::{Counted, Hangup, Message, damaged, open, read_error};
use super::records::Block;
use super::{IngestError, Part};
use domain::Finding;
use domain::dialect::Container;
use domain::dialect::native::gcp::JSON_FIELDS;
use flate2::bufread::MultiGzDecoder;
use serde_json::{Map, Value};
use std::cell::Cell as Shared;
use std::io::{self, BufReader, Read};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::SyncSender;

/// Objects of a block.
const ROWS: usize = 4_096;

/// Sends the objects of a JSON part as blocks.
pub(crate) fn read(
    part: &Part,
    position: usize,
    max_record: usize,
    counter: &Arc<AtomicU64>,
    to: &SyncSender<Message>,
) -> Result<Result<Vec<Finding>, Hangup>, IngestError> {
    let counted = Counted {
        inner: open(part)?,
        counter: Arc::clone(counter),
    };
    let packed = BufReader::with_capacity(1 << 18, counted);
    if part.container == (Container::Json { gzip: true }) {
        objects(part, position, max_record, MultiGzDecoder::new(packed), to)
    } else {
        objects(part, position, max_record, packed, to)
    }
}

fn objects(
    part: &Part,
    position: usize,
    max_record: usize,
    input: impl Read,
    to: &SyncSender<Message>,
) -> Result<Result<Vec<Finding>, Hangup>, IngestError> {
    let header = JSON_FIELDS.iter().map(|field| (*field).to_owned()).collect();
    let mut feed = match Feed::begin(part, position, header, to)? {
        Ok(feed) => feed,
        Err(hangup) => return Ok(Err(hangup)),
    };
    let since = Rc::new(Shared::new(0));
    let limited = Limited {
        inner: input,
        since: Rc::clone(&since),
        max: max_record,
    };
    let mut rows = serde_json::Deserializer::from_reader(BufReader::new(limited)).into_iter::<Map<String, Value>>();
    let mut block = empty();
    let mut line = 0;
    loop {
        line += 1;
        match rows.next() {
            Some(Ok(object)) => push(&mut block, line, object),
            Some(Err(error)) => return Err(refused(part, line, error)),
            None => break,
        }
        since.set(0);
        if block.lines.len() >= ROWS
            && let Err(hangup) = feed.send(std::mem::replace(&mut block, empty()))
        {
            return Ok(Err(hangup));
        }
    }
    if !block.lines.is_empty()
        && let Err(hangup) = feed.send(block)
    {
        return Ok(Err(hangup));
    }
    Ok(Ok(feed.findings()))
}

fn empty() -> Block {
    Block {
        width: JSON_FIELDS.len(),
        ..Block::default()
    }
}

fn push(block: &mut Block, line: u64, mut object: Map<String, Value>) {
    let last = JSON_FIELDS.len() - 1;
    for field in &JSON_FIELDS[..last] {
        let text = object.remove(*field).map_or_else(String::new, text);
        block.push(text.as_bytes());
    }
    // a schema may grow at any time: what is new is kept
    let rest = if object.is_empty() {
        String::new()
    } else {
        Value::Object(object).to_string()
    };
    block.push(rest.as_bytes());
    block.lines.push(line);
    block.used = block.data.len();
}

fn text(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn refused(part: &Part, line: u64, error: serde_json::Error) -> IngestError {
    if let Some(kind) = error.io_error_kind() {
        if kind == io::ErrorKind::FileTooLarge {
            let finding = Finding::error("record_too_long", "the object is longer than a record may be");
            return IngestError::refused(
                finding
                    .in_file(&part.name)
                    .at_line(line)
                    .remedy("look for a brace or quote that is not closed"),
            );
        }
        return read_error(part, error.into());
    }
    if error.is_eof() {
        return damaged(part, format!("ends inside object {line}: it is cut off"));
    }
    let finding = Finding::error(
        "bad_json",
        format!("object {line} cannot be read: {error} of the JSON text"),
    );
    IngestError::refused(
        finding
            .in_file(&part.name)
            .at_line(line)
            .remedy("export it as newline-delimited JSON: one object a row"),
    )
}

/// Stops an object that never ends.
struct Limited<R> {
    inner: R,
    since: Rc<Shared<usize>>,
    max: usize,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.since.get() > self.max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let count = self.inner.read(into)?;
        self.since.set(self.since.get() + count);
        Ok(count)
    }
}
