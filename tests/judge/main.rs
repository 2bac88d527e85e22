#![allow(clippy::unwrap_used)]
//! Yjs 13 in Node.js as the judge of documents: it types random histories and asks, line by line, what the server makes of them.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use tutti::document::Blocks;

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
    let mut keeps_deleted = false;
    let mut verdict = Value::Null;
    for line in from.lines() {
        let question: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if !question["end"].is_null() {
            verdict = question;
            break;
        }
        let bytes = |name: &str| Bytes::from(BASE64_STANDARD.decode(question[name].as_str().unwrap()).unwrap());
        let text = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
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
            other => panic!("the judge asks for {other}"),
        };
        to.write_all(format!("{answer}\n").as_bytes()).unwrap();
    }
    node.wait().unwrap();
    verdict
}

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

#[test]
fn what_the_server_keeps_brings_every_client_to_the_same_document() {
    let arguments = [setting("JUDGE_SEED", "1"), setting("JUDGE_HISTORIES", "150")];
    let verdict = judge("histories.mjs", &arguments);
    assert_eq!(verdict["end"], "right", "{verdict:#}");
    println!("{verdict}");
}
