//! The first look at a file: its container, its hash, its header.

use crate::SourceError;
use crate::locate::Located;
use domain::Finding;
use domain::dialect::Container;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// Bytes of (unpacked) text looked at to read the header: one header row of a
/// thousand columns fits many times over.
const HEAD_BYTES: u64 = 1 << 20;

/// A file after the first look. A zip with several tables gives several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighted {
    /// The file.
    pub located: Located,
    /// How it is packed.
    pub container: Container,
    /// SHA-256 of the file's bytes, lower-case hex.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// First text of the table, unpacked; empty for Parquet and JSON.
    pub head: Vec<u8>,
}

/// Hashes a file and tells how it is packed, by its first bytes and not its name.
///
/// # Errors
/// A finding for empty files and for what is no table; `Io` when the file cannot be read.
pub fn sight(located: &Located) -> Result<Vec<Sighted>, SourceError> {
    let io = |source| SourceError::Io {
        path: located.path.clone(),
        source,
    };
    let (sha256, bytes) = hash(&located.path).map_err(io)?;
    let mut magic = [0u8; 8];
    let read = read_up_to(&mut File::open(&located.path).map_err(io)?, &mut magic).map_err(io)?;
    let found = |container, head| Sighted {
        located: located.clone(),
        container,
        sha256: sha256.clone(),
        bytes,
        head,
    };
    match &magic[..read] {
        [] => Err(refuse(located, "empty_file", "is empty", "export it again")),
        [b'P', b'A', b'R', b'1', ..] => Ok(vec![found(Container::Parquet, Vec::new())]),
        [0x1f, 0x8b, ..] => {
            let head = head_of(flate2::bufread::MultiGzDecoder::new(BufReader::new(
                File::open(&located.path).map_err(io)?,
            )));
            let head = head.map_err(|error| {
                refuse(
                    located,
                    "broken_gzip",
                    &format!("cannot be unpacked: {error}"),
                    "export or copy it again",
                )
            })?;
            if is_json_bill(&head) {
                return Ok(vec![found(Container::Json { gzip: true }, Vec::new())]);
            }
            Ok(vec![found(Container::Gzip, head)])
        }
        [b'P', b'K', ..] => zip_tables(located)?
            .into_iter()
            .map(|(entry, head)| Ok(found(Container::Zip { entry }, head)))
            .collect(),
        _ => {
            let head = head_of(File::open(&located.path).map_err(io)?).map_err(io)?;
            if is_json_bill(&head) {
                return Ok(vec![found(Container::Json { gzip: false }, Vec::new())]);
            }
            refuse_foreign(located, &head)?;
            Ok(vec![found(Container::Plain, head)])
        }
    }
}

fn refuse(located: &Located, code: &str, message: &str, remedy: &str) -> SourceError {
    SourceError::refused(Finding::error(code, message).in_file(&located.name).remedy(remedy))
}

/// JSON objects that look like rows of a bill.
fn is_json_bill(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    // a bill, or a list that was taken out of one
    let has = |name: &[u8]| memmem(text, name);
    let bill = has(b"\"usage_start_time\"") && has(b"\"cost\"");
    text.starts_with(b"{") && (bill || has(b"\"_dlt_parent_id\""))
}

fn memmem(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window == wanted)
}

fn refuse_foreign(located: &Located, head: &[u8]) -> Result<(), SourceError> {
    let what = match head {
        [0x89, b'P', b'N', b'G', ..] => "a PNG picture",
        [b'%', b'P', b'D', b'F', ..] => "a PDF document",
        [0xd0, 0xcf, 0x11, 0xe0, ..] => "an old Excel workbook",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "a zstd archive",
        [b'B', b'Z', b'h', ..] => "a bzip2 archive",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16 text",
        [b'{' | b'[', ..] => "JSON",
        _ => match nul(head) {
            None => return Ok(()),
            Some(None) => "binary data",
            Some(Some(line)) => {
                let finding = Finding::error("not_csv", "has a NUL byte, so it is no CSV text").at_line(line);
                return Err(SourceError::refused(finding.in_file(&located.name).remedy(TEXT_REMEDY)));
            }
        },
    };
    Err(refuse(
        located,
        "wrong_file_type",
        &format!("is {what}, not a table"),
        TEXT_REMEDY,
    ))
}

const TEXT_REMEDY: &str = "give CSV in UTF-8 (plain, .gz or .zip) or Parquet";

/// The line of the first NUL byte when what is before it reads as text of
/// several lines; `Some(None)` when it does not.
fn nul(head: &[u8]) -> Option<Option<u64>> {
    let at = head.iter().position(|byte| *byte == 0)?;
    let before = std::str::from_utf8(&head[..at]).ok();
    let newlines = before.map(|text| text.bytes().filter(|byte| *byte == b'\n').count() as u64);
    Some(newlines.filter(|newlines| *newlines > 0).map(|newlines| newlines + 1))
}

/// Tables in a zip: every entry that ends in `.csv`, or the only entry.
fn zip_tables(located: &Located) -> Result<Vec<(String, Vec<u8>)>, SourceError> {
    let broken = |error: zip::result::ZipError| {
        refuse(
            located,
            "broken_zip",
            &format!("cannot be unpacked: {error}"),
            "export or copy it again",
        )
    };
    let file = File::open(&located.path).map_err(|source| SourceError::Io {
        path: located.path.clone(),
        source,
    })?;
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(broken)?;
    let mut names = Vec::new();
    for name in archive.file_names() {
        let name = name.map_err(broken)?;
        if !name.ends_with('/') && !name.starts_with("__MACOSX") {
            names.push(name.into_owned());
        }
    }
    if names.iter().any(|name| name == "[Content_Types].xml") {
        return Err(refuse(
            located,
            "wrong_file_type",
            "is an Excel workbook, not a table",
            "save the sheet as CSV in UTF-8",
        ));
    }
    let mut tables: Vec<String> = names
        .iter()
        .filter(|name| name.to_lowercase().ends_with(".csv"))
        .cloned()
        .collect();
    if let ([], [only]) = (tables.as_slice(), names.as_slice()) {
        tables.push(String::clone(only));
    }
    tables.sort();
    if tables.is_empty() {
        return Err(refuse(
            located,
            "no_files",
            "is a zip without a CSV inside",
            "zip the CSV files",
        ));
    }
    let mut found = Vec::with_capacity(tables.len());
    for entry in tables {
        let reader = archive.by_name(&entry).map_err(broken)?;
        let head = head_of(reader).map_err(|error| {
            refuse(
                located,
                "broken_zip",
                &format!("{entry} cannot be unpacked: {error}"),
                "export or copy it again",
            )
        })?;
        refuse_foreign(located, &head)?;
        found.push((entry, head));
    }
    Ok(found)
}

fn head_of(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    reader.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(head)
}

fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

/// SHA-256 of a file's bytes, lower-case hex.
///
/// # Errors
/// When the file cannot be read.
pub fn sha256(path: &Path) -> Result<String, SourceError> {
    let hashed = hash(path).map_err(|source| SourceError::Io {
        path: path.to_owned(),
        source,
    })?;
    Ok(hashed.0)
}

fn hash(path: &Path) -> std::io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 1 << 18];
    let mut bytes = 0u64;
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => {
                hasher.update(&buffer[..n]);
                bytes += n as u64;
            }
        }
    }
    Ok((
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
        bytes,
    ))
}

/// The header row, and the first data row when the head holds it, of a CSV head.
///
/// # Errors
/// A finding when there is no header, or it is not UTF-8.
pub fn header_row(sighted: &Sighted, delimiter: u8) -> Result<(Vec<String>, Option<Vec<String>>), SourceError> {
    let name = &sighted.located;
    let text = sighted.head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&sighted.head);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(text);
    let mut rows = reader.byte_records();
    let cells = |record: csv::ByteRecord| -> Option<Vec<String>> {
        record
            .iter()
            .map(|cell| std::str::from_utf8(cell).ok().map(str::to_owned))
            .collect()
    };
    let refused = |code: &str, line: u64, message: &str, remedy: &str| {
        let finding = Finding::error(code, message).in_file(&name.name).at_line(line);
        SourceError::refused(finding.remedy(remedy))
    };
    let (header, line) = match rows.next() {
        Some(Ok(record)) => {
            // the reader skips blank lines but takes their start for the record's
            let blank = text.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
            let line = 1 + blank.filter(|byte| **byte == b'\n').count() as u64;
            let utf8 = || refused("bad_utf8", line, "the header is not UTF-8 text", "export it in UTF-8");
            (cells(record).ok_or_else(utf8)?, line)
        }
        _ => return Err(refused("empty_file", 1, "has no header row", "export it again")),
    };
    if sighted.head.len() as u64 >= HEAD_BYTES && rows.next().is_none() {
        return Err(refused(
            "record_too_long",
            line,
            "the header, or the row after it, is over a megabyte long",
            "this is no table of charges; look for a quote that is not closed, or at the export's settings",
        ));
    }
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(true)
        .flexible(true)
        .from_reader(text);
    let first = reader.byte_records().next().and_then(Result::ok).and_then(cells);
    Ok((header, first))
}

/// Rows near the beginning of a CSV head, whole ones only; those that are no
/// UTF-8 are passed over.
#[must_use]
pub fn first_rows(sighted: &Sighted) -> Vec<Vec<String>> {
    let text = sighted.head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&sighted.head);
    let whole = if (sighted.head.len() as u64) < HEAD_BYTES {
        text
    } else {
        &text[..text.iter().rposition(|byte| *byte == b'\n').unwrap_or(0)]
    };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(whole);
    let rows = reader.byte_records().filter_map(Result::ok);
    rows.filter_map(|record| {
        record
            .iter()
            .map(|cell| std::str::from_utf8(cell).ok().map(str::to_owned))
            .collect()
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn located(dir: &tempfile::TempDir, name: &str, bytes: &[u8]) -> Located {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        Located {
            name: name.to_owned(),
            path,
        }
    }

    #[test]
    fn containers_by_content() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(b"a,b\n1,2\n").expect("packs");
        let gz = gz.finish().expect("packs");
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file("in.csv", zip::write::SimpleFileOptions::default())
            .expect("an entry");
        zip.write_all(b"\xef\xbb\xbfa,b\r\n1,2\r\n").expect("packs");
        let zip = zip.finish().expect("packs").into_inner();
        for (name, bytes, expect) in [
            ("wrong-name.parquet", gz.as_slice(), Container::Gzip),
            ("t.csv", b"a,b\n1,2\n".as_slice(), Container::Plain),
            ("t.zip", zip.as_slice(), Container::Zip { entry: "in.csv".into() }),
            ("t", b"PAR1xxxx".as_slice(), Container::Parquet),
            (
                "t.json",
                b" {\"usage_start_time\": \"x\", \"cost\": \"1\"}".as_slice(),
                Container::Json { gzip: false },
            ),
        ] {
            let seen = sight(&located(&dir, name, bytes)).expect(name).remove(0);
            assert_eq!(seen.container, expect);
            if !seen.head.is_empty() {
                let (header, first) = header_row(&seen, b',').expect(name);
                assert_eq!(
                    (header, first),
                    (vec!["a".into(), "b".into()], Some(vec!["1".into(), "2".into()]))
                );
            }
        }
        for (name, bytes, code) in [
            ("e.csv", b"".as_slice(), "empty_file"),
            ("p.csv", b"\x89PNG\r\n\x1a\n".as_slice(), "wrong_file_type"),
            ("j.csv", b"{\"a\":1}".as_slice(), "wrong_file_type"),
            ("b.csv", b"a\0b".as_slice(), "wrong_file_type"),
            ("x.csv", b"\x01\xff\n\0\n".as_slice(), "wrong_file_type"),
            ("n.csv", b"a,b\n1,\0\n".as_slice(), "not_csv"),
            ("g.gz", &gz[..8], "broken_gzip"),
            ("z.zip", &zip[..20], "broken_zip"),
        ] {
            match sight(&located(&dir, name, bytes)) {
                Err(SourceError::Refused { findings }) => {
                    assert_eq!(findings[0].code, code, "{name}");
                    assert_eq!(findings[0].line, (code == "not_csv").then_some(2), "{name}");
                }
                other => panic!("{name} gave {other:?}"),
            }
        }
    }

    #[test]
    fn headers_that_cannot_be_read_are_placed() {
        let dir = tempfile::tempdir().expect("a folder");
        let long = format!("a,\"{}", "x".repeat(2 << 20));
        for (name, bytes, code, line) in [
            ("utf8.csv", b"\n\na,\xff\n1,2\n".as_slice(), "bad_utf8", 3),
            ("long.csv", long.as_bytes(), "record_too_long", 1),
            ("blank.csv", b"\n\n", "empty_file", 1),
        ] {
            let seen = sight(&located(&dir, name, bytes)).expect(name).remove(0);
            match header_row(&seen, b',') {
                Err(SourceError::Refused { findings }) => {
                    let found = (
                        findings[0].code.as_str(),
                        findings[0].line,
                        findings[0].remedy.is_some(),
                    );
                    assert_eq!(found, (code, Some(line), true), "{name}");
                }
                other => panic!("{name} gave {other:?}"),
            }
        }
    }
}
