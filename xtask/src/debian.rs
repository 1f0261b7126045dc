//! Installing what tests need, where that can be done without asking: Debian, as root.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::steps::{find_program, run};

/// Whether the process runs as root.
pub fn is_root() -> bool {
    // the owner of a process's own entry is its effective user
    std::fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0)
}

/// Whether packages may be installed: Debian or a child of it, as root.
pub fn can_install() -> bool {
    Path::new("/etc/debian_version").exists() && is_root() && find_program(&["apt-get"]).is_some()
}

/// Installs packages without recommendations and without questions.
///
/// # Errors
/// When apt-get fails; its output has been shown.
pub fn install(packages: &[&str]) -> Result<()> {
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq");
        command
    };
    run(apt_get().arg("update"))?;
    run(apt_get()
        .args(["install", "-y", "--no-install-recommends"])
        .args(packages))
}
