//! What the environment says: which loads, on which servers, for how long.

use std::env;
use std::path::PathBuf;

use crate::server::{Kind, Programs};
use crate::transport::Transport;

/// Read once, at the start.
pub struct Options {
    /// `BENCH_SECONDS`: how long each load is measured.
    pub seconds: f64,
    /// `BENCH_ROWS`: ids of loads, comma-separated; empty: all.
    rows: Vec<String>,
    /// `BENCH_WITHOUT`: which hostile clients are not among all.
    pub without: Vec<String>,
    /// The servers, in the order of the table.
    pub servers: Vec<Kind>,
    pub programs: Programs,
    pub transport: Transport,
    /// The recorded session for the long document.
    pub recording: PathBuf,
    /// `BENCH_OUT`: the folder for what is written.
    pub out: PathBuf,
    /// `BENCH_SCALE`: makes counts of clients, rooms and keystrokes smaller, for a look whether all works.
    scale: f64,
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn list(name: &str) -> Vec<String> {
    variable(name)
        .unwrap_or_default()
        .split(',')
        .map(|item| item.trim().to_owned())
        .filter(|item| !item.is_empty())
        .collect()
}

impl Options {
    pub fn from_env() -> Self {
        let number = |name: &str, default: f64| variable(name).map_or(default, |value| value.parse().expect(name));
        let folder = |name: &str, default: &str| PathBuf::from(variable(name).unwrap_or_else(|| default.to_owned()));
        let peers = folder("BENCH_PEERS", "benches/peers");
        // The servers run in folders of their own.
        let peers = peers.canonicalize().unwrap_or(peers);
        let wanted = list("BENCH_SERVERS");
        let has_peers = peers.join("node_modules").is_dir();
        let before = variable("TUTTI_BEFORE_BIN").map(PathBuf::from);
        let all = [
            ("tutti", Some(Kind::TuttiSqlite)),
            ("tutti-before", before.is_some().then_some(Kind::TuttiBefore)),
            ("tutti-postgres", variable("TUTTI_TEST_POSTGRES_URL").map(Kind::TuttiPostgres)),
            ("y-websocket", has_peers.then_some(Kind::YWebsocket)),
            ("hocuspocus", has_peers.then_some(Kind::Hocuspocus)),
        ];
        let is_wanted = |id: &str| wanted.is_empty() || wanted.iter().any(|name| name == id);
        let servers = all.into_iter().filter(|(id, _)| is_wanted(id)).filter_map(|(_, kind)| kind).collect();
        Self {
            seconds: number("BENCH_SECONDS", 15.0),
            rows: list("BENCH_ROWS"),
            without: list("BENCH_WITHOUT"),
            servers,
            programs: Programs { tutti: folder("TUTTI_BIN", "target/release/tutti"), before, peers },
            transport: Transport::parse(&variable("BENCH_TRANSPORT").unwrap_or_else(|| "plain".to_owned())),
            recording: PathBuf::from("tests/data/seph-blog1.json.gz"),
            out: folder("BENCH_OUT", "target/bench"),
            scale: number("BENCH_SCALE", 1.0),
        }
    }

    /// Whether a load is to be measured.
    pub fn has_row(&self, id: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|row| row == id)
    }

    /// A count, made smaller as asked.
    pub fn scaled(&self, count: usize) -> usize {
        ((count as f64 * self.scale) as usize).max(1)
    }
}
