//! `tutti check`: every value in effect and where it comes from, what is worth a warning, and whether the keys and the database are
//! good. Changes nothing.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use super::outcome::{DEMO_WARNING, USAGE, done, stop};
use crate::auth::Verifier;
use crate::config::{Config, JwtKey};
use crate::server::{self, DatabaseState};

pub(super) fn run(config: &Config) -> ExitCode {
    let is_key_to_be_made = matches!(&config.jwt.key, JwtKey::KeyFile(path) if !path.exists());
    if !is_key_to_be_made && let Err(error) = Verifier::open_existing(&config.jwt) {
        return stop(USAGE, &error);
    }
    if let Err(error) = server::check_certificate(&config.edge) {
        return stop(USAGE, &error);
    }
    let mut text = String::new();
    for setting in &config.settings {
        let _ = writeln!(text, "--{:<28}{:<30} {}", setting.option, setting.value, setting.source);
    }
    for warning in warnings(config) {
        let _ = writeln!(text, "Warning: {warning}");
    }
    let database = server::check(&config.store);
    if let Ok(state) = &database {
        let _ = writeln!(text, "Database {}: {}", config.store.url, said(state));
    }
    if let Ok(DatabaseState::NotSaving(_)) | Err(_) = &database {
        text.push_str("The options are good, the database is not.\n");
    } else {
        text.push_str("The configuration is good.\n");
    }
    if let Err(error) = io::stdout().write_all(text.as_bytes()) {
        return stop(1, &error);
    }
    done(match database {
        Err(error) => Err(error.into()),
        Ok(DatabaseState::NotSaving(error)) => Err(error.into()),
        Ok(_) => Ok(()),
    })
}

fn warnings(config: &Config) -> Vec<String> {
    let mut warnings: Vec<String> = config.unknown_variables.iter().map(ToString::to_string).collect();
    if config.edge.is_demo {
        warnings.push(DEMO_WARNING.to_owned());
    }
    warnings
}

fn said(state: &DatabaseState) -> String {
    match state {
        DatabaseState::NoFile => "there is no such file yet; the server will create it".to_owned(),
        DatabaseState::Behind(count) => {
            format!("{count} migration(s) are pending; the server runs them when it starts, or run `tutti migrate`")
        }
        DatabaseState::Good => "up to date, its sessions have the right settings, entries can be saved".to_owned(),
        DatabaseState::NotSaving(_) => "up to date, but entries cannot be saved".to_owned(),
    }
}
