//! The server's side of what is asked about the past.

use bytes::Bytes;
use serde_json::{Value, json};
use tutti::history::{Authors, BlameRun, Difference, History, RestorePlan, Undone};
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
                self.segments.iter().for_each(|segment| self.history.take_segment(segment).unwrap());
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
                    Ok(runs) => json!({ "runs": runs.iter().map(run).collect::<Vec<_>>() }),
                    Err(error) => json!({ "error": error.to_string() }),
                }
            }
            "differences" => {
                let seq = |name: &str| Seq(question[name].as_u64().unwrap());
                match self.history.diff(question["root"].as_str(), seq("from"), seq("to"), &authors(question)) {
                    Ok(differences) => json!({ "ops": differences.iter().map(operation).collect::<Vec<_>>() }),
                    Err(error) => json!({ "error": error.to_string() }),
                }
            }
            "restore" => {
                let (to, by) = (Seq(question["to"].as_u64().unwrap()), question["by"].as_str().map(UserId::new));
                match self.history.restore(to, by.as_ref(), &authors(question)) {
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

fn operation(difference: &Difference) -> Value {
    match difference {
        Difference::Retain(len) => json!({ "retain": len }),
        Difference::Insert(change) => json!({ "insert": change.text, "seq": change.seq, "by": change.credit.by }),
        Difference::Delete(change) => json!({ "delete": change.text, "seq": change.seq, "by": change.credit.by }),
    }
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
fn who_wrote_what_is_told_as_people_see_it() {
    let verdict = judge("blame.mjs", &[]);
    saw(&verdict, &["editors", "restored", "recordings"]);
}

#[test]
fn going_back_makes_the_document_what_it_was() {
    let arguments = [setting("JUDGE_SEED", "1"), setting("JUDGE_HISTORIES", "60")];
    let verdict = judge("restore.mjs", &arguments);
    saw(&verdict, &["histories", "restored", "twice", "back", "concurrent", "untouched", "large", "authors", "undone"]);
}

#[test]
fn the_document_at_each_seq_is_that_of_a_replay() {
    let arguments = [setting("JUDGE_SEED", "1"), setting("JUDGE_HISTORIES", "30")];
    let verdict = judge("past.mjs", &arguments);
    saw(&verdict, &["histories", "states", "reopened", "deletions", "late", "blames", "diffs"]);
}
