//! `tonnage config show`.

use super::Outcome;
use super::output::{self, Table};
use crate::config::Config as Settings;
use crate::error::AppError;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Every setting with its value and where it came from; secrets are not shown
    Show,
}

pub(super) fn run(settings: &Settings, args: &Config, json: bool) -> Result<Outcome, AppError> {
    let Config::Show = args;
    let shown = settings.shown();
    if json {
        output::json(&serde_json::json!({ "settings": shown }))?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[("setting", false), ("value", false), ("from", false)]);
    for setting in shown {
        table.row([setting.name.to_owned(), setting.value, setting.origin.word().to_owned()]);
    }
    table.print()?;
    Ok(Outcome::Done)
}
