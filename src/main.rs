//! The command line. What a person asked for goes to the standard output, everything else to the standard error
//! output. Exit code 0: done; 1: failed; 2: the options are wrong.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use tutti::auth::{self, Grant, Grants, MintError, Minter, NewToken, Verifier};
use tutti::config::{self, Command, Config, JwtKey, LogConfig, Stop, StoreConfig, TokenCommand};
#[cfg(feature = "import")]
use tutti::config::{ExportConfig, ImportConfig};
#[cfg(feature = "import")]
use tutti::transfer;
use tutti::{server, telemetry};

/// The exit code for options that are wrong; clap uses the same.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let command = match config::command_line() {
        Ok(command) => command,
        Err(Stop::Usage(error)) => error.exit(),
        Err(problems) => return stop(USAGE, &problems),
    };
    let code = match command {
        Command::Serve(config) => serve(*config),
        Command::Token(command) => token(&command),
        Command::Migrate { store, log } => migrate(store, &log),
        Command::Check(config) => check(&config),
        #[cfg(feature = "import")]
        Command::Import(config) => import(&config),
        #[cfg(feature = "import")]
        Command::Export(config) => export(&config),
    };
    telemetry::flush();
    code
}

fn serve(config: Config) -> ExitCode {
    let run = || -> Result<(), Box<dyn Error>> {
        telemetry::init(&config.log)?;
        Ok(server::run(config)?)
    };
    done(run())
}

fn migrate(store: StoreConfig, log: &LogConfig) -> ExitCode {
    let run = || -> Result<(), Box<dyn Error>> {
        telemetry::init(log)?;
        let count = server::migrate(store)?;
        Ok(writeln!(io::stdout(), "{count} migration(s) ran; the database is up to date")?)
    };
    done(run())
}

fn token(command: &TokenCommand) -> ExitCode {
    let grants =
        command.rooms.iter().map(|text| Grant::parse(text).map_err(|error| format!("--room {text:?}: {error}")));
    let grants = match grants.collect::<Result<_, _>>().and_then(|list| Grants::new(list).map_err(|e| e.to_string())) {
        Ok(grants) => grants,
        Err(problem) => return stop(USAGE, &problem),
    };
    let minted = Minter::open(&command.jwt).and_then(|minter| {
        minter.mint(&NewToken {
            subject: &command.subject,
            name: command.name.as_deref(),
            grants: &grants,
            expires_at_s: auth::now_s() + command.ttl.as_secs(),
        })
    });
    match minted {
        Ok(token) => done(writeln!(io::stdout(), "{token}").map_err(Into::into)),
        Err(error @ MintError::Subject) => stop(USAGE, &format!("--sub: {error}")),
        Err(error @ MintError::Name) => stop(USAGE, &format!("--name: {error}")),
        Err(error) => stop(USAGE, &error),
    }
}

/// Looks at the keys, too, but makes no key file: checking changes nothing.
fn check(config: &Config) -> ExitCode {
    let is_key_to_be_made = matches!(&config.jwt.key, JwtKey::KeyFile(path) if !path.exists());
    if !is_key_to_be_made && let Err(error) = Verifier::open(&config.jwt) {
        return stop(USAGE, &error);
    }
    let mut text = String::new();
    for setting in &config.settings {
        let _ = writeln!(text, "--{:<28}{}", setting.option, setting.value);
    }
    text.push_str("The configuration is good.\n");
    done(io::stdout().write_all(text.as_bytes()).map_err(Into::into))
}

/// Fails if a document was refused, so that a script notices.
#[cfg(feature = "import")]
fn import(config: &ImportConfig) -> ExitCode {
    let run = || -> Result<(), Box<dyn Error>> {
        telemetry::init(&config.log)?;
        let refused = transfer::import(config, &mut io::stdout())?.refused;
        if refused > 0 { Err(format!("{refused} document(s) were refused").into()) } else { Ok(()) }
    };
    done(run())
}

/// Fails if a room could not be written, so that a script notices.
#[cfg(feature = "import")]
fn export(config: &ExportConfig) -> ExitCode {
    let run = || -> Result<(), Box<dyn Error>> {
        telemetry::init(&config.log)?;
        let failed = transfer::export(config, &mut io::stdout())?.failed;
        if failed > 0 { Err(format!("{failed} room(s) were not written").into()) } else { Ok(()) }
    };
    done(run())
}

fn done(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => stop(1, &error),
    }
}

fn stop(code: u8, reason: &dyn std::fmt::Display) -> ExitCode {
    telemetry::flush();
    // The exit code says it, too, to who does not read this.
    let _ = writeln!(io::stderr(), "tutti: {}", reason.to_string().trim_end());
    ExitCode::from(code)
}
