//! Who is in a room: members, their users and what they may do. Pure.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use crate::auth::Access;
use crate::document::Clocks;
use crate::ids::{MemberId, Seq, UserId};
use crate::protocol::Dialect;
use crate::protocol::hocuspocus::SyncCount;
use crate::protocol::json::UserPresence;
use crate::room::document::refusals::Logged;
use crate::room::document::saved_questions::Questions;

/// One member of a room.
#[derive(Debug)]
pub struct Member {
    /// Its relay, as an index into the room's links.
    pub link: usize,
    /// Its protocol.
    pub dialect: Dialect,
    /// Whose socket it is.
    pub user: UserId,
    /// The name shown to others.
    pub name: Arc<str>,
    /// What it may do here.
    pub access: Access,
    /// The Yjs client that it announced first, its own.
    pub own_client: Option<u64>,
    /// What a Hocuspocus client counts as not saved.
    pub sync: SyncCount,
    /// What a Hocuspocus client had when it began to count, as long as older Updates may come.
    pub began_with: Option<Clocks>,
    /// Why its edits were refused, as far as that is in the log.
    pub logged: Logged,
    /// What it asks about what is saved.
    pub questions: Questions,
    /// What only JSON members have.
    pub json: Option<Box<JsonMember>>,
}

/// What only JSON members have.
#[derive(Debug, Default)]
pub struct JsonMember {
    /// Whether it is shown the document's edits.
    pub wants_edits: bool,
    /// Up to which seq it has come, while it is behind; until then it gets nothing live.
    pub catching_up: Option<Seq>,
    /// What the store is asked for on its behalf.
    pub reading: Option<Reading>,
    /// Whether it has asked for more than it was sent.
    pub is_asking: bool,
    /// How many entries of the past may be in its next page; none: as many as usual.
    pub page_entries: Option<u32>,
    /// The steps that it waits for.
    pub lacks_steps: Option<LackedSteps>,
    /// What it shows of itself, as JSON text.
    pub state: Option<Bytes>,
}

/// What the store is asked for on behalf of a JSON member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Where the timeline ends.
    Head,
    /// How much it lacks, to answer its request to join.
    Count(Option<Box<str>>),
    /// A page of what it lacks.
    Page,
}

/// The steps after a version that a JSON member waits for.
#[derive(Debug, Clone)]
pub struct LackedSteps {
    /// The member's name for the request.
    pub request_id: Option<Box<str>>,
    /// The version.
    pub since: u64,
    /// Whether the store is being asked, and not the commit of what comes before awaited.
    pub is_reading: bool,
}

/// The members.
#[derive(Debug, Default)]
pub struct Members {
    by_id: HashMap<MemberId, Member>,
    /// How many speak each dialect, in the order of [`Dialect::ALL`].
    speaking: [usize; Dialect::ALL.len()],
}

impl Members {
    /// Adds a member; an id joins once.
    pub fn insert(&mut self, id: MemberId, member: Member) {
        self.speaking[member.dialect as usize] += 1;
        self.by_id.insert(id, member);
    }

    /// Removes a member.
    pub fn remove(&mut self, id: MemberId) -> Option<Member> {
        let member = self.by_id.remove(&id)?;
        self.speaking[member.dialect as usize] -= 1;
        Some(member)
    }

    /// Whether any member speaks `dialect`.
    pub fn speak(&self, dialect: Dialect) -> bool {
        self.speaking[dialect as usize] > 0
    }

    /// A member.
    pub fn get(&self, id: MemberId) -> Option<&Member> {
        self.by_id.get(&id)
    }

    /// A member, to change it.
    pub fn get_mut(&mut self, id: MemberId) -> Option<&mut Member> {
        self.by_id.get_mut(&id)
    }

    /// Those of y-websocket, but for `sender`, whose own typing by one of these Yjs clients is: they take the echo for the commit.
    pub fn owners(&self, clients: &[u64], sender: MemberId) -> Vec<MemberId> {
        let has_typed = |member: &Member| member.own_client.is_some_and(|own| clients.contains(&own));
        let is_owner = |member: &Member| member.dialect == Dialect::Yjs && has_typed(member);
        let owners = self.by_id.iter().filter(|(id, member)| **id != sender && is_owner(member));
        owners.map(|(id, _)| *id).collect()
    }

    /// All members.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.by_id.values()
    }

    /// The links and ids of those who are shown edits, and are not behind.
    pub fn wanting_edits(&self) -> Vec<(usize, MemberId)> {
        let wants =
            |member: &Member| member.json.as_ref().is_some_and(|json| json.wants_edits && json.catching_up.is_none());
        self.by_id.iter().filter(|(_, member)| wants(member)).map(|(id, member)| (member.link, *id)).collect()
    }

    /// A user's JSON member, preferably one that shows something of itself.
    pub fn json_only(&self, user: &UserId) -> Option<(MemberId, &Member)> {
        let own = self.by_id.iter().filter(|(_, member)| member.user == *user);
        let json = own.filter_map(|(id, member)| Some((*id, member, member.json.as_ref()?.state.is_some())));
        json.max_by_key(|(id, _, has_state)| (*has_state, *id)).map(|(id, member, _)| (id, member))
    }

    /// Those of a user, or all.
    pub fn of(&self, user: Option<&UserId>) -> Vec<(usize, MemberId)> {
        let own = self.by_id.iter().filter(|(_, member)| user.is_none_or(|user| member.user == *user));
        own.map(|(id, member)| (member.link, *id)).collect()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.by_id.len()
    }

    /// Whether nobody is in.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The members by user, in order of the users' ids.
    pub fn users(&self) -> Vec<UserPresence> {
        let mut users: BTreeMap<&UserId, UserPresence> = BTreeMap::new();
        for member in self.by_id.values() {
            users
                .entry(&member.user)
                .or_insert_with(|| UserPresence {
                    user: member.user.clone(),
                    name: member.name.clone(),
                    sockets: 0,
                    state: None,
                })
                .sockets += 1;
        }
        users.into_values().collect()
    }
}
