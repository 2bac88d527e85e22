//! The command line. What a person asked for goes to the standard output, everything else to the standard error
//! output. Exit code 0: done; 1: failed; 2: the options are wrong.

mod check;
mod check_token;
mod health;
mod outcome;
mod remote;
mod room;
mod tail;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::auth::{self, Grant, Grants, MintError, Minter, NewToken};
use crate::config::{self, Command, Config, LogConfig, ProxyConfig, Stop, StoreConfig, TokenCommand};
#[cfg(feature = "import")]
use crate::config::{ExportConfig, ImportConfig, RepairConfig};
#[cfg(feature = "import")]
use crate::transfer;
use crate::{proxy, server, telemetry};
use outcome::{DEMO_WARNING, USAGE, done, stop};

/// Does what the arguments and the environment of the process ask for.
pub fn run() -> ExitCode {
    let command = match config::command_line() {
        Ok(command) => command,
        Err(Stop::Usage(error)) => error.exit(),
        Err(problems) => return stop(USAGE, &problems),
    };
    let code = match command {
        Command::Serve(config) => serve(*config),
        Command::Token(command) => token(&command),
        Command::Migrate { store, log } => migrate(store, &log),
        Command::Check(config) => check::run(&config),
        Command::CheckToken(command) => check_token::run(&command),
        Command::Health(command) => done(health::run(&command)),
        Command::Proxy(config) => proxy(&config),
        Command::Room(config) => room::run(*config),
        Command::Tail(config) => tail::run(*config),
        #[cfg(feature = "import")]
        Command::Import(config) => import(&config),
        #[cfg(feature = "import")]
        Command::Export(config) => export(&config),
        #[cfg(feature = "import")]
        Command::Repair(config) => repair(&config),
    };
    telemetry::flush();
    code
}

fn serve(config: Config) -> ExitCode {
    let run = || -> Result<(), Box<dyn Error>> {
        telemetry::init(&config.log)?;
        for variable in &config.unknown_variables {
            tracing::warn!("{variable}");
        }
        if config.edge.is_demo && !config.edge.bind.is_local() {
            tracing::warn!("{DEMO_WARNING}");
        }
        Ok(server::run(config)?)
    };
    done(run())
}

fn proxy(config: &ProxyConfig) -> ExitCode {
    let run = || -> Result<(), Box<dyn Error>> {
        telemetry::init(&config.log)?;
        Ok(proxy::run(config)?)
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
    let minted = Minter::open_existing(&command.jwt).and_then(|minter| {
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
        let exported = transfer::export(config, &mut io::stdout())?;
        match (exported.failed, exported.unmatched) {
            (0, 0) => Ok(()),
            (0, unmatched) => Err(format!("{unmatched} pattern(s) matched no room").into()),
            (failed, _) => Err(format!("{failed} room(s) were not written").into()),
        }
    };
    done(run())
}

/// Fails if something is wrong with the room, so that a script notices.
#[cfg(feature = "import")]
fn repair(config: &RepairConfig) -> ExitCode {
    let run = || -> Result<(), Box<dyn Error>> {
        telemetry::init(&config.log)?;
        let is_damaged = transfer::repair(config, &mut io::stdout())?;
        if is_damaged { Err(format!("the room {} is damaged", config.room).into()) } else { Ok(()) }
    };
    done(run())
}
