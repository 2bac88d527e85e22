//! REST: copying a room. The copy is filled aside, part by part, and is there as a whole once all of it is committed.

use std::time::{Duration, Instant};

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use utoipa::ToSchema;

use super::body::Object;
use super::caller::{May, ReadPast};
use super::error::ApiError;
use super::failures::{Fails, InRoom, WithBody};
use super::moment::{Moment, time};
use super::parameters::RoomPath;
use super::past::look_back;
use super::publish;
use super::state::AppState;
use crate::auth::{self, Action};
use crate::bus::RoomMessage;
use crate::document::Refusal;
use crate::history::{Authors, Open, When};
use crate::ids::{RoomName, Seq, UserId};
use crate::room::{Denied, FromServer, RoomBytes, Sender};
use crate::store::{
    Bodies, CLIENTS_AT_ONCE, CopyEnd, CopyPart, ENTRY_OVERHEAD_BYTES, Entry, EntryKind, FinishedCopy, HistoryQuery,
    Kinds, Page, RoomId, RoomRow,
};

/// How long a copy may take.
const WITHIN: Duration = Duration::from_secs(120);
/// Entries of one part: as many as are committed at once, about.
const PART_ENTRIES: u32 = 2_000;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Copying {
    /// The name of the room that is made.
    to: RoomName,
    /// Up to which entry, or which time; all of it if not given.
    #[schema(value_type = Option<Moment>)]
    at: Option<At>,
    /// In place of `at`: up to the newest version of that label.
    version: Option<String>,
    /// Whether the timeline comes along, and not the document alone.
    #[serde(default)]
    history: bool,
}

/// A moment, as JSON says it.
#[derive(Deserialize)]
#[serde(untagged)]
enum At {
    Seq(u64),
    Time(String),
}

#[derive(Serialize, ToSchema)]
struct Copied {
    /// The new room.
    room: RoomName,
    /// Its newest entry.
    seq: Seq,
    from: CopiedFrom,
}

/// What was copied.
#[derive(Serialize, ToSchema)]
struct CopiedFrom {
    room: RoomName,
    /// Up to this entry.
    seq: Seq,
}

/// Copies a room.
///
/// Without `history`, the document as it was is the first entry of a new room. With it, the new room has all entries up to there as they
/// are, and named versions. The new room is there as a whole, or not at all.
#[utoipa::path(
    post, path = "/api/v1/rooms/{room}/copy", operation_id = "copyRoom", tag = "rooms", params(RoomPath),
    request_body = Copying,
    responses(
        (status = 201, description = "The new room", body = Copied),
        InRoom, WithBody, Fails<409>, Fails<422>, Fails<507>,
    ),
)]
pub async fn copy(
    may: May<ReadPast>,
    Object(body): Object<Copying>,
    req: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let Copying { to, at, version, history } = body;
    if !may.identity.allows(&to, Action::Edit) {
        return Err(ApiError::Forbidden);
    }
    let at = match (at, version) {
        (Some(_), Some(_)) => return Err(ApiError::Body("at and version exclude each other".into())),
        (at, version) => Upto::read(at, version)?,
    };
    if !is_free(&may) {
        if history {
            state.rates.may_copy(&may.identity.user, Instant::now()).map_err(ApiError::TooMany)?;
        }
        publish::count(&req, &may.identity, 1, &state)?;
    }
    let _turn = state.copies.take(&may.identity.user).await.ok_or_else(ApiError::too_many_questions)?;
    state.count_opening(&may.identity, &to)?;
    state.quotas.expect(&may.identity.user);
    if state.quotas.limit_users() {
        // A copy may be large: what its maker has is known before.
        state.read_usage(&may.identity.user).await?;
    }
    let row = state.store.room(&may.room).await?.ok_or(ApiError::RoomNotFound)?;
    check_name(&to, &state).await?;
    let from = Sender { user: &may.identity.user, access: may.identity.access(&to) };
    state.quotas.admit_room(RoomBytes { stored: None, max: None }, from)?;
    let copy = state.store.begin_copy(row.id, row.epoch, auth::now_ms()).await?.ok_or_else(late)?;
    let source = Source { may: &may, to: &to, from, copy, state: &state };
    let filled = match timeout(WITHIN, source.fill(&row, at, history)).await {
        Ok(filled) => filled,
        Err(_) => Err(ApiError::TryLater("the room takes too long to be copied now".into())),
    };
    let filled = match filled.and_then(|filled| state.confirm(&may.identity).map(|()| filled)) {
        Ok(filled) => filled,
        Err(error) => {
            // It goes by itself, if not at once.
            let _ = state.store.drop_copy(copy).await;
            return Err(error);
        }
    };
    finish(source, filled).await
}

/// Whether the limits of messages are not for this caller.
fn is_free(may: &May<ReadPast>) -> bool {
    auth::allows(may.access, Action::Administer)
}

/// What is copied.
enum Upto {
    When(Option<When>),
    Version(String),
}

impl Upto {
    fn read(at: Option<At>, version: Option<String>) -> Result<Self, ApiError> {
        Ok(match (at, version) {
            (_, Some(label)) => Self::Version(label),
            (Some(At::Seq(seq)), None) => Self::When(Some(When::Seq(Seq(seq)))),
            (Some(At::Time(text)), None) => {
                let wrong = || ApiError::Body("at must be a seq, or a time as 2026-11-21T12:16:06.348Z".into());
                Self::When(Some(time(&text).ok_or_else(wrong)?))
            }
            (None, None) => Self::When(None),
        })
    }

    async fn when(self, row: &RoomRow, state: &AppState) -> Result<When, ApiError> {
        match self {
            Self::When(when) => Ok(when.unwrap_or(When::Seq(row.head))),
            Self::Version(label) => {
                let versions = state.store.versions(row.id).await?;
                let version = versions.into_iter().find(|version| version.label == label);
                Ok(When::Seq(version.ok_or(ApiError::NoSuchVersion)?.seq))
            }
        }
    }
}

/// A copy that has all its parts.
struct Filled {
    of: RoomId,
    from: Seq,
    head: Seq,
    at_ms: i64,
    with_past: bool,
    bytes: u64,
}

/// Who copies what into which.
#[derive(Clone, Copy)]
struct Source<'a> {
    may: &'a May<ReadPast>,
    to: &'a RoomName,
    /// Who makes the copy.
    from: Sender<'a>,
    copy: RoomId,
    state: &'a Data<AppState>,
}

impl Source<'_> {
    async fn fill(self, row: &RoomRow, at: Upto, with_past: bool) -> Result<Filled, ApiError> {
        let when = at.when(row, self.state).await?;
        match with_past {
            true => self.fill_with_past(row, when).await,
            false => self.fill_with_document(row, when).await,
        }
    }

    /// The entries up to a moment, as they are.
    async fn fill_with_past(self, row: &RoomRow, when: When) -> Result<Filled, ApiError> {
        let upto = match when {
            When::Seq(seq) if seq > row.head => return Err(ApiError::AfterHead(row.head)),
            When::Seq(seq) => seq,
            When::TimeMs(_) => self.look_back(move |open, _| Ok(open.seq(when)?)).await?,
        };
        if upto == Seq::ZERO {
            return Err(ApiError::Body("there is no entry to copy until then".into()));
        }
        let mut filled = Filled { of: row.id, from: upto, head: Seq::ZERO, at_ms: 0, with_past: true, bytes: 0 };
        while filled.head < upto {
            let query = HistoryQuery {
                after: Some(filled.head),
                before: Some(Seq(upto.0 + 1)),
                kinds: Kinds::All,
                author: None,
                limit: PART_ENTRIES,
                page: Page::Oldest,
                bodies: Bodies::All,
            };
            let page = self.state.store.history(row.id, query).await?;
            // It is being deleted.
            let last = page.last().ok_or(ApiError::RoomNotFound)?;
            (filled.head, filled.at_ms) = (last.seq, last.at_ms);
            filled.bytes += page.iter().map(|entry| entry.body_bytes + ENTRY_OVERHEAD_BYTES).sum::<u64>();
            self.admit(filled.bytes)?;
            if !is_free(self.may) {
                self.state.rates.copied(&self.may.identity.user, page.len(), Instant::now());
            }
            self.add(CopyPart::Entries(page)).await?;
        }
        let clients = self.state.store.all_clients(row.id).await?;
        self.add_clients(clients).await?;
        // After something was erased, the entries do not tell any more whose all of it is.
        if self.state.store.base(row.id).await?.is_some()
            && let Some(kept) = self.look_back(move |open, _| Ok(open.copied_credits(upto)?)).await?
        {
            self.add(CopyPart::Base(kept)).await?;
        }
        Ok(filled)
    }

    /// The document at a moment, as one edit.
    async fn fill_with_document(self, row: &RoomRow, when: When) -> Result<Filled, ApiError> {
        let mut document = self.state.archive.empty(self.to);
        let limit = self.state.document_bytes_max;
        let read = move |open: Open, authors: Authors| {
            let (seq, edit) = open.state(when)?;
            let edit = Bytes::from(edit);
            document.load([&edit]);
            let clients = authors.into_clients().filter(|(client, _)| document.has_client(*client)).collect();
            match document.held() > limit || edit.len() > limit {
                true => Err(ApiError::Edit(Refusal::TooLarge { limit })),
                false => Ok((seq, edit, clients)),
            }
        };
        let (from, edit, clients): (_, _, Vec<_>) = self.look_back(read).await?;
        let (head, at_ms) = (Seq(1), auth::now_ms());
        let entry = Entry {
            seq: head,
            kind: EntryKind::Edit,
            author: self.may.identity.user.clone(),
            via: None,
            at_ms,
            key: None,
            body_bytes: edit.len() as u64,
            body: Some(edit),
        };
        let bytes = entry.body_bytes + ENTRY_OVERHEAD_BYTES;
        self.admit(bytes)?;
        self.add(CopyPart::Entries(vec![entry])).await?;
        self.add_clients(clients).await?;
        Ok(Filled { of: row.id, from, head, at_ms, with_past: false, bytes })
    }

    async fn look_back<T: Send + 'static>(
        self,
        read: impl FnOnce(Open, Authors) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        look_back(&self.may.room, &self.may.identity.user, self.state, read).await
    }

    /// Whether the copy may have so much on disk. That it may be made is known; at its end the database counts rooms once more.
    fn admit(self, bytes: u64) -> Result<(), ApiError> {
        let room = RoomBytes { stored: Some(0), max: self.state.quotas.room_bytes_max(self.to) };
        Ok(self.state.quotas.admit_all(room, self.from, bytes)?)
    }

    async fn add_clients(self, clients: Vec<(u64, UserId)>) -> Result<(), ApiError> {
        for clients in clients.chunks(CLIENTS_AT_ONCE) {
            self.add(CopyPart::Clients(clients.to_vec())).await?;
        }
        Ok(())
    }

    async fn add(self, part: CopyPart) -> Result<(), ApiError> {
        match self.state.store.fill_copy(self.copy, part, auth::now_ms()).await? {
            true => Ok(()),
            false => Err(late()),
        }
    }
}

fn late() -> ApiError {
    ApiError::TryLater("the room took too long to be copied, or something is being erased from it".into())
}

/// Whether a new room may have the name.
async fn check_name(to: &RoomName, state: &AppState) -> Result<(), ApiError> {
    if state.store.any_room(to).await?.is_none() {
        return Ok(());
    }
    let deleted = state.store.deleted_room(to).await?;
    Err(if deleted.is_some() { ApiError::NameTaken } else { ApiError::RoomExists })
}

/// Gives the copy its name, and tells whoever is in a room of that name. Goes on when the caller has gone.
async fn finish(source: Source<'_>, filled: Filled) -> Result<HttpResponse, ApiError> {
    let Source { may, to, from: maker, copy, state } = source;
    let Filled { of, from, head, at_ms, with_past, bytes } = filled;
    let by = (may.identity.user.clone(), may.identity.name.to_string());
    // It changes by being made, however old its entries are.
    let now_ms = auth::now_ms();
    let at_ms = at_ms.max(now_ms);
    let maker = state.quotas.maker(maker);
    let finished = FinishedCopy { name: to.clone(), head, at_ms, of, with_past, by, bytes, maker };
    let (to, source, state) = (to.clone(), may.room.clone(), state.clone());
    let finishing = actix_web::rt::spawn(async move {
        let by = finished.by.0.clone();
        let end = state.store.finish_copy(copy, finished, now_ms).await?;
        if end != CopyEnd::Done {
            // It goes by itself, if not at once.
            let _ = state.store.drop_copy(copy).await;
        }
        match end {
            CopyEnd::Done => {}
            CopyEnd::Taken => {
                check_name(&to, &state).await?;
                return Err(ApiError::RoomExists);
            }
            CopyEnd::Deleted => return Err(ApiError::RoomDeleted),
            CopyEnd::Late => return Err(late()),
            CopyEnd::TooMany => {
                state.quotas.has_all_rooms(&by);
                return Err(Denied::TooManyRooms.into());
            }
        }
        state.quotas.count_of(&by, bytes);
        let told = RoomMessage::Entries { row: copy.0, head, at: at_ms, entries: Vec::new(), clients: Vec::new() };
        state.cluster.tell(&to, told);
        if let Some(room) = state.directory.peek(&to) {
            room.do_send(FromServer::Head(copy, head, 0));
        }
        tracing::info!(room.name = %to, user.id = %by, source = %source, %from, with_past, "a room was copied");
        let from = CopiedFrom { room: source, seq: from };
        Ok(HttpResponse::Created().json(Copied { room: to, seq: head, from }))
    });
    finishing.await.map_err(|_| ApiError::Internal)?
}
