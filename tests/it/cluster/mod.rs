//! Several servers on one Postgres, each in a process of its own: what people do on one is shown on the others, whatever the bus does.

mod copy;
mod crossing;
mod deletion;
mod erasure;
mod faults;
mod packing;
mod people;
mod quotas;
mod restoring;
mod retention;
mod seeding;
mod streams;
mod twice;

use std::net::SocketAddr;

use serde_json::Value;
use tempfile::TempDir;

use crate::network::Network;
use crate::support::http::get;
use crate::support::nats::Nats;
use crate::support::postgres::Postgres;
use crate::support::process::Process;
use crate::support::{DEADLINE, eventually};

/// What carries what servers tell each other.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Postgres,
    Nats,
}

/// Turns `fn case(by: By)` into two tests, one a bus.
macro_rules! on_each_bus {
    ($(fn $name:ident($by:ident: By) $body:block)*) => {
        $(fn $name($by: super::By) $body)*
        mod postgres { $(#[test] fn $name() { super::$name(crate::cluster::By::Postgres) })* }
        mod nats { $(#[test] fn $name() { super::$name(crate::cluster::By::Nats) })* }
    };
}
use on_each_bus;

struct One {
    process: Process,
    metrics: SocketAddr,
    _folder: TempDir,
}

impl Drop for One {
    /// A test that fails says what its servers logged: why one of them closed a connection stands nowhere else.
    #[expect(clippy::print_stderr, reason = "it is what a failed test is looked at for")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("server {}:\n{}", self.process.address, self.process.log());
        }
    }
}

/// Servers that share a database, and have found each other.
struct Servers {
    servers: Vec<One>,
    options: Vec<String>,
    database: Postgres,
    _nats: Option<Nats>,
    /// Between the last server that was added behind it and the bus.
    bus: String,
}

impl Servers {
    /// So many, on a fresh database that is named after the test.
    fn start(by: By, name: &str, count: usize) -> Self {
        Self::with(by, name, count, &[])
    }

    /// As above, with these options.
    fn with(by: By, name: &str, count: usize, options: &[&str]) -> Self {
        let kind = if by == By::Nats { "n" } else { "p" };
        let database = Postgres::fresh(&format!("{kind}_{name}"));
        let nats = (by == By::Nats).then(Nats::start);
        let mut all: Vec<String> = ["--database-url", &database.url].map(str::to_owned).into();
        if let Some(nats) = &nats {
            all.extend(["--bus", "nats", "--bus-url", &nats.url].map(str::to_owned));
        }
        all.extend(options.iter().map(|option| (*option).to_owned()));
        let bus = nats.as_ref().map_or(database.url.clone(), |nats| nats.url.clone());
        let mut servers = Self { servers: Vec::new(), options: all, database, _nats: nats, bus };
        for _ in 0..count {
            servers.add(&[]);
        }
        servers.have_met();
        servers
    }

    /// One more, with options beside those of all.
    fn add(&mut self, options: &[&str]) -> usize {
        let folder = tempfile::tempdir().unwrap();
        // What is said last counts.
        let all: Vec<&str> = self.options.iter().map(String::as_str).collect();
        let all = replaced(&all, options);
        let process = Process::start(folder.path(), &[&all[..], &["--metrics-bind", "127.0.0.1:0"]].concat());
        let metrics = process.metrics_address();
        self.servers.push(One { process, metrics, _folder: folder });
        self.servers.len() - 1
    }

    /// One more, with a network between it and the bus that may fail.
    fn add_behind(&mut self) -> Network {
        let (network, url) = through(&self.bus);
        self.add(&["--bus-url", &url]);
        network
    }

    /// One more, with a network between it and the database that may fail; the bus does not pass it.
    fn add_behind_for_the_database(&mut self) -> Network {
        let (network, url) = through(&self.database.url);
        let bus = self.bus.clone();
        self.add(&["--database-url", &url, "--bus-url", &bus]);
        network
    }

    /// What `/readyz` says of the bus.
    fn bus_of(&self, index: usize) -> String {
        let answer = get(self.at(index), "/readyz", None);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["bus"].as_str().expect("a word").to_owned()
    }

    fn metric(&self, index: usize, name: &str) -> f64 {
        metric(self.servers[index].metrics, name)
    }

    /// The process of one.
    fn id(&self, index: usize) -> u32 {
        self.servers[index].process.id()
    }

    /// Waits until each knows all others.
    fn have_met(&self) {
        let others = self.servers.len().saturating_sub(1);
        for server in &self.servers {
            eventually("the servers have met", || {
                (metric(server.metrics, "tutti_bus_peers") == others as f64).then_some(())
            });
        }
    }

    fn at(&self, index: usize) -> SocketAddr {
        self.servers[index].process.address
    }

    /// Stops one as its supervisor does.
    fn stop(&mut self, index: usize) {
        let mut stopped = self.servers.remove(index);
        stopped.process.terminate();
        assert!(stopped.process.wait(DEADLINE).success());
    }

    /// Kills one as the system does that is out of memory.
    fn kill(&mut self, index: usize) {
        drop(self.servers.remove(index));
    }
}

/// A network before a URL on this machine, and the URL that leads through it.
fn through(url: &str) -> (Network, String) {
    let (before, after) = url.rsplit_once("127.0.0.1:").expect("an address on this machine");
    let port: String = after.chars().take_while(char::is_ascii_digit).collect();
    let network = Network::to(format!("127.0.0.1:{port}"));
    let url = format!("{before}127.0.0.1:{}{}", network.address().port(), &after[port.len()..]);
    (network, url)
}

/// Options of which later ones replace earlier ones.
fn replaced<'a>(options: &[&'a str], later: &[&'a str]) -> Vec<&'a str> {
    let mut all: Vec<&str> = Vec::new();
    for pair in options.chunks(2).filter(|pair| !later.chunks(2).any(|other| other[0] == pair[0])) {
        all.extend(pair);
    }
    all.extend(later);
    all
}

fn metric(at: SocketAddr, name: &str) -> f64 {
    let answer = get(at, "/metrics", None);
    let line = answer.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    line.unwrap_or_else(|| panic!("no metric {name}"))
}

fn seqs(heard: &[Value]) -> Vec<u64> {
    heard.iter().filter_map(|message| message["seq"].as_u64()).collect()
}
