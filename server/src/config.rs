//! Configuration: file, then environment, then flags; every value keeps its
//! origin, and everything is checked before a socket opens.

pub mod sign_in;
mod web;

pub use web::{TlsFiles, WebConfig};

use crate::app::ingest::IngestBilling;
use crate::app::schedules::Schedule;
use crate::clock::Clock;
use crate::error::AppError;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Built in.
    Default,
    /// The configuration file.
    File,
    /// An environment variable.
    Environment,
    /// A flag.
    Flag,
}

impl Origin {
    /// As people read it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Origin::Default => "default",
            Origin::File => "file",
            Origin::Environment => "environment",
            Origin::Flag => "flag",
        }
    }
}

/// A setting as it may be shown: without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Its key in the configuration file.
    pub name: &'static str,
    /// Its value; passwords are replaced.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// A value with its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

/// What the server and every command need to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder of the database, the lake and scratch files.
    pub data_dir: Setting<PathBuf>,
    /// `postgres://...`; without it SQLite in the data folder.
    pub database_url: Option<Setting<String>>,
    /// Address of the web server.
    pub listen: Setting<SocketAddr>,
    /// Folder of the built islands, styles and fonts.
    pub site_dir: Setting<PathBuf>,
    /// What `tonnage agent` needs.
    pub agent: AgentConfig,
    /// How the web server is reached.
    pub web: WebConfig,
    /// Bills that `serve` takes in by itself.
    pub schedules: Vec<Schedule>,
    /// Providers that people sign in with.
    pub sign_in: Option<sign_in::SignIn>,
    /// The clock.
    pub clock: Clock,
}

/// What `tonnage agent` needs to know; nothing of it has a default.
#[derive(Debug, Clone, Default)]
pub struct AgentConfig {
    /// Address of the server it pushes to.
    pub server: Option<Setting<String>>,
    /// File with its token.
    pub token_file: Option<Setting<PathBuf>>,
    /// Its token, from the environment only.
    pub token: Option<Setting<Secret>>,
    /// Folder of its spool.
    pub spool: Option<Setting<PathBuf>>,
    /// Certificates to trust beside the system's, PEM.
    pub ca_file: Option<Setting<PathBuf>>,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// What the command line said.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// The command's own default of the data folder.
    pub default_data_dir: Option<PathBuf>,
    /// `--listen`.
    pub listen: Option<String>,
    /// `--site-dir`.
    pub site_dir: Option<PathBuf>,
    /// `--server` of the agent.
    pub agent_server: Option<String>,
    /// `--token-file` of the agent.
    pub agent_token_file: Option<PathBuf>,
    /// `--spool` of the agent.
    pub agent_spool: Option<PathBuf>,
    /// `--ca-file` of the agent.
    pub agent_ca_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data_dir: Option<PathBuf>,
    database_url: Option<String>,
    listen: Option<String>,
    site_dir: Option<PathBuf>,
    agent_server: Option<String>,
    agent_token_file: Option<PathBuf>,
    agent_spool: Option<PathBuf>,
    agent_ca_file: Option<PathBuf>,
    #[serde(default)]
    web: web::WebFile,
    #[serde(default)]
    schedules: Vec<ScheduleFile>,
    sign_in: Option<sign_in::SignInFile>,
}

/// An entry of `schedules`: the options of `tonnage ingest billing`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScheduleFile {
    bills: Vec<String>,
    every: String,
    source: Option<String>,
    format: Option<String>,
    mapping: Option<PathBuf>,
    #[serde(default)]
    quarantine: bool,
    #[serde(default)]
    allow_mixed_currencies: bool,
}

impl ScheduleFile {
    fn schedule(self) -> Result<Schedule, AppError> {
        let wrong = |text: String, remedy: &str| AppError::usage(format!("schedules: {text}"), remedy.to_owned());
        if self.bills.is_empty() || self.bills.iter().any(|path| path == "-") {
            return Err(wrong(
                "bills names no folder, file or address".to_owned(),
                "write bills: [s3://billing/exports/focus]",
            ));
        }
        let interval =
            every(&self.every).map_err(|remedy| wrong(format!("every {:?} is no time", self.every), &remedy))?;
        let mapping = self.mapping.map(|path| {
            let text = std::fs::read_to_string(&path)
                .map_err(|error| wrong(format!("cannot read {}: {error}", path.display()), "check the path"))?;
            Ok::<_, AppError>((path.display().to_string(), text))
        });
        let mut request = IngestBilling::of(self.bills);
        request.source = self.source;
        request.format = self.format.unwrap_or(request.format);
        request.mapping = mapping.transpose()?;
        request.allow_mixed_currencies = self.allow_mixed_currencies;
        if self.quarantine {
            request.on_error = lake::ingest::OnError::Quarantine;
        }
        Ok(Schedule {
            request,
            every: interval,
            written: self.every,
        })
    }
}

/// A setting that may be missing.
fn pick_any<T>(flag: Option<T>, env: Option<T>, file: Option<T>) -> Option<Setting<T>> {
    let found = |value: T, origin| Setting { value, origin };
    let flag = flag.map(|value| found(value, Origin::Flag));
    let env = env.map(|value| found(value, Origin::Environment));
    flag.or(env).or(file.map(|value| found(value, Origin::File)))
}

fn pick<T>(flag: Option<T>, env: Option<T>, file: Option<T>, default: T) -> Setting<T> {
    let (value, origin) = match (flag, env, file) {
        (Some(value), _, _) => (value, Origin::Flag),
        (_, Some(value), _) => (value, Origin::Environment),
        (_, _, Some(value)) => (value, Origin::File),
        _ => (default, Origin::Default),
    };
    Setting { value, origin }
}

impl Config {
    /// Reads and checks everything. `env` looks up environment variables.
    ///
    /// # Errors
    /// Names the setting, its origin and what to write.
    pub fn load(flags: Flags, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, AppError> {
        let file = match flags.config.or_else(|| env("TONNAGE_CONFIG").map(PathBuf::from)) {
            Some(path) => read_file(&path)?,
            None => File::default(),
        };
        let data_dir = pick(
            flags.data_dir,
            env("TONNAGE_DATA_DIR").map(PathBuf::from),
            file.data_dir,
            flags
                .default_data_dir
                .unwrap_or_else(|| PathBuf::from("./tonnage-data")),
        );
        let site_dir = pick(
            flags.site_dir,
            env("TONNAGE_SITE_DIR").map(PathBuf::from),
            file.site_dir,
            PathBuf::from("target/site"),
        );
        let listen = pick(
            flags.listen,
            env("TONNAGE_LISTEN"),
            file.listen,
            "127.0.0.1:8080".to_owned(),
        );
        let path = |name: &str| env(name).map(PathBuf::from);
        let agent = AgentConfig {
            server: pick_any(flags.agent_server, env("TONNAGE_AGENT_SERVER"), file.agent_server),
            token_file: pick_any(
                flags.agent_token_file,
                path("TONNAGE_AGENT_TOKEN_FILE"),
                file.agent_token_file,
            ),
            token: pick_any(None, env("TONNAGE_AGENT_TOKEN").map(Secret), None),
            spool: pick_any(flags.agent_spool, path("TONNAGE_AGENT_SPOOL"), file.agent_spool),
            ca_file: pick_any(flags.agent_ca_file, path("TONNAGE_AGENT_CA_FILE"), file.agent_ca_file),
        };
        let database_url = match (env("TONNAGE_DATABASE_URL"), file.database_url) {
            (Some(value), _) => Some(Setting {
                value,
                origin: Origin::Environment,
            }),
            (None, Some(value)) => Some(Setting {
                value,
                origin: Origin::File,
            }),
            (None, None) => None,
        };
        if let Some(url) = &database_url
            && !url.value.starts_with("postgres://")
            && !url.value.starts_with("postgresql://")
        {
            return Err(AppError::usage(
                "database_url is not a PostgreSQL address",
                "write postgres://user@host/database, or leave it out for SQLite in the data folder",
            ));
        }
        let listen = Setting {
            value: listen_address(&listen.value)?,
            origin: listen.origin,
        };
        let web = WebConfig::load(
            file.web,
            listen.value,
            env,
            file.sign_in.as_ref().map(sign_in::SignInFile::public_url),
        )?;
        Ok(Config {
            web,
            data_dir,
            database_url,
            listen,
            site_dir,
            agent,
            schedules: file
                .schedules
                .into_iter()
                .map(ScheduleFile::schedule)
                .collect::<Result<_, _>>()?,
            sign_in: file.sign_in.map(|file| file.check(env)).transpose()?,
            clock: clock(env)?,
        })
    }

    /// Address of the database.
    #[must_use]
    pub fn store_url(&self) -> String {
        match &self.database_url {
            Some(url) => url.value.clone(),
            None => format!("sqlite://{}", self.data_dir.value.join("tonnage.db").display()),
        }
    }

    /// Every setting, for people: passwords are replaced by `***`.
    #[must_use]
    pub fn shown(&self) -> Vec<Shown> {
        let database = match &self.database_url {
            Some(url) => (without_secrets(&url.value), url.origin),
            None => (self.store_url(), self.data_dir.origin),
        };
        let clock = match &self.clock {
            Clock::System => ("the machine's clock".to_owned(), Origin::Default),
            Clock::Fixed(instant) => (instant.to_string(), Origin::Environment),
            Clock::Running { from, rate, .. } => (format!("{from}*{rate}"), Origin::Environment),
        };
        let path = |setting: &Setting<PathBuf>| (setting.value.display().to_string(), setting.origin);
        let shown = |name, (value, origin)| Shown { name, value, origin };
        let mut all = vec![
            shown("data_dir", path(&self.data_dir)),
            shown("database_url", database),
            shown("listen", (self.listen.value.to_string(), self.listen.origin)),
            shown("site_dir", path(&self.site_dir)),
        ];
        all.extend(self.web.shown());
        // the agent's are shown when they are set
        let agent = &self.agent;
        let text = |setting: &Setting<String>| (without_secrets(&setting.value), setting.origin);
        let hidden = |setting: &Setting<Secret>| ("***".to_owned(), setting.origin);
        all.extend(agent.server.as_ref().map(|s| shown("agent_server", text(s))));
        all.extend(agent.token_file.as_ref().map(|s| shown("agent_token_file", path(s))));
        all.extend(agent.token.as_ref().map(|s| shown("agent_token", hidden(s))));
        all.extend(agent.spool.as_ref().map(|s| shown("agent_spool", path(s))));
        all.extend(agent.ca_file.as_ref().map(|s| shown("agent_ca_file", path(s))));
        all.extend(self.schedules.iter().map(|one| {
            let text = format!("{} every {}", one.shown_paths().join(" "), one.written);
            shown("schedule", (text, Origin::File))
        }));
        all.extend(self.sign_in.iter().flat_map(sign_in::SignIn::shown));
        all.push(shown("clock", clock));
        all
    }

    /// Folder of the lake.
    #[must_use]
    pub fn lake_dir(&self) -> PathBuf {
        self.data_dir.value.join("lake")
    }
}

fn read_file(path: &Path) -> Result<File, AppError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        AppError::usage(
            format!("cannot read the configuration {}: {error}", path.display()),
            "check the path",
        )
    })?;
    serde_saphyr::from_str(&text).map_err(|error| {
        AppError::usage(
            format!("{}: {error}", path.display()),
            "known keys: data_dir, database_url, listen, site_dir, agent_server, agent_token_file, agent_spool, agent_ca_file, web, schedules, sign_in",
        )
    })
}

/// A database address with every password in it replaced, also one that stands
/// behind the question mark.
pub(crate) fn without_secrets(url: &str) -> String {
    // a path of this machine is no address
    if !url.contains("://") {
        return url.to_owned();
    }
    let (front, query) = url
        .split_once('?')
        .map_or((url, None), |(front, query)| (front, Some(query)));
    let (scheme, rest) = front.split_once("://").unwrap_or(("", front));
    // a password may hold an @ of its own: the last one ends it
    let rest = match rest.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:***@{host}"),
            None => rest.to_owned(),
        },
        None => rest.to_owned(),
    };
    let query = query.map(|query| {
        let pairs = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, _)) if name.to_lowercase().contains("pass") => format!("{name}=***"),
            _ => pair.to_owned(),
        });
        format!("?{}", pairs.collect::<Vec<_>>().join("&"))
    });
    format!("{scheme}://{rest}{}", query.unwrap_or_default())
}

/// `90s`, `15m`, `6h`, `1d`; not under a second.
pub(crate) fn every(text: &str) -> Result<Duration, String> {
    let unit = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
    let found = unit.iter().find_map(|(unit, seconds)| {
        let number: u64 = text.trim().strip_suffix(unit)?.trim().parse().ok()?;
        number
            .checked_mul(*seconds)
            .filter(|seconds| (1..=31 * 86_400).contains(seconds))
    });
    let wrong = || "write a time between 1s and 31d, such as 90s, 15m, 6h or 1d".to_owned();
    found.map(Duration::from_secs).ok_or_else(wrong)
}

fn listen_address(text: &str) -> Result<SocketAddr, AppError> {
    let address: SocketAddr = text
        .replace("localhost", "127.0.0.1")
        .parse()
        .map_err(|_| AppError::usage(format!("{text:?} is no address to listen on"), "write 127.0.0.1:8080"))?;
    Ok(address)
}

/// `TONNAGE_NOW` fixes the clock, so that a run can be reproduced; with `*60`
/// at its end the clock runs from there, sixty times as fast.
fn clock(env: &dyn Fn(&str) -> Option<String>) -> Result<Clock, AppError> {
    let Some(text) = env("TONNAGE_NOW") else {
        return Ok(Clock::System);
    };
    let wrong = |what: String| AppError::usage(format!("TONNAGE_NOW {what}"), "or unset it to use the machine's clock");
    let (at, rate) = match text.split_once('*') {
        Some((at, rate)) => (at, Some(rate)),
        None => (text.as_str(), None),
    };
    let parsed = domain::instant::parse(at.as_bytes()).map_err(|error| wrong(error.to_string()))?;
    let Some(rate) = rate else {
        return Ok(Clock::Fixed(parsed.instant));
    };
    let rate = rate.parse().ok().filter(|rate| (1..=3_600).contains(rate));
    Ok(Clock::Running {
        from: parsed.instant,
        since: std::time::Instant::now(),
        rate: rate.ok_or_else(|| wrong("runs 1 to 3600 times as fast: write 2026-11-22T12:00:00Z*60".to_owned()))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        for (url, shown) in [
            ("postgres://host/db", "postgres://host/db"),
            ("/srv/inbox/colo", "/srv/inbox/colo"),
            ("postgres://me@host/db", "postgres://me@host/db"),
            ("postgres://me:s3cret@host:5432/db", "postgres://me:***@host:5432/db"),
            ("postgres://me:a@b:c@host/db", "postgres://me:***@host/db"),
            (
                "postgresql://host/db?user=me&password=s3cret&sslmode=require",
                "postgresql://host/db?user=me&password=***&sslmode=require",
            ),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }

    #[test]
    fn settings_are_shown_with_their_origin() {
        let env = |key: &str| match key {
            "TONNAGE_DATABASE_URL" => Some("postgres://me:s3cret@host/db".to_owned()),
            "TONNAGE_NOW" => Some("2026-11-22T12:00:00Z".to_owned()),
            "TONNAGE_AGENT_TOKEN" => Some("tonnage_1_s3cret".to_owned()),
            _ => None,
        };
        let flags = Flags {
            data_dir: Some(PathBuf::from("/data")),
            agent_server: Some("https://me:s3cret@cost.example".to_owned()),
            ..Flags::default()
        };
        let config = Config::load(flags, &env).expect("valid");
        assert!(!format!("{:?}", config.agent.token).contains("s3cret"));
        let shown = config.shown();
        let found: Vec<_> = shown
            .iter()
            .map(|s| (s.name, s.value.as_str(), s.origin.word()))
            .collect();
        let expected = [
            ("data_dir", "/data", "flag"),
            ("database_url", "postgres://me:***@host/db", "environment"),
            ("listen", "127.0.0.1:8080", "default"),
            ("site_dir", "target/site", "default"),
            ("web.requests_per_s", "200", "default"),
            ("agent_server", "https://me:***@cost.example", "flag"),
            ("agent_token", "***", "environment"),
            ("clock", "2026-11-22T12:00:00Z", "environment"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn flags_beat_environment_and_nothing_is_served_in_the_clear() {
        let env = |key: &str| (key == "TONNAGE_LISTEN").then(|| "127.0.0.1:9000".to_owned());
        let config = Config::load(Flags::default(), &env).expect("valid");
        assert_eq!(
            (config.listen.value.port(), config.listen.origin),
            (9000, Origin::Environment)
        );
        let flags = Flags {
            listen: Some("[::1]:1".to_owned()),
            ..Flags::default()
        };
        assert_eq!(Config::load(flags, &env).expect("valid").listen.origin, Origin::Flag);
        for (address, part) in [
            ("0.0.0.0:8080", "public_url"),
            ("10.0.0.1:80", "public_url"),
            ("nowhere", "no address"),
        ] {
            let flags = Flags {
                listen: Some(address.to_owned()),
                ..Flags::default()
            };
            let error = Config::load(flags, &|_| None).expect_err(address);
            assert!(error.to_string().contains(part), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }
}
