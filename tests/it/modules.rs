//! The import directions of the source: DESIGN, "Modules". Reads `src/` as text.

use std::fs;
use std::path::{Path, PathBuf};

/// Each top module's row; upper rows have smaller numbers and never name lower ones.
const ROWS: [(&str, u8); 20] = [
    ("budget", 0),
    ("config", 0),
    ("ids", 0),
    ("metrics", 0),
    ("rate", 0),
    ("telemetry", 0),
    ("protocol", 1),
    ("auth", 1),
    ("wire", 1),
    ("document", 2),
    ("archive", 3),
    ("store", 2),
    ("room", 4),
    ("transfer", 4),
    ("socket", 5),
    ("http", 6),
    ("server", 7),
    ("lib", 7),
    ("cli", 8),
    ("main", 8),
];

/// What a module must not name, beside lower rows.
const FORBIDDEN: [(&str, &[&str]); 11] = [
    ("protocol", &["actix", "actix_web", "sqlx"]),
    ("auth", &["actix", "actix_web", "sqlx"]),
    ("wire", &["crate::protocol", "sqlx"]),
    ("archive", &["actix", "actix_web", "sqlx"]),
    ("document", &["actix", "actix_rt", "sqlx", "tokio", "rand", "std::time", "SystemTime"]),
    ("store", &["actix", "actix_web", "crate::protocol", "crate::document"]),
    ("room", &["actix_web", "sqlx", "crate::http"]),
    ("transfer", &["actix", "actix_rt", "actix_web", "sqlx", "crate::room"]),
    ("socket", &["crate::document", "crate::archive", "crate::store", "actix_web", "sqlx"]),
    ("http", &["sqlx"]),
    ("server", &["sqlx"]),
];

/// A file of `src/`: its top module, where it lies, and its code without comments.
struct Source {
    module: String,
    path: PathBuf,
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let local = path.strip_prefix(&root).unwrap();
                let first = Path::new(local.components().next().unwrap().as_os_str());
                let module = first.file_stem().unwrap().to_str().unwrap().to_owned();
                let code = without_comments(&fs::read_to_string(&path).unwrap());
                found.push(Source { module, path, code });
            }
        }
    }
    found
}

fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// The top modules that `code` names after `crate::`, lists in braces included.
fn named_modules(code: &str) -> Vec<&str> {
    let mut named = Vec::new();
    for (at, start) in code.match_indices("crate::") {
        let rest = &code[at + start.len()..];
        match rest.strip_prefix('{') {
            Some(list) => {
                let mut depth = 0;
                let mut item_begins = true;
                for (at, character) in list.char_indices() {
                    match character {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => item_begins = true,
                        _ if character.is_whitespace() => {}
                        _ if item_begins => {
                            named.push(word(&list[at..]));
                            item_begins = false;
                        }
                        _ => {}
                    }
                }
            }
            None => named.push(word(rest)),
        }
    }
    named
}

fn word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap()
}

/// Whether `code` names the path `name`, as a whole word and as the beginning of a path.
fn names(code: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + name.len()..];
        let is_path = after.starts_with("::") || after.starts_with([';', ',', '}']);
        !before.is_some_and(|c| is_word(c) || c == ':' || c == '.') && is_path
    })
}

fn row(module: &str) -> Option<u8> {
    ROWS.iter().find(|(name, _)| *name == module).map(|(_, row)| *row)
}

#[test]
fn every_module_has_a_row() {
    for source in sources() {
        assert!(row(&source.module).is_some(), "{} is in no row of DESIGN's table", source.path.display());
    }
}

#[test]
fn upper_rows_never_import_lower_rows() {
    for source in sources() {
        let own = row(&source.module).unwrap();
        for named in named_modules(&source.code) {
            let is_upper = row(named).is_none_or(|row| row <= own);
            assert!(is_upper, "{} names crate::{named}, which lies below it", source.path.display());
        }
    }
}

#[test]
fn no_module_names_what_it_must_not_know() {
    for source in sources() {
        let forbidden = FORBIDDEN.iter().filter(|(module, _)| *module == source.module);
        for name in forbidden.flat_map(|(_, names)| *names) {
            let is_named = match name.strip_prefix("crate::") {
                Some(module) => named_modules(&source.code).contains(&module),
                None => names(&source.code, name),
            };
            assert!(!is_named, "{} names {name}", source.path.display());
        }
    }
}

#[test]
fn only_the_store_names_sqlx() {
    for source in sources().iter().filter(|source| names(&source.code, "sqlx")) {
        assert_eq!(source.module, "store", "{}", source.path.display());
    }
}

#[test]
fn only_config_reads_the_environment() {
    for source in sources().iter().filter(|source| names(&source.code, "std::env") || names(&source.code, "env")) {
        assert_eq!(source.module, "config", "{}", source.path.display());
    }
}

#[test]
fn the_reading_itself_finds_what_it_looks_for() {
    let code =
        without_comments("use crate::{\n  auth::{a, b}, // crate::http\n  store,\n};\nfn f() { crate::room::x() }");
    assert_eq!(named_modules(&code), ["auth", "store", "room"]);
    assert!(names("use sqlx::Row;", "sqlx") && names("use {tokio, sqlx};", "sqlx"));
    assert!(!names("let my_sqlx::x", "sqlx") && !names("crate::sqlx::x", "sqlx") && !names("sqlx_x::y", "sqlx"));
    assert!(sources().iter().any(|source| source.module == "store" && names(&source.code, "sqlx")));
}
