//! A JSON member: how far it has come in the timeline, and what it waits for. It edits no document.

use bytes::Bytes;

use super::editor::Editor;
use crate::ids::Seq;

/// What only JSON members have.
#[derive(Debug, Default)]
pub struct JsonMember {
    /// Whether it is shown the document's edits.
    pub wants_edits: bool,
    /// Those until this one it is not shown.
    pub edits_after: Seq,
    /// Up to which seq it has come, while it is behind; until then it gets nothing live.
    pub catching_up: Option<Seq>,
    /// What the store is asked for on its behalf.
    pub reading: Option<StoreRead>,
    /// Whether it has asked for more than it was sent.
    pub is_asking: bool,
    /// How many entries of the past may be in its next page; none: as many as usual.
    pub page_entries: Option<u32>,
    /// The steps that it waits for.
    pub missed_steps: Option<MissedSteps>,
    /// What it shows of itself, as JSON text.
    pub state: Option<Bytes>,
}

/// What the store is asked for on behalf of a JSON member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreRead {
    /// Where the timeline ends.
    Head,
    /// How much it lacks, to answer its request to join.
    Count(Option<Box<str>>),
    /// A page of what it lacks.
    Page,
}

/// The steps after a version that a JSON member waits for.
#[derive(Debug, Clone)]
pub struct MissedSteps {
    /// The member's name for the request.
    pub request_id: Option<Box<str>>,
    /// The version.
    pub since: u64,
}

/// Nothing that a JSON client sends is an edit of the document.
impl Editor for JsonMember {}
