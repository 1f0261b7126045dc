//! From what was typed to files that were hashed and recognised.

use crate::app::hash_of;
use crate::error::AppError;
use domain::Finding;
use domain::dialect::Container;
use lake::ingest::Part;
use sources::{Located, Sighted, SourceError};
use std::collections::BTreeMap;
use store::InputFile;

/// The files of a call, looked at.
pub(super) struct Input {
    pub(super) parts: Vec<Part>,
    pub(super) files: Vec<InputFile>,
    pub(super) hash: String,
    pub(super) format_version: String,
    pub(super) provider: Option<String>,
    pub(super) findings: Vec<Finding>,
    /// What standard input was kept in; removed with this, however the call ends.
    _spooled: Vec<tempfile::TempPath>,
}

/// Finds, hashes and recognises the files.
pub(super) fn look(paths: &[String], format: &str, scratch: &std::path::Path) -> Result<Input, AppError> {
    let mut located = Vec::new();
    let mut spooled = Vec::new();
    for path in paths {
        if path == "-" {
            let path = spool(scratch)?;
            located.push(Located {
                name: "standard input".to_owned(),
                path: path.to_path_buf(),
            });
            spooled.push(path);
        } else {
            located.extend(sources::locate(path).map_err(refused)?);
        }
    }
    located.sort_by(|a, b| a.name.cmp(&b.name));
    let mut input = Input {
        parts: Vec::new(),
        files: Vec::new(),
        hash: String::new(),
        format_version: String::new(),
        provider: None,
        findings: Vec::new(),
        _spooled: spooled,
    };
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for file in &located {
        let sighted = sources::sight(file).map_err(refused)?;
        if let Some(first) = sighted.first()
            && let Some(other) = seen.insert(first.sha256.clone(), file.name.clone())
        {
            let message = if other == file.name {
                "is named twice in this call".to_owned()
            } else {
                format!("has the same bytes as {other}")
            };
            let finding = Finding::error("duplicate_delivery", message).in_file(&file.name);
            return Err(AppError::Refused(vec![
                finding.remedy("give each file once; its rows would count twice"),
            ]));
        }
        // a zip with several tables is as many parts, each with a name of its own
        let several = sighted.len() > 1;
        for mut table in sighted {
            if let (true, Container::Zip { entry }) = (several, &table.container) {
                table.located.name = format!("{}/{entry}", table.located.name);
            }
            input.files.push(InputFile {
                name: table.located.name.clone(),
                bytes: table.bytes,
                sha256: table.sha256.clone(),
            });
            recognise(table, format, &mut input)?;
        }
    }
    input.hash = hash_of(input.files.iter().map(|file| file.sha256.as_bytes()));
    Ok(input)
}

fn recognise(table: Sighted, format: &str, input: &mut Input) -> Result<(), AppError> {
    let name = &table.located.name;
    let (headers, declared) = if table.container == Container::Parquet {
        let columns = lake::ingest::parquet_columns(&table.located.path).map_err(|error| {
            let finding =
                Finding::error("broken_parquet", format!("is not a readable Parquet file: {error}")).in_file(name);
            AppError::Refused(vec![finding.remedy("export or copy it again")])
        })?;
        (columns, None)
    } else {
        let (headers, first) = sources::header_row(&table).map_err(refused)?;
        let named = |name: &str| {
            headers
                .iter()
                .position(|h| h.trim().trim_start_matches("x_").eq_ignore_ascii_case(name))
        };
        let cell = |name: &str| {
            let text = first.as_ref()?.get(named(name)?)?;
            (!domain::dialect::is_null(text.trim().as_bytes())).then(|| text.clone())
        };
        if input.provider.is_none() {
            input.provider = cell("ServiceProviderName").or_else(|| cell("ProviderName"));
        }
        let declared = cell("FocusVersion");
        (headers, declared)
    };
    let detected = sources::detect(&headers, format, declared.as_deref())
        .map_err(|finding| AppError::Refused(vec![(*finding).in_file(name)]))?;
    input.findings.push(
        Finding::info(
            "format_detected",
            format!("read as FOCUS {}: {}", detected.dialect.version, detected.why),
        )
        .in_file(name),
    );
    let version = detected.dialect.version;
    if input.format_version.is_empty() {
        version.clone_into(&mut input.format_version);
    } else if input.format_version != version && !input.format_version.contains(version) {
        input.format_version = format!("{}, {version}", input.format_version);
    }
    input.parts.push(Part {
        name: name.clone(),
        path: table.located.path,
        container: table.container,
        dialect: detected.dialect,
    });
    Ok(())
}

/// Driver files as named and found; what standard input was kept in is removed
/// with this.
pub(in crate::app) struct DriverFiles {
    pub(in crate::app) files: Vec<(String, std::path::PathBuf)>,
    _spooled: Vec<tempfile::TempPath>,
}

/// Finds driver files.
pub(in crate::app) fn locate_drivers(paths: &[String], scratch: &std::path::Path) -> Result<DriverFiles, AppError> {
    let (mut files, mut spooled) = (Vec::new(), Vec::new());
    for path in paths {
        if path == "-" {
            let path = spool(scratch)?;
            files.push(("standard input".to_owned(), path.to_path_buf()));
            spooled.push(path);
        } else {
            let found = sources::locate_drivers(path).map_err(refused)?;
            files.extend(found.into_iter().map(|file| (file.name, file.path)));
        }
    }
    Ok(DriverFiles {
        files,
        _spooled: spooled,
    })
}

/// Standard input can be read once; the file it becomes can be looked at twice.
fn spool(scratch: &std::path::Path) -> Result<tempfile::TempPath, AppError> {
    let doing = "cannot keep standard input in the data folder";
    let mut file = tempfile::Builder::new()
        .prefix("stdin-")
        .tempfile_in(scratch)
        .map_err(|e| AppError::broken(doing, e))?;
    std::io::copy(&mut std::io::stdin().lock(), &mut file).map_err(|e| AppError::broken(doing, e))?;
    Ok(file.into_temp_path())
}

pub(crate) fn refused(error: SourceError) -> AppError {
    match error {
        SourceError::Refused { findings } => AppError::Refused(findings),
        error @ SourceError::Io { .. } => AppError::broken("cannot read the input", error),
    }
}
