//! Postgres servers of a test's own, and what may stand before one: certificates and PgBouncer.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A Postgres server that only this test uses; it ends when dropped.
pub struct PostgresServer {
    /// `127.0.0.1:port`.
    pub address: String,
    /// Ends when its standard input does.
    process: Child,
}

impl PostgresServer {
    /// Starts one with the files of `folder` in its data folder.
    pub fn with_files(folder: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/with-postgres.sh");
        let mut process = Command::new(script)
            .args(["sh", "-c", "echo \"$TUTTI_TEST_POSTGRES_URL\"; cat"])
            .env("TUTTI_TEST_POSTGRES_FILES", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the script starts");
        let mut url = String::new();
        let out = process.stdout.as_mut().expect("a pipe");
        BufReader::new(out).read_line(&mut url).expect("the script says where the server is");
        let address = url.trim().strip_prefix("postgres://postgres@").and_then(|rest| rest.split('/').next());
        let address = address.expect("the server starts").to_owned();
        Self { address, process }
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // Whatever it ends with, it has ended.
        let _ = self.process.wait();
    }
}

/// A folder with a certificate for the name `localhost` (`server.crt`, `server.key`) and the authority that signed it (`ca.crt`).
pub fn certificates() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        let output = command.args(arguments.split(' ')).current_dir(folder.path()).output().expect("openssl is there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!(
        "req -x509 {key} -keyout ca.key -out ca.crt -days 2 -subj /CN=authority -addext basicConstraints=critical,CA:TRUE"
    ));
    openssl(&format!("req {key} -keyout server.key -out server.csr -subj /CN=localhost"));
    fs::write(folder.path().join("extensions"), "subjectAltName=DNS:localhost\n").expect("written");
    openssl(
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 2 -extfile extensions",
    );
    folder
}

/// How a PgBouncer pools.
pub struct Pooling<'a> {
    pub mode: &'a str,
    /// More lines of its `[pgbouncer]` section.
    pub more: &'a str,
}

/// A PgBouncer before the test server; it ends when dropped.
pub struct PgBouncer {
    /// `127.0.0.1:port`.
    pub address: String,
    process: Child,
    _folder: TempDir,
}

impl PgBouncer {
    /// Starts one before the server at `address`.
    pub fn start(address: &str, pooling: &Pooling<'_>) -> Self {
        let (host, port) = address.split_once(':').expect("a host and a port");
        // Another process may take the port between the look and the bind.
        let started = (0..10).find_map(|_| Self::try_start(host, port, pooling));
        started.expect("PgBouncer starts")
    }

    fn try_start(host: &str, port: &str, Pooling { mode, more }: &Pooling<'_>) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // PgBouncer leaves root's rights.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let path = |name: &str| -> PathBuf { folder.path().join(name) };
        let listen = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address").port();
        let settings = format!(
            "[databases]\n* = host={host} port={port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {listen}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = {mode}\n{more}\n",
            path("users").display()
        );
        fs::write(path("users"), "\"postgres\" \"\"\n").expect("written");
        fs::write(path("settings"), settings).expect("written");
        let program = std::env::var("PGBOUNCER").unwrap_or_else(|_| "/usr/sbin/pgbouncer".to_owned());
        let mut command = Command::new(program);
        if fs::metadata("/proc/self").is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0) {
            command.args(["-u", "postgres"]);
        }
        let log = fs::File::create(path("log")).expect("a log");
        let mut process = command.arg(path("settings")).stderr(log).spawn().expect("pgbouncer is there");
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", listen)).is_err() {
            if process.try_wait().expect("it is ours").is_some() {
                return None;
            }
            assert!(Instant::now() < deadline, "PgBouncer does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(Self { address: format!("127.0.0.1:{listen}"), process, _folder: folder })
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // It has nothing to lose.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
