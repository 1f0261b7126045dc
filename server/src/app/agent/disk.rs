//! Files that are there wholly or not at all, also after a power cut.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// End of the names of files that are being written.
pub(super) const UNFINISHED: &str = ".tmp";

/// The file system; in tests it ends at a chosen step, as if it were killed there.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    #[cfg(test)]
    steps_left: Option<std::sync::Arc<std::sync::atomic::AtomicI64>>,
}

impl Disk {
    /// Ends after so many steps.
    #[cfg(test)]
    pub(super) fn ending_after(steps: i64) -> Disk {
        Disk {
            steps_left: Some(std::sync::Arc::new(steps.into())),
        }
    }

    #[cfg(test)]
    fn step(&self) -> io::Result<()> {
        let Some(left) = &self.steps_left else { return Ok(()) };
        if left.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) <= 0 {
            return Err(io::Error::other("killed here"));
        }
        Ok(())
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "only tests end here")]
    fn step(&self) -> io::Result<()> {
        Ok(())
    }

    /// Writes a file under another name, makes its bytes last, gives it its
    /// name and makes that last. Gives its length.
    pub(super) fn write(
        &self,
        folder: &Path,
        name: &str,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<u64> {
        let unfinished = folder.join(format!("{name}{UNFINISHED}"));
        self.step()?;
        let mut to = BufWriter::with_capacity(1 << 16, File::create(&unfinished)?);
        self.step()?;
        content(&mut to)?;
        let file = to.into_inner().map_err(io::IntoInnerError::into_error)?;
        self.step()?;
        file.sync_all()?;
        let bytes = file.metadata()?.len();
        self.rename(&unfinished, &folder.join(name))?;
        self.last(folder)?;
        Ok(bytes)
    }

    /// Gives a file another name.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        fs::rename(from, to)
    }

    /// Removes a file and makes that last.
    pub(super) fn remove(&self, folder: &Path, name: &str) -> io::Result<()> {
        self.step()?;
        match fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.last(folder)
    }

    /// Makes the names in a folder last.
    pub(super) fn last(&self, folder: &Path) -> io::Result<()> {
        self.step()?;
        if cfg!(unix) {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}
