//! Files as they come: plain or zipped, whole or cut off.

use super::UsageError;
use crate::error::LakeError;
use domain::finding::Finding;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// The content of a file, unzipped.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead>, LakeError> {
    let mut file = BufReader::with_capacity(1 << 18, File::open(path).map_err(LakeError::io("open", path))?);
    let zipped = file
        .fill_buf()
        .map_err(LakeError::io("read", path))?
        .starts_with(&[0x1f, 0x8b]);
    Ok(if zipped {
        Box::new(BufReader::with_capacity(
            1 << 18,
            flate2::bufread::MultiGzDecoder::new(file),
        ))
    } else {
        Box::new(file)
    })
}

pub(super) fn unreadable(name: &str, error: &io::Error) -> UsageError {
    let finding = Finding::error("unreadable_usage_file", format!("cannot be read: {error}")).in_file(name);
    UsageError::Refused(vec![
        finding.remedy("export or copy the file again: it is cut off or damaged"),
    ])
}

pub(super) fn csv_row(
    csv: &mut csv::Reader<impl Read>,
    record: &mut csv::StringRecord,
    name: &str,
) -> Result<bool, UsageError> {
    csv.read_record(record).map_err(|error| {
        let finding = Finding::error("unreadable_usage_file", error.to_string()).in_file(name);
        let finding = match error.position() {
            Some(position) => finding.at_line(position.line()),
            None => finding,
        };
        UsageError::Refused(vec![
            finding.remedy("export the file again: it is cut off or not CSV in UTF-8"),
        ])
    })
}
