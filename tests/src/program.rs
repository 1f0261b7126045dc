//! The real binary, run as people run it.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

/// The binary under test: `TONNAGE_BIN`, or the one built beside the suite.
///
/// # Panics
/// When there is none: `cargo build --workspace --exclude xtask` makes it.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("TONNAGE_BIN") {
        return PathBuf::from(named);
    }
    let suite = std::env::current_exe().expect("a running test has a path");
    let beside = suite
        .ancestors()
        .nth(2)
        .expect("test binaries lie in target/<profile>/deps");
    let path = beside.join(format!("tonnage{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.is_file(),
        "{} is not built: run `cargo build --workspace --exclude xtask`, or set TONNAGE_BIN",
        path.display()
    );
    path
}

/// A call of the binary on a data folder, with a fixed clock and none of the
/// caller's settings.
#[must_use]
pub fn command(data_dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TONNAGE_") {
            command.env_remove(&name);
        }
    }
    command.env("TONNAGE_NOW", crate::NOW);
    command.arg("--data-dir").arg(data_dir).args(args).stdin(Stdio::null());
    command
}

/// Runs a call to its end.
///
/// # Panics
/// When the binary cannot be started.
#[must_use]
pub fn run(data_dir: &Path, args: &[&str]) -> Ended {
    let output = command(data_dir, args).output().expect("the binary starts");
    Ended::of(&output, args)
}

/// A call that ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// What was called.
    pub call: String,
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ended {
    /// From what the operating system reports.
    #[must_use]
    pub fn of(output: &Output, args: &[&str]) -> Ended {
        Ended {
            call: args.join(" "),
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Itself, if the exit code is this one.
    ///
    /// # Panics
    /// When it is another.
    #[must_use]
    #[track_caller]
    pub fn exits(self, code: i32) -> Ended {
        assert!(
            self.code == Some(code),
            "`tonnage {}` exited with {:?} instead of {code}\n--- stdout\n{}\n--- stderr\n{}",
            self.call,
            self.code,
            self.out,
            self.err
        );
        self
    }

    /// The JSON document on standard output.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| {
            panic!(
                "`tonnage {}` printed no JSON: {error}\n--- stdout\n{}\n--- stderr\n{}",
                self.call, self.out, self.err
            )
        })
    }
}

/// A running `tonnage serve`; stopped when dropped.
pub struct Server {
    child: Child,
    data_dir: PathBuf,
    /// Of a reader with every role, made when it is first needed.
    token: OnceLock<String>,
    /// `http://127.0.0.1:port`.
    pub url: String,
}

/// Login of the account the suites read with; it has every role.
const READER: &str = "suite";
const ROLES: [&str; 7] = [
    "viewer",
    "finance_preparer",
    "finance_approver",
    "platform",
    "planner",
    "auditor",
    "admin",
];

impl Server {
    /// Starts it on a free port and waits for the address it prints.
    ///
    /// # Panics
    /// When it ends before it serves.
    #[must_use]
    pub fn start(data_dir: &Path, more: &[&str]) -> Server {
        let mut args = vec!["serve", "--listen", "127.0.0.1:0"];
        args.extend(more);
        let mut child = command(data_dir, &args)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stderr.take().expect("standard error is piped")).lines();
        let mut said = Vec::new();
        let url = loop {
            let Some(Ok(line)) = lines.next() else {
                panic!("the server ended before it served:\n{}", said.join("\n"));
            };
            let address = line
                .split("http://")
                .nth(1)
                .and_then(|rest| rest.split_whitespace().next());
            if let (Some(address), true) = (address, line.contains("serving")) {
                break format!("http://{address}");
            }
            said.push(line);
        };
        // keeps the pipe empty, so that the server never waits for a reader of its log
        std::thread::spawn(move || lines.for_each(drop));
        Server {
            child,
            data_dir: data_dir.to_owned(),
            token: OnceLock::new(),
            url,
        }
    }

    /// A token that opens every page.
    ///
    /// # Panics
    /// When the command line makes none.
    #[must_use]
    pub fn token(&self) -> &str {
        self.token.get_or_init(|| {
            self.add_reader();
            let made = run(&self.data_dir, &["token", "create", "--user", READER]).exits(0);
            made.out.trim().to_owned()
        })
    }

    /// The value of a session's cookie, begun by a one-time link.
    ///
    /// # Panics
    /// When nobody is signed in by it.
    #[must_use]
    pub fn session(&self) -> String {
        self.add_reader();
        let link = run(&self.data_dir, &["user", "link", READER]).exits(0).out;
        let code = link.trim().split("code=").nth(1).expect("a code").to_owned();
        let body = format!("code={code}");
        let request = format!(
            "POST /sign-in/link HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
            self.address(),
            body.len()
        );
        let answer = self.exchange(&request);
        let cookie = answer
            .split("tonnage_session=")
            .nth(1)
            .and_then(|rest| rest.split(';').next());
        cookie.unwrap_or_else(|| panic!("no session in {answer}")).to_owned()
    }

    /// Makes an account that may read everything and has this password; one that
    /// is there already stays.
    ///
    /// # Panics
    /// When the command line does not start.
    pub fn add_person(&self, login: &str, password: &str) {
        use std::io::Write;
        let args = [
            "user",
            "add",
            login,
            "--name",
            login,
            "--role",
            "viewer",
            "--password-stdin",
        ];
        let mut child = command(&self.data_dir, &args)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut input = child.stdin.take().expect("standard input is piped");
        // an account that is there is refused before anything is read
        let _ = input.write_all(password.as_bytes());
        drop(input);
        let _ = child.wait().expect("it ends");
    }

    /// Makes the account; one that is there already stays.
    fn add_reader(&self) {
        let mut args = vec!["user", "add", READER, "--name", "Suite"];
        for role in ROLES {
            args.extend(["--role", role]);
        }
        let _ = run(&self.data_dir, &args);
    }

    fn exchange(&self, request: &str) -> String {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(self.address()).expect("the server listens");
        stream.write_all(request.as_bytes()).expect("the server reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the server answers");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Body of a page or file.
    ///
    /// # Panics
    /// When it is not answered with 200.
    #[must_use]
    pub fn get(&self, path: &str) -> String {
        self.ask(path).unwrap_or_else(|refused| panic!("GET {path}: {refused}"))
    }

    /// Body of a page or file; head and body when it is not answered with 200.
    ///
    /// # Errors
    /// What the server answered.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn ask(&self, path: &str) -> Result<String, String> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAccept-Encoding: identity\r\n\
             Authorization: Bearer {}\r\n\r\n",
            self.address(),
            self.token()
        );
        let answer = self.exchange(&request);
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        if !head.starts_with("HTTP/1.1 200") {
            return Err(answer);
        }
        let whole = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
            unchunk(body)
        } else {
            body.to_owned()
        };
        Ok(whole)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // it may have ended already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap_or(0);
        let Some(chunk) = rest.get(..length).filter(|_| length > 0) else {
            break;
        };
        whole.push_str(chunk);
        body = rest.get(length + 2..).unwrap_or("");
    }
    whole
}
