//! `cargo xtask dist`: one archive with the binary, the site and the README.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::steps::{Steps, capture, run as run_program};
use crate::workspace::Workspace;
use crate::{Verdict, islands, site};

/// Builds in release mode and packs `target/dist/tonnage-VERSION-TARGET.tar.gz`.
///
/// # Errors
/// When a step fails.
pub fn run(workspace: &Workspace) -> Result<Verdict> {
    let mut steps = Steps::new(5);
    steps.run("WebAssembly target", || islands::ensure_target(workspace))?;
    let islands = steps.run("islands", || islands::build(workspace))?;
    steps.run("stylesheet and assets", || site::build(workspace, &islands))?;
    steps.run("server, release", || {
        run_program(
            workspace
                .cargo()
                .args(["build", "--release", "--package", "tonnage", "--bin", "tonnage"]),
        )
    })?;
    let archive = steps.run("archive", || pack(workspace))?;
    steps.print_summary();
    println!("{archive}");
    Ok(Verdict::Held)
}

fn pack(workspace: &Workspace) -> Result<String> {
    let rustc = capture(Command::new("rustc").current_dir(&workspace.root).arg("-vV"))?;
    let host = rustc
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc names no host")?;
    let name = format!("tonnage-{}-{host}", env!("CARGO_PKG_VERSION"));
    let dist = workspace.target.join("dist");
    std::fs::create_dir_all(&dist)?;
    let staging = tempfile::tempdir_in(&dist)?;
    let folder = staging.path().join(&name);
    std::fs::create_dir(&folder)?;
    copy(&workspace.server_binary("release"), &folder.join("tonnage"))?;
    for file in ["README.md", "LICENSE"] {
        copy(&workspace.root.join(file), &folder.join(file))?;
    }
    copy_folder(&workspace.site(), &folder.join("site"))?;
    let fonts = workspace.root.join("assets/fonts");
    for entry in std::fs::read_dir(&fonts).with_context(|| format!("cannot read {}", fonts.display()))? {
        let path = entry?.path();
        // the fonts' licence goes where the fonts go
        if path.extension().is_none_or(|extension| extension != "woff2") {
            copy(
                &path,
                &folder.join("site").join(path.file_name().context("a file has a name")?),
            )?;
        }
    }
    let archive = dist.join(format!("{name}.tar.gz"));
    run_program(
        Command::new("tar")
            .arg("-czf")
            .arg(&archive)
            .arg("-C")
            .arg(staging.path())
            .arg(&name),
    )?;
    Ok(workspace.shown(&archive).to_string())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            copy(&entry.path(), &target)?;
        }
    }
    Ok(())
}
