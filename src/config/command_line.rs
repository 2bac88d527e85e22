//! The command line: which command, and its options read into what the command needs.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use super::options::{JwtOptions, ListenOptions, LogOptions, ServeOptions, StoreOptions, TlsOptions};
use super::reading::{Problem, Reading};
use super::remote::RemoteOptions;
use super::sources::Sources;
#[cfg(feature = "import")]
use super::transfer::{ExportOptions, ImportOptions, RepairOptions};
use super::unknown::unknown_variables;
use super::{
    Bind, Config, CopyTask, DatabaseUrl, JwtConfig, ListTask, LogConfig, PrintTask, RemoteConfig, RemoveTask,
    RoomConfig, RoomTask, StoreConfig, TailConfig, TailTask, TlsConfig, UpstreamUrl,
};
#[cfg(feature = "import")]
use super::{ExportConfig, ImportConfig, RepairConfig};
use crate::ids::RoomName;

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
    /// Say what a token opens, or all that is wrong with it.
    CheckToken(Box<CheckTokenCommand>),
    /// Say whether the server is ready.
    Health(HealthCommand),
    /// Pass connections on to another server.
    Proxy(Box<ProxyConfig>),
    /// Take documents into rooms.
    #[cfg(feature = "import")]
    Import(Box<ImportConfig>),
    /// Write rooms out.
    #[cfg(feature = "import")]
    Export(Box<ExportConfig>),
    /// List, show, print, delete or copy rooms of a running server.
    Room(Box<RoomConfig>),
    /// Follow a room's timeline.
    Tail(Box<TailConfig>),
    /// Say what of a room is damaged.
    #[cfg(feature = "import")]
    Repair(Box<RepairConfig>),
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

/// What `tutti check-token` was asked for.
#[derive(Debug)]
pub struct CheckTokenCommand {
    /// The keys to verify with and the claims that tokens must carry.
    pub jwt: JwtConfig,
    /// The token, or `-` for the standard input.
    pub token: String,
    /// Rooms whose access is asked for.
    pub rooms: Vec<String>,
}

/// What `tutti health` was asked for.
#[derive(Debug)]
pub struct HealthCommand {
    /// Where the server listens.
    pub bind: Bind,
    /// Whether it speaks TLS.
    pub is_encrypted: bool,
}

/// What `tutti proxy` was asked for.
#[derive(Debug)]
pub struct ProxyConfig {
    /// Where it listens.
    pub bind: Bind,
    /// Whom it passes connections on to.
    pub upstream: UpstreamUrl,
    /// Most connections.
    pub sockets_max: usize,
    /// Most connections from one address (IPv6: one /64).
    pub sockets_per_ip_max: usize,
    /// What is logged.
    pub log: LogConfig,
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
    /// Create a signed access token
    Token(Box<TokenOptions>),
    /// Bring the database's tables up to date
    Migrate(MigrateOptions),
    /// Check the configuration of `serve` and its database, and print the values in effect
    Check(Box<ServeOptions>),
    /// Say what a token opens, or everything that is wrong with it
    CheckToken(Box<CheckTokenOptions>),
    /// Ask a running server whether it is ready, for container health checks
    Health(HealthOptions),
    /// Pass WebSockets and requests on to another server
    Proxy(ProxyOptions),
    /// Import documents from Hocuspocus, y-websocket, y-sweet or plain Yjs files
    #[cfg(feature = "import")]
    Import(Box<ImportOptions>),
    /// Export rooms: document, text, JSON and timeline
    #[cfg(feature = "import")]
    Export(Box<ExportOptions>),
    /// List, show, print, copy and delete the rooms of a running server; check what is stored of one
    Room {
        #[command(subcommand)]
        command: RoomSubcommands,
    },
    /// Follow a room's timeline on a running server
    Tail(Box<TailOptions>),
}

#[derive(Subcommand, Debug)]
enum RoomSubcommands {
    /// List rooms
    Ls(Box<Remote<ListTask>>),
    /// Show a room: its size, its metadata, who is in it
    Show(Box<Remote<ShowOptions>>),
    /// Print a room's document, as it is or as it was
    Cat(Box<Remote<PrintTask>>),
    /// Delete rooms, for a while or for good
    Rm(Box<Remote<RemoveTask>>),
    /// Copy a room: its document, or all of its timeline
    Cp(Box<Remote<CopyTask>>),
    /// Report what is damaged in a room's stored document; exit code 0: nothing, 1: something
    #[cfg(feature = "import")]
    Repair(Box<RepairOptions>),
}

/// What is to be done, and by which server.
#[derive(Args, Debug)]
struct Remote<T: Args> {
    #[command(flatten)]
    task: T,
    #[command(flatten)]
    remote: RemoteOptions,
}

type TailOptions = Remote<TailTask>;

#[derive(Args, Debug)]
struct ShowOptions {
    /// The room
    #[arg(value_name = "ROOM", value_parser = |text: &str| RoomName::parse(text))]
    room: RoomName,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct MigrateOptions {
    #[command(flatten)]
    store: StoreOptions,
    #[command(flatten)]
    log: LogOptions,
}

#[derive(Args, Debug)]
struct CheckTokenOptions {
    /// The token; - reads it from the standard input
    #[arg(value_name = "TOKEN", allow_hyphen_values = true)]
    token: String,
    /// Also print the access to this room; may be repeated
    #[arg(long, value_name = "ROOM")]
    room: Vec<String>,
    /// The database whose key is used if no secret is given
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL", default_value = "sqlite://tutti.db")]
    database_url: String,
    #[command(flatten)]
    jwt: JwtOptions,
}

#[derive(Args, Debug)]
struct HealthOptions {
    #[command(flatten)]
    listen: ListenOptions,
    #[command(flatten)]
    tls: TlsOptions,
}

#[derive(Args, Debug)]
struct ProxyOptions {
    /// The server to pass connections on to, such as wss://tutti.example.com; what stands in its path comes before each path
    #[arg(long, value_name = "URL")]
    upstream: String,
    #[command(flatten)]
    listen: ListenOptions,
    /// Maximum number of connections
    #[arg(long, env = "TUTTI_SOCKETS_MAX", value_name = "COUNT", default_value = "15000")]
    sockets_max: String,
    /// Maximum number of connections from one address (IPv6: one /64)
    #[arg(long, env = "TUTTI_SOCKETS_PER_IP_MAX", value_name = "COUNT", default_value = "1000")]
    sockets_per_ip_max: String,
    #[command(flatten)]
    log: LogOptions,
}

#[derive(Args, Debug)]
struct TokenOptions {
    /// The user's id
    #[arg(long, value_name = "ID")]
    sub: String,
    /// The name that others see; the id if not given
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Rooms and access (none, read, write, admin), such as 'docs/*=write'; may be repeated, the first match decides
    #[arg(long, value_name = "PATTERN=ACCESS", required = true)]
    room: Vec<String>,
    /// How long the token is valid, such as 90s, 15m, 24h or 30d
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    ttl: String,
    /// The database whose key is used if no secret is given
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL", default_value = "sqlite://tutti.db")]
    database_url: String,
    #[command(flatten)]
    jwt: JwtOptions,
}

/// Reads the process's arguments and environment.
pub fn command_line() -> Result<Command, Stop> {
    let mut command = CommandLine::command();
    let mut matches = command.try_get_matches_from_mut(std::env::args_os()).map_err(Stop::Usage)?;
    let sources = matches.subcommand().map(|(_, matches)| Sources::of(matches)).unwrap_or_default();
    let line = CommandLine::from_arg_matches_mut(&mut matches);
    read(line.map_err(|error| Stop::Usage(error.format(&mut command)))?, sources)
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
    Config::read(&options, Sources::of(&matches)).map_err(Stop::Problems)
}

fn read(line: CommandLine, sources: Sources) -> Result<Command, Stop> {
    let server = |options: &ServeOptions, sources| {
        let mut config = Config::read(options, sources)?;
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        config.unknown_variables = unknown_variables(&CommandLine::command(), names);
        Ok(Box::new(config))
    };
    match line.command {
        Subcommands::Serve(options) => server(&options, sources).map(Command::Serve),
        Subcommands::Check(options) => server(&options, sources).map(Command::Check),
        Subcommands::CheckToken(options) => CheckTokenCommand::read(*options).map(|c| Command::CheckToken(Box::new(c))),
        Subcommands::Health(options) => HealthCommand::read(&options, sources).map(Command::Health),
        Subcommands::Proxy(options) => {
            ProxyConfig::read(&options, sources).map(|config| Command::Proxy(Box::new(config)))
        }
        Subcommands::Token(options) => TokenCommand::read(*options).map(|token| Command::Token(Box::new(token))),
        #[cfg(feature = "import")]
        Subcommands::Import(options) => ImportConfig::read(*options).map(|config| Command::Import(Box::new(config))),
        #[cfg(feature = "import")]
        Subcommands::Export(options) => ExportConfig::read(*options).map(|config| Command::Export(Box::new(config))),
        Subcommands::Room { command } => room(command),
        Subcommands::Tail(options) => {
            let Remote { task, remote } = *options;
            RemoteConfig::read(&remote).map(|remote| Command::Tail(Box::new(TailConfig { remote, task })))
        }
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

fn room(command: RoomSubcommands) -> Result<Command, Vec<Problem>> {
    let (task, remote) = match command {
        RoomSubcommands::Ls(options) => (RoomTask::List(options.task), options.remote),
        RoomSubcommands::Show(options) => {
            let Remote { task: ShowOptions { room, json }, remote } = *options;
            (RoomTask::Show { room, is_json: json }, remote)
        }
        RoomSubcommands::Cat(options) => (RoomTask::Print(options.task), options.remote),
        RoomSubcommands::Rm(options) => (RoomTask::Remove(options.task), options.remote),
        RoomSubcommands::Cp(options) => (RoomTask::Copy(options.task), options.remote),
        #[cfg(feature = "import")]
        RoomSubcommands::Repair(options) => {
            return RepairConfig::read(*options).map(|config| Command::Repair(Box::new(config)));
        }
    };
    RemoteConfig::read(&remote).map(|remote| Command::Room(Box::new(RoomConfig { remote, task })))
}

impl TokenCommand {
    fn read(options: TokenOptions) -> Result<Self, Vec<Problem>> {
        let mut reading = Reading::default();
        let database = DatabaseUrl::read(&mut reading, &options.database_url);
        let jwt = JwtConfig::read(&mut reading, &options.jwt, &database);
        let ttl = reading.duration("ttl", &options.ttl, 1..=TTL_S_MAX);
        if !reading.problems.is_empty() {
            return Err(reading.problems);
        }
        Ok(Self { jwt, subject: options.sub, name: options.name, rooms: options.room, ttl })
    }
}

impl CheckTokenCommand {
    fn read(options: CheckTokenOptions) -> Result<Self, Vec<Problem>> {
        let mut reading = Reading::default();
        let database = DatabaseUrl::read(&mut reading, &options.database_url);
        let jwt = JwtConfig::read(&mut reading, &options.jwt, &database);
        match reading.problems.is_empty() {
            true => Ok(Self { jwt, token: options.token, rooms: options.room }),
            false => Err(reading.problems),
        }
    }
}

impl HealthCommand {
    fn read(options: &HealthOptions, sources: Sources) -> Result<Self, Vec<Problem>> {
        let mut reading = Reading::from(sources);
        let bind = Bind::read(&mut reading, &options.listen);
        let is_encrypted = TlsConfig::read(&mut reading, &options.tls, &bind).is_some();
        if reading.problems.is_empty() { Ok(Self { bind, is_encrypted }) } else { Err(reading.problems) }
    }
}

impl ProxyConfig {
    fn read(options: &ProxyOptions, sources: Sources) -> Result<Self, Vec<Problem>> {
        let mut reading = Reading::from(sources);
        let bind = Bind::read(&mut reading, &options.listen);
        let upstream: Option<UpstreamUrl> = match options.upstream.parse() {
            Ok(upstream) => Some(upstream),
            Err(allowed) => {
                reading.problem("upstream", format!("it takes {allowed}"));
                None
            }
        };
        let config = upstream.map(|upstream| Self {
            bind,
            upstream,
            sockets_max: reading.number("sockets-max", &options.sockets_max, 1..=10_000_000),
            sockets_per_ip_max: reading.number("sockets-per-ip-max", &options.sockets_per_ip_max, 1..=10_000_000),
            log: LogConfig::read(&mut reading, &options.log),
        });
        config.filter(|_| reading.problems.is_empty()).ok_or(reading.problems)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => error.fmt(f),
            Self::Problems(problems) => {
                writeln!(f, "there {} with the options:", counted(problems.len()))?;
                problems.iter().try_for_each(|problem| writeln!(f, "  {problem}"))
            }
        }
    }
}

fn counted(problems: usize) -> String {
    if problems == 1 { "is a problem".to_owned() } else { format!("are {problems} problems") }
}
