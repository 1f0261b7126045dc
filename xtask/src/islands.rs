//! The WebAssembly of the islands and its JavaScript glue.

use std::process::Command;

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

use crate::steps::{capture, find_program, run};
use crate::workspace::Workspace;

const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// What the browser loads.
pub struct Islands {
    /// The module `frontend.js`; `init` must be told where the WebAssembly lies.
    pub glue: Vec<u8>,
    /// The WebAssembly.
    pub wasm: Vec<u8>,
}

/// Adds the WebAssembly target where it is missing. rust-toolchain.toml names it,
/// but where automatic installation is off that is ignored without a word.
///
/// # Errors
/// When the target is missing and rustup cannot add it.
pub fn ensure_target(workspace: &Workspace) -> Result<()> {
    if find_program(&["rustup"]).is_none() {
        let sysroot = capture(Command::new("rustc").args(["--print", "sysroot"]))?;
        let installed = std::path::Path::new(sysroot.trim())
            .join("lib/rustlib")
            .join(WASM_TARGET);
        if installed.is_dir() {
            return Ok(());
        }
        bail!(
            "the target {WASM_TARGET} is missing and rustup is not installed: get it from https://rustup.rs, \
             or install your distribution's package of that target (Debian: libstd-rust-dev-wasm32)"
        );
    }
    let mut list = Command::new("rustup");
    list.current_dir(&workspace.root)
        .args(["target", "list", "--installed"]);
    if capture(&mut list)?.lines().any(|line| line.trim() == WASM_TARGET) {
        println!("    {WASM_TARGET} is installed");
        return Ok(());
    }
    run(Command::new("rustup")
        .current_dir(&workspace.root)
        .args(["target", "add", WASM_TARGET]))
}

/// Compiles the islands and generates their glue.
///
/// # Errors
/// When the compiler or wasm-bindgen refuses.
pub fn build(workspace: &Workspace) -> Result<Islands> {
    // a folder of its own: other features and profile must not disturb host builds
    let target_dir = workspace.target.join("islands");
    run(workspace
        .cargo()
        .args([
            "build",
            "--package",
            "frontend",
            "--lib",
            "--no-default-features",
            "--features",
            "hydrate",
        ])
        .args(["--profile", "wasm", "--target", WASM_TARGET, "--target-dir"])
        .arg(&target_dir))?;
    let module = target_dir.join(WASM_TARGET).join("wasm/frontend.wasm");
    bind(&std::fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?)
}

/// wasm-bindgen through its library: the same version as the crate in Cargo.lock, nothing to install.
fn bind(module: &[u8]) -> Result<Islands> {
    let mut output = Bindgen::new()
        .input_bytes("frontend", module.to_vec())
        .web(true)?
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        // the page names the hashed file: the glue must not guess another
        .omit_default_module_path(true)
        .generate_output()
        .context("wasm-bindgen refused the islands")?;
    // crates without JavaScript of their own are listed too, with nothing
    let mut inline = output
        .snippets()
        .iter()
        .filter(|(_, scripts)| !scripts.is_empty())
        .map(|(origin, _)| origin);
    if let Some(origin) = inline.next().or_else(|| output.local_modules().keys().next()) {
        bail!(
            "{origin} brings JavaScript files of its own, which the site does not serve: \
             write it with web-sys, or give the snippets hashed names in xtask/src/islands.rs"
        );
    }
    Ok(Islands {
        glue: output.js().as_bytes().to_vec(),
        wasm: output.wasm_mut().emit_wasm(),
    })
}
