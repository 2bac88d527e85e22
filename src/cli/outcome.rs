//! How a command ends: its exit code, and what a person is told.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::telemetry;

/// What `--demo` means where others get there.
pub(super) const DEMO_WARNING: &str = "--demo gives everyone who reaches this server a guest token, which may write in demo/* and see the server's figures";

/// The exit code for options that are wrong; clap uses the same.
pub(super) const USAGE: u8 = 2;

/// The exit code of a command that has ended so; an error is told.
pub(super) fn done(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => stop(1, &error),
    }
}

/// Tells why the process ends, with this exit code.
pub(super) fn stop(code: u8, reason: &dyn std::fmt::Display) -> ExitCode {
    telemetry::flush();
    // The exit code says it, too, to who does not read this.
    let _ = writeln!(io::stderr(), "tutti: {}", reason.to_string().trim_end());
    ExitCode::from(code)
}
