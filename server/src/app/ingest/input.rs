//! From what was typed to files that were hashed and recognised.

use super::bucket::Copy;
use crate::app::hash_of;
use crate::error::AppError;
use domain::dialect::Container;
use domain::dialect::native::azure::{self, AzureRows};
use domain::dialect::native::{Mapping, Native};
use domain::{BillingPeriod, Finding};
use lake::ingest::Part;
use sources::{Detected, Located, Sighted, SourceError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::InputFile;

/// The files of a call, looked at.
pub(super) struct Input {
    pub(super) parts: Vec<Part>,
    pub(super) files: Vec<InputFile>,
    pub(super) hash: String,
    /// `focus`, `aws-cur`.
    pub(super) format: String,
    pub(super) format_version: String,
    pub(super) provider: Option<String>,
    pub(super) findings: Vec<Finding>,
    /// What the manifests say of the files.
    pub(super) promised: Promised,
    /// Azure exports: which part, and whether it is an amortized one, where that can be told.
    azure: Vec<(usize, Option<bool>)>,
    /// What standard input was kept in, and tables that were put together;
    /// removed with this, however the call ends.
    spooled: Vec<tempfile::TempPath>,
}

/// What manifests say of all files of a call; nothing when a file has none.
#[derive(Debug, Default)]
pub(super) struct Promised {
    arguments: usize,
    silent: bool,
    periods: BTreeSet<BillingPeriod>,
    rows: u64,
    counted: usize,
    finals: usize,
}

impl Promised {
    fn nothing(&mut self) {
        (self.arguments, self.silent) = (self.arguments + 1, true);
    }

    fn add(&mut self, found: &sources::Bills) {
        self.arguments += 1;
        match &found.periods {
            Some(periods) => self.periods.extend(periods),
            None => self.silent = true,
        }
        self.finals += usize::from(found.is_final);
        if let Some(rows) = found.rows {
            (self.rows, self.counted) = (self.rows.saturating_add(rows), self.counted + 1);
        }
    }

    /// Whether every manifest says that its month will not change any more.
    pub(super) fn is_final(&self) -> Option<bool> {
        (self.arguments > 0 && self.finals == self.arguments).then_some(true)
    }

    /// The only month there may be rows of.
    pub(super) fn period(&self) -> Option<BillingPeriod> {
        let only = self.periods.first().filter(|_| self.periods.len() == 1 && !self.silent);
        only.copied()
    }

    /// What of a delivery is not as its manifests say.
    pub(super) fn broken(&self, periods: &BTreeSet<BillingPeriod>, rows: u64) -> Option<Finding> {
        let other = periods.iter().find(|period| !self.periods.contains(period));
        if let Some(other) = other.filter(|_| !self.silent) {
            let finding = Finding::error(
                "wrong_period",
                format!("the files have rows of the billing period {other}, which no manifest is for"),
            );
            return Some(finding.remedy("fetch the delivery again, whole; nothing of it was taken in"));
        }
        let known = self.counted == self.arguments && self.arguments > 0;
        (known && self.rows != rows).then(|| {
            Finding::error(
                "changed_part",
                format!("the files have {rows} rows, their manifests say {}", self.rows),
            )
            .remedy("fetch the delivery again, whole; nothing of it was taken in")
        })
    }
}

/// Finds, hashes and recognises the files.
///
/// # Errors
/// When a file cannot be read or is no bill, or the mapping is not valid.
pub(super) fn look(
    paths: &[String],
    format: &str,
    mapping: Option<&Arc<Mapping>>,
    scratch: &std::path::Path,
) -> Result<Input, AppError> {
    let mut located = Vec::new();
    let mut spooled = Vec::new();
    let mut findings = Vec::new();
    let mut promised = Promised::default();
    for path in paths {
        if path == "-" {
            promised.nothing();
            let path = spool(scratch)?;
            located.push(Located {
                name: "standard input".to_owned(),
                path: path.to_path_buf(),
            });
            spooled.push(path);
        } else {
            let found = sources::locate_bills(path).map_err(refused)?;
            promised.add(&found);
            findings.extend(found.findings);
            located.extend(found.files);
        }
    }
    located.sort_by(|a, b| a.name.cmp(&b.name));
    let mut input = Input {
        parts: Vec::new(),
        files: Vec::new(),
        hash: String::new(),
        format: String::new(),
        format_version: String::new(),
        provider: None,
        findings,
        promised,
        azure: Vec::new(),
        spooled,
    };
    let (mut tables, mut from) = (Vec::new(), Vec::new());
    for (at, file) in located.iter().enumerate() {
        let sighted = sources::sight(file).map_err(refused)?;
        // a zip with several tables is as many parts, each with a name of its own
        let several = sighted.len() > 1;
        for mut table in sighted {
            if let (true, Container::Zip { entry }) = (several, &table.container) {
                table.located.name = format!("{}/{entry}", table.located.name);
            }
            tables.push(table);
            from.push(at);
        }
    }
    let found = match mapping {
        Some(_) => None,
        None => sources::dlt::find(&tables).map_err(refused)?,
    };
    let is_child = |at: &usize| found.as_ref().is_some_and(|found| found.children.contains(at));
    let (children, bills): (Vec<usize>, Vec<usize>) = (0..tables.len()).partition(is_child);
    given_once(bills.iter().map(|at| (from[*at], &tables[*at])), &located)?;
    // the n-th part is made of the n-th file
    input.files = bills
        .iter()
        .chain(&children)
        .map(|at| input_file(&tables[*at]))
        .collect();
    if let Some(found) = found {
        put_together(found, &mut tables, scratch, &mut input)?;
    }
    for at in bills {
        recognise(tables[at].clone(), format, mapping, &mut input)?;
    }
    pair_azure(&mut input)?;
    input.hash = hash_of(input.files.iter().map(|file| file.sha256.as_bytes()));
    Ok(input)
}

fn input_file(table: &Sighted) -> InputFile {
    InputFile {
        name: table.located.name.clone(),
        bytes: table.bytes,
        sha256: table.sha256.clone(),
    }
}

/// Refuses a file whose rows would count twice.
fn given_once<'t>(tables: impl Iterator<Item = (usize, &'t Sighted)>, located: &[Located]) -> Result<(), AppError> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, table) in tables {
        let Some(other) = seen.insert(&table.sha256, at).filter(|other| *other != at) else {
            continue;
        };
        let (name, other) = (&located[at].name, &located[other].name);
        let message = if other == name {
            "is named twice in this call".to_owned()
        } else {
            format!("has the same bytes as {other}")
        };
        let finding = Finding::error("duplicate_delivery", message).in_file(name);
        return Err(AppError::Refused(vec![
            finding.remedy("give each file once; its rows would count twice"),
        ]));
    }
    Ok(())
}

/// Puts tables that a loader took apart together again, in files of their own:
/// the n-th object of such a file is the n-th row of its table.
fn put_together(
    found: sources::dlt::Found,
    tables: &mut [Sighted],
    scratch: &std::path::Path,
    input: &mut Input,
) -> Result<(), AppError> {
    let doing = "cannot keep tables in the data folder";
    let mut lists = found.tables;
    for at in &found.parents {
        let file = tempfile::Builder::new()
            .prefix("tables-")
            .tempfile_in(scratch)
            .map_err(|error| AppError::broken(doing, error))?;
        let mut writer = std::io::BufWriter::new(file);
        lists.write(&tables[*at], &mut writer).map_err(refused)?;
        let file = writer
            .into_inner()
            .map_err(|error| AppError::broken(doing, error.into_error()))?;
        let path = file.into_temp_path();
        let table = &mut tables[*at];
        table.container = Container::Json { gzip: false };
        table.located.path = path.to_path_buf();
        input.spooled.push(path);
        let finding = Finding::info(
            "tables_put_together",
            "rows of its child tables were put back into its rows",
        );
        input.findings.push(finding.in_file(&table.located.name));
    }
    lists.finish().map_err(refused)?;
    input.findings.extend(found.findings);
    Ok(())
}

fn recognise(table: Sighted, format: &str, mapping: Option<&Arc<Mapping>>, input: &mut Input) -> Result<(), AppError> {
    let name = &table.located.name;
    let (headers, declared) = if table.container == Container::Parquet {
        let columns = lake::ingest::parquet_columns(&table.located.path).map_err(|error| {
            let finding =
                Finding::error("broken_parquet", format!("is not a readable Parquet file: {error}")).in_file(name);
            AppError::Refused(vec![finding.remedy("export or copy it again")])
        })?;
        (columns, None)
    } else if matches!(table.container, Container::Json { .. }) {
        let fields = domain::dialect::native::gcp::JSON_FIELDS;
        (fields.iter().map(|field| (*field).to_owned()).collect(), None)
    } else {
        let delimiter = mapping.map_or(b',', |mapping| mapping.delimiter);
        let (headers, first) = sources::header_row(&table, delimiter).map_err(refused)?;
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
    let detected = match mapping {
        Some(mapping) => Detected {
            dialect: domain::dialect::of_native(Native::Mapped(Arc::clone(mapping)), &headers),
            why: "--mapping says what its columns hold".to_owned(),
        },
        None => sources::detect(&headers, format, declared.as_deref())
            .map_err(|finding| AppError::Refused(vec![(*finding).in_file(name)]))?,
    };
    input.findings.push(
        Finding::info(
            "format_detected",
            format!("read as {}: {}", detected.dialect.title(), detected.why),
        )
        .in_file(name),
    );
    let format = detected.dialect.format;
    if input.format.is_empty() {
        format.clone_into(&mut input.format);
    } else if input.format != format {
        let finding = Finding::error(
            "mixed_formats",
            format!(
                "is {}, other files of this call are {}",
                detected.dialect.title(),
                input.format
            ),
        )
        .in_file(name);
        return Err(AppError::Refused(vec![finding.remedy(
            "ingest each format on its own: one of them counts, another can be compared with --shadow",
        )]));
    }
    let version = detected.dialect.version;
    if mapping.is_some() {
        input.provider = detected.dialect.provider().map(str::to_owned);
    }
    if input.provider.is_none() {
        input.provider = detected.dialect.provider().map(str::to_owned);
    }
    if input.format_version.is_empty() {
        version.clone_into(&mut input.format_version);
    } else if input.format_version != version && !input.format_version.contains(version) {
        input.format_version = format!("{}, {version}", input.format_version);
    }
    if matches!(detected.dialect.native, Some(Native::Azure(_))) {
        let kind = azure_kind(name, &headers, &sources::first_rows(&table));
        input.azure.push((input.parts.len(), kind));
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

/// Whether an Azure export is an amortized one: by its name, else by its rows.
fn azure_kind(name: &str, headers: &[String], rows: &[Vec<String>]) -> Option<bool> {
    let file = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    match (file.contains("amortized"), file.contains("actual")) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => azure::is_amortized(headers, rows),
    }
}

/// Of an actual and an amortized export in one delivery all amortized rows
/// count, and of the actual ones the purchases and refunds of commitments
/// (Microsoft's conversion to FOCUS); the rest would count twice.
fn pair_azure(input: &mut Input) -> Result<(), AppError> {
    if !input.azure.iter().any(|(_, kind)| *kind == Some(true)) {
        return Ok(());
    }
    for (part, kind) in &input.azure {
        let part = &mut input.parts[*part];
        match kind {
            Some(true) => {}
            Some(false) => {
                part.dialect = domain::dialect::of_native(Native::Azure(AzureRows::CommitmentPurchases), &[]);
                // not all of its rows count
                input.promised.counted = 0;
                let finding = Finding::info(
                    "actual_beside_amortized",
                    "only its purchases and refunds of commitments count: the amortized export has the rest",
                );
                input.findings.push(finding.in_file(&part.name));
            }
            None => {
                let finding = Finding::error(
                    "ambiguous_export",
                    "an amortized export is beside it, and its first rows do not tell whether it is the actual one",
                );
                return Err(AppError::Refused(vec![finding.in_file(&part.name).remedy(
                    "put actual or amortized into the file's name, or ingest one of the two",
                )]));
            }
        }
    }
    Ok(())
}

/// Files of a copy go by their names in the bucket.
pub(super) fn as_from(looked: Result<Input, AppError>, copy: &Copy) -> Result<Input, AppError> {
    let told = |findings: Vec<Finding>| findings.into_iter().map(|finding| copy.told(finding)).collect();
    match looked {
        Ok(mut input) => {
            input.findings = told(input.findings);
            input
                .parts
                .iter_mut()
                .for_each(|part| part.name = copy.said(&part.name));
            input
                .files
                .iter_mut()
                .for_each(|file| file.name = copy.said(&file.name));
            Ok(input)
        }
        Err(AppError::Refused(findings)) => Err(AppError::Refused(told(findings))),
        Err(error) => Err(error),
    }
}

/// Standard input can be read once; the file it becomes can be looked at twice.
pub(crate) fn spool(scratch: &std::path::Path) -> Result<tempfile::TempPath, AppError> {
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
