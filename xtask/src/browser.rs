//! Chromium, its driver and axe-core, for the browser suite.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::steps::{find_program, run};
use crate::workspace::Workspace;

/// What the browser suite needs.
pub struct Browser {
    /// The browser.
    pub chromium: PathBuf,
    /// Its WebDriver server.
    pub chromedriver: PathBuf,
    /// axe-core's script; fetched for tests, never shipped.
    pub axe: PathBuf,
}

/// `TEST_CHROMIUM`, or the first known name on PATH.
pub fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("TEST_CHROMIUM").map(PathBuf::from);
    named.or_else(|| find_program(&["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]))
}

/// `TEST_CHROMEDRIVER`, or the driver on PATH.
pub fn chromedriver() -> Option<PathBuf> {
    let named = std::env::var_os("TEST_CHROMEDRIVER").map(PathBuf::from);
    named.or_else(|| find_program(&["chromedriver"]))
}

/// Finds the browser and fetches axe-core where it is missing.
///
/// # Errors
/// When a program is missing or npm cannot fetch axe-core.
pub fn prepare(workspace: &Workspace) -> Result<Browser> {
    Ok(Browser {
        chromium: chromium().context("chromium is not installed")?,
        chromedriver: chromedriver().context("chromedriver is not installed")?,
        axe: axe(workspace)?,
    })
}

fn axe(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("TEST_AXE_JS") {
        return Ok(PathBuf::from(named));
    }
    let folder = workspace.target.join("axe");
    let script = folder.join("node_modules/axe-core/axe.min.js");
    if !script.is_file() {
        let npm = find_program(&["npm"]).context("npm is not installed: it fetches axe-core")?;
        run(Command::new(npm)
            .args([
                "install",
                "axe-core@4",
                "--no-audit",
                "--no-fund",
                "--no-save",
                "--ignore-scripts",
            ])
            .arg("--prefix")
            .arg(&folder))?;
    }
    Ok(script)
}
