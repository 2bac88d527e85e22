//! Comments on a document: threads, folded from a room's events. A convention and no store: who may publish may write such events, and an
//! event that has not their shape is none of them. Knows nothing of the document; an anchor is what its author's editor makes of it.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::ids::{Seq, UserId};
use crate::store::Entry;

/// Longest text of a comment, in bytes.
pub const TEXT_BYTES_MAX: usize = 8192;
/// Longest quote of what a thread is about, in bytes.
pub const QUOTE_BYTES_MAX: usize = 1024;
/// Longest anchor, in bytes of JSON.
pub const ANCHOR_BYTES_MAX: usize = 2048;
/// Replies that are told of a thread.
pub const REPLIES_MAX: usize = 200;
/// What the threads of a page hold together; of its last ones none are told beyond that.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// A comment or a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Its entry.
    pub seq: Seq,
    /// Its author.
    pub user: UserId,
    /// The name shown then.
    pub name: String,
    /// When it was committed, in Unix milliseconds.
    pub at_ms: i64,
    /// What it says; empty once it is erased.
    pub text: String,
    /// Whether it is erased.
    pub is_erased: bool,
}

/// A comment on a place of the document, and what was said to it.
#[derive(Debug, Clone)]
pub struct Thread {
    /// The comment that began it. Its seq is the thread's name.
    pub comment: Comment,
    /// The text that it is about, as it was then.
    pub quote: Option<String>,
    /// The place, as its author's editor tells it.
    pub anchor: Option<Box<RawValue>>,
    /// The first [`REPLIES_MAX`] replies.
    pub replies: Vec<Comment>,
    /// How many more there are.
    pub more: u64,
    /// Who has resolved it last, and when, unless it was opened again.
    pub resolved: Option<Resolution>,
}

/// That a thread is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// Its entry.
    pub seq: Seq,
    /// Who says so.
    pub user: UserId,
    /// The name shown then.
    pub name: String,
    /// When it was committed, in Unix milliseconds.
    pub at_ms: i64,
}

/// The body of an event.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    name: String,
    #[serde(default)]
    erased: bool,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Created {
    text: String,
    quote: Option<String>,
    anchor: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Replied {
    thread: Seq,
    text: String,
}

#[derive(Deserialize)]
struct Resolved {
    thread: Seq,
    #[serde(default = "yes")]
    resolved: bool,
}

fn yes() -> bool {
    true
}

/// What a comment that begins a thread quotes, and where that stands; `None` if it tells neither, or is no such comment.
pub fn quoted(entry: &Entry) -> Option<(String, Option<Box<RawValue>>)> {
    #[derive(Deserialize)]
    struct Quoted {
        quote: Option<Box<RawValue>>,
        anchor: Option<Box<RawValue>>,
    }
    let body = serde_json::from_slice::<Body>(entry.body.as_deref()?).ok()?;
    let Quoted { quote, anchor } = payload(&body).filter(|_| body.kind == "comment.created")?;
    // It is shown if it is a text, and stored whatever it is.
    let quote = quote.map(|quote| serde_json::from_str(quote.get()).unwrap_or_else(|_| quote.get().to_owned()));
    (quote.is_some() || anchor.is_some()).then(|| (quote.unwrap_or_default(), anchor))
}

/// The threads of a page, while events are taken in order.
#[derive(Debug)]
pub struct Folding {
    threads: Vec<Thread>,
    threads_max: usize,
    bytes: usize,
    has_more: bool,
}

impl Folding {
    /// Takes the first `threads_max` threads.
    pub fn new(threads_max: usize) -> Self {
        Self { threads: Vec::new(), threads_max, bytes: 0, has_more: false }
    }

    /// Takes the next event of the timeline.
    pub fn take(&mut self, entry: Entry) {
        let Some(body) = entry.body.as_deref().and_then(|body| serde_json::from_slice::<Body>(body).ok()) else {
            return;
        };
        match &*body.kind {
            "comment.created" => self.begin(&entry, &body),
            "comment.replied" => self.reply(&entry, &body),
            "comment.resolved" => self.resolve(&entry, &body),
            _ => {}
        }
    }

    /// The threads, and whether there are more behind them.
    pub fn end(self) -> (Vec<Thread>, bool) {
        (self.threads, self.has_more)
    }

    fn begin(&mut self, entry: &Entry, body: &Body) {
        let Some(Created { text, quote, anchor }) = payload(body) else { return };
        let quote_bytes = quote.as_ref().map_or(0, String::len);
        let anchor_bytes = anchor.as_ref().map_or(0, |anchor| anchor.get().len());
        if !is_text(&text, body) || quote_bytes > QUOTE_BYTES_MAX || anchor_bytes > ANCHOR_BYTES_MAX {
            return;
        }
        if self.threads.len() == self.threads_max {
            self.has_more = true;
            return;
        }
        let thread =
            Thread { comment: comment(entry, body, text), quote, anchor, replies: Vec::new(), more: 0, resolved: None };
        self.bytes += bytes(&thread);
        self.threads.push(thread);
        self.bound();
    }

    fn reply(&mut self, entry: &Entry, body: &Body) {
        let Some(Replied { thread, text }) = payload(body) else { return };
        if !is_text(&text, body) {
            return;
        }
        let Some(thread) = self.find(thread) else { return };
        if thread.replies.len() == REPLIES_MAX {
            thread.more += 1;
            return;
        }
        let reply = comment(entry, body, text);
        let reply_bytes = bytes_of(&reply);
        thread.replies.push(reply);
        self.bytes += reply_bytes;
        self.bound();
    }

    fn resolve(&mut self, entry: &Entry, body: &Body) {
        let Some(Resolved { thread, resolved }) = payload(body) else { return };
        let Some(thread) = self.find(thread) else { return };
        let (user, name) = (entry.author.clone(), body.name.clone());
        thread.resolved = resolved.then_some(Resolution { seq: entry.seq, user, name, at_ms: entry.at_ms });
    }

    fn find(&mut self, seq: Seq) -> Option<&mut Thread> {
        let at = self.threads.binary_search_by_key(&seq, |thread| thread.comment.seq).ok()?;
        self.threads.get_mut(at)
    }

    /// Lets the last threads go while all hold too much: they are the next page's. One alone always fits.
    fn bound(&mut self) {
        while self.bytes > PAGE_BYTES_MAX && self.threads.len() > 1 {
            let last = self.threads.pop().as_ref().map_or(0, bytes);
            self.bytes -= last;
            self.threads_max = self.threads.len();
            self.has_more = true;
        }
    }
}

/// What the event says, if it has the shape.
fn payload<T: DeserializeOwned>(body: &Body) -> Option<T> {
    // A list would be taken for the fields in their order.
    let json = body.payload?.get();
    json.starts_with('{').then(|| serde_json::from_str(json).ok())?
}

fn is_text(text: &str, body: &Body) -> bool {
    (1..=TEXT_BYTES_MAX).contains(&text.len()) || (body.erased && text.is_empty())
}

fn comment(entry: &Entry, body: &Body, text: String) -> Comment {
    let (user, name) = (entry.author.clone(), body.name.clone());
    Comment { seq: entry.seq, user, name, at_ms: entry.at_ms, text, is_erased: body.erased }
}

fn bytes(thread: &Thread) -> usize {
    let Thread { comment, quote, anchor, replies, .. } = thread;
    let quote = quote.as_ref().map_or(0, String::len);
    let anchor = anchor.as_ref().map_or(0, |anchor| anchor.get().len());
    bytes_of(comment) + quote + anchor + replies.iter().map(bytes_of).sum::<usize>()
}

fn bytes_of(comment: &Comment) -> usize {
    size_of::<Comment>() + comment.user.as_str().len() + comment.name.len() + comment.text.len()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::store::{COMMENT_BYTES_MAX, EntryKind};

    /// Takes events from seq 1 on, each by `ada`.
    fn folded(threads_max: usize, events: &[(&str, serde_json::Value)]) -> (Vec<Thread>, bool) {
        let mut folding = Folding::new(threads_max);
        for (seq, (kind, payload)) in (1..).zip(events) {
            let body = json!({ "type": kind, "name": "Ada", "payload": payload }).to_string();
            folding.take(entry(seq, body));
        }
        folding.end()
    }

    fn entry(seq: u64, body: String) -> Entry {
        Entry {
            seq: Seq(seq),
            kind: EntryKind::Event,
            author: UserId::new("ada"),
            via: None,
            at_ms: seq as i64,
            key: None,
            body_bytes: body.len() as u64,
            body: Some(Bytes::from(body)),
        }
    }

    const CREATED: &str = "comment.created";
    const REPLIED: &str = "comment.replied";
    const RESOLVED: &str = "comment.resolved";

    fn seqs(threads: &[Thread]) -> Vec<u64> {
        threads.iter().map(|thread| thread.comment.seq.0).collect()
    }

    #[test]
    fn replies_and_resolutions_go_to_the_thread_that_they_name() {
        let events = [
            (CREATED, json!({ "text": "one", "quote": "q", "anchor": { "from": [1] } })),
            (CREATED, json!({ "text": "two", "more": "of an app" })),
            (REPLIED, json!({ "thread": 1, "text": "to one" })),
            (RESOLVED, json!({ "thread": 2 })),
            (RESOLVED, json!({ "thread": 1 })),
            (RESOLVED, json!({ "thread": 1, "resolved": false })),
            (REPLIED, json!({ "thread": 1, "text": "again" })),
        ];
        let (threads, has_more) = folded(10, &events);
        assert_eq!((seqs(&threads), has_more), (vec![1, 2], false));
        let [one, two] = &threads[..] else { panic!("two threads") };
        assert_eq!((one.comment.text.as_str(), one.quote.as_deref()), ("one", Some("q")));
        assert_eq!(one.anchor.as_ref().unwrap().get(), r#"{"from":[1]}"#);
        let said: Vec<_> = one.replies.iter().map(|reply| (reply.seq.0, reply.text.as_str())).collect();
        assert_eq!(said, [(3, "to one"), (7, "again")]);
        assert_eq!(one.resolved, None);
        let resolution = Resolution { seq: Seq(4), user: UserId::new("ada"), name: "Ada".into(), at_ms: 4 };
        assert_eq!(two.resolved, Some(resolution));
    }

    #[test]
    fn an_erased_comment_keeps_its_place_and_what_others_replied() {
        let body = |kind: &str, payload: serde_json::Value| {
            json!({ "type": kind, "name": "Ada", "payload": payload }).to_string()
        };
        let erased = |body: String| {
            let body = crate::protocol::json::entry::erased(body.as_bytes()).unwrap();
            String::from_utf8(body.to_vec()).unwrap()
        };
        let mut folding = Folding::new(10);
        folding.take(entry(1, erased(body(CREATED, json!({ "text": "secret", "quote": "secret" })))));
        folding.take(entry(2, body(REPLIED, json!({ "thread": 1, "text": "reply" }))));
        folding.take(entry(3, erased(body(REPLIED, json!({ "thread": 1, "text": "secret" })))));
        let (threads, _) = folding.end();
        let [thread] = &threads[..] else { panic!("one thread") };
        assert_eq!((thread.comment.text.as_str(), thread.comment.is_erased, &thread.quote), ("", true, &None));
        let replies: Vec<_> = thread.replies.iter().map(|reply| (reply.text.as_str(), reply.is_erased)).collect();
        assert_eq!(replies, [("reply", false), ("", true)]);
    }

    #[test]
    fn what_has_another_shape_is_no_comment() {
        let text = |length: usize| "x".repeat(length);
        for (kind, payload) in [
            (CREATED, json!(null)),
            (CREATED, json!({})),
            (CREATED, json!(["text", null, null])),
            (CREATED, json!({ "text": 1 })),
            (CREATED, json!({ "text": "" })),
            (CREATED, json!({ "text": text(TEXT_BYTES_MAX + 1) })),
            (CREATED, json!({ "text": "x", "quote": text(QUOTE_BYTES_MAX + 1) })),
            (CREATED, json!({ "text": "x", "anchor": text(ANCHOR_BYTES_MAX - 1) })),
            ("comment.created2", json!({ "text": "x" })),
        ] {
            assert_eq!(seqs(&folded(10, &[(kind, payload.clone())]).0), Vec::<u64>::new(), "{payload}");
        }
        let at_the_limit = json!({ "text": text(TEXT_BYTES_MAX), "quote": text(QUOTE_BYTES_MAX), "anchor": text(ANCHOR_BYTES_MAX - 2) });
        assert_eq!(seqs(&folded(10, &[(CREATED, at_the_limit)]).0), [1]);
        let events = [
            (CREATED, json!({ "text": "x" })),
            (REPLIED, json!({ "thread": 2, "text": "x" })),
            (REPLIED, json!({ "thread": "1", "text": "x" })),
            (REPLIED, json!({ "thread": 1, "text": "" })),
            (RESOLVED, json!({ "thread": 1, "resolved": 1 })),
        ];
        let (threads, _) = folded(10, &events);
        assert_eq!((threads[0].replies.len(), &threads[0].resolved), (0, &None));
        let mut folding = Folding::new(1);
        folding.take(Entry { body: None, ..entry(1, String::new()) });
        folding.take(entry(1, "[1]".into()));
        assert!(folding.end().0.is_empty());
    }

    #[test]
    fn the_longest_comment_is_no_longer_than_what_is_read() {
        // As clients write it that escape whatever is not ASCII, and all that they may.
        let escaped = |bytes: usize| "\\u0001".repeat(bytes);
        let (text, quote) = (escaped(TEXT_BYTES_MAX), escaped(QUOTE_BYTES_MAX));
        let anchor = "a".repeat(ANCHOR_BYTES_MAX - 2);
        let payload = format!(r#"{{"text":"{text}","quote":"{quote}","anchor":"{anchor}"}}"#);
        let name = "n".repeat(4_096);
        let body = format!(r#"{{"type":"comment.created","name":"{name}","payload":{payload}}}"#);
        assert!(body.len() <= COMMENT_BYTES_MAX, "{}", body.len());
        let mut folding = Folding::new(1);
        folding.take(entry(1, body));
        assert_eq!(folding.end().0[0].comment.text.len(), TEXT_BYTES_MAX);
    }

    #[test]
    fn a_page_ends_with_its_threads_and_a_thread_with_its_replies() {
        let mut events = vec![(CREATED, json!({ "text": "x" })), (CREATED, json!({ "text": "x" }))];
        assert!(!folded(2, &events).1);
        events.push((CREATED, json!({ "text": "x" })));
        assert_eq!((seqs(&folded(2, &events).0), folded(2, &events).1), (vec![1, 2], true));
        events.extend((0..=REPLIES_MAX).map(|_| (REPLIED, json!({ "thread": 2, "text": "x" }))));
        let (threads, _) = folded(2, &events);
        assert_eq!((threads[1].replies.len(), threads[1].more), (REPLIES_MAX, 1));
    }

    #[test]
    fn a_page_of_long_threads_is_shorter_and_none_of_them_is_lost() {
        let mut events: Vec<_> = (0..10).map(|_| (CREATED, json!({ "text": "x" }))).collect();
        for thread in 1..=10 {
            let reply = json!({ "thread": thread, "text": "x".repeat(TEXT_BYTES_MAX) });
            events.extend(std::iter::repeat_n((REPLIED, reply), REPLIES_MAX));
        }
        let (threads, has_more) = folded(10, &events);
        let held: usize = threads.iter().map(bytes).sum();
        assert!(has_more && held <= PAGE_BYTES_MAX && threads.len() < 10, "{held} bytes of {}", threads.len());
        assert!(threads.iter().all(|thread| thread.replies.len() == REPLIES_MAX));
        assert_eq!(seqs(&threads), (1..=threads.len() as u64).collect::<Vec<_>>());
    }
}
