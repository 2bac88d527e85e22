//! The import directions of the source, as docs/ARCHITECTURE.md has them: its tables are read here, so that text and check cannot
//! part. See [`source`] for what counts as naming a module.

mod source;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use source::{File, Sources};

/// Folders whose insides have a table of their own.
const FOLDERS: [&str; 4] = ["room", "socket", "http", "protocol"];

/// What a module must not name, beside lower rows.
const FORBIDDEN: [(&str, &[&str]); 11] = [
    ("protocol", &["actix", "actix_web", "sqlx"]),
    ("auth", &["actix", "actix_web", "sqlx"]),
    ("wire", &["crate::protocol", "sqlx"]),
    ("archive", &["actix", "actix_web", "sqlx"]),
    ("document", &["actix", "actix_rt", "sqlx", "tokio", "rand", "std::time"]),
    ("store", &["actix", "actix_web", "crate::protocol", "crate::document"]),
    ("room", &["actix_web", "sqlx", "crate::http"]),
    ("transfer", &["actix", "actix_rt", "actix_web", "sqlx", "crate::room"]),
    ("socket", &["crate::document", "crate::archive", "crate::store", "actix_web", "sqlx"]),
    ("http", &["sqlx"]),
    ("server", &["sqlx"]),
];

/// Parts of a room that know no actor.
const WITHOUT_ACTORS: [&str; 9] = [
    "room/commit/mod.rs",
    "room/commit/uncommitted.rs",
    "room/document/",
    "room/io.rs",
    "room/members/",
    "room/presence/",
    "room/signals.rs",
    "room/timeline/",
    "room/timers.rs",
];

/// The part of a folder, or of `src/` itself, that a file is or lies in.
fn part<'a>(file: &'a str, folder: &str) -> Option<&'a str> {
    let local = if folder.is_empty() { file } else { file.strip_prefix(folder)?.strip_prefix('/')? };
    Some(local.split('/').next().unwrap())
}

/// The source, read once.
fn read() -> &'static Sources {
    static SOURCES: LazyLock<Sources> = LazyLock::new(source::read);
    &SOURCES
}

fn top(file: &str) -> &str {
    part(file, "").unwrap().trim_end_matches(".rs")
}

/// The row of each part that a heading's table has.
fn order(heading: &str) -> BTreeMap<String, usize> {
    let rows = tables::rows(heading).into_iter().enumerate();
    rows.flat_map(|(number, row)| row.parts.into_iter().map(move |part| (part, number))).collect()
}

/// Asserts that each part of a folder has one row, and names none below it. What `mod.rs` itself defines is above all.
fn assert_order(sources: &Sources, folder: &str, heading: &str, name: impl Fn(&str) -> String) {
    let order = order(heading);
    let is_part = |part: &&str| folder.is_empty() || *part != "mod.rs";
    let of = |file: &File| part(file, folder).filter(is_part).map(&name);
    let parts: BTreeSet<String> = sources.texts.keys().filter_map(of).collect();
    let listed: BTreeSet<String> = order.keys().cloned().collect();
    assert_eq!(parts, listed, "in the table {heading:?} of docs/ARCHITECTURE.md");
    for (file, named) in &sources.names {
        let Some(own) = of(file) else { continue };
        for (other, other_part) in named.iter().filter_map(|other| Some((other, of(other)?))) {
            assert!(order[&other_part] <= order[&own], "{file} names {other}, which lies below it in {heading:?}");
        }
    }
}

#[test]
fn upper_rows_never_name_lower_rows() {
    let name = |part: &str| part.trim_end_matches(".rs").to_owned();
    assert_order(read(), "", "## Modules", name);
}

#[test]
fn within_folders_upper_rows_never_name_lower_rows_either() {
    let sources = read();
    for folder in FOLDERS {
        assert_order(sources, folder, &format!("### Inside `{folder}/`"), str::to_owned);
    }
}

#[test]
fn no_files_name_each_other_in_a_circle() {
    assert_eq!(source::circles(&read().names), [[""; 0]; 0]);
}

#[test]
fn each_file_of_a_room_is_named_in_the_text_beside_its_folder() {
    let rows = tables::rows("### Inside `room/`");
    for file in read().texts.keys() {
        let Some(part) = part(file, "room").filter(|part| !part.ends_with(".rs")) else { continue };
        let row = rows.iter().find(|row| row.parts.iter().any(|own| own == part)).unwrap();
        let local = file.strip_prefix(&format!("room/{part}/")).unwrap();
        assert!(row.mentions.iter().any(|mentioned| mentioned == local), "docs/ARCHITECTURE.md does not name {file}");
    }
}

#[test]
fn what_the_glossary_calls_by_a_name_in_the_source_is_there() {
    let sources = read();
    let rows = tables::rows("## Glossary");
    assert!(rows.len() > 10);
    for name in rows.iter().flat_map(|row| &row.mentions) {
        let is_defined = |text: &String| {
            ["struct", "enum", "trait", "type"].iter().any(|kind| {
                let start = format!("{kind} {name}");
                let rest = text.match_indices(&start).map(|(at, _)| &text[at + start.len()..]);
                rest.into_iter().any(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
            })
        };
        assert!(sources.texts.values().any(is_defined), "the glossary has {name}, which src/ does not define");
    }
}

#[test]
fn no_module_names_what_it_must_not_know() {
    let sources = read();
    for (file, foreign) in &sources.foreign {
        for name in FORBIDDEN.iter().filter(|(module, _)| *module == top(file)).flat_map(|(_, names)| *names) {
            let is_named = match name.strip_prefix("crate::") {
                Some(module) => sources.names[file].iter().any(|named| top(named) == module),
                None => foreign.contains(*name),
            };
            assert!(!is_named, "{file} names {name}");
        }
    }
}

#[test]
fn the_parts_of_a_room_know_no_actors() {
    let sources = read();
    let is_part = |file: &&File| WITHOUT_ACTORS.iter().any(|part| file.starts_with(part));
    let files: Vec<_> = sources.foreign.keys().filter(is_part).collect();
    assert!(files.len() > 20);
    for file in files {
        assert!(!sources.foreign[file].contains("actix"), "{file} names actix");
    }
}

#[test]
fn only_the_store_names_sqlx() {
    let sources = read();
    for file in sources.foreign.iter().filter(|(_, foreign)| foreign.contains("sqlx")).map(|(file, _)| file) {
        assert_eq!(top(file), "store", "{file}");
    }
}

#[test]
fn only_config_reads_the_environment() {
    let sources = read();
    for file in sources.foreign.iter().filter(|(_, foreign)| foreign.contains("std::env")).map(|(file, _)| file) {
        assert_eq!(top(file), "config", "{file}");
    }
}

/// What files with these paths and texts name.
fn made(files: &[(&str, &str)]) -> Sources {
    source::of(files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect())
}

fn named<'a>(sources: &'a Sources, file: &str) -> Vec<&'a str> {
    sources.names[file].iter().map(String::as_str).collect()
}

#[test]
fn the_reading_itself_finds_what_it_looks_for() {
    let sources = made(&[
        ("a.rs", "use crate::{b::{self, X}, c}; // crate::d\nfn f() { let _ = \"crate::d\"; crate::e::g(); }"),
        ("b.rs", "pub struct X; mod tests { use super::X; use sqlx::Row; }"),
        ("c/mod.rs", "mod one; pub use one::One; use std::env; fn f() { one::g() }"),
        ("c/one.rs", "use super::super::b::X; use super::One; pub struct One; fn f() { log!(super::super::d::D) }"),
        (
            "d.rs",
            "#[cfg(test)] mod tests; #[cfg(test)] mod inner { use crate::a; } pub use crate::c::One; pub struct D;",
        ),
        ("d/tests.rs", "use crate::a;"),
        ("e.rs", "use crate::d::One; use crate::c::One;"),
    ]);
    assert_eq!(named(&sources, "a.rs"), ["b.rs", "c/mod.rs", "e.rs"]);
    assert_eq!(named(&sources, "c/mod.rs"), ["c/one.rs"]);
    assert_eq!(named(&sources, "c/one.rs"), ["b.rs", "d.rs"]);
    assert_eq!(named(&sources, "d.rs"), ["c/one.rs"], "what another folder's facade passes on is named");
    assert_eq!(named(&sources, "e.rs"), ["c/one.rs", "d.rs"]);
    assert!(!sources.names.contains_key("d/tests.rs"));
    assert!(sources.foreign["b.rs"].contains("sqlx") && sources.foreign["c/mod.rs"].contains("std::env"));
    assert_eq!(source::circles(&sources.names), [["c/one.rs", "d.rs"]]);
}
