//! `cargo xtask demo`: from a fresh clone to a served demo company.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::steps::{Steps, run as run_program};
use crate::workspace::Workspace;
use crate::{Verdict, islands, site};

/// How the server is built for the demo: only what it needs, since the cold build
/// is what a newcomer waits for. Tests build all host packages instead (see
/// `workspace::HOST_PACKAGES`), which may compile some dependencies again.
const SERVER_BUILD: [&str; 5] = ["build", "--package", "tonnage", "--bin", "tonnage"];

/// Options of `demo`.
#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask demo                          build, write the demo company, serve http://127.0.0.1:8080
  cargo xtask demo --months 3 --seed 7      a smaller company, other numbers
  cargo xtask demo --no-serve               write it and stop
  cargo xtask demo --listen 127.0.0.1:9000  on another port")]
pub struct DemoArgs {
    /// The company is a function of this number and today's date
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Months of history, the current one included
    #[arg(long, value_name = "N")]
    months: Option<u32>,
    /// Where the company's bills and the lake are written
    #[arg(long, value_name = "DIR", default_value = "tonnage-data/demo")]
    data_dir: PathBuf,
    /// Address to serve on; loopback only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: std::net::SocketAddr,
    /// Write the company, do not serve it
    #[arg(long)]
    no_serve: bool,
    /// Build the server in release mode (slower to build, faster to run)
    #[arg(long)]
    release: bool,
}

/// Runs the demo; when serving, this process becomes the server.
///
/// # Errors
/// When a step fails.
pub fn run(workspace: &Workspace, args: &DemoArgs) -> Result<Verdict> {
    let mut steps = Steps::new(5);
    steps.run("WebAssembly target", || islands::ensure_target(workspace))?;
    let build_server = || {
        run_program(
            workspace
                .cargo()
                .args(SERVER_BUILD)
                .args(args.release.then_some("--release")),
        )
    };
    let (islands, ()) = steps.run_both(("islands", || islands::build(workspace)), ("server", build_server))?;
    steps.run("stylesheet and assets", || site::build(workspace, &islands))?;
    let profile_dir = if args.release { "release" } else { "debug" };
    let binary = workspace.server_binary(profile_dir);
    steps.run("demo company", || {
        let mut write = server(workspace, args, &binary, "demo");
        write.arg("--no-serve");
        for (name, value) in [("--seed", args.seed), ("--months", args.months.map(u64::from))] {
            if let Some(value) = value {
                write.arg(name).arg(value.to_string());
            }
        }
        run_program(&mut write)
    })?;
    steps.print_summary();
    if args.no_serve {
        return Ok(Verdict::Held);
    }
    let mut serve = server(workspace, args, &binary, "serve");
    serve.arg("--listen").arg(args.listen.to_string());
    serve.arg("--site-dir").arg(workspace.site());
    // becomes the server, so that Ctrl-C and a supervisor's signals reach it directly
    Err(serve.exec()).with_context(|| format!("cannot start {}", workspace.shown(&binary)))
}

fn server(workspace: &Workspace, args: &DemoArgs, binary: &PathBuf, role: &str) -> Command {
    let mut command = Command::new(binary);
    command
        .current_dir(&workspace.root)
        .arg(role)
        .arg("--data-dir")
        .arg(&args.data_dir);
    command
}
