//! The reader thread: opens each file, unpacks it, and sends blocks of records.

use super::feed::{Feed, Header};
use super::records::{Block, SplitError, Splitter};
use super::{IngestError, Part, json_in, parquet_in};
use crate::error::LakeError;
use domain::Finding;
use domain::dialect::Container;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};

/// What the reader thread sends, in the order of the files.
pub(crate) enum Message {
    /// A file begins: its position and header.
    Begin(usize, Header),
    /// Records of the file that began last.
    Block(Block),
    /// The file ended well; what was remarkable about it.
    End(Vec<Finding>),
    /// It did not; nothing follows.
    Failed(IngestError),
}

/// Blocks under way between the threads, beside the two being worked on.
pub(crate) const BLOCKS_UNDER_WAY: usize = 8;

/// The receiver is gone: it knows why, the reader just stops.
pub(crate) struct Hangup;

/// Sends the records of every part.
pub(crate) fn run(
    parts: &[Part],
    max_record: usize,
    counter: &Arc<AtomicU64>,
    to: &SyncSender<Message>,
    used: &Receiver<Block>,
) {
    for (position, part) in parts.iter().enumerate() {
        let sent = match part.container {
            Container::Parquet => parquet_in::read(part, position, max_record, counter, to),
            Container::Json { .. } => json_in::read(part, position, max_record, counter, to),
            _ => read_text(part, position, max_record, counter, to, used),
        };
        match sent {
            Ok(Ok(findings)) => {
                if to.send(Message::End(findings)).is_err() {
                    return;
                }
            }
            Ok(Err(Hangup)) => return,
            Err(error) => {
                // when nobody listens any more there is nobody to tell
                let _ = to.send(Message::Failed(error));
                return;
            }
        }
    }
}

fn read_text(
    part: &Part,
    position: usize,
    max_record: usize,
    counter: &Arc<AtomicU64>,
    to: &SyncSender<Message>,
    used: &Receiver<Block>,
) -> Result<Result<Vec<Finding>, Hangup>, IngestError> {
    let file = open(part)?;
    let counted = Counted {
        inner: file,
        counter: Arc::clone(counter),
    };
    match &part.container {
        Container::Gzip => {
            let unpacked = MultiGzDecoder::new(BufReader::with_capacity(1 << 18, counted));
            send_records(part, position, Splitter::new(unpacked, max_record), to, used)
        }
        Container::Zip { entry } => {
            let mut archive = zip::ZipArchive::new(BufReader::new(counted)).map_err(|e| zip_error(part, e))?;
            let unpacked = archive.by_name(entry).map_err(|e| zip_error(part, e))?;
            send_records(part, position, Splitter::new(unpacked, max_record), to, used)
        }
        Container::Plain | Container::Parquet | Container::Json { .. } => {
            send_records(part, position, Splitter::new(counted, max_record), to, used)
        }
    }
}

/// Opens a part; a file that is not there, or not readable, is bad input.
pub(crate) fn open(part: &Part) -> Result<File, IngestError> {
    File::open(&part.path).map_err(|e| {
        let finding = Finding::error("unreadable_file", format!("cannot be opened: {e}")).in_file(&part.name);
        IngestError::refused(finding.remedy("check the path and its permissions"))
    })
}

fn send_records<R: Read>(
    part: &Part,
    position: usize,
    splitter: Splitter<R>,
    to: &SyncSender<Message>,
    used: &Receiver<Block>,
) -> Result<Result<Vec<Finding>, Hangup>, IngestError> {
    let mut splitter = splitter.separated_by(part.dialect.delimiter());
    let header = splitter
        .header()
        .map_err(|e| split_error(part, splitter.max_record(), e))?;
    let mut feed = match Feed::begin(part, position, header, to)? {
        Ok(feed) => feed,
        Err(hangup) => return Ok(Err(hangup)),
    };
    loop {
        // blocks come back empty: their memory is used again
        let memory = used.try_recv().unwrap_or_default();
        match splitter.next_block(memory) {
            Ok(Some(block)) => {
                if let Err(hangup) = feed.send(block) {
                    return Ok(Err(hangup));
                }
            }
            Ok(None) => return Ok(Ok(feed.findings())),
            Err(e) => return Err(split_error(part, splitter.max_record(), e)),
        }
    }
}

fn split_error(part: &Part, max_record: usize, error: SplitError) -> IngestError {
    let finding = match error {
        SplitError::Io(e) => return read_error(part, e),
        SplitError::TooLong(line) => Finding::error(
            "record_too_long",
            format!("the record that starts here is longer than the {max_record} bytes a record may have"),
        )
        .at_line(line)
        .remedy("look for a quote that is not closed; else shorten the cells that are this long"),
        SplitError::UnclosedQuote(line) => Finding::error(
            "unclosed_quote",
            "a quoted cell of the record that starts here is not closed before the file ends",
        )
        .at_line(line)
        .remedy("close the quote, or export the file again: it may be cut off"),
        SplitError::Nul(line) => Finding::error("not_csv", "has a NUL byte, so it is no CSV text")
            .at_line(line)
            .remedy("give CSV in UTF-8, CSV in gzip or zip, or Parquet"),
        SplitError::NotText(line) => Finding::error("not_csv", "the header is not UTF-8 text")
            .at_line(line)
            .remedy("export it in UTF-8"),
        SplitError::AfterQuote(line, cell) => Finding::error("bad_quote", "the name goes on after its closing quote")
            .at_line(line)
            .in_column((cell + 1).to_string())
            .remedy("close the quote at the end of the name, and write quotes inside it twice"),
        SplitError::Empty => Finding::error("no_header", "is empty: it has no header")
            .at_line(1)
            .remedy("export the file again"),
    };
    IngestError::refused(finding.in_file(&part.name))
}

/// Errors of unpacking are the file's, the rest is the machine's.
pub(crate) fn read_error(part: &Part, error: io::Error) -> IngestError {
    let what = match error.kind() {
        io::ErrorKind::UnexpectedEof => "ends too early: it is cut off".to_owned(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
            format!("cannot be unpacked: {error}")
        }
        io::ErrorKind::IsADirectory => "is a folder".to_owned(),
        _ => return LakeError::io("read", &part.path)(error).into(),
    };
    damaged(part, what)
}

fn zip_error(part: &Part, error: zip::result::ZipError) -> IngestError {
    match error {
        zip::result::ZipError::Io(e) => read_error(part, e),
        other => damaged(part, format!("cannot be unpacked: {other}")),
    }
}

pub(crate) fn damaged(part: &Part, what: String) -> IngestError {
    let finding = Finding::error("damaged_file", what)
        .in_file(&part.name)
        .remedy("copy or export the file again");
    IngestError::refused(finding)
}

/// Counts the bytes that pass.
pub(crate) struct Counted<R> {
    pub inner: R,
    pub counter: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        self.counter.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl<R: Seek> Seek for Counted<R> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}
