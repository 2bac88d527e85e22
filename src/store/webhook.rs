//! Webhooks: endpoints, which rooms have entries that no endpoint was told of, and what is to be delivered, in queues. Both databases
//! run the same statements; `webhook_methods!` makes the methods of each.

use std::time::Duration;

use uuid::Uuid;

use super::entry::RoomId;
use super::error::StoreError;
use super::rows;
use crate::ids::{RoomName, Seq};

/// Most endpoints.
pub const WEBHOOKS_MAX: u32 = 64;
/// A room was deleted: the type of the event.
pub const DELETED: &str = "room.deleted";
/// How long a server that works on a queue is taken to live, in milliseconds: longer than a delivery may take.
pub const LEASE_MS: i64 = 25_000;
/// Deliveries that are kept of an endpoint's log, but for those that were given up.
pub(super) const LOG_MAX: i64 = 1_000;
/// How long the log has what was delivered, and what was given up, in milliseconds.
pub(super) const LOG_MS: i64 = 3 * 86_400_000;
pub(super) const PARKED_MS: i64 = 30 * 86_400_000;

/// A time as a column has it.
pub(super) fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}

/// An endpoint.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookRow {
    /// Its name.
    pub id: String,
    /// Where deliveries go.
    pub url: String,
    /// What they are signed with.
    pub secret: String,
    /// Patterns of event types, as a JSON list.
    pub events: String,
    /// A pattern of room names.
    pub rooms: String,
    /// The format in which a document comes along.
    pub content: Option<String>,
    /// The root type of that.
    pub root: Option<String>,
    /// Whether its deliveries wait.
    pub is_paused: bool,
    /// When it was made, in Unix milliseconds.
    pub created_at_ms: i64,
}

/// A room with entries that are in no queue yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DueRoom {
    /// The room.
    pub room: RoomId,
    /// Its name.
    pub name: RoomName,
    /// Up to here all but edits are in queues.
    pub since: Seq,
    /// Up to here edits are.
    pub edits_since: Seq,
    /// When the first edit after that was found, and when they are to be told, in Unix milliseconds.
    pub edits: Option<(i64, i64)>,
    /// The newest entry.
    pub head: Seq,
    /// When that was, in Unix milliseconds: no entry up to it is later.
    pub at_ms: i64,
}

/// Something that happened to a room beside its timeline.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomEvent {
    /// Its row; given by the store.
    pub id: i64,
    /// The room's name.
    pub room: String,
    /// What happened: the event's type.
    pub kind: String,
    /// When, in Unix milliseconds.
    pub at_ms: i64,
    /// JSON of more.
    pub body: Option<String>,
}

/// Where deliveries were found.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// In a room, whose row was as the first and is to be as the second.
    Room(&'a DueRoom, &'a DueRoom),
    /// In an event.
    Event(i64),
}

/// A queue: deliveries of one endpoint, room and event type go one after another.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct QueueKey {
    /// The endpoint.
    pub webhook: String,
    /// The room's name.
    pub room: String,
    /// The event's type.
    pub kind: String,
}

/// A delivery to be made.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// Names it to its receiver.
    pub id: String,
    /// Whose turn it waits for.
    pub queue: QueueKey,
    /// Of edits, the seq that they come after.
    pub after: Option<Seq>,
    /// The entry, or the last one; none for what is in no timeline.
    pub seq: Option<Seq>,
    /// When that was, in Unix milliseconds.
    pub at_ms: i64,
    /// How long it is tried at least.
    pub hold: Duration,
}

/// What has become of a delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeliveryState {
    /// It waits, for its turn or for another attempt.
    Waiting,
    /// Its receiver has taken it.
    Delivered,
    /// It was given up.
    Parked,
    /// What it was about is no longer there.
    Gone,
}

impl DeliveryState {
    /// As a column has it.
    pub fn column(self) -> i16 {
        match self {
            Self::Waiting => 0,
            Self::Delivered => 1,
            Self::Parked => 2,
            Self::Gone => 3,
        }
    }

    pub(super) fn of(column: i16) -> Self {
        match column {
            1 => Self::Delivered,
            2 => Self::Parked,
            3 => Self::Gone,
            _ => Self::Waiting,
        }
    }
}

/// A row of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// Its place among all.
    pub number: i64,
    /// Names it to its receiver.
    pub id: String,
    /// The room's name.
    pub room: String,
    /// The event's type.
    pub kind: String,
    /// As in [`NewDelivery`].
    pub after: Option<Seq>,
    /// As in [`NewDelivery`].
    pub seq: Option<Seq>,
    /// As in [`NewDelivery`].
    pub at_ms: i64,
    /// As in [`NewDelivery`].
    pub body: Option<String>,
    /// What has become of it.
    pub state: DeliveryState,
    /// How often it was tried, the attempt that is under way included.
    pub attempts: u32,
    /// When the last attempt ended, in Unix milliseconds.
    pub tried_at_ms: Option<i64>,
    /// The status of its answer.
    pub status: Option<u16>,
    /// Why there was none, or not the right one.
    pub error: Option<String>,
}

/// What came of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// The delivery.
    pub number: i64,
    /// What has become of it.
    pub state: DeliveryState,
    /// The status of the answer.
    pub status: Option<u16>,
    /// Why there was none, or not the right one.
    pub error: Option<String>,
}

/// A queue that this server works on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueLease {
    /// The queue.
    pub key: QueueKey,
    /// Tells this work from others'.
    pub token: Uuid,
}

/// What comes next in a queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NextDelivery {
    /// This is to be delivered.
    One(Delivery),
    /// Nothing: the lease has ended.
    None,
    /// Another server works on it.
    Lost,
}

/// id, url, secret, events, rooms, content, root, paused, created_at.
pub(super) type WebhookColumns = (String, String, String, String, String, Option<String>, Option<String>, bool, i64);

pub(super) fn webhook(columns: WebhookColumns) -> WebhookRow {
    let (id, url, secret, events, rooms, content, root, is_paused, created_at_ms) = columns;
    WebhookRow { id, url, secret, events, rooms, content, root, is_paused, created_at_ms }
}

/// room_id, name, since, edits_since, edits_from_at, edits_due_at, head, last_at.
pub(super) type DueColumns = (i64, String, i64, i64, Option<i64>, Option<i64>, i64, i64);

pub(super) fn due(columns: DueColumns) -> Result<DueRoom, StoreError> {
    let (id, name, since, edits_since, from, due, head, at_ms) = columns;
    let wrong = |error| StoreError::Unexpected(format!("the name of room {id}: {error}"));
    Ok(DueRoom {
        room: RoomId(id),
        name: RoomName::parse(&name).map_err(wrong)?,
        since: rows::seq(since),
        edits_since: rows::seq(edits_since),
        edits: from.zip(due),
        head: rows::seq(head),
        at_ms,
    })
}

/// number, id, room, type, after, seq, at, body, state, attempts, tried_at, status, error.
pub(super) type DeliveryColumns = (
    i64,
    String,
    String,
    String,
    Option<i64>,
    Option<i64>,
    i64,
    Option<String>,
    i16,
    i32,
    Option<i64>,
    Option<i32>,
    Option<String>,
);

pub(super) fn delivery(columns: DeliveryColumns) -> Delivery {
    let (number, id, room, kind, after, seq, at_ms, body, state, attempts, tried_at_ms, status, error) = columns;
    Delivery {
        number,
        id,
        room,
        kind,
        after: after.map(rows::seq),
        seq: seq.map(rows::seq),
        at_ms,
        body,
        state: DeliveryState::of(state),
        attempts: attempts.unsigned_abs(),
        tried_at_ms,
        status: status.and_then(|status| u16::try_from(status).ok()),
        error,
    }
}

/// Notes that something has happened to a room, if anybody is to be told. To be run in the transaction in which it happens: then it is
/// told exactly if it happened. Parameters: the room's name, the event's type, the time, JSON of more or null.
pub(super) const ROOM_EVENT_SQL: &str = "insert into webhook_event (room, type, at, body) \
    select $1, $2, $3, $4 where exists (select 1 from webhook)";

/// The methods of a backend; `$now` is the time in Unix milliseconds in the words of the database, whose clock counts.
macro_rules! webhook_methods {
    ($backend:ty, $now:literal) => {
        impl $backend {
            pub async fn webhooks(&self) -> Result<Vec<WebhookRow>, StoreError> {
                let sql = "select id, url, secret, events, rooms, content, root, paused, created_at from webhook \
                           order by created_at, id";
                let mut reading = self.reading().await?;
                let rows: Vec<WebhookColumns> = sqlx::query_as(sql).fetch_all(&mut *reading.connection()).await?;
                reading.keep();
                Ok(rows.into_iter().map(webhook).collect())
            }

            /// Whether there was room for it.
            pub async fn add_webhook(&self, row: &WebhookRow) -> Result<bool, StoreError> {
                let sql = "insert into webhook (id, url, secret, events, rooms, content, root, paused, created_at) \
                           select $1, $2, $3, $4, $5, $6, $7, $8, $9 where (select count(*) from webhook) < $10";
                let mut writing = self.writing().await?;
                let query = sqlx::query(sql).bind(&row.id).bind(&row.url).bind(&row.secret).bind(&row.events);
                let query = query.bind(&row.rooms).bind(row.content.as_deref()).bind(row.root.as_deref());
                let query = query.bind(row.is_paused).bind(row.created_at_ms).bind(i64::from(WEBHOOKS_MAX));
                let added = query.execute(&mut *writing.connection()).await?.rows_affected();
                writing.commit().await?;
                Ok(added > 0)
            }

            /// Changes all but its secret; whether it is there. What waits is tried at once.
            pub async fn change_webhook(&self, row: &WebhookRow, hold_ms: i64) -> Result<bool, StoreError> {
                let sql = "update webhook set url = $2, events = $3, rooms = $4, content = $5, root = $6, paused = $7 \
                           where id = $1";
                let mut writing = self.writing().await?;
                let query = sqlx::query(sql).bind(&row.id).bind(&row.url).bind(&row.events).bind(&row.rooms);
                let query = query.bind(row.content.as_deref()).bind(row.root.as_deref()).bind(row.is_paused);
                let changed = query.execute(&mut *writing.connection()).await?.rows_affected();
                if !row.is_paused {
                    let sql = concat!("update webhook_queue set next_at = ", $now, " where webhook_id = $1 and next_at > ", $now);
                    sqlx::query(sql).bind(&row.id).execute(&mut *writing.connection()).await?;
                    let sql = concat!(
                        "update webhook_delivery set until = ", $now, " + $2 \
                         where webhook_id = $1 and state = 0 and until < ", $now, " + $2"
                    );
                    sqlx::query(sql).bind(&row.id).bind(hold_ms).execute(&mut *writing.connection()).await?;
                }
                writing.commit().await?;
                Ok(changed > 0)
            }

            /// Makes the endpoint of the configuration what it is there, or takes it out.
            pub async fn configure_webhook(&self, id: &str, row: Option<&WebhookRow>) -> Result<(), StoreError> {
                let mut writing = self.writing().await?;
                match row {
                    None => {
                        let sql = "delete from webhook where id = $1";
                        sqlx::query(sql).bind(id).execute(&mut *writing.connection()).await?;
                    }
                    Some(row) => {
                        let sql = "insert into webhook (id, url, secret, events, rooms, content, root, created_at) \
                                   values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (id) do update set \
                                   url = excluded.url, secret = excluded.secret, events = excluded.events, \
                                   rooms = excluded.rooms, content = excluded.content, root = excluded.root";
                        let query = sqlx::query(sql).bind(id).bind(&row.url).bind(&row.secret).bind(&row.events);
                        let query = query.bind(&row.rooms).bind(row.content.as_deref()).bind(row.root.as_deref());
                        query.bind(row.created_at_ms).execute(&mut *writing.connection()).await?;
                    }
                }
                writing.commit().await
            }

            pub async fn remove_webhook(&self, id: &str) -> Result<bool, StoreError> {
                let mut writing = self.writing().await?;
                let sql = "delete from webhook where id = $1";
                let removed = sqlx::query(sql).bind(id).execute(&mut *writing.connection()).await?.rows_affected();
                writing.commit().await?;
                Ok(removed > 0)
            }

            /// Has all that waits tried now, for at least so long.
            pub async fn wake_webhooks(&self, hold_ms: i64) -> Result<(), StoreError> {
                let mut writing = self.writing().await?;
                let sql = concat!("update webhook_queue set next_at = ", $now, " where next_at > ", $now);
                sqlx::query(sql).execute(&mut *writing.connection()).await?;
                let sql = concat!(
                    "update webhook_delivery set until = ", $now, " + $1 where state = 0 and until < ", $now, " + $1"
                );
                sqlx::query(sql).bind(hold_ms).execute(&mut *writing.connection()).await?;
                self.end_leases(writing.connection()).await?;
                writing.commit().await
            }

            pub async fn add_room_events(&self, events: &[RoomEvent]) -> Result<(), StoreError> {
                let mut writing = self.writing().await?;
                for event in events {
                    let query = sqlx::query(ROOM_EVENT_SQL).bind(&event.room).bind(&event.kind);
                    let query = query.bind(event.at_ms).bind(event.body.as_deref());
                    query.execute(&mut *writing.connection()).await?;
                }
                writing.commit().await
            }

            pub async fn room_events(&self, limit: u32) -> Result<Vec<RoomEvent>, StoreError> {
                let sql = "select id, room, type, at, body from webhook_event order by id limit $1";
                let mut reading = self.reading().await?;
                let rows: Vec<(i64, String, String, i64, Option<String>)> =
                    sqlx::query_as(sql).bind(i64::from(limit)).fetch_all(&mut *reading.connection()).await?;
                reading.keep();
                let event = |(id, room, kind, at_ms, body)| RoomEvent { id, room, kind, at_ms, body };
                Ok(rows.into_iter().map(event).collect())
            }

            /// Those that are told best effort, and those that are told exactly if they happened.
            pub async fn trim_room_events(&self, (best_effort, certain): (u32, u32)) -> Result<u64, StoreError> {
                let sql = "delete from webhook_event where id <= (select max(id) from webhook_event) \
                           - case when type in ($1, $2) then $3 else $4 end";
                let mut writing = self.writing().await?;
                let query = sqlx::query(sql).bind(CREATED).bind(DELETED).bind(i64::from(certain)).bind(i64::from(best_effort));
                let deleted = query.execute(&mut *writing.connection()).await?.rows_affected();
                writing.commit().await?;
                Ok(deleted)
            }

            pub async fn due_rooms(&self, now_ms: i64, limit: u32) -> Result<Vec<DueRoom>, StoreError> {
                let sql = "select d.room_id, r.name, d.since, d.edits_since, d.edits_from_at, d.edits_due_at, d.head, r.last_at \
                           from webhook_due d join room r on r.id = d.room_id \
                           where d.head > d.since or d.edits_due_at <= $1 limit $2";
                let mut reading = self.reading().await?;
                let query = sqlx::query_as(sql).bind(now_ms).bind(i64::from(limit));
                let rows: Vec<DueColumns> = query.fetch_all(&mut *reading.connection()).await?;
                reading.keep();
                rows.into_iter().map(due).collect()
            }

            /// Puts what was found into queues; whether nobody else has done so meanwhile.
            pub async fn enqueue(&self, found: Found<'_>, deliveries: &[NewDelivery]) -> Result<bool, StoreError> {
                let mut writing = self.writing().await?;
                // As it is now, and not as it was read: a name in it may have been erased since.
                let body: Option<String> = match found {
                    Found::Event(id) => {
                        let query = sqlx::query_scalar("delete from webhook_event where id = $1 returning body").bind(id);
                        let Some(body) = query.fetch_optional(&mut *writing.connection()).await? else {
                            writing.roll_back().await?;
                            return Ok(false);
                        };
                        body
                    }
                    Found::Room(..) => None,
                };
                let mut queues = BTreeSet::new();
                for new in deliveries {
                    let QueueKey { webhook, room, kind } = &new.queue;
                    let (after, seq) = (new.after.map(seq_column), new.seq.map(seq_column));
                    if after.is_some() {
                        // One that nobody has seen yet may as well tell of these, too.
                        let sql = "update webhook_delivery set seq = $5, at = $6 where number = (\
                                     select max(number) from webhook_delivery \
                                     where webhook_id = $1 and room = $2 and type = $3 and state = 0) \
                                   and attempts = 0 and seq = $4";
                        let query = sqlx::query(sql).bind(webhook).bind(room).bind(kind).bind(after).bind(seq);
                        let extended = query.bind(new.at_ms).execute(&mut *writing.connection()).await?;
                        if extended.rows_affected() > 0 {
                            continue;
                        }
                    }
                    let sql = concat!(
                        "insert into webhook_delivery (id, webhook_id, room, type, after, seq, at, body, until) \
                         select $1, id, $3, $4, $5, $6, $7, $8, ", $now, " + $9 from webhook where id = $2"
                    );
                    let query = sqlx::query(sql).bind(&new.id).bind(webhook).bind(room).bind(kind).bind(after);
                    let query = query.bind(seq).bind(new.at_ms).bind(body.as_deref()).bind(ms(new.hold));
                    query.execute(&mut *writing.connection()).await?;
                    queues.insert(&new.queue);
                }
                for QueueKey { webhook, room, kind } in queues {
                    let sql = concat!(
                        "insert into webhook_queue (webhook_id, room, type, next_at) \
                         select id, $2, $3, ", $now, " from webhook where id = $1 \
                         on conflict (webhook_id, room, type) do update set version = webhook_queue.version + 1"
                    );
                    let query = sqlx::query(sql).bind(webhook).bind(room).bind(kind);
                    query.execute(&mut *writing.connection()).await?;
                }
                if let Found::Room(was, is) = found {
                    // Last: appends wait for this row.
                    let sql = "update webhook_due set since = $4, edits_since = $5, edits_from_at = $6, edits_due_at = $7 \
                               where room_id = $1 and since = $2 and edits_since = $3";
                    let query = sqlx::query(sql).bind(was.room.0).bind(seq_column(was.since));
                    let query = query.bind(seq_column(was.edits_since)).bind(seq_column(is.since));
                    let query = query.bind(seq_column(is.edits_since)).bind(is.edits.map(|(from, _)| from));
                    let query = query.bind(is.edits.map(|(_, due)| due));
                    if query.execute(&mut *writing.connection()).await?.rows_affected() == 0 {
                        writing.roll_back().await?;
                        return Ok(false);
                    }
                    let sql = "delete from webhook_due where room_id = $1 and since >= head and edits_due_at is null";
                    sqlx::query(sql).bind(was.room.0).execute(&mut *writing.connection()).await?;
                }
                writing.commit().await?;
                Ok(true)
            }

            /// Queues of an endpoint whose turn it is, which nobody works on.
            pub async fn due_queues(&self, webhook: &str, limit: u32) -> Result<Vec<QueueKey>, StoreError> {
                let sql = concat!(
                    "select room, type from webhook_queue where webhook_id = $1 and next_at <= ", $now,
                    " and leased_until <= ", $now, " order by next_at limit $2"
                );
                let mut reading = self.reading().await?;
                let query = sqlx::query_as(sql).bind(webhook).bind(i64::from(limit));
                let rows: Vec<(String, String)> = query.fetch_all(&mut *reading.connection()).await?;
                reading.keep();
                let key = |(room, kind)| QueueKey { webhook: webhook.to_owned(), room, kind };
                Ok(rows.into_iter().map(key).collect())
            }

            /// Takes the lease of a queue; whether nobody has it, and its endpoint is not paused: another server may have done that just now.
            pub async fn lease_queue(&self, lease: &QueueLease) -> Result<bool, StoreError> {
                let sql = concat!(
                    "update webhook_queue set lease = $4, leased_until = ", $now, " + $5 \
                     where webhook_id = $1 and room = $2 and type = $3 and leased_until <= ", $now,
                    " and next_at <= ", $now, " and exists (select 1 from webhook where id = $1 and not paused)"
                );
                let QueueLease { key: QueueKey { webhook, room, kind }, token } = lease;
                let mut writing = self.writing().await?;
                let query = sqlx::query(sql).bind(webhook).bind(room).bind(kind).bind(token).bind(LEASE_MS);
                let leased = query.execute(&mut *writing.connection()).await?.rows_affected();
                writing.commit().await?;
                Ok(leased > 0)
            }

            /// Notes what came of an attempt, and gives the next delivery of the queue.
            pub async fn next_delivery(
                &self,
                lease: &QueueLease,
                done: Option<&Attempt>,
            ) -> Result<NextDelivery, StoreError> {
                let QueueLease { key: QueueKey { webhook, room, kind }, token } = lease;
                let mut writing = self.writing().await?;
                Self::note_attempt(writing.connection(), done).await?;
                let next = loop {
                    let sql = concat!(
                        "update webhook_queue set leased_until = ", $now, " + $5 \
                         where webhook_id = $1 and room = $2 and type = $3 and lease = $4 returning version"
                    );
                    let query = sqlx::query_scalar(sql).bind(webhook).bind(room).bind(kind).bind(token).bind(LEASE_MS);
                    let version: Option<i64> = query.fetch_optional(&mut *writing.connection()).await?;
                    let Some(version) = version else { break NextDelivery::Lost };
                    let sql = "update webhook_delivery set attempts = attempts + 1 where number = (\
                                 select min(number) from webhook_delivery \
                                 where webhook_id = $1 and room = $2 and type = $3 and state = 0) \
                               returning number, id, room, type, after, seq, at, body, state, attempts, tried_at, status, error";
                    let query = sqlx::query_as(sql).bind(webhook).bind(room).bind(kind);
                    let row: Option<DeliveryColumns> = query.fetch_optional(&mut *writing.connection()).await?;
                    if let Some(row) = row {
                        break NextDelivery::One(delivery(row));
                    }
                    let sql = "delete from webhook_queue \
                               where webhook_id = $1 and room = $2 and type = $3 and lease = $4 and version = $5";
                    let query = sqlx::query(sql).bind(webhook).bind(room).bind(kind).bind(token).bind(version);
                    if query.execute(&mut *writing.connection()).await?.rows_affected() > 0 {
                        break NextDelivery::None;
                    }
                };
                writing.commit().await?;
                Ok(next)
            }

            /// Notes that an attempt has failed, and puts its queue off, unless the delivery was tried for long enough: then it is
            /// given up. Whether it was.
            pub async fn put_off(
                &self,
                lease: &QueueLease,
                attempt: &Attempt,
                wait_ms: i64,
            ) -> Result<bool, StoreError> {
                let sql = concat!(
                    "update webhook_delivery set status = $2, error = $3, tried_at = ", $now,
                    ", state = case when until <= ", $now, " then 2 else state end, \
                     body = case when until <= ", $now, " then null else body end \
                     where number = $1 returning state"
                );
                let mut writing = self.writing().await?;
                let query = sqlx::query_scalar(sql).bind(attempt.number).bind(attempt.status.map(i32::from));
                let query = query.bind(attempt.error.as_deref());
                let state: Option<i16> = query.fetch_optional(&mut *writing.connection()).await?;
                let is_parked = state == Some(DeliveryState::Parked.column());
                if !is_parked {
                    Self::put_queue_off(writing.connection(), lease, wait_ms).await?;
                }
                writing.commit().await?;
                Ok(is_parked)
            }

            async fn note_attempt(connection: &mut Connection, done: Option<&Attempt>) -> sqlx::Result<()> {
                let Some(attempt) = done else { return Ok(()) };
                let sql = concat!(
                    "update webhook_delivery set state = $2, status = $3, error = $4, tried_at = ", $now,
                    ", body = null where number = $1"
                );
                let query = sqlx::query(sql).bind(attempt.number).bind(attempt.state.column());
                let query = query.bind(attempt.status.map(i32::from)).bind(attempt.error.as_deref());
                query.execute(connection).await.map(drop)
            }

            /// Notes what came of an attempt, and gives a lease back, for others to go on.
            pub async fn release_queue(&self, lease: &QueueLease, done: Option<&Attempt>) -> Result<(), StoreError> {
                let mut writing = self.writing().await?;
                Self::note_attempt(writing.connection(), done).await?;
                Self::put_queue_off(writing.connection(), lease, 0).await?;
                writing.commit().await
            }

            async fn put_queue_off(connection: &mut Connection, lease: &QueueLease, wait_ms: i64) -> sqlx::Result<()> {
                let sql = concat!(
                    "update webhook_queue set next_at = ", $now, " + $5, lease = null, leased_until = 0 \
                     where webhook_id = $1 and room = $2 and type = $3 and lease = $4"
                );
                let QueueLease { key: QueueKey { webhook, room, kind }, token } = lease;
                let query = sqlx::query(sql).bind(webhook).bind(room).bind(kind).bind(token).bind(wait_ms);
                query.execute(connection).await.map(drop)
            }

            /// Deliveries of an endpoint, the newest first, before a number.
            pub async fn deliveries(
                &self,
                webhook: &str,
                state: Option<DeliveryState>,
                before: Option<i64>,
                limit: u32,
            ) -> Result<Vec<Delivery>, StoreError> {
                let sql = "select number, id, room, type, after, seq, at, body, state, attempts, tried_at, status, error \
                           from webhook_delivery where webhook_id = $1 and number < $2 and ($3 is null or state = $3) \
                           order by number desc limit $4";
                let mut reading = self.reading().await?;
                let query = sqlx::query_as(sql).bind(webhook).bind(before.unwrap_or(i64::MAX));
                let query = query.bind(state.map(DeliveryState::column)).bind(i64::from(limit));
                let rows: Vec<DeliveryColumns> = query.fetch_all(&mut *reading.connection()).await?;
                reading.keep();
                Ok(rows.into_iter().map(delivery).collect())
            }

            /// Has a delivery made again, or now; whether it is in the log.
            pub async fn redeliver(&self, webhook: &str, id: &str, hold_ms: i64) -> Result<bool, StoreError> {
                let sql = concat!(
                    "update webhook_delivery set state = 0, attempts = 0, until = ", $now, " + $3 \
                     where webhook_id = $1 and id = $2 returning room, type"
                );
                let mut writing = self.writing().await?;
                let query = sqlx::query_as(sql).bind(webhook).bind(id).bind(hold_ms);
                let row: Option<(String, String)> = query.fetch_optional(&mut *writing.connection()).await?;
                if let Some((room, kind)) = &row {
                    let sql = concat!(
                        "insert into webhook_queue (webhook_id, room, type, next_at) values ($1, $2, $3, ", $now, ") \
                         on conflict (webhook_id, room, type) do update \
                         set version = webhook_queue.version + 1, next_at = excluded.next_at"
                    );
                    let query = sqlx::query(sql).bind(webhook).bind(room).bind(kind);
                    query.execute(&mut *writing.connection()).await?;
                }
                writing.commit().await?;
                Ok(row.is_some())
            }

            /// Shortens the log; how many deliveries wait.
            pub async fn trim_deliveries(&self) -> Result<u64, StoreError> {
                let mut writing = self.writing().await?;
                let sql = concat!(
                    "delete from webhook_delivery where (state in (1, 3) and tried_at < ", $now, " - $1) \
                     or (state = 2 and tried_at < ", $now, " - $2)"
                );
                let query = sqlx::query(sql).bind(LOG_MS).bind(PARKED_MS);
                query.execute(&mut *writing.connection()).await?;
                let sql = "delete from webhook_delivery where state in (1, 3) and number <= (\
                             select number from webhook_delivery d where d.webhook_id = webhook_delivery.webhook_id \
                             and d.state in (1, 3) order by number desc limit 1 offset $1)";
                sqlx::query(sql).bind(LOG_MAX).execute(&mut *writing.connection()).await?;
                let sql = "select count(*) from webhook_delivery where state = 0";
                let waiting: i64 = sqlx::query_scalar(sql).fetch_one(&mut *writing.connection()).await?;
                writing.commit().await?;
                Ok(waiting.unsigned_abs())
            }
        }
    };
}
pub(super) use webhook_methods;
