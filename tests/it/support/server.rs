//! A server in this process, on a free port, over a database of its own.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use tempfile::TempDir;
use tokio::sync::oneshot;
use tutti::config::Bind;
use tutti::server;

use super::eventually;
use super::token::SECRET;

/// A running server, stopped when dropped.
pub struct Server {
    pub address: SocketAddr,
    pub database_url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _folder: TempDir,
}

/// Takes a free port.
pub const ANY_PORT: &str = "127.0.0.1:0";

/// Clients of tests read one thing after another, and for a long time nothing on a busy machine: nobody is asked whether they are there
/// or sent anything meanwhile, unless the test is about that.
const PATIENCE: [[&str; 2]; 2] = [["--ping-interval-ms", "600000"], ["--keepalive-interval-ms", "28000"]];

/// The flags of every test server, with `options` beside them. The database is a file in `folder`, unless they name another; the same holds for the key.
pub fn flags(folder: &Path, bind: &str, options: &[&str]) -> Vec<String> {
    let database_url = database_url(folder);
    // A key set is instead of a secret.
    let secret = ["--jwt-secret", SECRET];
    let secret = (!options.contains(&"--jwks-url")).then_some(secret);
    let own = [["--bind", bind], ["--database-url", &database_url]].into_iter().chain(PATIENCE).chain(secret);
    let own = own.filter(|[name, _]| !options.contains(name));
    own.flatten().chain(options.iter().copied()).map(str::to_owned).collect()
}

pub fn database_url(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("tutti.db").display())
}

impl Server {
    /// A server with default options.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// A server with these options.
    pub fn with(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = tutti::config::serve_config(flags(folder.path(), ANY_PORT, options)).expect("good options");
        let (started, address) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            actix::System::new().block_on(async move {
                let server = server::Server::start(&config).await.expect("the server starts");
                let Bind::Tcp(address) = server.address() else { panic!("{}", server.address()) };
                started.send(*address).unwrap();
                // Dropped means stop, too.
                let _ = stopped.await;
                server.stop().await;
            });
        });
        let address = address.recv().expect("the server starts");
        let own = database_url(folder.path());
        let named = options.iter().skip_while(|option| **option != "--database-url").nth(1);
        let database_url = named.map_or(own, |url| (*url).to_owned());
        Self { address, database_url, stop: Some(stop), thread: Some(thread), _folder: folder }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the server stops cleanly");
        }
        if let Some(file) = self.database_url.strip_prefix("sqlite://").filter(|_| !thread::panicking()) {
            // Its threads end by themselves, and with them it lets the database go.
            let lock = format!("{file}.lock");
            let is_free = || File::open(&lock).ok().is_none_or(|lock| lock.try_lock().is_ok()).then_some(());
            eventually("the server lets its database go", is_free);
        }
    }
}
