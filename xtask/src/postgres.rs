//! A private PostgreSQL: its own folder, its own free port, gone at the end.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::debian::is_root;
use crate::steps::{capture, find_program};

/// How often another port is tried when somebody took the free one first.
const START_ATTEMPTS: u32 = 3;

/// Waits until its standard input closes, whatever ended us (Ctrl-C and kill -9
/// included), then stops the server and removes its folder. $1 is the folder, the
/// rest the command that stops. Signals meant for us are ignored.
const GUARD_SCRIPT: &str = r#"trap "" INT TERM HUP; folder=$1; shift; cat; "$@"; rm -rf -- "$folder""#;

/// A running cluster; dropping it stops and removes it.
pub struct Cluster {
    url: String,
    guard: Child,
}

impl Cluster {
    /// Creates and starts a cluster.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start; the message holds its log.
    pub fn start() -> Result<Self> {
        let programs = programs().context("PostgreSQL's server programs are not installed")?;
        let user = server_user()?;
        let folder = tempfile::Builder::new().prefix("tonnage-postgres-").tempdir()?.keep();
        let tool = |name: &str| server_tool(&programs.join(name), user.as_deref(), &folder);
        let mut stop = tool("pg_ctl");
        stop.args(["--pgdata=data", "--mode=immediate", "--wait", "stop"]);
        // from here on the guard removes the folder, whatever happens
        let mut cluster = Self {
            url: String::new(),
            guard: spawn_guard(&folder, &stop)?,
        };
        if let Some(user) = &user {
            capture(Command::new("chown").arg(user).arg(&folder))?;
        }
        capture(
            tool("initdb")
                .args(["--pgdata=data", "--username=postgres", "--auth=trust"])
                .args(["--encoding=UTF8", "--no-locale", "--no-sync"]),
        )?;
        let port = start_server(&folder, || tool("pg_ctl"))?;
        cluster.url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
        Ok(cluster)
    }

    /// The address of its maintenance database, whose user may create others.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        if let Err(error) = self.guard.wait() {
            eprintln!("warning: the private PostgreSQL may still run: {error}");
        }
    }
}

/// The newest of Debian's `/usr/lib/postgresql/*/bin`, else the folder of `initdb` on PATH.
pub fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .map(|entry| entry.path())
        .filter(|path| path.join("bin/initdb").is_file() && path.join("bin/postgres").is_file())
        .filter_map(|path| Some((path.file_name()?.to_str()?.parse::<u32>().ok()?, path.join("bin"))))
        .max();
    match newest {
        Some((_, bin)) => Some(bin),
        None => {
            let initdb = find_program(&["initdb"])?.canonicalize().ok()?;
            Some(initdb.parent()?.to_path_buf())
        }
    }
}

/// PostgreSQL refuses to run as root: then somebody else must.
fn server_user() -> Result<Option<String>> {
    if !is_root() {
        return Ok(None);
    }
    for user in ["postgres", "nobody"] {
        if capture(Command::new("id").args(["-u", user])).is_ok() {
            return Ok(Some(user.to_owned()));
        }
    }
    bail!("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
}

fn server_tool(program: &Path, user: Option<&str>, folder: &Path) -> Command {
    let mut command = match user {
        Some(user) => {
            let mut command = Command::new("runuser");
            command.args(["-u", user, "--"]).arg(program);
            command
        }
        None => Command::new(program),
    };
    command.current_dir(folder);
    command
}

fn spawn_guard(folder: &Path, stop: &Command) -> Result<Child> {
    Command::new("sh")
        .args(["-c", GUARD_SCRIPT, "guard"])
        .arg(folder)
        .arg(stop.get_program())
        .args(stop.get_args())
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C goes to the group in the foreground: not to the guard
        .process_group(0)
        .spawn()
        .context("cannot start the guard of the private PostgreSQL")
}

/// Starts the server on a free port and returns the port.
fn start_server(folder: &Path, pg_ctl: impl Fn() -> Command) -> Result<u16> {
    for _ in 0..START_ATTEMPTS {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        // durability is not what these tests ask of PostgreSQL: speed is
        let options = format!(
            "-p {port} -k {} -c listen_addresses=127.0.0.1 -c fsync=off -c synchronous_commit=off \
             -c full_page_writes=off -c max_connections=200",
            folder.display()
        );
        let started = pg_ctl()
            .args(["--pgdata=data", "--wait", "--log=log", "--options"])
            .arg(options)
            .arg("start")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context("cannot start pg_ctl")?;
        if started.success() {
            return Ok(port);
        }
    }
    let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    std::io::stderr().write_all(log.as_bytes())?;
    bail!("the private PostgreSQL does not start; its log is above")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_stops_and_cleans_up_when_its_owner_is_gone() {
        let folder = tempfile::tempdir().unwrap().keep();
        let witness = tempfile::tempdir().unwrap();
        let stopped = witness.path().join("stopped");
        let mut stop = Command::new("touch");
        stop.arg(&stopped);
        let mut guard = spawn_guard(&folder, &stop).unwrap();
        assert!(folder.exists() && !stopped.exists());
        drop(guard.stdin.take());
        guard.wait().unwrap();
        assert!(!folder.exists() && stopped.exists());
    }
}
