//! What commands for operators are told that ask a running server: where it is, whose token they have, and what about.

use std::fmt;

use clap::{Args, ValueEnum};
use url::Url;

use super::options::JwtOptions;
use super::reading::{Problem, Reading};
use super::{DatabaseUrl, JwtConfig};
use crate::ids::RoomName;

/// A server, and how it knows who asks.
#[derive(Debug)]
pub struct RemoteConfig {
    /// Where its API is, without `/api/v1`.
    pub url: Url,
    /// Whose requests they are.
    pub credential: Credential,
}

/// Whose requests they are.
pub enum Credential {
    /// Whoever's token this is.
    Token(String),
    /// Somebody's who has the server's key: an admin of all rooms.
    Key(Box<JwtConfig>),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token",
            Self::Key(_) => "Key",
        })
    }
}

/// What `tutti room` was asked for.
#[derive(Debug)]
pub struct RoomConfig {
    /// Of which server.
    pub remote: RemoteConfig,
    /// What.
    pub task: RoomTask,
}

/// What is to be done about rooms.
#[derive(Debug)]
pub enum RoomTask {
    /// List them.
    List(ListTask),
    /// Show one.
    Show {
        /// Which.
        room: RoomName,
        /// Whether as JSON.
        is_json: bool,
    },
    /// Print a document.
    Print(PrintTask),
    /// Delete them.
    Remove(RemoveTask),
    /// Copy one.
    Copy(CopyTask),
}

/// Which rooms are listed.
#[derive(Args, Debug)]
pub struct ListTask {
    /// Only rooms whose names begin with this
    #[arg(value_name = "PREFIX", default_value = "")]
    pub prefix: String,
    /// The order: by name, or those changed last first
    #[arg(long, value_enum, value_name = "ORDER", default_value = "name")]
    pub sort: RoomOrder,
    /// Only rooms whose metadata has all members of this JSON object
    #[arg(long, value_name = "JSON")]
    pub meta: Option<String>,
    /// Instead those that were deleted and whose names are still taken
    #[arg(long, conflicts_with_all = ["sort", "size"])]
    pub deleted: bool,
    /// Also print how many bytes each holds, which asks the server once per room
    #[arg(long)]
    pub size: bool,
    /// At most this many
    #[arg(long, value_name = "COUNT")]
    pub limit: Option<usize>,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

/// The order of a list of rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoomOrder {
    /// By name
    Name,
    /// Those changed last first
    Updated,
}

/// Which document is printed.
#[derive(Args, Debug)]
pub struct PrintTask {
    /// The room
    #[arg(value_name = "ROOM", value_parser = |text: &str| RoomName::parse(text))]
    pub room: RoomName,
    /// The format
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub format: PrintFormat,
    /// The root type; needed for one of several, not with update
    #[arg(long, value_name = "NAME")]
    pub root: Option<String>,
    /// After which entry, or at which time (such as 2026-11-21T12:16:06Z); now if not given
    #[arg(long, value_name = "SEQ|TIME")]
    pub at: Option<String>,
}

/// The format of a printed document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PrintFormat {
    /// The text of a root type
    Text,
    /// Root types as JSON
    Json,
    /// The XML of a root type
    Xml,
    /// A root type as ProseMirror's JSON
    Prosemirror,
    /// The state as one Yjs update
    Update,
}

/// Which rooms are deleted, and how.
#[derive(Args, Debug)]
pub struct RemoveTask {
    /// The rooms
    #[arg(value_name = "ROOM", required = true, value_parser = |text: &str| RoomName::parse(text))]
    pub rooms: Vec<RoomName>,
    /// Delete the content at once and for good
    #[arg(long)]
    pub hard: bool,
    /// With --hard: a new room may have the name after that
    #[arg(long, requires = "hard")]
    pub free: bool,
    /// Do not ask whether this is meant
    #[arg(long, short)]
    pub yes: bool,
}

/// Which room is copied, and how much of it.
#[derive(Args, Debug)]
pub struct CopyTask {
    /// The room to copy
    #[arg(value_name = "FROM", value_parser = |text: &str| RoomName::parse(text))]
    pub from: RoomName,
    /// The room to make
    #[arg(value_name = "TO", value_parser = |text: &str| RoomName::parse(text))]
    pub to: RoomName,
    /// Up to which entry, or which time (such as 2026-11-21T12:16:06Z); all of it if not given
    #[arg(long, value_name = "SEQ|TIME")]
    pub at: Option<String>,
    /// Up to the newest version of this label
    #[arg(long, value_name = "LABEL", conflicts_with = "at")]
    pub version: Option<String>,
    /// Copy the whole timeline and named versions, and not the document alone
    #[arg(long)]
    pub history: bool,
}

/// Which timeline `tutti tail` follows.
#[derive(Debug)]
pub struct TailConfig {
    /// Of which server.
    pub remote: RemoteConfig,
    /// Where it begins, and what is printed.
    pub task: TailTask,
}

/// Where following a timeline begins, and what is printed.
#[derive(Args, Debug)]
pub struct TailTask {
    /// The room
    #[arg(value_name = "ROOM", value_parser = |text: &str| RoomName::parse(text))]
    pub room: RoomName,
    /// Begin with so many of the newest entries
    #[arg(long, short = 'n', value_name = "COUNT", default_value = "10", value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub lines: u32,
    /// Begin after this entry; 0: with the first
    #[arg(long, value_name = "SEQ", conflicts_with = "lines")]
    pub after: Option<u64>,
    /// Only entries of this kind
    #[arg(long, value_enum, value_name = "KIND")]
    pub kind: Option<TailKind>,
    /// End with the newest entry instead of waiting for more
    #[arg(long)]
    pub no_follow: bool,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

/// A kind of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TailKind {
    /// Edits of the document
    Edit,
    /// Chat messages
    Message,
    /// Events of apps
    Event,
    /// Steps of central-authority editors
    Step,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Server")]
pub(super) struct RemoteOptions {
    /// The running server
    #[arg(long, env = "TUTTI_URL", value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// A token for it; if not given, one is made with the server's own key: from --jwt-secret, or from the file beside the database
    #[arg(long, env = "TUTTI_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
    /// The database whose key is used if neither a token nor a secret is given
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL", default_value = "sqlite://tutti.db")]
    database_url: String,
    #[command(flatten)]
    jwt: JwtOptions,
}

impl RemoteConfig {
    pub(super) fn read(options: &RemoteOptions) -> Result<Self, Vec<Problem>> {
        let mut reading = Reading::default();
        let url = url(&options.url);
        if url.is_none() {
            let allowed = "it takes the URL of a server, such as http://127.0.0.1:8080 or https://tutti.example.com";
            reading.problem("url", allowed);
        }
        let credential = match options.token.as_deref().map(str::trim).filter(|token| !token.is_empty()) {
            Some(token) if token.bytes().all(|byte| byte.is_ascii_graphic()) => Credential::Token(token.to_owned()),
            Some(_) => {
                reading.problem("token", "it is not a token, which has neither spaces nor line breaks");
                Credential::Token(String::new())
            }
            None => {
                let database = DatabaseUrl::read(&mut reading, &options.database_url);
                Credential::Key(Box::new(JwtConfig::read(&mut reading, &options.jwt, &database)))
            }
        };
        let config = url.map(|url| Self { url, credential });
        config.filter(|_| reading.problems.is_empty()).ok_or(reading.problems)
    }
}

fn url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    let is_whole = url.query().is_none() && url.fragment().is_none() && url.has_host();
    (is_plain && is_whole && matches!(url.scheme(), "http" | "https")).then_some(url)
}
