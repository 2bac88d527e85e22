//! Rules across options, and that `.env.example` tells the truth.

use clap::CommandFactory;

use super::command_line::CommandLine;
use super::*;

const SECRET: &str = "9f2c71d05be84a36c1d7e09a4b5f6832";

fn problems(flags: &[&str]) -> Vec<String> {
    match serve_config(flags) {
        Ok(_) => Vec::new(),
        Err(Stop::Problems(problems)) => problems.iter().map(Problem::to_string).collect(),
        Err(Stop::Usage(error)) => panic!("{error}"),
    }
}

#[test]
fn without_any_option_the_server_listens_on_loopback_and_keeps_its_own_key() {
    let config = serve_config::<[&str; 0], _>([]).unwrap();
    assert_eq!(config.edge.bind.to_string(), "127.0.0.1:8080");
    assert!(matches!(config.jwt.key, JwtKey::KeyFile(path) if path.as_os_str() == "tutti.db.key"));
    assert!(config.edge.allowed_origins.is_empty() && config.edge.accepts_query_tokens && !config.edge.is_demo);
}

#[test]
fn a_flag_alone_means_true() {
    assert!(serve_config(["--demo"]).unwrap().edge.is_demo);
    assert!(serve_config(["--demo", "--workers", "2"]).unwrap().edge.is_demo);
    assert!(!serve_config(["--query-tokens", "false"]).unwrap().edge.accepts_query_tokens);
}

#[test]
fn every_problem_is_reported_at_once() {
    let flags = [
        "--bind=nowhere",
        "--database-url=mysql://u:hunter2@h/d",
        "--jwt-secret=changeme",
        "--jwt-algorithm=none",
        "--jwt-leeway-s=61",
        "--allowed-origins=*,https://ok.example",
        "--trusted-proxies=10.0.0.1/8",
        "--demo=yes",
        "--workers=0",
        "--ping-interval-ms=1",
        "--server-name=a b",
        "--log-format=xml",
        "--log-level=loud",
        "--jwt-public-key-file=/nowhere.pem",
    ];
    let problems = problems(&flags);
    for flag in flags {
        let option = flag.split_once('=').unwrap().0;
        assert!(problems.iter().any(|problem| problem.starts_with(option)), "{option} is not among {problems:#?}");
    }
    let text = problems.join("\n");
    assert!(!text.contains("hunter2") && !text.contains("changeme"), "{text}");
}

#[test]
fn beyond_loopback_a_key_is_demanded_and_the_problem_says_how_to_set_one() {
    for bind in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80"] {
        let bind = format!("--bind={bind}");
        let problems = problems(&[&bind]);
        assert!(problems.len() == 1 && problems[0].contains("TUTTI_JWT_SECRET"), "{problems:?}");
        assert!(serve_config([&bind, &format!("--jwt-secret={SECRET}")]).is_ok());
        // An empty variable is no key.
        assert!(serve_config([&bind, "--jwt-secret="]).is_err());
    }
    for bind in ["127.0.0.1:80", "127.9.9.9:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
        assert_eq!(problems(&["--bind", bind]), [""; 0], "{bind}");
    }
}

#[test]
fn a_secret_and_a_public_key_never_stand_side_by_side() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let file = file.path().to_str().unwrap();
    let secret = ["--jwt-secret", SECRET];
    let public_key = ["--jwt-public-key-file", file];
    let cases = [
        ([&secret[..], &public_key].concat(), "exclude each other"),
        ([&public_key[..]].concat(), "HS256 is for secrets"),
        ([&secret[..], &["--jwt-algorithm=RS256"]].concat(), "RS256 needs --jwt-public-key-file"),
        (["--jwt-algorithm=EdDSA"].to_vec(), "EdDSA needs --jwt-public-key-file"),
        ([&public_key[..], &["--jwt-algorithm=RS256", "--demo"]].concat(), "guests need tokens"),
        (["--jwt-secret-previous", SECRET].to_vec(), "needs it"),
        ([&secret[..], &["--jwt-secret-previous", SECRET]].concat(), "the same as --jwt-secret"),
    ];
    for (flags, expected) in cases {
        let problems = problems(&flags);
        assert!(problems.len() == 1 && problems[0].contains(expected), "{flags:?} gave {problems:?}");
    }
    assert!(serve_config([&public_key[..], &["--jwt-algorithm=RS256"]].concat()).is_ok());
}

#[test]
fn the_bound_of_one_must_not_pass_the_bound_of_all() {
    let problems = problems(&["--outbox-bytes-max=8192", "--outboxes-bytes-max=8191"]);
    assert!(problems.len() == 1 && problems[0].starts_with("--outbox-bytes-max"), "{problems:?}");
    assert!(serve_config(["--outbox-bytes-max=8192", "--outboxes-bytes-max=8192"]).is_ok());
    // A message as long as a document has to find room.
    let problems = self::problems(&["--document-bytes-max=100000000"]);
    assert!(problems.len() == 1 && problems[0].contains("--unfinished-bytes-max"), "{problems:?}");
    assert!(serve_config(["--document-bytes-max=100000000", "--unfinished-bytes-max=100000000"]).is_ok());
}

#[test]
fn a_bare_word_that_is_no_level_is_no_filter() {
    for (filter, is_allowed) in [
        ("info", true),
        ("WARN", true),
        ("off", true),
        ("info,tutti::room=debug", true),
        ("inof", false),
        ("", false),
        ("tutti=loud", false),
        ("info,", false),
    ] {
        assert_eq!(problems(&["--log-level", filter]).is_empty(), is_allowed, "{filter:?}");
    }
}

#[test]
fn neither_debug_nor_the_settings_show_a_secret() {
    let config = serve_config([
        "--jwt-secret",
        SECRET,
        "--jwt-secret-previous",
        "x7-Kd93_hQwz51PLmvbn=Sa8e2Rt6Yu0",
        "--database-url",
        "postgres://ann:hunter2@db/tutti",
    ])
    .unwrap();
    let shown = format!("{config:?}");
    for secret in [SECRET, "x7-Kd93", "hunter2"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn every_option_has_the_variable_of_its_name_and_is_among_the_settings() {
    let settings = serve_config::<[&str; 0], _>([]).unwrap().settings;
    let options = serve_options();
    for (option, env, _) in &options {
        assert_eq!(Some(env), variable(option).as_ref());
        assert!(settings.iter().any(|setting| setting.option == option), "{option}");
    }
    assert_eq!(settings.len(), options.len());
}

#[test]
fn the_example_environment_holds_every_variable_with_its_default_and_nothing_else() {
    let example = include_str!("../../.env.example");
    let mut lines: Vec<(&str, &str)> =
        example.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('=')).collect();
    let mut options: Vec<(String, String)> =
        serve_options().into_iter().map(|(_, env, default)| (env, default)).collect();
    lines.sort_unstable();
    options.sort_unstable();
    let options: Vec<(&str, &str)> = options.iter().map(|(env, default)| (env.as_str(), default.as_str())).collect();
    assert_eq!(lines, options);
}

#[test]
fn the_example_environment_gives_a_reason_above_each_variable() {
    let mut above = "";
    for line in include_str!("../../.env.example").lines() {
        if line.contains('=') && !line.starts_with('#') {
            assert!(above.starts_with("# ") && above.len() > 20, "{line}");
        }
        above = line;
    }
}

/// Name, variable and default (empty: none) of each option of `tutti serve`.
fn serve_options() -> Vec<(String, String, String)> {
    let command = CommandLine::command();
    let serve = command.find_subcommand("serve").unwrap();
    serve
        .get_arguments()
        .filter(|arg| arg.get_id() != "help")
        .map(|arg| {
            let default = arg.get_default_values().first().map_or("", |value| value.to_str().unwrap());
            let env = arg.get_env().unwrap_or_else(|| panic!("{} has no variable", arg.get_id()));
            (arg.get_long().unwrap().to_owned(), env.to_str().unwrap().to_owned(), default.to_owned())
        })
        .collect()
}
