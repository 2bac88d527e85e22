//! What `tutti import` and `tutti export` are told.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::limits::DOCUMENT_BYTES;
use super::options::{GcOptions, LogOptions};
use super::reading::{Problem, Reading};
use super::{DatabaseUrl, GcConfig, LogConfig};
use crate::ids::RoomName;

/// What documents are imported from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SourceKind {
    /// The SQLite database of Hocuspocus' SQLite extension
    HocuspocusSqlite,
    /// The LevelDB folder of y-leveldb, which y-websocket's server writes with YPERSISTENCE
    YLeveldb,
    /// The store of y-sweet: folders with a data.ysweet
    YSweet,
    /// One file per document: its state, as written by Y.encodeStateAsUpdate
    StateFiles,
    /// One file per document: its updates, one after another
    UpdateFiles,
    /// One folder per document, one file per update, in the order of their names
    UpdateFolders,
}

/// What is written of each room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// The document's state as one Yjs update (.yjs)
    Yjs,
    /// The document's text (.txt)
    Text,
    /// The document's root types (.json)
    Json,
    /// Every entry, one JSON object per line (.jsonl)
    Timeline,
}

/// What `tutti import` was asked for.
#[derive(Debug, Clone)]
pub struct ImportConfig {
    /// The database to import into.
    pub database: DatabaseUrl,
    /// Largest document, in bytes.
    pub document_bytes_max: usize,
    /// Which documents drop what was deleted.
    pub gc: GcConfig,
    /// Files and folders.
    pub sources: Vec<PathBuf>,
    /// What they are; `None`: what they look like.
    pub from: Option<SourceKind>,
    /// Stands before the name of each room; may be empty.
    pub prefix: String,
    /// Whether names that no room can have are encoded; their documents are refused otherwise.
    pub renames: bool,
    /// Whether nothing is stored.
    pub is_dry_run: bool,
    /// What is logged.
    pub log: LogConfig,
}

/// What `tutti export` was asked for.
#[derive(Debug, Clone)]
pub struct ExportConfig {
    /// The database to export from.
    pub database: DatabaseUrl,
    /// Largest document, in bytes.
    pub document_bytes_max: usize,
    /// Which documents drop what was deleted.
    pub gc: GcConfig,
    /// Which rooms; the texts are checked where they are used.
    pub rooms: Vec<String>,
    /// The folder to write to.
    pub folder: PathBuf,
    /// What is written; not empty.
    pub formats: Vec<ExportFormat>,
    /// The root type whose text is written; `None`: the only one.
    pub root: Option<String>,
    /// What is logged.
    pub log: LogConfig,
}

/// What `tutti room repair` was asked for.
#[derive(Debug, Clone)]
pub struct RepairConfig {
    /// The database.
    pub database: DatabaseUrl,
    /// Largest document, in bytes.
    pub document_bytes_max: usize,
    /// Which documents drop what was deleted.
    pub gc: GcConfig,
    /// The room.
    pub room: RoomName,
    /// Whether to make a new snapshot.
    pub is_rebuild: bool,
    /// What is logged.
    pub log: LogConfig,
}

#[derive(Args, Debug)]
pub(super) struct ImportOptions {
    /// Files and folders that hold documents
    #[arg(value_name = "SOURCE", required = true)]
    sources: Vec<PathBuf>,
    /// The format of the sources; detected if not given
    #[arg(long, value_enum, value_name = "KIND")]
    from: Option<SourceKind>,
    /// Prefix for the name of each room, such as 'docs/'
    #[arg(long, value_name = "TEXT", default_value = "")]
    prefix: String,
    /// Encode characters that a room name may not hold, as ~ and two hexadecimal digits per byte, instead of refusing the document
    #[arg(long)]
    rename: bool,
    /// Read and check everything, but store nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    database: DatabaseOptions,
}

#[derive(Args, Debug)]
pub(super) struct ExportOptions {
    /// Rooms; * matches any run of characters, including /
    #[arg(value_name = "ROOM-PATTERN", required = true)]
    rooms: Vec<String>,
    /// The folder to write to; created if missing
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// What to write (comma-separated)
    #[arg(long, value_enum, value_name = "FORMATS", value_delimiter = ',', default_value = "yjs,text,json,timeline")]
    format: Vec<ExportFormat>,
    /// The root type whose text is written; not needed if there is only one
    #[arg(long, value_name = "NAME")]
    root: Option<String>,
    #[command(flatten)]
    database: DatabaseOptions,
}

#[derive(Args, Debug)]
pub(super) struct RepairOptions {
    /// The room
    #[arg(value_name = "ROOM", value_parser = |text: &str| RoomName::parse(text))]
    room: RoomName,
    /// Make a new snapshot of all edits that can be read
    #[arg(long)]
    rebuild: bool,
    #[command(flatten)]
    database: DatabaseOptions,
}

#[derive(Args, Debug)]
struct DatabaseOptions {
    /// The database: sqlite://<file> or postgres://user:password@host/database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL", default_value = "sqlite://tutti.db")]
    database_url: String,
    /// Maximum bytes of a document; the same as the server's
    #[arg(long, env = "TUTTI_DOCUMENT_BYTES_MAX", value_name = "BYTES", default_value = "67108864")]
    document_bytes_max: String,
    #[command(flatten)]
    gc: GcOptions,
    #[command(flatten)]
    log: LogOptions,
}

struct Database {
    url: DatabaseUrl,
    document_bytes_max: usize,
    gc: GcConfig,
    log: LogConfig,
}

impl Database {
    fn read(reading: &mut Reading, options: &DatabaseOptions) -> Self {
        Self {
            url: DatabaseUrl::read(reading, &options.database_url),
            document_bytes_max: reading.number("document-bytes-max", &options.document_bytes_max, DOCUMENT_BYTES),
            gc: GcConfig::read(reading, &options.gc),
            log: LogConfig::read(reading, &options.log),
        }
    }
}

impl ImportConfig {
    pub(super) fn read(options: ImportOptions) -> Result<Self, Vec<Problem>> {
        let mut reading = Reading::default();
        let Database { url, document_bytes_max, gc, log } = Database::read(&mut reading, &options.database);
        if let Err(error) = RoomName::parse(&format!("{}x", options.prefix)) {
            reading.problem("prefix", format!("no room name can begin with {:?}: {error}", options.prefix));
        }
        if !reading.problems.is_empty() {
            return Err(reading.problems);
        }
        Ok(Self {
            database: url,
            document_bytes_max,
            gc,
            sources: options.sources,
            from: options.from,
            prefix: options.prefix,
            renames: options.rename,
            is_dry_run: options.dry_run,
            log,
        })
    }
}

impl ExportConfig {
    pub(super) fn read(options: ExportOptions) -> Result<Self, Vec<Problem>> {
        let mut reading = Reading::default();
        let Database { url, document_bytes_max, gc, log } = Database::read(&mut reading, &options.database);
        if !reading.problems.is_empty() {
            return Err(reading.problems);
        }
        let (rooms, folder, formats, root) = (options.rooms, options.to, options.format, options.root);
        Ok(Self { database: url, document_bytes_max, gc, rooms, folder, formats, root, log })
    }
}

impl RepairConfig {
    pub(super) fn read(options: RepairOptions) -> Result<Self, Vec<Problem>> {
        let mut reading = Reading::default();
        let Database { url, document_bytes_max, gc, log } = Database::read(&mut reading, &options.database);
        if !reading.problems.is_empty() {
            return Err(reading.problems);
        }
        Ok(Self { database: url, document_bytes_max, gc, room: options.room, is_rebuild: options.rebuild, log })
    }
}
