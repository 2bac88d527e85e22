//! The server's side of what is asked about the past.

use bytes::Bytes;
use serde_json::{Value, json};
use tutti::history::{
    Attributes, Authors, BlameRun, Change, Changes, Difference, Entry as KeyValue, History, KeyChange, Reformat,
    RestorePlan, Shared, Undone, What,
};
use tutti::ids::{Seq, UserId};
use tutti::store::{Entry, EntryKind, HistorySegment};

use crate::{decoded, encoded, judge, saw, setting};

/// A room's timeline, all of it edits.
#[derive(Default)]
pub struct Timeline {
    history: History,
    segment: usize,
    entries: Vec<Entry>,
    segments: Vec<HistorySegment>,
}

impl Timeline {
    /// Answers a question, if it is about the past.
    pub fn answer(&mut self, question: &Value) -> Option<Value> {
        Some(match question["op"].as_str().unwrap() {
            "timeline" => {
                let segment = question["segment"].as_u64().unwrap() as usize;
                *self = Self { history: History::in_segments_of(segment), segment, ..Self::default() };
                json!({})
            }
            "entry" => {
                let entry = entry(question, self.entries.len() as u64 + 1);
                self.history.push(entry.clone());
                self.entries.push(entry);
                self.segments.extend(self.history.take_unsaved());
                json!({})
            }
            // As after a restart: from what is stored, and the entries behind it.
            "reopen" => {
                self.history = History::in_segments_of(self.segment);
                // As of edits that are packed.
                let times: Vec<(Seq, i64)> = self.entries.iter().map(|entry| (entry.seq, entry.at_ms)).collect();
                for (n, segment) in self.segments.iter().enumerate() {
                    let own = if n % 2 == 0 { segment.times.clone() } else { None };
                    let segment = HistorySegment { times: own, ..segment.clone() };
                    self.history.take_segment(&segment, &times).unwrap();
                }
                self.history.settle().unwrap();
                let upto = self.history.upto();
                let rest = self.entries.iter().filter(|entry| entry.seq > upto);
                rest.for_each(|entry| self.history.push(entry.clone()));
                json!({})
            }
            "past" => {
                let seq = Seq(question["seq"].as_u64().unwrap());
                let found = self.history.seq_at(seq.0 as i64 * 1000 + 999).unwrap();
                json!({ "state": encoded(&self.history.state_at(seq).unwrap()), "found": found })
            }
            "blame" => {
                let seq = Seq(question["seq"].as_u64().unwrap_or(self.entries.len() as u64));
                match self.history.blame(question["root"].as_str(), seq, &authors(question)) {
                    Ok(blame) => json!({ "runs": blame.runs.iter().map(run).collect::<Vec<_>>() }),
                    Err(error) => json!({ "error": error.to_string() }),
                }
            }
            "differences" => {
                let seq = |name: &str| Seq(question[name].as_u64().unwrap());
                match self.history.diff(question["root"].as_str(), seq("from"), seq("to"), &authors(question)) {
                    Ok(told) => json!({ "changes": changes(&told.changes) }),
                    Err(error) => json!({ "error": error.to_string() }),
                }
            }
            "replay" => match self.history.replay(question["root"].as_str(), &authors(question)) {
                Ok(replay) => json!({
                    "text": replay.text,
                    "inserted": replay.inserted.runs(),
                    "deleted": replay.deleted.runs(),
                    "pairs": replay.pairs.iter().map(|pair| (pair.at, pair.other, u32::from(pair.char), pair.until)).collect::<Vec<_>>(),
                }),
                Err(error) => json!({ "error": error.to_string() }),
            },
            "restore" => {
                let (to, by) = (Seq(question["to"].as_u64().unwrap()), question["by"].as_str().map(UserId::new));
                match self.history.restore(to, self.history.upto(), by.as_ref(), &authors(question)) {
                    Ok(RestorePlan { update, undone: Undone { inserted, deleted } }) => {
                        json!({ "update": update.map(|update| encoded(&update)), "inserted": inserted, "deleted": deleted })
                    }
                    Err(error) => json!({ "error": error.to_string() }),
                }
            }
            _ => return None,
        })
    }
}

/// The users of Yjs clients that a question tells of.
fn authors(question: &Value) -> Authors {
    let user = |(client, user): (&String, &Value)| (client.parse().unwrap(), UserId::new(user.as_str().unwrap()));
    Authors::new(question["clients"].as_object().into_iter().flatten().map(user).collect())
}

/// As REST tells it.
fn changes(Changes { ops, keys }: &Changes) -> Value {
    let keys: serde_json::Map<_, _> = keys.iter().map(|(key, change)| (key.clone(), key_change(change))).collect();
    json!({ "ops": ops.iter().map(operation).collect::<Vec<_>>(), "keys": keys })
}

fn operation(difference: &Difference) -> Value {
    match difference {
        Difference::Retain { len, format } => with(json!({ "retain": len }), reformat(format.as_ref())),
        Difference::Modify { changes: inner, format } => {
            with(json!({ "modify": changes(inner) }), reformat(format.as_ref()))
        }
        Difference::Insert { what, attributes: formats, change } => {
            let what = match what {
                What::Text(text) => json!({ "insert": text }),
                What::Embed(value) => json!({ "insert": parsed(value) }),
                What::Values(values) => json!({ "insert": values.iter().map(parsed).collect::<Vec<_>>() }),
                What::Type(shared) => json!({ "create": self::shared(shared) }),
            };
            with(with(what, stamp(change)), json!({ "attributes": attributes(formats) }))
        }
        Difference::Delete { what, change } => {
            let what = match what {
                What::Text(text) => json!({ "delete": text.encode_utf16().count(), "text": text }),
                What::Embed(value) => json!({ "delete": 1, "values": [parsed(value)] }),
                What::Values(values) => {
                    json!({ "delete": values.len(), "values": values.iter().map(parsed).collect::<Vec<_>>() })
                }
                What::Type(shared) => json!({ "delete": 1, "type": self::shared(shared) }),
            };
            with(what, stamp(change))
        }
    }
}

fn key_change(change: &KeyChange) -> Value {
    let part = |name: &str, type_name: &str, entry: &Option<KeyValue>| match entry {
        None => json!({}),
        Some(KeyValue::Value(value)) => json!({ name: parsed(value) }),
        Some(KeyValue::Type(shared)) => json!({ type_name: self::shared(shared) }),
    };
    match change {
        KeyChange::Modify(inner) => json!({ "modify": changes(inner) }),
        KeyChange::Replace { from, to, change } => {
            with(with(part("from", "type", from), part("to", "create", to)), stamp(change))
        }
    }
}

fn shared(Shared { kind, name, changes: inner }: &Shared) -> Value {
    let kind = match format!("{kind:?}").strip_prefix("Xml") {
        Some("Text") => "xmlText".to_owned(),
        Some(kind) => kind.to_lowercase(),
        None => format!("{kind:?}").to_lowercase(),
    };
    let name = name.as_ref().map_or(json!({}), |name| json!({ "name": name }));
    with(with(json!({ "kind": kind }), name), changes(inner))
}

fn reformat(format: Option<&Reformat>) -> Value {
    format.map_or(json!({}), |Reformat { attributes: formats, change }| {
        with(json!({ "attributes": attributes(formats) }), stamp(change))
    })
}

fn attributes(formats: &Attributes) -> Value {
    let formats = formats.iter().map(|(key, value)| (key.clone(), parsed(value)));
    Value::Object(formats.collect())
}

fn stamp(change: &Change) -> Value {
    json!({ "by": change.credit.by, "seq": change.seq() })
}

/// Left for the judge to read, who reads numbers to the last bit.
fn parsed(json: &String) -> Value {
    format!("json:{json}").into()
}

fn with(mut one: Value, other: Value) -> Value {
    one.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    one
}

fn run(run: &BlameRun) -> Value {
    let BlameRun { from, to, credit, seq, .. } = run;
    json!({ "from": from, "to": to, "by": credit.by, "via": credit.via, "seq": seq })
}

fn entry(question: &Value, seq: u64) -> Entry {
    let body: Bytes = decoded(&question["update"]);
    Entry {
        seq: Seq(seq),
        kind: EntryKind::Edit,
        author: UserId::new(question["author"].as_str().unwrap()),
        via: question["via"].as_str().map(UserId::new),
        at_ms: question["at"].as_i64().unwrap(),
        key: question["key"].as_str().map(str::to_owned),
        body_bytes: body.len() as u64,
        body: Some(body),
    }
}

#[test]
fn trap_8_who_wrote_what_is_told_as_people_see_it() {
    let verdict = judge("blame.mjs", &[]);
    saw(&verdict, &["editors", "restored", "recordings"]);
}

#[test]
fn trap_11_12_15_16_18_going_back_makes_the_document_what_it_was() {
    let arguments = [setting("JUDGE_SEED", "1"), setting("JUDGE_HISTORIES", "60")];
    let verdict = judge("restore.mjs", &arguments);
    saw(
        &verdict,
        &["histories", "restored", "twice", "back", "concurrent", "untouched", "large", "authors", "undone", "alone"],
    );
}

#[test]
fn trap_2_the_document_at_each_seq_is_that_of_a_replay() {
    let arguments = [setting("JUDGE_SEED", "1"), setting("JUDGE_HISTORIES", "30")];
    let verdict = judge("past.mjs", &arguments);
    saw(&verdict, &["histories", "states", "reopened", "deletions", "late", "blames"]);
    saw(&verdict, &["inserted", "deleted", "reformatted", "modified", "created", "gone", "keys", "replayed", "whole"]);
}
