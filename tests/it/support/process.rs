//! The program in a process of its own, for what only a process has: memory, signals, an exit code, log lines.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::server::{ANY_PORT, flags};
use super::{DEADLINE, eventually, within};

/// A running `tutti serve`, killed when dropped.
pub struct Process {
    pub address: SocketAddr,
    child: Child,
    log: PathBuf,
    /// What it prints after saying where it listens.
    lines: mpsc::Receiver<String>,
}

fn command(folder: &Path, bind: &str, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tutti"));
    command.env_clear().current_dir(folder).arg("serve").args(flags(folder, bind, options)).stdin(Stdio::null());
    command
}

/// The same after a shell has run `setting`, such as a `ulimit`.
fn command_after(setting: &str, folder: &Path, options: &[&str]) -> Command {
    let program = command(folder, ANY_PORT, options);
    let mut shell = Command::new("/bin/sh");
    shell.env_clear().current_dir(folder).stdin(Stdio::null());
    shell.args(["-c", &format!("{setting}; exec \"$0\" \"$@\"")]).arg(program.get_program()).args(program.get_args());
    shell
}

impl Process {
    /// Starts a server over the database in `folder`, where its log goes, too.
    pub fn start(folder: &Path, options: &[&str]) -> Self {
        let log = folder.join("log");
        Self::start_logging_to(File::create(&log).unwrap(), folder, options)
    }

    /// Starts a server whose log goes to `stderr`.
    pub fn start_logging_to(stderr: impl Into<Stdio>, folder: &Path, options: &[&str]) -> Self {
        Self::run(command(folder, ANY_PORT, options), stderr, folder)
    }

    /// Starts a server after a shell has run `setting`.
    pub fn start_after(setting: &str, folder: &Path, options: &[&str]) -> Self {
        let log = File::create(folder.join("log")).unwrap();
        Self::run(command_after(setting, folder, options), log, folder)
    }

    fn run(mut command: Command, stderr: impl Into<Stdio>, folder: &Path) -> Self {
        let log = folder.join("log");
        let mut child = command.stdout(Stdio::piped()).stderr(stderr).spawn().expect("the program starts");
        let (sender, lines) = mpsc::channel();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            // Nobody listens any more once the test has what it needs.
            while out.by_ref().lines().map_while(Result::ok).any(|line| sender.send(line).is_err()) {}
        });
        let line = lines.recv_timeout(DEADLINE).expect("the program says where it listens");
        let address =
            line.trim().strip_prefix("listening on ").and_then(|url| url.split_once("://")).map(|(_, at)| at.parse());
        let address = address.unwrap_or_else(|| panic!("{}", fs::read_to_string(&log).unwrap())).unwrap();
        Self { address, child, log, lines }
    }

    /// Starts a server at the file of a Unix socket. `address` leads there through this process.
    pub fn start_at_file(socket: &Path, folder: &Path, options: &[&str]) -> Self {
        let log = folder.join("log");
        let bind = format!("unix:{}", socket.display());
        let mut command = command(folder, &bind, options);
        let mut child = command.stdout(Stdio::piped()).stderr(File::create(&log).unwrap()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), format!("listening on {bind}"), "{}", fs::read_to_string(&log).unwrap());
        let (_, lines) = mpsc::channel();
        Self { address: forward_to(socket), child, log, lines }
    }

    /// Starts a server whose standard output is `stdout`; where it listens stands in its log.
    pub fn start_printing_to(stdout: impl Into<Stdio>, folder: &Path, options: &[&str]) -> Self {
        let log = folder.join("log");
        let mut command = command(folder, ANY_PORT, options);
        let child = command.stdout(stdout).stderr(File::create(&log).unwrap()).spawn().expect("the program starts");
        let address = eventually("the log says where it listens", || {
            let text = fs::read_to_string(&log).unwrap();
            let line = text.lines().find(|line| line.contains("listening"))?;
            line.split("address=").nth(1)?.split(' ').next()?.parse().ok()
        });
        let (_, lines) = mpsc::channel();
        Self { address, child, log, lines }
    }

    /// Where it says that its metrics are.
    pub fn metrics_address(&self) -> SocketAddr {
        let line = self.lines.recv_timeout(DEADLINE).expect("the program says where its metrics are");
        let address = line.strip_prefix("metrics on http://").and_then(|rest| rest.strip_suffix("/metrics"));
        address.unwrap_or_else(|| panic!("{line}")).parse().unwrap()
    }

    /// The program's process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
        line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() * 1024
    }

    /// Asks the program to end.
    pub fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Ends the program as a crash does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the program's end.
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        within(deadline, "the program ends", || self.child.try_wait().unwrap())
    }

    /// Everything logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// What it has logged, once that has a text so many times: lines are written a little after what they tell of.
    pub fn log_with(&self, text: &str, count: usize) -> String {
        eventually(&format!("{count} times in the log: {text}"), || {
            Some(self.log()).filter(|log| log.matches(text).count() >= count)
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails where it has ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a server at `bind` that cannot start; its exit code and what it complained.
pub fn fails(folder: &Path, bind: &str) -> (Option<i32>, String) {
    complains(command(folder, bind, &[]), folder)
}

/// The same with options.
pub fn fails_with(folder: &Path, options: &[&str]) -> (Option<i32>, String) {
    complains(command(folder, ANY_PORT, options), folder)
}

/// The same with a server that cannot start after a shell has run `setting`.
pub fn fails_after(setting: &str, folder: &Path) -> (Option<i32>, String) {
    complains(command_after(setting, folder, &[]), folder)
}

fn complains(mut command: Command, folder: &Path) -> (Option<i32>, String) {
    let log = folder.join("log");
    let mut child = command.stdout(Stdio::null()).stderr(File::create(&log).unwrap()).spawn().unwrap();
    let status = within(DEADLINE, "the program ends", || child.try_wait().unwrap());
    (status.code(), fs::read_to_string(&log).unwrap())
}

/// An address whose connections are carried on to a Unix socket, as a proxy does.
fn forward_to(socket: &Path) -> SocketAddr {
    let listener = TcpListener::bind(ANY_PORT).unwrap();
    let address = listener.local_addr().unwrap();
    let socket = socket.to_owned();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            // Refused while the server is away: the client's connection ends, too.
            let Ok(server) = UnixStream::connect(&socket) else { continue };
            let (mut from_client, mut from_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let (mut to_client, mut to_server) = (client, server);
            std::thread::spawn(move || {
                let _ = io::copy(&mut from_client, &mut to_server);
                let _ = to_server.shutdown(Shutdown::Write);
            });
            std::thread::spawn(move || {
                let _ = io::copy(&mut from_server, &mut to_client);
                let _ = to_client.shutdown(Shutdown::Write);
            });
        }
    });
    address
}
