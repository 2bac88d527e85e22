//! The program as a person or a script uses it: arguments and variables in; output, complaints and exit code out.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

const SECRET: &str = "9f2c71d05be84a36c1d7e09a4b5f6832";

/// Runs `tutti` in `folder` with these arguments and variables only.
fn tutti(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tutti"))
        .current_dir(folder)
        .env_clear()
        .envs(variables.iter().copied())
        .args(arguments)
        .output()
        .unwrap()
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn complaints(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Demands exit code 2, a complaint that holds every one of `words`, and nothing on the standard output.
fn refused(arguments: &[&str], variables: &[(&str, &str)], words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let output = tutti(folder.path(), arguments, variables);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", complaints(&output));
    for word in words {
        assert!(complaints(&output).contains(word), "{arguments:?} lacks {word:?}: {}", complaints(&output));
    }
    assert_eq!(out(&output), "");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{arguments:?} left a file");
}

#[test]
fn token_prints_one_line_that_the_key_beside_the_database_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["token", "--sub", "alice", "--name", "Alice", "--room", "docs/*=write", "--room", "*=read"];
    let output = tutti(folder.path(), &arguments, &[("DATABASE_URL", "sqlite://my.db")]);
    assert_eq!((output.status.code(), complaints(&output)), (Some(0), ""));

    let database = format!("sqlite://{}", folder.path().join("my.db").display());
    let config = tutti::config::serve_config(["--database-url", &database]).unwrap();
    let verifier = tutti::auth::Verifier::open(&config.jwt).unwrap();
    let identity = verifier.verify(out(&output).trim_end_matches('\n'), tutti::auth::now_s()).unwrap();
    let access = |room| identity.access(&tutti::ids::RoomName::parse(room).unwrap()).as_str();
    assert_eq!((identity.user.as_str(), &*identity.name), ("alice", "Alice"));
    assert_eq!((access("docs/plan"), access("general")), ("write", "read"));
    let life_s = identity.expires_at_s - tutti::auth::now_s();
    assert!((86_000..=86_400).contains(&life_s), "{life_s}");
}

#[test]
fn token_takes_the_secret_from_the_environment_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["token", "--sub", "alice", "--room", "*=read", "--ttl", "90s"];
    let output = tutti(folder.path(), &arguments, &[("TUTTI_JWT_SECRET", SECRET)]);
    assert_eq!(output.status.code(), Some(0), "{}", complaints(&output));
    let config = tutti::config::serve_config(["--jwt-secret", SECRET]).unwrap();
    let verifier = tutti::auth::Verifier::open(&config.jwt).unwrap();
    assert!(verifier.verify(out(&output).trim(), tutti::auth::now_s()).is_ok());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn token_refuses_what_no_token_can_say() {
    let token = ["token", "--sub", "alice", "--room", "*=read"];
    refused(&["token", "--sub", "alice"], &[], &["--room"]);
    refused(&["token", "--room", "*=read"], &[], &["--sub"]);
    refused(&["token", "--sub", "alice", "--room", "*=owner"], &[], &["--room", "*=owner", "none, read, write, admin"]);
    refused(&[&token[..], &["--ttl", "24"]].concat(), &[], &["--ttl", "24h"]);
    let variables = [("TUTTI_JWT_SECRET", SECRET)];
    refused(&["token", "--sub", "a\nb", "--room", "*=read"], &variables, &["--sub", "control characters"]);
    refused(&[&token[..], &["--name", ""]].concat(), &variables, &["--name"]);
}

#[test]
fn check_prints_the_values_in_effect_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("TUTTI_SOCKETS_MAX", "77"), ("TUTTI_FRAGMENTS_MAX", "5"), ("TUTTI_JWT_SECRET", SECRET)];
    let output = tutti(folder.path(), &["check", "--fragments-max", "6"], &variables);
    assert_eq!(output.status.code(), Some(0), "{}", complaints(&output));
    let value = |option: &str| {
        let line = out(&output).lines().find(|line| line.split(' ').next() == Some(option)).unwrap();
        line.split_whitespace().last().unwrap()
    };
    assert_eq!(value("--bind"), "127.0.0.1:8080");
    assert_eq!(value("--sockets-max"), "77");
    assert_eq!(value("--fragments-max"), "6");
    assert_eq!(value("--jwt-secret"), "(hidden)");
    assert!(!out(&output).contains(SECRET));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn check_reports_every_problem_at_once_by_flag_and_variable() {
    let variables = [("TUTTI_SOCKETS_MAX", "0"), ("DATABASE_URL", "postgres:ann:hunter2"), ("TUTTI_DEMO", "maybe")];
    let words = [
        "5 problems",
        "--sockets-max (TUTTI_SOCKETS_MAX): \"0\"",
        "--database-url (DATABASE_URL)",
        "--demo (TUTTI_DEMO): \"maybe\"",
        "--allowed-origins (TUTTI_ALLOWED_ORIGINS): \"*\"",
        "--bind (TUTTI_BIND)",
    ];
    refused(&["check", "--allowed-origins", "*", "--bind", "0.0.0.0:80"], &variables, &words);
    let folder = tempfile::tempdir().unwrap();
    assert!(!complaints(&tutti(folder.path(), &["check"], &variables)).contains("hunter2"));
}

#[test]
fn serve_refuses_weak_secrets_with_a_reason_that_does_not_repeat_them() {
    let cases = [
        ("secret", "well-known default"),
        ("changeme", "well-known default"),
        ("changemechangemechangemechangemechangeme", "easy to guess"),
        ("k8s-d3v1", "at least 32"),
        ("9f2c71d05be84a36c1d7e09a4b5f683", "at least 32"),
    ];
    for (secret, reason) in cases {
        for option in ["TUTTI_JWT_SECRET", "TUTTI_JWT_SECRET_PREVIOUS"] {
            refused(&["serve"], &[(option, secret)], &[option, reason]);
        }
        let folder = tempfile::tempdir().unwrap();
        let output = tutti(folder.path(), &["serve"], &[("TUTTI_JWT_SECRET", secret)]);
        let complaint =
            complaints(&output).replace("TUTTI_JWT_SECRET", "").replace("--jwt-secret", "").replace("the secret", "");
        assert!(!complaint.contains(secret), "{complaint}");
    }
}

#[test]
fn serve_without_a_key_is_for_loopback_only() {
    refused(&["serve", "--bind", "0.0.0.0:0"], &[], &["--bind", "TUTTI_JWT_SECRET", "openssl rand -hex 32"]);
}

#[test]
fn a_key_file_that_is_no_public_key_is_refused_by_check() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key.pem"), "not a key").unwrap();
    let arguments = ["check", "--jwt-public-key-file", "key.pem", "--jwt-algorithm", "RS256"];
    let output = tutti(folder.path(), &arguments, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(complaints(&output).contains("BEGIN PUBLIC KEY"), "{}", complaints(&output));
    refused(&arguments, &[], &["key.pem", "cannot be read"]);
}

#[test]
fn an_unknown_option_or_command_is_named() {
    refused(&["serve", "--prot", "1"], &[], &["--prot"]);
    refused(&["server"], &[], &["server"]);
    refused(&[], &[], &["Usage"]);
    refused(&["serve", "extra"], &[], &["extra"]);
}

#[test]
fn help_shows_defaults_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("TUTTI_JWT_SECRET", SECRET), ("DATABASE_URL", "postgres://ann:hunter2@h/d")];
    for command in ["serve", "token", "migrate", "check"] {
        let output = tutti(folder.path(), &[command, "--help"], &variables);
        assert_eq!(output.status.code(), Some(0));
        assert!(out(&output).contains("[default: sqlite://tutti.db]"));
        assert!(!out(&output).contains(SECRET) && !out(&output).contains("hunter2"));
    }
}

#[test]
fn an_output_that_takes_nothing_ends_no_command_by_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let cases: [(&[&str], i32); 6] = [
        (&["token", "--sub", "alice", "--room", "*=read"], 0),
        (&["token", "--sub", "alice", "--room", "*=owner"], 2),
        (&["check"], 0),
        (&["check", "--sockets-max", "0"], 2),
        (&["migrate"], 0),
        (&["serve", "--database-url", "sqlite://no/such/folder.db"], 1),
    ];
    for (arguments, code) in cases {
        let run = |stdout: std::process::Stdio, stderr: std::process::Stdio| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tutti"));
            command.current_dir(folder.path()).env_clear().env("TUTTI_JWT_SECRET", SECRET).args(arguments);
            command.stdout(stdout).stderr(stderr).output().unwrap()
        };
        let unheard = run(std::process::Stdio::piped(), full().into());
        assert_eq!(unheard.status.code(), Some(code), "{arguments:?} with a full standard error output");
        let unseen = run(full().into(), std::process::Stdio::piped());
        // A script must hear that it did not get what it asked for.
        assert_eq!(unseen.status.code(), Some(code.max(1)), "{arguments:?} with a full standard output");
        assert!(complaints(&unseen).contains(if code == 2 { "" } else { "tutti: " }), "{}", complaints(&unseen));
    }
}
