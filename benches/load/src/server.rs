//! The servers that are measured: starts one, finds where it listens, reads its CPU time and memory, ends it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;
use tempfile::TempDir;

use crate::fleet::Request;
use crate::protocol::{Dialect, Envelope};
use crate::transport::{Certificate, Transport};

const SECRET: &str = "a benchmark's secret of 32 bytes and more";
/// Linux's USER_HZ, the unit of /proc/<pid>/stat.
const TICKS_PER_SECOND: f64 = 100.0;
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// Which server, over which store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    TuttiSqlite,
    /// Another build of it, to be compared with.
    TuttiBefore,
    /// The database's URL.
    TuttiPostgres(String),
    YWebsocket,
    Hocuspocus,
}

impl Kind {
    /// The name in tables.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::TuttiSqlite => "Tutti",
            Kind::TuttiBefore => "Tutti before",
            Kind::TuttiPostgres(_) => "Tutti, Postgres",
            Kind::YWebsocket => "y-websocket server",
            Kind::Hocuspocus => "Hocuspocus",
        }
    }

    fn is_tutti(&self) -> bool {
        matches!(self, Kind::TuttiSqlite | Kind::TuttiBefore | Kind::TuttiPostgres(_))
    }
}

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    pub tutti: PathBuf,
    /// An earlier build, if one is to be compared with.
    pub before: Option<PathBuf>,
    /// The folder of the peers' start scripts.
    pub peers: PathBuf,
}

/// A running server; killed when dropped.
pub struct Server {
    pub kind: Kind,
    programs: Programs,
    transport: Transport,
    certificate: Option<Certificate>,
    folder: TempDir,
    child: Child,
    address: SocketAddr,
    /// Stands before each room's name: a database may hold those of an earlier run.
    run: u128,
}

impl Server {
    pub fn start(kind: &Kind, programs: &Programs, transport: Transport) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let certificate = (transport == Transport::Tls).then(|| Certificate::make(folder.path()));
        let (child, address) = launch(kind, programs, transport, &folder);
        let run = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock").as_micros();
        Self { kind: kind.clone(), programs: programs.clone(), transport, certificate, folder, child, address, run }
    }

    /// Ends the process, politely or as a crash does, and starts it again over what it has stored.
    pub fn restart(&mut self, politely: Stop) {
        self.stop(politely);
        (self.child, self.address) = launch(&self.kind, &self.programs, self.transport, &self.folder);
    }

    fn stop(&mut self, politely: Stop) {
        if politely == Stop::Politely {
            let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
            let deadline = Instant::now() + STOP_WITHIN;
            while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// How `user` opens `room`; may write.
    pub fn request(&self, room: &str, user: &str) -> Request {
        let dialect = match self.kind {
            Kind::Hocuspocus => Dialect::Hocuspocus,
            Kind::YWebsocket => Dialect::Yjs,
            _ if self.transport == Transport::Events => Dialect::Events,
            _ => Dialect::Yjs,
        };
        self.request_in(dialect, room, user)
    }

    /// The same in a dialect that is not the transport's own.
    pub fn request_in(&self, dialect: Dialect, room: &str, user: &str) -> Request {
        let room = format!("{}-{room}", self.run);
        let path = match (&self.kind, dialect) {
            (Kind::YWebsocket, _) => format!("/{room}"),
            (_, Dialect::Hocuspocus) => "/".to_owned(),
            (_, Dialect::Yjs) => format!("/yjs/{room}"),
            (_, Dialect::Events) => format!("/api/v1/rooms/{room}/events"),
        };
        let token = if self.kind.is_tutti() { token(user) } else { "none".into() };
        let envelope = Envelope::new(dialect, &room);
        let is_compressed = self.transport == Transport::Compressed;
        let certificate = self.certificate.clone();
        let address = self.address;
        Request { address, path, token, envelope, keep_bytes_max: usize::MAX, certificate, is_compressed }
    }

    /// CPU seconds so far, user and system, of the process and its children.
    pub fn cpu_s(&self) -> f64 {
        cpu_ticks(self.child.id()) / TICKS_PER_SECOND
    }

    /// Resident memory in bytes, now.
    pub fn memory_bytes(&self) -> f64 {
        self.status("VmRSS:")
    }

    /// The most resident memory since [`forget_peak`](Self::forget_peak), in bytes.
    pub fn peak_memory_bytes(&self) -> f64 {
        self.status("VmHWM:")
    }

    pub fn forget_peak(&self) {
        // Without the right to do so the peak is that of the whole life, which is no less.
        let _ = fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5");
    }

    fn status(&self, field: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or("0 kB");
        line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap_or(0.0) * 1024.0
    }

    /// What the server complained about.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn is_tutti(&self) -> bool {
        self.kind.is_tutti()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop(Stop::AsACrash);
    }
}

/// How a server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    Politely,
    AsACrash,
}

fn launch(kind: &Kind, programs: &Programs, transport: Transport, folder: &TempDir) -> (Child, SocketAddr) {
    let mut command = match kind {
        Kind::TuttiSqlite | Kind::TuttiBefore | Kind::TuttiPostgres(_) => {
            let database = match kind {
                Kind::TuttiPostgres(url) => url.clone(),
                _ => format!("sqlite://{}", folder.path().join("tutti.db").display()),
            };
            let before = programs.before.as_ref().filter(|_| *kind == Kind::TuttiBefore);
            let mut command = Command::new(before.unwrap_or(&programs.tutti));
            command.args(["serve", "--bind", "127.0.0.1:0", "--jwt-secret", SECRET, "--log-level", "warn"]);
            command.args(["--sockets-max", "20000", "--sockets-per-ip-max", "20000", "--database-url", &database]);
            match transport {
                Transport::Plain | Transport::Events => {}
                Transport::Tls => {
                    command.args(["--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem"]);
                }
                Transport::Compressed => {
                    // Of each message it is seen whether it becomes shorter.
                    command.args(["--compression", "on", "--compression-bytes-min", "1"]);
                }
            }
            command
        }
        Kind::YWebsocket | Kind::Hocuspocus => {
            let script = if *kind == Kind::YWebsocket { "y-websocket.mjs" } else { "hocuspocus.mjs" };
            let mut command = Command::new("node");
            command.arg(programs.peers.join(script)).env("NODE_ENV", "production");
            command
        }
    };
    let log = File::options().create(true).append(true).open(folder.path().join("log")).expect("a log file");
    command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let mut lines = BufReader::new(child.stdout.take().expect("standard output is piped")).lines();
    let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
        line.trim().strip_prefix("listening on http")?.trim_start_matches(['s', ':', '/']).parse().ok()
    });
    std::thread::spawn(move || lines.for_each(drop));
    let Some(address) = address else {
        panic!("{command:?} ended:\n{}", fs::read_to_string(folder.path().join("log")).unwrap_or_default())
    };
    (child, address)
}

/// CPU seconds of this process so far, user and system.
pub fn own_cpu_s() -> f64 {
    own_cpu_ticks(std::process::id()) / TICKS_PER_SECOND
}

fn own_cpu_ticks(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field, the program's name in brackets, may hold spaces.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<f64>().ok()).sum()
}

fn cpu_ticks(pid: u32) -> f64 {
    let own = own_cpu_ticks(pid);
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    own + children.split_whitespace().filter_map(|child| child.parse().ok()).map(cpu_ticks).sum::<f64>()
}

fn token(user: &str) -> String {
    let now_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock").as_secs();
    let claims = json!({ "sub": user, "exp": now_s + 7200, "rooms": [{ "room": "*", "access": "write" }] });
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).expect("a token")
}
