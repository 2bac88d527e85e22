//! REST: erasing what was written in a room for good, or whose it was. What is to go is found in the room's history; what of it lives is
//! deleted by one edit forward; the rest is done beside the rooms, by whichever server goes on with it.

use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};
use utoipa::ToSchema;

use super::body::Object;
use super::caller::{Administer, May};
use super::error::ApiError;
use super::failures::{Fails, InRoom, WithBody};
use super::parameters::{Parameters, RoomPath};
use super::past::look_back;
use super::publish::COMMIT_TIMEOUT;
use super::state::AppState;
use super::writing;
use crate::comments;
use crate::document::{IdRange, scan};
use crate::history::{Authors, Erasable, ErasableCounts, Erasure, HistoryError, Open, Quote, Span, When};
use crate::ids::{RoomName, Seq, UserId};
use crate::protocol::json::{entry, rfc3339};
use crate::room::{Showing, WriteError};
use crate::store::{BegunErasure, Bodies, CANCELLED_EPOCHS, EntryKind, ErasureRow, HistoryQuery, Kinds, Page, RoomRow};

/// How long a request waits for the end; the server goes on with it after that.
const WITHIN: Duration = Duration::from_secs(10);
/// Between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(20);
/// If it has not ended by then, rooms that may show what is erased are read anew before it has.
const SOON: Duration = Duration::from_secs(1);
/// How often what is to go is looked for anew, because something was written or erased meanwhile. After that it is taken as it was found.
const ATTEMPTS: usize = 5;
/// How often it is looked for anew after what lives of it was deleted, and how long to wait before: who had not seen it go yet may have
/// split or moved it.
const ROUNDS: usize = 3;
const ON_THE_WAY: Duration = Duration::from_secs(1);
/// How long counting a user's entries may take.
const COUNT_WITHIN: Duration = Duration::from_secs(10);
/// Entries counted at once.
const PAGE_ENTRIES: u32 = 2_000;
/// What comments quote may have so many bytes, with their anchors.
const QUOTES_BYTES_MAX: usize = 64 << 20;
/// Longest name of a user, in bytes.
const USER_BYTES_MAX: usize = 1_024;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Erasing {
    /// What somebody wrote, or what a root type held.
    content: Option<ErasedContent>,
    /// In place of `content`: a user who is called `erased-…` from then on, what was written stays.
    anonymise: Option<UserId>,
    /// Only tell what would happen; say `false` to have it done.
    #[serde(default = "yes")]
    dry_run: bool,
}

fn yes() -> bool {
    true
}

/// All words of a user; or what lies or ever lay between two places of a root type, all that it ever held if none are given.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ErasedContent {
    /// Whose words.
    user: Option<UserId>,
    /// In place of `user`: the root type.
    root: Option<String>,
    /// The first unit, as `blame` counts them.
    #[schema(format = "uint64")]
    from: Option<u64>,
    /// Behind the last one.
    #[schema(format = "uint64")]
    to: Option<u64>,
    /// After which entry `from` and `to` were so; now if not given.
    #[schema(value_type = Option<Seq>)]
    at: Option<u64>,
}

/// What is erased, or would be.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Erased {
    dry_run: bool,
    /// Whether it is done; it goes on if not.
    done: bool,
    /// Units of the document's content, as Yjs counts them, deleted ones included.
    units: u64,
    /// UTF-16 units of text among them.
    characters: u64,
    /// Units among them that live.
    alive: u64,
    /// Entries that are rewritten for it: edits, or all entries of a user who is made anonymous.
    entries: u64,
    /// Messages and events that were not erased before.
    messages: u64,
    /// Others' comments that go on without what they quote.
    quotes: u64,
    /// The edit that deletes what lives; null if nothing does, or it is a dry run.
    #[schema(required)]
    seq: Option<Seq>,
    /// What a user is called who is made anonymous; null else, or if it is a dry run.
    #[schema(required)]
    name: Option<UserId>,
    /// Some text that an edit deleted and inserted again only in part counts for who inserted it: finding whose it was would have taken
    /// too long.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
}

/// What is asked for.
#[derive(Clone)]
enum Wish {
    Words(UserId),
    Span { root: Option<String>, units: Option<(u64, u64)>, at: Option<Seq> },
    Anonymous(UserId),
}

impl Wish {
    /// The same, where what is not said otherwise is as of an entry.
    fn at(self, head: Seq) -> Self {
        match self {
            Self::Span { root, units: Some(units), at: None } => {
                Self::Span { root, units: Some(units), at: Some(head) }
            }
            wish => wish,
        }
    }

    fn read(content: Option<ErasedContent>, anonymise: Option<UserId>) -> Result<Self, ApiError> {
        let wrong = |message: &str| Err(ApiError::Body(message.to_owned()));
        match (content, anonymise) {
            (Some(ErasedContent { user: Some(user), root: None, from: None, to: None, at: None }), None) => {
                named(user).map(Self::Words)
            }
            (Some(ErasedContent { user: Some(_), .. }), None) => wrong("user does not go with root, from, to and at"),
            (Some(ErasedContent { root: None, from: None, .. }), None) => {
                wrong("content names a user, a root type, or where it begins and ends: from and to")
            }
            (Some(ErasedContent { root, from, to, at, .. }), None) => {
                let units = match (from, to) {
                    (None, None) => None,
                    (Some(from), Some(to)) if from <= to => Some((from, to)),
                    _ => return wrong("from and to go together, and from is not behind to"),
                };
                if at.is_some() && units.is_none() {
                    return wrong("at goes with from and to");
                }
                Ok(Self::Span { root, units, at: at.map(Seq) })
            }
            (None, Some(user)) => named(user).map(Self::Anonymous),
            (Some(_), Some(_)) | (None, None) => wrong("one of content and anonymise is needed"),
        }
    }
}

fn named(user: UserId) -> Result<UserId, ApiError> {
    match (1..=USER_BYTES_MAX).contains(&user.as_str().len()) && !user.as_str().contains('\0') {
        true => Ok(user),
        false => Err(ApiError::Body(format!("a user has 1 to {USER_BYTES_MAX} bytes, none of them NUL"))),
    }
}

/// Erases what somebody wrote, what a part of a document held, or whose something was. A dry run unless `dryRun` is false.
///
/// What still lives is deleted first, by one edit. Ids, lengths and seqs stay, so no client that still has the words brings them back.
#[utoipa::path(
    post, path = "/api/v1/rooms/{room}/erase", operation_id = "erase", tag = "past", params(RoomPath),
    request_body = Erasing,
    responses(
        (status = 200, description = "What is erased, or would be", body = Erased),
        (status = 202, description = "It takes longer, and goes on", body = Erased),
        InRoom, WithBody, Fails<409>, Fails<422>,
    ),
)]
pub async fn erase(
    may: May<Administer>,
    Object(body): Object<Erasing>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let Erasing { content, anonymise, dry_run } = body;
    let wish = Wish::read(content, anonymise)?;
    // Neither is a restore made of what is found meanwhile.
    let turn = timeout(COMMIT_TIMEOUT, state.restores.take(&may.identity.user, &may.room)).await;
    let turn = turn
        .map_err(|_| ApiError::TryLater("a restore takes long, try again later".into()))?
        .ok_or_else(ApiError::too_many_questions)?;
    let (mut wish, mut conditions, mut rounds) = (wish, ATTEMPTS, ROUNDS);
    // What was deleted of it in the rounds before, and by which edit last.
    let (mut deleted, mut deletion_seq, mut first) = (0, None, None);
    loop {
        let Found { row, mut erasure, deletion, told } = find(&wish, first.as_ref(), &may, &state).await?;
        if row.is_being_erased() {
            return Err(busy());
        }
        if dry_run {
            return Ok(HttpResponse::Ok().json(Erased { dry_run, ..told }));
        }
        let mut told = Erased { alive: told.alive + deleted, seq: deletion_seq, ..told };
        if told.units + told.messages == 0 && erasure.renamed.is_none() {
            // What was erased before may still be in the database's files.
            let done = match state.store.erasure(row.id).await? {
                Some(begun) => ended(&begun, &state).await?,
                None => true,
            };
            let told = Erased { done, ..told };
            return Ok(if done { HttpResponse::Ok() } else { HttpResponse::Accepted() }.json(told));
        }
        // The places of a range are those of the first search.
        wish = wish.at(row.head);
        let mut newest = (conditions > 0).then_some(row.head);
        if let Some(update) = deletion {
            let going = deleted_by(&update);
            let showing = Showing::Committed { key: None, head: newest, epoch: Some(row.epoch) };
            match writing::write(&may.room, &may.identity, update, showing, &state).await? {
                Err(WriteError::Stale) if conditions > 0 => {
                    conditions -= 1;
                    continue;
                }
                Err(WriteError::Stale) => return Err(busy()),
                written => told.seq = Some(written.map_err(writing::refused)?.seq),
            }
            (deleted, deletion_seq) = (told.alive, told.seq);
            first.get_or_insert(FirstRound { head: row.head, deleted: going });
            if rounds > 0 {
                rounds -= 1;
                sleep(ON_THE_WAY).await;
                continue;
            }
            newest = None;
        }
        erasure.by = Some((may.identity.user.clone(), may.identity.name.to_string()));
        told.name = erasure.renamed.as_ref().map(|(_, name)| name.clone());
        // A name goes from all that is written until the end.
        let newest = newest.filter(|_| erasure.renamed.is_none());
        match state.store.begin_erasure(row.id, erasure.encode(), row.epoch, newest).await? {
            BegunErasure::Begun(begun) => {
                let Erased { units, entries, messages, .. } = told;
                tracing::info!(
                    room.name = %may.room, user.id = %may.identity.user, units, entries, messages, "an erasure begins"
                );
                state.erasures.notify_one();
                // From here on the room itself refuses others.
                drop(turn);
                let done = ended(&begun, &state).await?;
                let told = Erased { done, ..told };
                return Ok(if done { HttpResponse::Ok() } else { HttpResponse::Accepted() }.json(told));
            }
            BegunErasure::Gone => return Err(ApiError::RoomDeleted),
            BegunErasure::Changed | BegunErasure::Renewed if conditions > 0 => conditions -= 1,
            BegunErasure::Changed | BegunErasure::Renewed | BegunErasure::Busy => return Err(busy()),
        }
    }
}

fn busy() -> ApiError {
    ApiError::TryLater(
        "something else is being erased in the room, try again later; GET …/erase says how far it is".into(),
    )
}

/// An erasure that has begun and not ended.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErasureState {
    room: RoomName,
    /// Null if there is none.
    #[schema(required)]
    erasure: Option<PendingErasure>,
}

#[derive(Serialize, ToSchema)]
struct PendingErasure {
    /// Whether all is rewritten, and only the database's files are still to be cleared.
    rewritten: bool,
    /// Up to which entry all that is not packed is rewritten; what is packed comes first.
    done: Seq,
    /// Up to which it is to be.
    upto: Seq,
    /// Why it does not go on; missing while it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<ErasureFailure>,
}

#[derive(Serialize, ToSchema)]
struct ErasureFailure {
    reason: String,
    #[schema(format = DateTime)]
    at: String,
}

/// How far an erasure is, and why it does not go on.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/erase", operation_id = "getErasure", tag = "past", params(RoomPath),
    responses((status = 200, description = "The erasure that has not ended", body = ErasureState), InRoom),
)]
pub async fn state_of(
    may: May<Administer>,
    parameters: Parameters,
    state: Data<AppState>,
) -> Result<Json<ErasureState>, ApiError> {
    parameters.end()?;
    let row = state.store.room(&may.room).await?.ok_or(ApiError::RoomNotFound)?;
    let pending = |ErasureRow { upto, done, is_rewritten, failure, .. }| PendingErasure {
        rewritten: is_rewritten,
        done,
        upto,
        failure: failure.map(|(reason, at_ms)| ErasureFailure { reason, at: rfc3339(at_ms) }),
    };
    let erasure = state.store.erasure(row.id).await?.map(pending);
    Ok(Json(ErasureState { room: may.room, erasure }))
}

#[derive(Serialize, ToSchema)]
pub struct Cancelled {
    room: RoomName,
    /// Whether there was one that had not rewritten all.
    cancelled: bool,
}

/// Cancels an erasure that has not rewritten all. What it has rewritten, or deleted, stays so.
#[utoipa::path(
    delete, path = "/api/v1/rooms/{room}/erase", operation_id = "cancelErasure", tag = "past", params(RoomPath),
    responses((status = 200, description = "Whether there was one", body = Cancelled), InRoom),
)]
pub async fn cancel(
    may: May<Administer>,
    parameters: Parameters,
    state: Data<AppState>,
) -> Result<Json<Cancelled>, ApiError> {
    parameters.end()?;
    let row = state.store.room(&may.room).await?.ok_or(ApiError::RoomNotFound)?;
    let cancelled = state.store.cancel_erasure(row.id, row.epoch).await?;
    if cancelled {
        tracing::info!(room.name = %may.room, user.id = %may.identity.user, "an erasure is cancelled");
        state.directory.renew(&may.room, row.id, row.epoch + CANCELLED_EPOCHS);
        state.histories.forget(row.id);
    }
    Ok(Json(Cancelled { room: may.room, cancelled }))
}

/// Answers the methods that the path does not take.
pub async fn other_method() -> Result<&'static str, ApiError> {
    Err(ApiError::WrongMethod("GET, HEAD, POST, DELETE"))
}

/// What there is to erase.
struct Found {
    row: RoomRow,
    erasure: Erasure,
    deletion: Option<bytes::Bytes>,
    told: Erased,
}

/// What an update deletes.
fn deleted_by(update: &bytes::Bytes) -> Vec<IdRange> {
    let range = |(client, start, len): (u64, u32, u32)| IdRange { client, start, end: start.saturating_add(len) };
    scan(update).map(|scan| scan.deletions().map(range).collect()).unwrap_or_default()
}

/// What the first round has deleted, behind which entry.
#[derive(Clone)]
struct FirstRound {
    head: Seq,
    deleted: Vec<IdRange>,
}

async fn find(
    wish: &Wish,
    first: Option<&FirstRound>,
    may: &May<Administer>,
    state: &Data<AppState>,
) -> Result<Found, ApiError> {
    let nothing = Erased {
        dry_run: false,
        done: false,
        units: 0,
        characters: 0,
        alive: 0,
        entries: 0,
        messages: 0,
        quotes: 0,
        seq: None,
        name: None,
        partial: false,
    };
    if let Wish::Anonymous(user) = wish {
        let row = state.store.room(&may.room).await?.ok_or(ApiError::RoomNotFound)?;
        let counted = count(user, &row, Kinds::All, may, state).await?;
        let name = UserId::new(format!("erased-{:016x}", rand::random::<u64>()));
        let is_named = state.store.is_named(row.id, user).await?;
        let erasure = Erasure { renamed: is_named.then(|| (user.clone(), name)), ..Erasure::default() };
        let told = Erased { entries: counted.all, messages: counted.messages, ..nothing };
        return Ok(Found { row, erasure, deletion: None, told });
    }
    let row = state.store.room(&may.room).await?.ok_or(ApiError::RoomNotFound)?;
    let (asked, epoch) = (wish.clone(), row.epoch);
    let by = if let Wish::Words(user) = wish { Some(user) } else { None };
    let quotes = quotes(&row, by, may, state).await?;
    let first = first.cloned();
    let read = move |open: Open, authors: Authors| {
        let authors = match first {
            Some(FirstRound { head, deleted }) => authors.with_erased(head, deleted),
            None => authors,
        };
        let erasable = match asked {
            Wish::Words(user) => open.words_of(&user, &quotes, &authors)?,
            Wish::Span { root, units, at } => {
                let at = open.seq(When::Seq(at.unwrap_or(open.row.head)))?;
                open.words_between(&Span { root, units, at }, &quotes, &authors)?
            }
            Wish::Anonymous(_) => Erasable::default(),
        };
        Ok((open.row.clone(), erasable))
    };
    let (row, Erasable { mut erasure, counts, deletion }) =
        look_back(&may.room, &may.identity.user, state, read).await?;
    // What was bound to whom may have been read after a name was erased.
    if epoch != row.epoch {
        return Err(busy());
    }
    let ErasableCounts { units: unit_count, characters, alive, edits, is_partial } = counts;
    let quotes = erasure.quotes.len() as u64;
    let mut told =
        Erased { units: unit_count, characters, alive, entries: edits, quotes, partial: is_partial, ..nothing };
    if let Wish::Words(user) = wish {
        let counted = count(user, &row, Kinds::NotEdits, may, state).await?;
        if counted.steps > 0 {
            return Err(ApiError::StepsStay);
        }
        told.messages = counted.messages;
        erasure.said_by = Some((user.clone(), row.head));
    }
    Ok(Found { row, erasure, deletion, told })
}

/// What comments quote, but for those of a user.
async fn quotes(
    row: &RoomRow,
    but_of: Option<&UserId>,
    may: &May<Administer>,
    state: &AppState,
) -> Result<Vec<Quote>, ApiError> {
    let reading = async {
        let _turn = state.scans.take(&may.identity.user).await.ok_or_else(ApiError::too_many_questions)?;
        let (mut quotes, mut after, mut bytes) = (Vec::new(), Seq::ZERO, 0);
        loop {
            let query = HistoryQuery {
                after: Some(after),
                before: None,
                kinds: Kinds::Comments,
                author: None,
                limit: PAGE_ENTRIES,
                page: Page::Oldest,
                bodies: Bodies::All,
            };
            let page = state.store.remaining(row.id, query).await?;
            let Some(last) = page.last() else { return Ok(quotes) };
            after = last.seq;
            for entry in page.iter().filter(|entry| Some(&entry.author) != but_of) {
                let Some((text, anchor)) = comments::quoted(entry) else { continue };
                bytes += text.len() + anchor.as_ref().map_or(0, |anchor| anchor.get().len());
                if bytes > QUOTES_BYTES_MAX {
                    return Err(HistoryError::TooLarge.into());
                }
                quotes.push(Quote { seq: entry.seq, text, anchor });
            }
        }
    };
    let late = |_| ApiError::TryLater("reading what comments quote takes too long now, try again later".into());
    timeout(COUNT_WITHIN, reading).await.map_err(late)?
}

/// Entries of a user.
#[derive(Default)]
struct Counted {
    all: u64,
    messages: u64,
    steps: u64,
}

async fn count(
    user: &UserId,
    row: &RoomRow,
    kinds: Kinds,
    may: &May<Administer>,
    state: &AppState,
) -> Result<Counted, ApiError> {
    let counting = async {
        let _turn = state.scans.take(&may.identity.user).await.ok_or_else(ApiError::too_many_questions)?;
        let (mut counted, mut after) = (Counted::default(), Seq::ZERO);
        loop {
            let query = HistoryQuery {
                after: Some(after),
                before: None,
                kinds,
                author: Some(user.clone()),
                limit: PAGE_ENTRIES,
                page: Page::Oldest,
                bodies: Bodies::NotOfEdits,
            };
            let page = state.store.remaining(row.id, query).await?;
            let Some(last) = page.last() else { return Ok(counted) };
            after = last.seq;
            for entry in &page {
                counted.all += 1;
                match entry.kind {
                    EntryKind::Message | EntryKind::Event => {
                        let body = entry.body.as_deref().unwrap_or_default();
                        counted.messages += u64::from(entry::erased(body).is_some());
                    }
                    EntryKind::Step => counted.steps += 1,
                    EntryKind::Edit => {}
                }
            }
        }
    };
    let late = |_| ApiError::TryLater("counting what there is takes too long now, try again later".into());
    timeout(COUNT_WITHIN, counting).await.map_err(late)?
}

/// Waits until an erasure has ended; whether it has.
async fn ended(begun: &ErasureRow, state: &AppState) -> Result<bool, ApiError> {
    let (began, mut is_told) = (Instant::now(), false);
    // In which all is rewritten, until the next one begins. One that is cancelled skips it.
    let epoch = begun.epoch + i64::from(!begun.is_rewritten);
    let is_rewritten = |now: i64| (epoch..=epoch + 1).contains(&now);
    while began.elapsed() < WITHIN {
        match state.store.erasure(begun.room).await? {
            // It is known why not.
            Some(row) if row.epoch <= epoch && row.failure.is_some() => return Ok(false),
            // It is under way, or what is left is the database's.
            Some(row) if row.epoch <= epoch => {}
            Some(row) => return Ok(is_rewritten(row.epoch)),
            None => {
                let row = state.store.any_room(&begun.name).await?.filter(|row| row.id == begun.room);
                return row.map(|row| is_rewritten(row.epoch)).ok_or(ApiError::RoomDeleted);
            }
        }
        if began.elapsed() > SOON && !is_told {
            state.directory.renew(&begun.name, begun.room, begun.epoch);
            state.histories.forget(begun.room);
            is_told = true;
        }
        sleep(LOOK).await;
    }
    Ok(false)
}
