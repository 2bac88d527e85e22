//! The network that can fail as a program, for tests in other languages and for trying things by hand:
//!
//! ```text
//! cargo run --example network -- 127.0.0.1:5432 [127.0.0.1:0]
//! ```
//!
//! Its first line says where it listens. Each line of its standard input is a command, answered by `ok` or `error: …`; the end of
//! the input ends it.

#![allow(clippy::print_stdout, clippy::print_stderr)]

#[allow(dead_code)]
#[path = "mod.rs"]
mod network;

use std::io::{BufRead, stdin};
use std::process::ExitCode;
use std::time::Duration;

use network::{Direction, Network};

const USAGE: &str = "usage: network TARGET [ADDRESS], each a host:port";
const COMMANDS: &str =
    "commands: cut, drop, freeze, lose up, lose down, delay MILLISECONDS, cut-after TEXT, restore, connections";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (target, address) = (arguments.next(), arguments.next());
    let Some(target) = target else {
        eprintln!("{USAGE}\n{COMMANDS}");
        return ExitCode::FAILURE;
    };
    let network = Network::at(address.as_deref().unwrap_or("127.0.0.1:0"), target);
    println!("{}", network.address());
    for line in stdin().lock().lines().map_while(Result::ok) {
        match obey(&network, line.trim()) {
            Some(answer) => println!("{answer}"),
            None => println!("error: {COMMANDS}"),
        }
    }
    ExitCode::SUCCESS
}

/// Does what a line says; its answer, if it is a command.
fn obey(network: &Network, line: &str) -> Option<String> {
    let (command, argument) = line.split_once(' ').unwrap_or((line, ""));
    match (command, argument) {
        ("cut", "") => network.cut(),
        ("drop", "") => network.drop_connections(),
        ("freeze", "") => network.freeze(),
        ("lose", "up") => network.lose(Direction::Up),
        ("lose", "down") => network.lose(Direction::Down),
        ("delay", ms) => network.delay(Duration::from_millis(ms.parse().ok()?)),
        ("cut-after", text) if !text.is_empty() => network.cut_after(text.as_bytes()),
        ("restore", "") => network.restore(),
        ("connections", "") => return Some(network.connections().to_string()),
        _ => return None,
    }
    Some("ok".into())
}
