//! What a supervisor like systemd hears of the process, by the socket that it names.

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use crate::support::DEADLINE;
use crate::support::http::get;
use crate::support::process::{Process, fails_after};

struct Supervisor(UnixDatagram);

impl Supervisor {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(socket)
    }

    /// What it is told next.
    fn hears(&self) -> String {
        let mut buffer = [0; 1024];
        let count = self.0.recv(&mut buffer).expect("it is told something in time");
        std::str::from_utf8(&buffer[..count]).unwrap().trim().to_owned()
    }
}

#[test]
fn a_supervisor_hears_that_the_server_is_ready_works_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let supervisor = Supervisor::at(&path);
    let setting = format!("export NOTIFY_SOCKET={} WATCHDOG_USEC=200000", path.display());
    let mut process = Process::start_after(&setting, folder.path(), &[]);
    assert_eq!(supervisor.hears(), "READY=1");
    assert_eq!(get(process.address, "/readyz", None).status, 200);
    for _ in 0..5 {
        assert_eq!(supervisor.hears(), "WATCHDOG=1");
    }
    process.terminate();
    let mut heard = supervisor.hears();
    while heard == "WATCHDOG=1" {
        heard = supervisor.hears();
    }
    assert_eq!(heard, "STOPPING=1");
    assert_eq!(process.wait(DEADLINE).code(), Some(0), "{}", process.log());
}

#[test]
fn a_server_that_cannot_start_is_never_ready_and_one_without_a_supervisor_starts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let supervisor = Supervisor::at(&path);
    std::fs::write(folder.path().join("tutti.db"), "this is no database, and never was one".repeat(100)).unwrap();
    let (code, _) = fails_after(&format!("export NOTIFY_SOCKET={}", path.display()), folder.path());
    assert_eq!(code, Some(1));
    supervisor.0.set_nonblocking(true).unwrap();
    assert!(supervisor.0.recv(&mut [0; 64]).is_err());

    let folder = tempfile::tempdir().unwrap();
    let process = Process::start_after("export NOTIFY_SOCKET=/no/such/socket", folder.path(), &[]);
    assert_eq!(get(process.address, "/healthz", None).status, 200);
}

#[test]
fn the_unit_for_systemd_waits_for_readiness_and_never_gives_up() {
    let unit = include_str!("../../deploy/tutti.service");
    let setting = |section: &str, name: &str| {
        let rest = unit.split(&format!("[{section}]\n")).nth(1).unwrap_or_else(|| panic!("[{section}]"));
        let lines = rest.split("\n[").next().unwrap().lines();
        lines.filter_map(|line| line.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    for (section, name, value) in [
        ("Unit", "StartLimitIntervalSec", "0"),
        ("Service", "Type", "notify"),
        ("Service", "Restart", "always"),
        ("Service", "WatchdogSec", "60"),
    ] {
        assert_eq!(setting(section, name), Some(value), "[{section}] {name}");
    }
}
