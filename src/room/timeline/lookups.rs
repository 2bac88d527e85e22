//! What the timeline asks the store for, beside the room's actor, and what it finds.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::step_search::{NewestSteps, StepsSince, newest_steps, steps_since};
use crate::ids::{MemberId, RoomName, Seq, UserId};
use crate::store::{Entry, HistoryQuery, RoomId, RoomRow, Store, StoreError};

/// Something to read from the store.
#[derive(Debug)]
pub enum Lookup {
    /// Where the timeline ends, for those who come back.
    Head {
        /// The room.
        room: RoomName,
    },
    /// How many entries but edits a member lacks.
    Count {
        /// The member.
        of: MemberId,
        /// The room's row.
        row: RoomId,
        /// What it has seen.
        since: Seq,
        /// No more are counted.
        most: u64,
    },
    /// A page of what a member lacks.
    Page {
        /// The member.
        to: MemberId,
        /// The room's row.
        row: RoomId,
        /// The page.
        query: HistoryQuery,
        /// The newest entry that is meant to be in it.
        upto: Seq,
    },
    /// What other processes wrote.
    Foreign {
        /// The room's row.
        row: RoomId,
        /// The page.
        query: HistoryQuery,
        /// The newest entry that is meant to be in it.
        upto: Seq,
    },
    /// Where the timeline ends, as far as there was nothing to read.
    Checked {
        /// The room.
        room: RoomName,
        /// Where it was told to go on to.
        upto: Seq,
    },
    /// Whose Yjs clients are.
    Clients {
        /// The room's row.
        row: RoomId,
        /// The clients.
        clients: Vec<u64>,
    },
    /// How many steps there are.
    Version {
        /// The room's row.
        row: RoomId,
    },
    /// Steps that a member lacks.
    Steps {
        /// The member.
        to: MemberId,
        /// The room's row.
        row: RoomId,
        /// The version that it has.
        since: u64,
        /// The newest version.
        version: u64,
    },
}

/// What a [`Lookup`] has found.
#[derive(Debug)]
pub enum LookupOutcome {
    /// Where the timeline ends.
    Head(Result<Option<RoomRow>, StoreError>),
    /// How many entries a member lacks.
    Count {
        /// The member.
        of: MemberId,
        /// How many.
        count: Result<u64, StoreError>,
    },
    /// A page of what a member lacks.
    Page(FoundPage),
    /// What other processes wrote.
    Foreign {
        /// The newest entry that was meant to be in it.
        upto: Seq,
        /// The page.
        page: Result<Vec<Entry>, StoreError>,
    },
    /// Where the timeline ends.
    Checked {
        /// Where it was told to go on to.
        upto: Seq,
        /// What the store says.
        answer: Result<Option<RoomRow>, StoreError>,
    },
    /// Whose Yjs clients are.
    Clients(Result<Vec<(u64, UserId)>, StoreError>),
    /// How many steps there are.
    Version(Result<NewestSteps, StoreError>),
    /// Steps that a member lacks.
    Steps {
        /// The member.
        to: MemberId,
        /// The newest version when they were asked for.
        version: u64,
        /// The steps.
        steps: Result<StepsSince, StoreError>,
    },
}

/// A page of what a member lacks.
#[derive(Debug)]
pub struct FoundPage {
    /// The member.
    pub to: MemberId,
    /// The newest entry that was meant to be in it.
    pub upto: Seq,
    /// How many entries were asked for.
    pub limit: u32,
    /// The page.
    pub page: Result<Vec<Entry>, StoreError>,
}

impl Lookup {
    /// Reads the store, on behalf of members with one of the `permits`: the database has other things to do.
    pub async fn run(self, store: Store, permits: Arc<Semaphore>) -> LookupOutcome {
        let _permit = match &self {
            // The room's own: nothing of it goes on before.
            Self::Foreign { .. } | Self::Checked { .. } | Self::Version { .. } => None,
            _ => permits.acquire().await.ok(),
        };
        match self {
            Self::Head { room } => LookupOutcome::Head(store.room(&room).await),
            Self::Count { of, row, since, most } => {
                LookupOutcome::Count { of, count: store.count_but_edits(row, since, most).await }
            }
            Self::Page { to, row, query, upto } => {
                let limit = query.limit;
                LookupOutcome::Page(FoundPage { to, upto, limit, page: store.history(row, query).await })
            }
            Self::Foreign { row, query, upto } => {
                LookupOutcome::Foreign { upto, page: store.history(row, query).await }
            }
            Self::Checked { room, upto } => LookupOutcome::Checked { upto, answer: store.room(&room).await },
            Self::Clients { row, clients } => LookupOutcome::Clients(store.clients(row, clients).await),
            Self::Version { row } => LookupOutcome::Version(newest_steps(&store, row).await),
            Self::Steps { to, row, since, version } => {
                LookupOutcome::Steps { to, version, steps: steps_since(&store, row, since).await }
            }
        }
    }
}
