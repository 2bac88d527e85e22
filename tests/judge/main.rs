#![allow(clippy::unwrap_used, clippy::print_stdout)]
//! Yjs 13 in Node.js as the judge of documents: it types random histories and asks, line by line, what the server makes of them.

mod past;
mod second;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use tutti::document::{Applied, Blocks, Items, Nested, Operation, ReadingBudget, Refusal, View, Wanted, from_v2};

const BYTES_MAX: usize = 64 << 20;

/// Runs a judge of this folder to its end, and answers what it asks.
fn judge(script: &str, arguments: &[String]) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judge");
    let mut node = Command::new("node")
        .arg(folder.join(script))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Node.js, which the judges run on");
    let (mut to, from) = (node.stdin.take().unwrap(), BufReader::new(node.stdout.take().unwrap()));
    let mut blocks = Blocks::new(BYTES_MAX, false);
    let mut timeline = past::Timeline::default();
    let mut keeps_deleted = false;
    let mut verdict = Value::Null;
    for line in from.lines() {
        let question: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if !question["end"].is_null() {
            verdict = question;
            break;
        }
        let bytes = |name: &str| decoded(&question[name]);
        let text = encoded;
        if let Some(answer) = timeline.answer(&question) {
            to.write_all(format!("{answer}\n").as_bytes()).unwrap();
            continue;
        }
        let answer = match question["op"].as_str().unwrap() {
            "new" => {
                keeps_deleted = question["gc"] == false;
                blocks = Blocks::new(BYTES_MAX, keeps_deleted);
                json!({})
            }
            "apply" => match blocks.apply(&bytes("update")) {
                Ok(applied) => json!({
                    "news": applied.news.map(|news| text(&news.update)),
                    "lacking": applied.lacking.is_some(),
                }),
                Err(refusal) => json!({ "refused": refusal.to_string() }),
            },
            "edits" => {
                let updates = question["updates"].as_array().unwrap().iter().map(decoded);
                let mut applied = updates.map(|update| (blocks.apply(&update), update));
                let is_odd = |(applied, update): &(Result<Applied, Refusal>, Bytes)| {
                    let Ok(Applied { news: Some(news), lacking: None }) = applied else { return true };
                    news.update != update
                };
                json!({ "odd": applied.find(is_odd).map(|(applied, _)| format!("{applied:?}")) })
            }
            "state" => json!({ "state": text(&blocks.state()) }),
            "vector" => json!({ "vector": text(&blocks.state_vector()) }),
            "diff" => json!({ "update": text(&blocks.diff(&bytes("vector")).unwrap()) }),
            "reload" => {
                let state = Bytes::from(blocks.state());
                let mut loaded = Blocks::new(BYTES_MAX, keeps_deleted);
                assert_eq!(loaded.load([&state]), []);
                assert_eq!(Bytes::from(loaded.state()), state, "what is loaded is answered as before");
                blocks = loaded;
                json!({})
            }
            "view" => view(&View::read(&bytes("update"), ReadingBudget::default()).unwrap()),
            "v2" => match from_v2(&bytes("update"), BYTES_MAX) {
                Ok(update) => json!({ "update": text(&update) }),
                Err(refusal) => json!({ "refused": refusal.to_string() }),
            },
            "rewrite" | "edit" => written(&question, &bytes("update")),
            "text" => {
                let view = View::read(&bytes("update"), ReadingBudget::default()).unwrap();
                json!({ "text": view.text(None).unwrap(), "left_out": view.left_out() })
            }
            other => panic!("the judge asks for {other}"),
        };
        to.write_all(format!("{answer}\n").as_bytes()).unwrap();
    }
    node.wait().unwrap();
    verdict
}

fn decoded(text: &Value) -> Bytes {
    Bytes::from(BASE64_STANDARD.decode(text.as_str().unwrap()).unwrap())
}

fn encoded(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// What the server writes into a document.
fn written(question: &Value, state: &Bytes) -> Value {
    let view = View::read(state, ReadingBudget::default()).unwrap();
    let client = question["client"].as_u64().unwrap();
    let text = |of: &Value, name: &str| of[name].as_str().unwrap().to_owned();
    let written = if question["op"] == "edit" {
        let operations: Vec<Operation> = serde_json::from_str(&text(question, "operations")).unwrap();
        view.edit(&operations, client)
    } else {
        let wanted = if let of @ Value::Object(_) = &question["text"] {
            Wanted::Text { root: text(of, "root"), text: text(of, "text") }
        } else if let of @ Value::Object(_) = &question["json"] {
            let nested = match of["nested"].as_str().unwrap() {
                "plain" => Nested::Plain,
                "shared" => Nested::Shared,
                _ => Nested::AsBeside,
            };
            Wanted::Json { roots: serde_json::from_str(&text(of, "roots")).unwrap(), nested }
        } else {
            let of = &question["prosemirror"];
            Wanted::ProseMirror {
                root: text(of, "root"),
                document: serde_json::from_str(&text(of, "document")).unwrap(),
            }
        };
        view.rewrite(&wanted, client)
    };
    let update = match written {
        Ok(update) => update,
        Err(refused) => return json!({ "refused": refused.to_string() }),
    };
    let Some(update) = update else { return json!({}) };
    let mut blocks = Blocks::new(BYTES_MAX, false);
    assert_eq!(blocks.load([state]), []);
    let news = blocks.apply_whole(&update).map(|news| news.map(|news| news.update));
    assert_eq!(news, Ok(Some(update.clone())), "what is written is an edit as any other, and all of it is new");
    json!({ "update": BASE64_STANDARD.encode(&update) })
}

/// All that a view shows, by root.
fn view(view: &View) -> Value {
    let roots = view.roots().map(|name| {
        let root = json!({
            "json": view.json(Some(name)).unwrap(),
            "text": view.text(Some(name)).unwrap(),
            "delta": view.delta(Some(name)).unwrap(),
            "prosemirror": view.prosemirror(Some(name)).unwrap(),
            "items": serde_json::to_string(&runs(view.items(name).unwrap())).unwrap(),
        });
        (name.to_owned(), root)
    });
    json!({ "roots": roots.collect::<serde_json::Map<_, _>>(), "left_out": view.left_out() })
}

/// What a type holds: runs that say nothing else are one.
fn runs(items: Items<'_>) -> Vec<Run> {
    let mut found: Vec<Run> = Vec::new();
    for item in items {
        let children = item.children().map(runs);
        if let Some(last) = found.last_mut()
            && (last.client, last.clock + last.len) == (item.id.client, item.id.clock)
            && (last.deleted, last.key.as_deref()) == (item.is_deleted, item.key)
            && children.is_none()
            && last.children.is_none()
        {
            last.len += item.len;
            continue;
        }
        found.push(Run {
            client: item.id.client,
            clock: item.id.clock,
            len: item.len,
            deleted: item.is_deleted,
            key: item.key.map(str::to_owned),
            children,
        });
    }
    found
}

#[derive(serde::Serialize)]
struct Run {
    client: u64,
    clock: u32,
    len: u32,
    deleted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    children: Option<Vec<Run>>,
}

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// Fails unless each of these was seen, and more than never: a judge that looks at nothing finds nothing.
fn saw(verdict: &Value, what: &[&str]) {
    assert_eq!(verdict["end"], "right", "{verdict:#}");
    for name in what {
        assert!(verdict["seen"][name].as_u64().is_some_and(|count| count > 0), "no {name}: {verdict:#}");
    }
}

#[test]
fn what_the_server_keeps_brings_every_client_to_the_same_document() {
    let arguments = [setting("JUDGE_SEED", "1"), setting("JUDGE_HISTORIES", "100")];
    let verdict = judge("histories.mjs", &arguments);
    saw(
        &verdict,
        &["histories", "views", "answers", "cuts", "lacking", "reloads", "merged", "skips", "diffs", "older", "v2"],
    );
    let bytes = |name: &str| verdict["seen"][name].as_f64().unwrap();
    assert!(bytes("bytes") <= 1.05 * bytes("yjsBytes"), "a state is as small as Yjs' own: {verdict:#}");
}

#[test]
fn a_document_becomes_what_a_server_wants_beside_what_is_typed_meanwhile() {
    let arguments = [setting("JUDGE_SEED", "1"), setting("JUDGE_ROUNDS", "150")];
    let verdict = judge("rewrites.mjs", &arguments);
    saw(&verdict, &["texts", "values", "shared", "nodes", "operations", "concurrent", "unchanged", "refused"]);
}

#[test]
fn a_recorded_session_is_kept_and_shown_as_yjs_does() {
    let verdict = judge("sessions.mjs", &[]);
    saw(&verdict, &["sessions", "edits"]);
}
