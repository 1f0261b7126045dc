//! Archives of the OpenShift metrics operator: their manifest first, then the
//! reports it names, in whatever order they lie.

use super::super::archive;
use super::super::payload::{Manifest, Report};
use super::{Stage, UsageError, WHOLE_ROW, csv_row, open, unreadable};
use domain::finding::Finding;
use std::io::{self, Read};
use std::path::Path;

/// What the list of files is called.
const MANIFEST: &str = "manifest.json";
/// Longest manifest that is read.
const MOST_MANIFEST: u64 = 1 << 22;

/// Why an archive was not read to its end.
enum Stopped {
    Archive(io::Error),
    Refused(UsageError),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Stopped {
        Stopped::Archive(error)
    }
}

impl From<UsageError> for Stopped {
    fn from(error: UsageError) -> Stopped {
        Stopped::Refused(error)
    }
}

impl Stopped {
    fn of(self, name: &str) -> UsageError {
        match self {
            Stopped::Archive(error) => unreadable(name, &error),
            Stopped::Refused(error) => error,
        }
    }
}

impl Stage<'_> {
    /// Takes the reports of an archive.
    pub(super) fn payload(&mut self, name: &str, path: &Path) -> Result<(), UsageError> {
        let refused = |finding: Finding| UsageError::Refused(vec![finding.in_file(name)]);
        let manifest = manifest(name, path)?.ok_or_else(|| {
            refused(
                Finding::error("missing_manifest", format!("the archive has no {MANIFEST}"))
                    .remedy("give the archive as the metrics operator packaged it"),
            )
        })?;
        let manifest = Manifest::parse(&manifest).map_err(|finding| refused(*finding))?;
        self.payloads.manifest(name, &manifest);
        archive::files(open(path)?, |file, content| -> Result<(), Stopped> {
            if manifest.files.contains(file) {
                self.payloads.seen(&manifest, file);
                self.report(&format!("{name}/{file}"), &manifest.cluster, content)?;
            }
            Ok(())
        })
        .map_err(|stopped| stopped.of(name))
    }

    fn report(&mut self, name: &str, cluster: &str, content: &mut dyn Read) -> Result<(), UsageError> {
        let mut csv = csv::ReaderBuilder::new()
            .flexible(true)
            .has_headers(false)
            .from_reader(content);
        let mut record = csv::StringRecord::new();
        if !csv_row(&mut csv, &mut record, name)? {
            return Ok(());
        }
        let report = Report::bind(&record).map_err(|finding| UsageError::Refused(vec![(*finding).in_file(name)]))?;
        while csv_row(&mut csv, &mut record, name)? {
            let line = record.position().map_or(0, csv::Position::line);
            let cells: Vec<&str> = record.iter().collect();
            let taken = if cells.len() == report.width {
                self.payloads.row(cluster, &report, &cells)
            } else {
                let message = format!("has {} cells where the header has {}", cells.len(), report.width);
                Err((WHOLE_ROW, message))
            };
            match taken {
                Ok(()) => self.took(),
                Err(bad) => self.refuse(name, line, bad),
            }
        }
        Ok(())
    }
}

/// The bytes of an archive's manifest; `None` without one.
fn manifest(name: &str, path: &Path) -> Result<Option<Vec<u8>>, UsageError> {
    let mut manifest = None;
    archive::files(open(path)?, |file, content| -> Result<(), Stopped> {
        if file == MANIFEST {
            let mut bytes = Vec::new();
            content.take(MOST_MANIFEST).read_to_end(&mut bytes)?;
            manifest = Some(bytes);
        }
        Ok(())
    })
    .map_err(|stopped| stopped.of(name))?;
    Ok(manifest)
}
