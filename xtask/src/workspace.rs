//! Where things lie, and how cargo is called.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// Everything but xtask itself, which has its own profile and heavy dependencies
/// of its own. All host commands name the same set: the features of the
/// dependencies are unified over it, and another set would compile polars again.
pub const HOST_PACKAGES: [&str; 3] = ["--workspace", "--exclude", "xtask"];

/// The repository and the folder cargo builds into.
pub struct Workspace {
    /// The folder of the root Cargo.toml.
    pub root: PathBuf,
    /// `target`, or `CARGO_TARGET_DIR`; absolute.
    pub target: PathBuf,
}

impl Workspace {
    /// Finds the repository from the manifest cargo ran, or upwards from the working directory.
    ///
    /// # Errors
    /// When started outside the repository.
    pub fn find() -> Result<Self> {
        let start = match std::env::var_os("CARGO_MANIFEST_DIR") {
            Some(manifest_dir) => PathBuf::from(manifest_dir),
            None => std::env::current_dir().context("cannot find the working directory")?,
        };
        let root = start
            .ancestors()
            .find(|dir| dir.join("xtask/Cargo.toml").is_file())
            .context("not inside the repository: no folder above holds xtask/Cargo.toml")?
            .to_path_buf();
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(dir) => root.join(dir),
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// The built site: what the server serves under `/pkg` and `/static`.
    pub fn site(&self) -> PathBuf {
        self.target.join("site")
    }

    /// The server's binary of a profile's folder (`debug`, `release`).
    pub fn server_binary(&self, profile_dir: &str) -> PathBuf {
        self.target
            .join(profile_dir)
            .join(format!("tonnage{}", std::env::consts::EXE_SUFFIX))
    }

    /// `cargo` in the root, as if called by hand.
    pub fn cargo(&self) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(&self.root);
        // `cargo run` describes xtask to us in these. Some build scripts (ring's)
        // watch them: passed on, every change between `cargo xtask` and plain
        // `cargo` would rebuild those crates and all above them.
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            if name_text.starts_with("CARGO_PKG_") || name_text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command
    }

    /// A path as the reader of the output would type it: relative to the root where possible.
    pub fn shown<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}
