//! `tonnage serve`.

use super::Outcome;
use crate::app::App;
use crate::config::Config;
use crate::error::AppError;
use crate::http;
use crate::jobs;
use clap::Args;
use domain::access::Scope;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tonnage serve
  tonnage serve --listen 127.0.0.1:9000 --data-dir /var/lib/tonnage

Bills that a configuration file names under `schedules` are taken in again and again
(docs/OPERATIONS.md); the Sources page shows how the last attempt went.

Whoever opens a page signs in first. At the first start the server prints a link to make the
first admin; `tonnage user add` lets others in.")]
pub(super) struct Serve {
    /// Address [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<String>,
    /// Folder of the built islands and styles [default: target/site]
    #[arg(long, value_name = "DIR")]
    pub(super) site_dir: Option<PathBuf>,
}

pub(super) async fn run(app: &App, config: &Config) -> Result<Outcome, AppError> {
    let app = &app.acting(Scope::system("serve"));
    let tidy = app.clone();
    tokio::spawn(async move {
        if let Err(error) = tidy.tidy().await {
            tracing::warn!(error = %error.chain(), "the lake could not be tidied");
        }
    });
    jobs::bills::start(app, &config.schedules);
    let way_in = way_in(app).await?;
    http::serve(
        app.clone(),
        config,
        |address| {
            eprintln!("serving http://{address} (stop with Ctrl-C)");
            if let Some((words, path)) = way_in {
                eprintln!("{words}: http://{address}{path}");
            }
        },
        stop(),
    )
    .await?;
    Ok(Outcome::Done)
}

/// How to get in when nobody can yet, or in a demo: words and a path.
async fn way_in(app: &App) -> Result<Option<(&'static str, String)>, AppError> {
    if let Some(path) = app.demo_link().await? {
        return Ok(Some(("signs you in once, as the demo's admin", path)));
    }
    let code = app.setup_code().await?;
    Ok(code.map(|code| {
        let words = "nobody can sign in yet; make the first admin within a day";
        (words, format!("/sign-in?code={code}"))
    }))
}

/// Ends on Ctrl-C, and on SIGTERM where there is one.
pub(super) async fn stop() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                () = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    interrupt.await;
}
