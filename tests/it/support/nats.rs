//! A NATS server of a test's own, on a free port.

use std::fs;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::eventually;

/// A running server; gone when dropped.
pub struct Nats {
    pub url: String,
    child: Child,
    _folder: TempDir,
}

impl Nats {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        // Debian has it where only administrators look.
        let program =
            ["/usr/sbin/nats-server", "/usr/bin/nats-server"].into_iter().find(|path| fs::exists(path).unwrap());
        let mut command = Command::new(program.unwrap_or("nats-server"));
        let child = command.args(["-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", &path]);
        let child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.expect("nats-server starts: scripts/install-test-tools.sh installs it");
        let address = eventually("the ports of nats-server", || {
            let file = fs::read_dir(folder.path())
                .unwrap()
                .filter_map(Result::ok)
                .find(|file| file.file_name().to_string_lossy().ends_with(".ports"))?;
            let ports: serde_json::Value = serde_json::from_str(&fs::read_to_string(file.path()).ok()?).ok()?;
            Some(ports["nats"][0].as_str()?.trim_start_matches("nats://").to_owned())
        });
        Self { url: format!("nats://{address}"), child, _folder: folder }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
