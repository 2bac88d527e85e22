//! Sorts what is to be told into queues: entries of rooms that have moved on, and events that are in no timeline.

use std::time::Duration;

use serde::Deserialize;
use uuid::Uuid;

use super::endpoint::Endpoint;
use super::known::Webhooks;
use crate::ids::{RoomName, Seq};
use crate::store::{
    Bodies, CREATED, DELETED, DueRoom, Entry, EntryKind, Found, HistoryQuery, Kinds, NewDelivery, Page, QueueKey,
    RoomEvent, StoreError,
};

/// A document that has changed is told so long after its last edit, and so long after the first one at most, in milliseconds.
const QUIET_MS: i64 = 2_000;
const GATHER_MS: i64 = 10_000;
/// Rooms, entries of one, and events that are looked at in one go.
const ROOMS_MAX: u32 = 50;
const ENTRIES_MAX: u32 = 200;
const EVENTS_MAX: u32 = 200;
/// How long what is told best effort is tried.
const BEST_EFFORT: Duration = Duration::from_secs(300);

const CHANGED: &str = "document.changed";
const MESSAGE: &str = "message.created";

/// Sorts a part of what is there; whether there may be more.
pub async fn collect(webhooks: &Webhooks, now_ms: i64) -> Result<bool, StoreError> {
    let store = webhooks.store();
    let events = store.room_events(EVENTS_MAX).await?;
    let rooms = store.due_rooms(now_ms, ROOMS_MAX).await?;
    if events.is_empty() && rooms.is_empty() {
        return Ok(false);
    }
    // Only now: an endpoint that was there before any of these has to be among them, on whichever server it was added.
    let endpoints = webhooks.refresh().await?;
    if webhooks.has_unknown() {
        return Ok(false);
    }
    let collector = Collector { endpoints: &endpoints, give_up: webhooks.give_up() };
    let mut is_more = events.len() == EVENTS_MAX as usize || rooms.len() == ROOMS_MAX as usize;
    for event in events {
        let id = event.id;
        store.enqueue(Found::Event(id), collector.event(&event)).await?;
    }
    for was in rooms {
        let query = HistoryQuery {
            after: Some(was.since),
            before: Some(Seq(was.head.0 + 1)),
            kinds: Kinds::All,
            author: None,
            limit: ENTRIES_MAX,
            page: Page::Oldest,
            bodies: Bodies::NotOfEdits,
        };
        // What was dropped before it was told is passed over.
        let entries = match was.head > was.since {
            true => store.remaining(was.room, query).await,
            false => Ok(Vec::new()),
        };
        let entries = match entries {
            // A server of a newer release sorts them.
            Err(StoreError::Newer(_)) => continue,
            entries => entries?,
        };
        let (is, deliveries) = collector.room(&was, &entries, now_ms);
        is_more |= is.since < was.head;
        store.enqueue(Found::Room(&was, &is), deliveries).await?;
    }
    Ok(is_more)
}

struct Collector<'e> {
    endpoints: &'e [Endpoint],
    give_up: Duration,
}

/// The type of an event, of its body.
#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    kind: String,
}

impl Collector<'_> {
    fn wants(&self, room: &RoomName, kind: &str) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.wants(room, kind))
    }

    /// A delivery for each endpoint that wants it, as `like` has it but for its id and endpoint.
    fn to_all(&self, room: &RoomName, like: &NewDelivery) -> impl Iterator<Item = NewDelivery> {
        let wanting = self.endpoints.iter().filter(|endpoint| endpoint.wants(room, &like.queue.kind));
        wanting.map(|endpoint| NewDelivery {
            id: format!("msg_{}", Uuid::new_v4().simple()),
            queue: QueueKey { webhook: endpoint.id.clone(), ..like.queue.clone() },
            ..like.clone()
        })
    }

    fn like(&self, room: &str, kind: &str, seq: Option<Seq>, at_ms: i64) -> NewDelivery {
        let queue = QueueKey { webhook: String::new(), room: room.to_owned(), kind: kind.to_owned() };
        NewDelivery { id: String::new(), queue, after: None, seq, at_ms, hold: self.give_up }
    }

    fn event(&self, event: &RoomEvent) -> Vec<NewDelivery> {
        let Ok(room) = RoomName::parse(&event.room) else { return Vec::new() };
        let hold =
            if [CREATED, DELETED].contains(&&*event.kind) { self.give_up } else { self.give_up.min(BEST_EFFORT) };
        let like = NewDelivery { hold, ..self.like(&event.room, &event.kind, None, event.at_ms) };
        self.to_all(&room, &like).collect()
    }

    /// What a room's row becomes, and what is to be told of these entries, the next ones of the room.
    fn room(&self, was: &DueRoom, entries: &[Entry], now_ms: i64) -> (DueRoom, Vec<NewDelivery>) {
        let room = &was.name;
        let mut is = was.clone();
        let mut deliveries = Vec::new();
        let mut tell = |kind: &str, entry: &Entry| {
            deliveries.extend(self.to_all(room, &self.like(room.as_str(), kind, Some(entry.seq), entry.at_ms)));
        };
        for entry in entries {
            if entry.seq == Seq(1) {
                tell(CREATED, entry);
            }
            match entry.kind {
                EntryKind::Message => tell(MESSAGE, entry),
                EntryKind::Event => {
                    let body = entry.body.as_deref().unwrap_or_default();
                    if let Ok(Typed { kind }) = serde_json::from_slice(body) {
                        tell(&kind, entry);
                    }
                }
                EntryKind::Edit => {
                    // Never later than by this server's clock, whatever the other's was.
                    let at_ms = entry.at_ms.min(now_ms);
                    let from = is.edits.map_or(at_ms, |(from, _)| from);
                    is.edits = Some((from, (at_ms + QUIET_MS).min(from + GATHER_MS)));
                }
                EntryKind::Step => {}
            }
        }
        // A page may be shorter than asked for; only an empty one says that nothing is left: entries may have been erased.
        is.since = entries.last().map_or(was.head, |entry| entry.seq);
        if is.edits.is_some() && !self.wants(room, CHANGED) {
            is.edits = None;
        }
        if is.edits.is_some_and(|(_, due)| due <= now_ms) {
            let like = self.like(room.as_str(), CHANGED, Some(is.since), was.at_ms);
            let like = NewDelivery { after: Some(was.edits_since), ..like };
            deliveries.extend(self.to_all(room, &like));
            is.edits = None;
        }
        if is.edits.is_none() {
            is.edits_since = is.since;
        }
        (is, deliveries)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::config::{HookUrl, SigningSecret};
    use crate::ids::{EventPattern, RoomPattern, UserId};
    use crate::store::RoomId;
    use crate::webhooks::NewEndpoint;

    fn endpoint(id: &str, events: &[&str], rooms: &str) -> Endpoint {
        let new = NewEndpoint {
            url: HookUrl::parse("https://app.example.com/").unwrap(),
            events: events.iter().map(|event| EventPattern::parse(event).unwrap()).collect(),
            rooms: RoomPattern::parse(rooms).unwrap(),
            content: None,
            root: None,
        };
        Endpoint { id: id.into(), new, secret: SigningSecret::generate(), is_paused: false, created_at_ms: 0 }
    }

    fn entry(seq: u64, kind: EntryKind, at_ms: i64, body: &'static str) -> Entry {
        let body = Some(Bytes::from_static(body.as_bytes()));
        Entry { seq: Seq(seq), kind, author: UserId::new("ada"), via: None, at_ms, key: None, body_bytes: 0, body }
    }

    fn due(since: u64, edits_since: u64, edits: Option<(i64, i64)>, head: u64) -> DueRoom {
        let name = RoomName::parse("docs/plan").unwrap();
        DueRoom {
            room: RoomId(1),
            name,
            since: Seq(since),
            edits_since: Seq(edits_since),
            edits,
            head: Seq(head),
            at_ms: 9,
        }
    }

    fn told(deliveries: &[NewDelivery]) -> Vec<(&str, &str, Option<u64>, Option<u64>)> {
        let told = |new: &'_ NewDelivery| (new.after.map(|seq| seq.0), new.seq.map(|seq| seq.0));
        let name = |new| {
            let (after, seq) = told(new);
            (&new.queue.webhook[..], &new.queue.kind[..], after, seq)
        };
        deliveries.iter().map(name).collect()
    }

    #[test]
    fn entries_are_told_to_those_who_want_them_and_edits_once_nobody_types() {
        let endpoints =
            [endpoint("a", &["*"], "docs/*"), endpoint("b", &["message.created"], "*"), endpoint("c", &["*"], "other")];
        let collector = Collector { endpoints: &endpoints, give_up: Duration::from_secs(60) };
        let entries = [
            entry(1, EntryKind::Edit, 1_000, ""),
            entry(2, EntryKind::Message, 1_100, r#"{"type":"chat.message","text":"hi"}"#),
            entry(3, EntryKind::Event, 1_200, r#"{"type":"order.paid"}"#),
            entry(4, EntryKind::Edit, 1_300, ""),
            entry(5, EntryKind::Step, 1_300, "{}"),
        ];
        let (is, deliveries) = collector.room(&due(0, 0, None, 5), &entries, 1_400);
        assert_eq!(is, due(5, 0, Some((1_000, 3_300)), 5));
        let expected = [
            ("a", "room.created", None, Some(1)),
            ("a", "message.created", None, Some(2)),
            ("b", "message.created", None, Some(2)),
            ("a", "order.paid", None, Some(3)),
        ];
        assert_eq!(told(&deliveries), expected);
        let (is, deliveries) = collector.room(&is, &[], 3_300);
        assert_eq!(is, due(5, 5, None, 5));
        assert_eq!(told(&deliveries), [("a", "document.changed", Some(0), Some(5))]);
    }

    #[test]
    fn who_types_without_a_pause_is_told_of_every_ten_seconds() {
        let endpoints = [endpoint("a", &["document.changed"], "*")];
        let collector = Collector { endpoints: &endpoints, give_up: Duration::from_secs(60) };
        let (is, deliveries) =
            collector.room(&due(7, 5, Some((1_000, 10_500)), 8), &[entry(8, EntryKind::Edit, 10_400, "")], 10_450);
        assert_eq!((is.clone(), deliveries.len()), (due(8, 5, Some((1_000, 11_000)), 8), 0));
        let (is, deliveries) = collector.room(&is, &[], 11_000);
        assert_eq!((is, told(&deliveries)), (due(8, 8, None, 8), vec![("a", "document.changed", Some(5), Some(8))]));
    }

    #[test]
    fn edits_that_nobody_wants_to_hear_of_are_passed_over_and_so_is_what_was_erased() {
        let endpoints = [endpoint("a", &["message.created"], "*")];
        let collector = Collector { endpoints: &endpoints, give_up: Duration::from_secs(60) };
        let (is, deliveries) = collector.room(&due(0, 0, None, 9), &[entry(3, EntryKind::Edit, 1_000, "")], 1_000);
        // Behind a page that was cut short there may be more.
        assert_eq!((is.clone(), deliveries.len()), (due(3, 3, None, 9), 0));
        let (is, deliveries) = collector.room(&is, &[], 1_000);
        assert_eq!((is, deliveries.len()), (due(9, 9, None, 9), 0));
    }
}
