//! The steps that are stored: the newest version, and those after a version. Reads the store; knows no members.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::ids::Seq;
use crate::protocol::json::limits::STEPS_MAX;
use crate::store::{Bodies, Entry, EntryKind, HistoryQuery, Kinds, Page, RoomId, Store, StoreError};

/// Most bytes of stored pushes in one answer, but for the first push.
const STEPS_BYTES_MAX: usize = 512 * 1024;
/// Pushes that are read before steps are searched for.
const NEWEST_ENTRIES: u32 = 64;

/// A stored push, as far as it is read again.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pushed {
    /// How many steps came before it.
    pub version: u64,
    steps: Vec<Box<RawValue>>,
    client_ids: Vec<Box<RawValue>>,
}

impl Pushed {
    /// What was stored.
    pub fn read(body: &Bytes) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// The version after it.
    fn end(&self) -> u64 {
        self.version + self.steps.len() as u64
    }
}

/// Steps after a version.
#[derive(Debug, Default)]
pub struct StepsSince {
    /// The steps.
    pub steps: Vec<Box<RawValue>>,
    /// Whose each of them is.
    pub client_ids: Vec<Box<RawValue>>,
}

fn pushes(after: Option<Seq>, before: Option<Seq>, page: Page, limit: u32) -> HistoryQuery {
    HistoryQuery { after, before, kinds: Kinds::Only(EntryKind::Step), author: None, limit, page, bodies: Bodies::All }
}

/// The newest push.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewestSteps {
    /// How many steps there are with it.
    pub version: u64,
    /// Its place; 0 where there is none.
    pub seq: Seq,
}

/// The newest push.
pub async fn newest_steps(store: &Store, row: RoomId) -> Result<NewestSteps, StoreError> {
    let page = store.history(row, pushes(None, None, Page::Newest, 1)).await?;
    let found = page.first().map(|entry| NewestSteps { version: end(entry).unwrap_or_default(), seq: entry.seq });
    Ok(found.unwrap_or_default())
}

/// The first steps after the version `since`: at most [`STEPS_MAX`] and [`STEPS_BYTES_MAX`], at least one push's.
pub async fn steps_since(store: &Store, row: RoomId, since: u64) -> Result<StepsSince, StoreError> {
    let mut found = StepsSince::default();
    let mut bytes = 0;
    let after = seq_of(store, row, since).await?;
    let page = store.history(row, pushes(after, None, Page::Oldest, STEPS_MAX as u32)).await?;
    for body in page.iter().filter_map(|entry| entry.body.as_ref()) {
        bytes += body.len();
        if !found.steps.is_empty() && (bytes > STEPS_BYTES_MAX || found.steps.len() >= STEPS_MAX) {
            break;
        }
        let Some(Pushed { version, steps, client_ids }) = Pushed::read(body) else { continue };
        let skipped = since.saturating_sub(version) as usize;
        found.steps.extend(steps.into_iter().skip(skipped));
        found.client_ids.extend(client_ids.into_iter().skip(skipped));
    }
    found.steps.truncate(STEPS_MAX);
    found.client_ids.truncate(STEPS_MAX);
    Ok(found)
}

/// The seq after which the steps beyond version `since` begin. Most clients lack little, so it looks at the newest pushes first;
/// else it halves the timeline, for pushes are ordered by version, too.
async fn seq_of(store: &Store, row: RoomId, since: u64) -> Result<Option<Seq>, StoreError> {
    let newest = store.history(row, pushes(None, None, Page::Newest, NEWEST_ENTRIES)).await?;
    let is_known = |entry: &Entry| end(entry).is_none_or(|end| end <= since);
    let known = newest.iter().rfind(|entry| is_known(entry));
    let Some(oldest) = newest.first().filter(|_| known.is_none() && newest.len() == NEWEST_ENTRIES as usize) else {
        return Ok(known.map(|entry| entry.seq));
    };
    // All pushes up to `low` are known, the first one after `high` is not.
    let (mut low, mut high) = (0, oldest.seq.0 - 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let next = store.history(row, pushes(Some(Seq(middle)), None, Page::Oldest, 1)).await?;
        match next.first().filter(|entry| is_known(entry)) {
            Some(known) => low = known.seq.0,
            None => high = middle,
        }
    }
    Ok(Some(Seq(low)))
}

fn end(entry: &Entry) -> Option<u64> {
    entry.body.as_ref().and_then(Pushed::read).map(|pushed| pushed.end())
}
