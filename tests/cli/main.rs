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
    let database = format!("sqlite://{}", folder.path().join("my.db").display());
    let config = tutti::config::serve_config(["--database-url", &database]).unwrap();
    let verifier = tutti::auth::Verifier::open(&config.jwt).unwrap();
    let arguments = ["token", "--sub", "alice", "--name", "Alice", "--room", "docs/*=write", "--room", "*=read"];
    let output = tutti(folder.path(), &arguments, &[("DATABASE_URL", "sqlite://my.db")]);
    assert_eq!((output.status.code(), complaints(&output)), (Some(0), ""));

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
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(value("--bind"), "127.0.0.1:8080 default");
    assert_eq!(value("--sockets-max"), "77 environment");
    assert_eq!(value("--fragments-max"), "6 flag");
    assert_eq!(value("--jwt-secret"), "(hidden) environment");
    assert!(out(&output).contains("sqlite://tutti.db: there is no such file yet"), "{}", out(&output));
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
fn rule_11_serve_refuses_weak_secrets_with_a_reason_that_does_not_repeat_them() {
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
fn token_and_check_token_refuse_where_no_server_has_made_a_key_and_make_none() {
    for arguments in [&["token", "--sub", "alice", "--room", "*=read"][..], &["check-token", "a.b.c"]] {
        let folder = tempfile::tempdir().unwrap();
        let output = tutti(folder.path(), arguments, &[]);
        assert_eq!((output.status.code(), out(&output)), (Some(2), ""));
        let place = folder.path().canonicalize().unwrap().join("tutti.db.key");
        for words in ["there is no key at", place.to_str().unwrap(), "start the server first", "--database-url"] {
            assert!(complaints(&output).contains(words), "{arguments:?}: {}", complaints(&output));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn check_token_says_what_a_good_token_opens() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("TUTTI_JWT_SECRET", SECRET)];
    let token = ["token", "--sub", "alice", "--room", "docs/*=write", "--room", "*=read", "--ttl", "50h"];
    let token = tutti(folder.path(), &token, &variables);
    let arguments = ["check-token", out(&token).trim(), "--room", "docs/plan", "--room", "general"];
    let output = tutti(folder.path(), &arguments, &variables);
    assert_eq!((output.status.code(), complaints(&output)), (Some(0), ""));
    for words in [
        "The token is good",
        "alice",
        "(in 2 days)",
        "write     docs/*",
        "write       docs/plan",
        "read        general",
    ] {
        assert!(out(&output).contains(words), "{words:?}: {}", out(&output));
    }
    refused(&["check-token", "a.b.c", "--room", ".."], &variables, &["--room"]);
}

#[test]
fn check_token_says_everything_that_is_wrong_at_once_and_shows_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let token = [
        "token",
        "--sub",
        "alice",
        "--room",
        "*=read",
        "--jwt-audience",
        "mail",
        "--jwt-issuer",
        "me",
        "--jwt-algorithm",
        "HS512",
    ];
    let token = tutti(folder.path(), &token, &[("TUTTI_JWT_SECRET", "x7-Kd93_hQwz51PLmvbn=Sa8e2Rt6Yu0")]);
    let arguments = ["check-token", out(&token).trim(), "--jwt-issuer", "you"];
    let output = tutti(folder.path(), &arguments, &[("TUTTI_JWT_SECRET", SECRET)]);
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    let words = [
        "The token is refused",
        "algorithm",
        "it is \"HS512\", configured is \"HS256\"",
        "signature",
        "it is \"me\", configured is \"you\"",
        "it is \"mail\"; none is configured with --jwt-audience",
        "read      *",
    ];
    for words in words {
        assert!(out(&output).contains(words), "{words:?}: {}", out(&output));
    }
    assert!(!out(&output).contains(SECRET));
    for token in ["", "nonsense", "a.b.c", "....", "a.b.c.d"] {
        let output = tutti(folder.path(), &["check-token", token], &[("TUTTI_JWT_SECRET", SECRET)]);
        assert_eq!(output.status.code(), Some(1), "{token:?}");
        assert!(out(&output).contains("is not a JSON Web Token"), "{token:?}: {}", out(&output));
    }
}

#[test]
fn check_looks_at_the_database_and_leaves_it_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(tutti(folder.path(), &["migrate"], &[]).status.code(), Some(0));
    let output = tutti(folder.path(), &["check"], &[]);
    assert_eq!((output.status.code(), complaints(&output)), (Some(0), ""));
    assert!(out(&output).contains("sqlite://tutti.db: up to date"), "{}", out(&output));

    std::fs::write(folder.path().join("empty.db"), "").unwrap();
    let output = tutti(folder.path(), &["check", "--database-url", "sqlite://empty.db"], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", complaints(&output));
    assert!(out(&output).contains("migration(s) are pending"), "{}", out(&output));

    std::fs::write(folder.path().join("letter.db"), "Dear Ada, this is a letter and no database.".repeat(99)).unwrap();
    let output = tutti(folder.path(), &["check", "--database-url", "sqlite://letter.db"], &[]);
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    assert!(
        out(&output).contains("the database is not") && complaints(&output).contains("letter.db"),
        "{}",
        complaints(&output)
    );
    assert!(!folder.path().join("tutti.db.key").exists());
}

#[test]
fn check_warns_of_variables_that_are_no_settings_and_of_a_demo() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("TUTTI_ALLOWED_ORIGIN", "https://app.example.com"), ("TUTTI_DEMO", "true")];
    let output = tutti(folder.path(), &["check"], &variables);
    assert_eq!(output.status.code(), Some(0), "{}", complaints(&output));
    for words in
        ["Warning: TUTTI_ALLOWED_ORIGIN", "did you mean TUTTI_ALLOWED_ORIGINS?", "Warning: --demo gives everyone"]
    {
        assert!(out(&output).contains(words), "{words:?}: {}", out(&output));
    }
}

#[test]
fn a_platforms_port_is_where_the_server_listens_unless_an_address_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let bind = |arguments: &[&str], variables: &[(&str, &str)]| {
        let variables = [variables, &[("TUTTI_JWT_SECRET", SECRET)]].concat();
        let output = tutti(folder.path(), &[&["check"], arguments].concat(), &variables);
        let line = out(&output).lines().find(|line| line.starts_with("--bind ")).unwrap_or_default();
        line.split_whitespace().nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(bind(&[], &[("PORT", "9000")]), "0.0.0.0:9000");
    assert_eq!(bind(&[], &[("PORT", "")]), "127.0.0.1:8080");
    assert_eq!(bind(&[], &[("PORT", "9000"), ("TUTTI_BIND", "localhost:7000")]), "127.0.0.1:7000");
    assert_eq!(bind(&["--bind", ":7000"], &[("PORT", "9000")]), "0.0.0.0:7000");
    refused(&["check"], &[("PORT", "http")], &["--port (PORT)"]);
    // Like any address that others reach.
    refused(&["check", "--port", "9000"], &[], &["TUTTI_JWT_SECRET"]);
}

#[test]
fn help_has_groups_and_its_short_form_leaves_the_limits_out() {
    let folder = tempfile::tempdir().unwrap();
    let long = tutti(folder.path(), &["serve", "--help"], &[]);
    for group in ["Network:", "Database:", "Documents:", "Tokens:", "Limits:", "Timeouts:", "Logs:"] {
        assert!(out(&long).lines().any(|line| line == group), "{group}");
    }
    let short = tutti(folder.path(), &["serve", "-h"], &[]);
    assert!(out(&short).contains("--bind") && !out(&short).contains("--fragments-max"));
}

#[test]
fn a_flag_that_has_no_variable_is_named_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let output = tutti(folder.path(), &["token", "--sub", "a", "--room", "*=read", "--ttl", "24"], &[]);
    assert!(!complaints(&output).contains("TUTTI_TTL"), "{}", complaints(&output));
}

#[test]
fn health_says_that_no_server_answers() {
    let folder = tempfile::tempdir().unwrap();
    let output = tutti(folder.path(), &["health", "--bind", "unix:tutti.sock"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaints(&output).contains("no server answers at unix:tutti.sock"), "{}", complaints(&output));
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
