//! `tutti check-token`: what a token opens, or everything that is wrong with it. Exit code 0: this server takes it; 1: it does not; 2: there is
//! no key to verify it with.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::process::ExitCode;

use serde_json::Value;

use super::outcome::{USAGE, done, stop};
use crate::auth::{self, Inspection, TokenError, Verifier};
use crate::config::{CheckTokenCommand, JwtConfig, JwtKey};
use crate::ids::RoomName;
use crate::protocol::json::rfc3339;
use crate::server;

/// Longest text read from the standard input: far more than any token has.
const INPUT_BYTES_MAX: u64 = 64 * 1024;

pub(super) fn run(command: &CheckTokenCommand) -> ExitCode {
    let rooms =
        command.rooms.iter().map(|room| RoomName::parse(room).map_err(|error| format!("--room {room:?}: {error}")));
    let rooms: Vec<RoomName> = match rooms.collect() {
        Ok(rooms) => rooms,
        Err(problem) => return stop(USAGE, &problem),
    };
    let verifier = match Verifier::open_existing(&command.jwt) {
        Ok(verifier) => verifier,
        Err(error) => return stop(USAGE, &error),
    };
    if let Err(error) = server::read_key_set(&command.jwt, &verifier) {
        return stop(USAGE, &format!("the key set cannot be read: {error}"));
    }
    done(report(command, &verifier, &rooms).and_then(|(text, is_good)| {
        io::stdout().write_all(text.as_bytes())?;
        if is_good { Ok(()) } else { Err("this server would refuse the token".into()) }
    }))
}

fn report(
    command: &CheckTokenCommand,
    verifier: &Verifier,
    rooms: &[RoomName],
) -> Result<(String, bool), Box<dyn Error>> {
    let token = match command.token.as_str() {
        "-" => {
            let mut text = String::new();
            io::stdin().take(INPUT_BYTES_MAX).read_to_string(&mut text)?;
            text
        }
        token => token.to_owned(),
    };
    let now_s = auth::now_s();
    let inspection = verifier.inspect(token.trim(), now_s);
    let mut text = String::new();
    let is_good = inspection.identity.is_some();
    match is_good {
        true => text.push_str("The token is good.\n"),
        false => text.push_str("The token is refused:\n"),
    }
    for problem in &inspection.problems {
        let _ = writeln!(text, "  - {problem}{}", compared(*problem, &inspection, &command.jwt));
    }
    let _ = writeln!(text, "{:<12}{}", "key", key(&command.jwt));
    claims(&mut text, &inspection, now_s);
    if let Some(identity) = &inspection.identity {
        for room in rooms {
            let _ = writeln!(text, "{:<12}{}", identity.access(room).as_str(), room);
        }
    }
    Ok((text, is_good))
}

/// What the token says beside what this server wants, where the difference is not a secret.
fn compared(problem: TokenError, inspection: &Inspection, config: &JwtConfig) -> String {
    let claim = |name: &str| inspection.claims.as_ref().and_then(|claims| claims.get(name)).unwrap_or(&Value::Null);
    match problem {
        TokenError::Algorithm => {
            let alg = inspection.header.as_ref().and_then(|header| header.get("alg")).unwrap_or(&Value::Null);
            format!(" (it is {alg}, configured is \"{}\")", config.algorithm)
        }
        TokenError::Issuer | TokenError::Missing("iss") => {
            format!(" (it is {}, configured is {:?})", claim("iss"), config.issuer.as_deref().unwrap_or_default())
        }
        TokenError::Audience | TokenError::Missing("aud") => match config.audiences.is_empty() {
            true => format!(" (it is {}; none is configured with --jwt-audience)", claim("aud")),
            false => format!(" (it is {}, configured is {:?})", claim("aud"), config.audiences),
        },
        _ => String::new(),
    }
}

fn key(config: &JwtConfig) -> String {
    match &config.key {
        JwtKey::Secret { previous: None, .. } => "the secret that is configured".to_owned(),
        JwtKey::Secret { .. } => "the secret that is configured, and the previous one".to_owned(),
        JwtKey::PublicKeys(_) => "the public key that is configured".to_owned(),
        JwtKey::KeySet { url, .. } => format!("the key set at {url}"),
        JwtKey::KeyFile(path) => path.display().to_string(),
    }
}

/// The claims as they stand in the token; in one that is refused anyone may have written them.
fn claims(text: &mut String, inspection: &Inspection, now_s: u64) {
    let Some(Value::Object(claims)) = &inspection.claims else { return };
    for name in ["sub", "name", "iss", "aud", "jti"] {
        if let Some(value) = claims.get(name) {
            let _ = writeln!(text, "{name:<12}{value}");
        }
    }
    for name in ["nbf", "exp"] {
        if let Some(at_s) = claims.get(name).and_then(Value::as_i64) {
            let at = rfc3339(at_s.saturating_mul(1000));
            let _ = writeln!(text, "{name:<12}{at} ({})", distance(at_s, now_s as i64));
        }
    }
    match claims.get("rooms") {
        Some(Value::Array(rooms)) if !rooms.is_empty() => {
            text.push_str("rooms, the first that matches decides:\n");
            for grant in rooms {
                let part = |name: &str| grant.get(name).and_then(Value::as_str).unwrap_or("?");
                let _ = writeln!(text, "  {:<10}{}", part("access"), part("room"));
            }
        }
        _ => text.push_str("It names no rooms, so it opens none.\n"),
    }
}

/// How far away a time is, in its largest unit.
fn distance(at_s: i64, now_s: i64) -> String {
    let apart_s = at_s.abs_diff(now_s);
    let (count, unit) = match apart_s {
        0..120 => (apart_s, "s"),
        120..7200 => (apart_s / 60, "min"),
        7200..172_800 => (apart_s / 3600, "h"),
        _ => (apart_s / 86_400, "days"),
    };
    if at_s > now_s { format!("in {count} {unit}") } else { format!("{count} {unit} ago") }
}
