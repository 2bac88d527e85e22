//! The command line: which command, and its options read into what the command needs.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use clap::{Args, FromArgMatches, Parser, Subcommand};

use super::options::{JwtOptions, LogOptions, ServeOptions, StoreOptions};
use super::reading::{Problem, Reading};
#[cfg(feature = "import")]
use super::transfer::{ExportOptions, ImportOptions};
use super::{Config, DatabaseUrl, JwtConfig, LogConfig, StoreConfig};
#[cfg(feature = "import")]
use super::{ExportConfig, ImportConfig};

/// Longest life of a token made by `tutti token`: ten years, in seconds.
const TTL_S_MAX: u64 = 10 * 365 * 86_400;

/// What the program was asked to do, checked.
#[derive(Debug)]
pub enum Command {
    /// Run the server.
    Serve(Box<Config>),
    /// Print a token.
    Token(Box<TokenCommand>),
    /// Bring the database's tables up to date.
    Migrate {
        /// The database.
        store: StoreConfig,
        /// What is logged.
        log: LogConfig,
    },
    /// Say whether the configuration is good.
    Check(Box<Config>),
    /// Take documents into rooms.
    #[cfg(feature = "import")]
    Import(Box<ImportConfig>),
    /// Write rooms out.
    #[cfg(feature = "import")]
    Export(Box<ExportConfig>),
}

/// What `tutti token` was asked for. The texts are checked where the token is made.
#[derive(Debug)]
pub struct TokenCommand {
    /// The key to sign with and the claims that tokens must carry.
    pub jwt: JwtConfig,
    /// The user (`sub`).
    pub subject: String,
    /// The name shown to others, if it is not the user's id.
    pub name: Option<String>,
    /// Grants as `pattern=access`, in order.
    pub rooms: Vec<String>,
    /// How long the token is valid.
    pub ttl: Duration,
}

/// Why the program cannot start. It ends with exit code 2, or 0 for `--help` and `--version`.
#[derive(Debug)]
pub enum Stop {
    /// The command line itself is wrong, or help was asked for.
    Usage(clap::Error),
    /// Everything that is wrong with the options' values.
    Problems(Vec<Problem>),
}

/// Tutti: self-hosted real-time collaboration. One binary, one database, the Yjs clients people already have.
#[derive(Parser, Debug)]
#[command(name = "tutti", version, arg_required_else_help = true)]
pub(super) struct CommandLine {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Subcommand, Debug)]
enum Subcommands {
    /// Run the server
    Serve(Box<ServeOptions>),
    /// Print a token that lets someone in
    Token(Box<TokenOptions>),
    /// Bring the database's tables up to date
    Migrate(MigrateOptions),
    /// Check the configuration of `serve` and print the values in effect
    Check(Box<ServeOptions>),
    /// Take documents of Hocuspocus, y-websocket or y-sweet, or plain Yjs files, into rooms
    #[cfg(feature = "import")]
    Import(Box<ImportOptions>),
    /// Write rooms out: document, text, JSON and timeline
    #[cfg(feature = "import")]
    Export(Box<ExportOptions>),
}

#[derive(Args, Debug)]
struct MigrateOptions {
    #[command(flatten)]
    store: StoreOptions,
    #[command(flatten)]
    log: LogOptions,
}

#[derive(Args, Debug)]
struct TokenOptions {
    /// The user's id
    #[arg(long, value_name = "ID")]
    sub: String,
    /// The name that others see; without, the id
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Rooms and access (none, read, write, admin), such as 'docs/*=write'; repeat it, the first match wins
    #[arg(long, value_name = "PATTERN=ACCESS", required = true)]
    room: Vec<String>,
    /// How long the token is valid: 90s, 15m, 24h or 30d
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    ttl: String,
    /// The database, beside which the key lies if no secret is given
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL", default_value = "sqlite://tutti.db")]
    database_url: String,
    #[command(flatten)]
    jwt: JwtOptions,
}

/// Reads the process's arguments and environment.
pub fn command_line() -> Result<Command, Stop> {
    read(CommandLine::try_parse().map_err(Stop::Usage)?)
}

/// The configuration of `tutti serve` with these flags and nothing from the environment, for servers that run
/// inside another program, such as a test.
pub fn serve_config<I, T>(flags: I) -> Result<Config, Stop>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let command = ServeOptions::augment_args(clap::Command::new("serve").no_binary_name(true));
    let command = command.mut_args(|arg| arg.env(None::<&str>));
    let matches = command.try_get_matches_from(flags).map_err(Stop::Usage)?;
    let options = ServeOptions::from_arg_matches(&matches).map_err(Stop::Usage)?;
    Config::read(&options).map_err(Stop::Problems)
}

fn read(line: CommandLine) -> Result<Command, Stop> {
    match line.command {
        Subcommands::Serve(options) => Config::read(&options).map(|config| Command::Serve(Box::new(config))),
        Subcommands::Check(options) => Config::read(&options).map(|config| Command::Check(Box::new(config))),
        Subcommands::Token(options) => TokenCommand::read(*options).map(|token| Command::Token(Box::new(token))),
        #[cfg(feature = "import")]
        Subcommands::Import(options) => ImportConfig::read(*options).map(|config| Command::Import(Box::new(config))),
        #[cfg(feature = "import")]
        Subcommands::Export(options) => ExportConfig::read(*options).map(|config| Command::Export(Box::new(config))),
        Subcommands::Migrate(options) => {
            let mut reading = Reading::default();
            let store = StoreConfig::read(&mut reading, &options.store);
            let log = LogConfig::read(&mut reading, &options.log);
            match reading.problems.is_empty() {
                true => Ok(Command::Migrate { store, log }),
                false => Err(reading.problems),
            }
        }
    }
    .map_err(Stop::Problems)
}

impl TokenCommand {
    fn read(options: TokenOptions) -> Result<Self, Vec<Problem>> {
        let mut reading = Reading::default();
        let database = DatabaseUrl::read(&mut reading, &options.database_url);
        let jwt = JwtConfig::read(&mut reading, &options.jwt, &database);
        let ttl_s = reading.parsed("ttl", &options.ttl, 0, duration_s);
        if !reading.problems.is_empty() {
            return Err(reading.problems);
        }
        let ttl = Duration::from_secs(ttl_s);
        Ok(Self { jwt, subject: options.sub, name: options.name, rooms: options.room, ttl })
    }
}

/// A number with its unit, in seconds.
fn duration_s(text: &str) -> Result<u64, &'static str> {
    const ALLOWED: &str = "a whole number with a unit, 90s, 15m, 24h or 30d, at most 3650d";
    let unit_s = match text.chars().next_back() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => return Err(ALLOWED),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| ALLOWED)?;
    count.checked_mul(unit_s).filter(|seconds| (1..=TTL_S_MAX).contains(seconds)).ok_or(ALLOWED)
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => error.fmt(f),
            Self::Problems(problems) => {
                writeln!(f, "the configuration has {}:", counted(problems.len()))?;
                problems.iter().try_for_each(|problem| writeln!(f, "  {problem}"))
            }
        }
    }
}

fn counted(problems: usize) -> String {
    if problems == 1 { "a problem".to_owned() } else { format!("{problems} problems") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_needs_a_unit_and_has_bounds() {
        let cases = [
            ("90s", Some(90)),
            ("15m", Some(900)),
            ("24h", Some(86_400)),
            ("3650d", Some(TTL_S_MAX)),
            ("3651d", None),
            ("0s", None),
            ("24", None),
            ("h", None),
            ("-1h", None),
            ("99999999999999999999d", None),
            ("", None),
            ("1ä", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(duration_s(text).ok(), seconds, "{text:?}");
        }
    }
}
