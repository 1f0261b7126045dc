//! From the bytes of a manifest to what it says.

use super::{Manifest, PartRef};
use crate::{Located, SourceError};
use domain::{BillingPeriod, Finding};
use serde_json::Value;
use std::path::Path;

/// Manifests are lists of files and columns: a longer one is none.
const MAX_BYTES: u64 = 64 << 20;

/// Reads a manifest, whose files lie within a folder; `None` when the file is JSON of another kind.
///
/// # Errors
/// When it cannot be read, is broken, or names no file.
pub(super) fn read(file: &Located, within: &Path) -> Result<Option<Manifest>, SourceError> {
    let io = |source| SourceError::Io {
        path: file.path.clone(),
        source,
    };
    let refuse = |message: String| {
        let finding = Finding::error("bad_manifest", message).in_file(&file.name);
        SourceError::refused(finding.remedy("fetch the manifest again with all its files, or name the bill files"))
    };
    if std::fs::metadata(&file.path).map_err(io)?.len() > MAX_BYTES {
        return Err(refuse("is too long to be a manifest".to_owned()));
    }
    let bytes = std::fs::read(&file.path).map_err(io)?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let json: Value = serde_json::from_slice(text).map_err(|error| refuse(format!("is not JSON: {error}")))?;
    let Some(manifest) = known(file, within, &json).map_err(refuse)? else {
        return Ok(None);
    };
    if manifest.parts.is_empty() {
        return Err(refuse("names no files".to_owned()));
    }
    Ok(Some(manifest))
}

/// # Errors
/// Says what of a manifest of a known kind is not as it should be.
fn known(file: &Located, within: &Path, json: &Value) -> Result<Option<Manifest>, String> {
    for field in ["reportKeys", "dataFiles", "blobs"] {
        if json.get(field).is_some_and(|list| !list.is_array()) {
            return Err(format!("has {field} that is no list of files"));
        }
    }
    let text = |path: &str| json.pointer(path).and_then(Value::as_str);
    let keys = |path: &str| json.pointer(path).and_then(Value::as_array);
    let part = |key: &str| PartRef {
        key: without_bucket(key).to_owned(),
        bytes: None,
        rows: None,
    };
    let name = |name: &Value| {
        let wrong = || format!("names {name}, which is no file");
        name.as_str().map(part).ok_or_else(wrong)
    };
    let names = |list: &[Value]| list.iter().map(name).collect::<Result<Vec<_>, _>>();
    let manifest = |export: String, period, submitted: Option<String>, parts| Manifest {
        name: file.name.clone(),
        path: file.path.clone(),
        within: within.to_owned(),
        export,
        period,
        submitted,
        parts,
        is_final: json.get("finalized").and_then(Value::as_bool) == Some(true),
    };
    if let Some(list) = keys("/reportKeys") {
        let start = text("/billingPeriod/start").and_then(month_of);
        let export = [text("/account"), text("/reportName")].map(Option::unwrap_or_default);
        return Ok(Some(manifest(
            format!("cur {}", export.join("/")),
            start,
            None,
            names(list)?,
        )));
    }
    if let Some(list) = keys("/dataFiles") {
        let export = text("/exportArn")
            .or_else(|| text("/reportName"))
            .or_else(|| text("/exportName"));
        let folders = file.path.iter().filter_map(|part| part.to_str());
        let period = folders
            .filter_map(|folder| folder.strip_prefix("BILLING_PERIOD="))
            .find_map(|month| month.parse().ok());
        // executions that are kept lie in folders that begin with their time
        let folder = file.path.parent().and_then(|folder| folder.file_name()?.to_str());
        let run = folder.filter(|folder| folder.starts_with(|c: char| c.is_ascii_digit()));
        let export = format!("export {}", export.unwrap_or_default());
        return Ok(Some(manifest(export, period, run.map(str::to_owned), names(list)?)));
    }
    if let Some(list) = keys("/blobs") {
        let count = |blob: &Value, field: &str| match blob.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let wrong = || format!("has {field} {value}, which is no count");
                value.as_u64().map(Some).ok_or_else(wrong)
            }
        };
        let blob = |blob: &Value| -> Result<PartRef, String> {
            let wrong = || format!("names {blob}, which is no file");
            let key = blob.get("blobName").and_then(Value::as_str).ok_or_else(wrong)?;
            Ok(PartRef {
                key: without_bucket(key).to_owned(),
                bytes: count(blob, "byteCount")?,
                rows: count(blob, "dataRowCount")?,
            })
        };
        let export = [
            "/exportConfig/resourceId",
            "/exportConfig/exportName",
            "/exportConfig/type",
        ];
        let export = export.map(|path| text(path).unwrap_or_default()).join("/");
        return Ok(Some(manifest(
            format!("azure {export}"),
            text("/runInfo/startDate").and_then(month_of),
            text("/runInfo/submittedTime").map(str::to_owned),
            list.iter().map(blob).collect::<Result<Vec<_>, _>>()?,
        )));
    }
    Ok(None)
}

/// The path inside a bucket of a key or an address of any scheme.
fn without_bucket(key: &str) -> &str {
    let inside = key
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('/'))
        .map_or(key, |(_, path)| path);
    inside.trim_start_matches('/')
}

/// The month of a date such as `20261001T000000.000Z` or `2026-10-01T00:00:00`.
fn month_of(date: &str) -> Option<BillingPeriod> {
    let digits: String = date.chars().filter(char::is_ascii_digit).take(6).collect();
    let (year, month) = digits.split_at_checked(4)?;
    format!("{year}-{month}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, json: &str) -> Result<Option<Manifest>, SourceError> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        std::fs::write(&path, json).expect("a file");
        let name = path.display().to_string();
        read(&Located { name, path }, dir.path())
    }

    #[test]
    fn every_kind_is_read() {
        let part = |key: &str, bytes, rows| PartRef {
            key: key.to_owned(),
            bytes,
            rows,
        };
        for (path, json, month, export, submitted, parts) in [
            (
                "r/20261001-20261101/r-Manifest.json",
                r#"{"account":"1","reportName":"r","billingPeriod":{"start":"20261001T000000.000Z"},"reportKeys":["/p/r/1.csv.gz"]}"#,
                "2026-10",
                "cur 1/r",
                None,
                vec![part("p/r/1.csv.gz", None, None)],
            ),
            (
                "metadata/BILLING_PERIOD=2026-09/2026-10-02T01:00:00.000Z-ab/x-Manifest.json",
                r#"{"exportArn":"arn:x","dataFiles":["s3://b/p/1.parquet","s3://b/p/2.parquet"],"finalized":true}"#,
                "2026-09",
                "export arn:x",
                Some("2026-10-02T01:00:00.000Z-ab"),
                vec![part("p/1.parquet", None, None), part("p/2.parquet", None, None)],
            ),
            (
                "manifest.json",
                "\u{feff}{\"exportConfig\":{\"exportName\":\"e\",\"type\":\"ActualCost\"},\"runInfo\":{\"startDate\":\"2026-11-01T00:00:00\",\"submittedTime\":\"2026-11-05T00:00:00Z\"},\"blobs\":[{\"blobName\":\"c/p0.csv\",\"byteCount\":7,\"dataRowCount\":2}]}",
                "2026-11",
                "azure /e/ActualCost",
                Some("2026-11-05T00:00:00Z"),
                vec![part("c/p0.csv", Some(7), Some(2))],
            ),
        ] {
            let manifest = of(path, json).expect(path).expect("a known kind");
            assert_eq!(manifest.period, month.parse().ok(), "{path}");
            assert_eq!(
                (manifest.export.as_str(), manifest.submitted.as_deref()),
                (export, submitted)
            );
            assert_eq!(manifest.parts, parts);
            assert_eq!(manifest.is_final, json.contains("finalized"));
        }
    }

    #[test]
    fn what_is_no_manifest() {
        assert_eq!(of("manifest.json", r#"{"name":"a web page"}"#).expect("JSON"), None);
        for json in [
            "",
            "{",
            "{\"reportKeys\":[]}",
            "{\"reportKeys\":null}",
            "{\"dataFiles\":[1]}",
            "{\"blobs\":[{}]}",
            "{\"blobs\":[{\"blobName\":\"a\",\"byteCount\":-1}]}",
            "{\"blobs\":[{\"blobName\":\"a\",\"dataRowCount\":\"9\"}]}",
        ] {
            let error = of("manifest.json", json).expect_err(json).to_string();
            assert!(error.contains("manifest.json"), "{json}: {error}");
        }
    }
}
