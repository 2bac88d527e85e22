//! What the server, the browser client and the protocol's text list alike: close codes, messages, errors, namespaces. Reads all of
//! them as text.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands between `start` and the first `end` after it.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start:?}"));
    rest.split_once(end).unwrap_or_else(|| panic!("no {end:?} after {start:?}")).0
}

/// The strings of some TypeScript.
fn strings(source: &str) -> BTreeSet<String> {
    let code: String = source.lines().filter(|line| !line.trim_start().starts_with(['/', '*'])).collect();
    code.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The numbers of four digits in `text`.
fn codes(text: &str) -> BTreeSet<u16> {
    let numbers = text.split(|character: char| !character.is_ascii_digit()).filter(|digits| digits.len() == 4);
    numbers.map(|digits| digits.parse().unwrap()).collect()
}

/// The first cells of the rows of the table that follows `heading` in docs/PROTOCOL.md.
fn first_cells(heading: &str) -> Vec<String> {
    let protocol = text("docs/PROTOCOL.md");
    let rows = protocol.split_once(heading).expect("the heading is there").1.lines();
    let table = rows.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    table.skip(2).map(|row| row.split('|').nth(1).unwrap().trim().to_owned()).collect()
}

fn close_codes() -> BTreeSet<u16> {
    let close = text("src/protocol/close.rs");
    let variants = between(&close, "pub enum CloseCode {", "\n}");
    variants.split(" = ").skip(1).map(|rest| rest[..4].parse().unwrap()).collect()
}

#[test]
fn the_client_and_the_protocol_list_the_close_codes_of_the_server() {
    let known = close_codes();
    assert!(known.len() > 10, "{known:?}");
    let documented = first_cells("## Close codes").iter().map(|cell| cell.parse().unwrap()).collect();
    assert_eq!(known, documented);
    // Browsers say 1006 where a connection was lost; 1000 needs no reason.
    let limits = text("static/client/src/limits.ts");
    let named = codes(between(&limits, "CLOSED_BY_APP", "CLOSE_REASONS"));
    let reasons: BTreeSet<u16> = codes(between(&limits, "CLOSE_REASONS", "])")).union(&named).copied().collect();
    let expected: BTreeSet<u16> = known.into_iter().chain([1006]).collect();
    assert_eq!(reasons, expected);
    // Its guide names those that are final.
    let guide = text("docs/CLIENT.md");
    let named: BTreeSet<u16> = codes(between(&guide, "are final: ", ". "));
    assert_eq!(named, expected.range(4400..4500).copied().collect());
    // No file of the client brings codes of its own.
    // The history panel's folder knows no connection.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("static/client/src");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    for path in files.filter(|path| path.is_file()) {
        let source = fs::read_to_string(&path).unwrap();
        let own: Vec<u16> = codes(&source).into_iter().filter(|code| (4400..4600).contains(code)).collect();
        assert!(own.is_empty() || path.ends_with("limits.ts"), "{path:?} has {own:?}");
    }
}

#[test]
fn the_client_knows_every_message_of_the_server_and_no_other() {
    let server = text("src/protocol/json/server_message.rs");
    let variants = between(&server, "pub enum ServerMessage", "\n}");
    let mut said: BTreeSet<String> = variants.split("#[serde(rename = \"").skip(1).map(first_word).collect();
    assert_eq!(said.len(), variants.matches("\n    #[serde(rename = ").count(), "each type is there once");
    // Entries are what was stored with the server's stamps before it.
    said.extend(["chat.message", "edit.steps", "edit"].map(str::to_owned));
    let client = text("static/client/src/wire.ts");
    let known: BTreeSet<String> = strings(&client).into_iter().filter(|text| !text.contains('/')).collect();
    assert_eq!(said, known);
}

fn first_word(rest: &str) -> String {
    rest.split('"').next().unwrap().to_owned()
}

#[test]
fn the_protocol_lists_every_error_code() {
    let error = text("src/protocol/json/error.rs");
    let variants = between(&error, "pub enum ErrorCode {", "\n}").lines().map(str::trim);
    let codes: BTreeSet<String> = variants.filter(|line| line.ends_with(',')).map(snake_case).collect();
    let documented = first_cells("### Errors and ends").iter().map(|cell| cell.trim_matches('`').to_owned()).collect();
    assert_eq!(codes, documented);
}

fn snake_case(variant: &str) -> String {
    let mut out = String::new();
    for character in variant.trim_end_matches(',').chars() {
        if character.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(character.to_lowercase());
    }
    out
}

#[test]
fn the_client_and_the_protocol_reserve_the_namespaces_of_the_server() {
    let reserved: BTreeSet<String> = tutti::protocol::json::decode::NAMESPACES.map(str::to_owned).into();
    let client = text("static/client/src/limits.ts");
    assert_eq!(reserved, strings(between(&client, "RESERVED = new Set([", "])")));
    let protocol = text("docs/PROTOCOL.md");
    let documented = between(&protocol, "is outside the namespaces `", "`");
    assert_eq!(reserved, documented.split(' ').map(str::to_owned).collect());
    let types = between(&text("src/protocol/json/server_message.rs"), "pub enum ServerMessage", "\n}").to_owned();
    let of_types = types.split("#[serde(rename = \"").skip(1).map(first_word);
    let namespaces: BTreeSet<String> =
        of_types.filter_map(|kind| kind.split_once('.').map(|(namespace, _)| namespace.to_owned())).collect();
    assert!(namespaces.is_subset(&reserved), "{namespaces:?}");
}
