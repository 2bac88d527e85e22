//! Who is in a room: members, their users, what they may do and what an edit means in their protocols. Pure.

mod editor;
mod hocuspocus;
mod json;
mod kept_clocks;
mod receipt;
mod refusal;
mod yjs;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use crate::auth::Access;
use crate::ids::{MemberId, UserId};
use crate::protocol::Dialect;
use crate::protocol::json::UserPresence;
use crate::rate::Bucket;
#[cfg(test)]
use crate::room::testing::look_at;

pub use editor::Editor;
pub use hocuspocus::HocuspocusEditor;
pub use json::{JsonMember, MissedSteps, StoreRead};
pub use kept_clocks::KeptClocks;
pub use receipt::{Acknowledgement, Receipt};
pub use refusal::{EditRefusal, LoggedRefusals};
pub use yjs::{Asked, YjsEditor};

/// What a member speaks, and what the room knows of it for that reason.
#[derive(Debug)]
pub enum ClientState {
    /// y-websocket.
    Yjs(YjsEditor),
    /// Hocuspocus.
    Hocuspocus(HocuspocusEditor),
    /// `tutti.v1`.
    Json(Box<JsonMember>),
}

impl ClientState {
    /// A member that has just come in; `may_edit` is what it may do then.
    pub fn new(dialect: Dialect, may_edit: bool) -> Self {
        match dialect {
            Dialect::Yjs => Self::Yjs(YjsEditor::new(may_edit)),
            Dialect::Hocuspocus => Self::Hocuspocus(HocuspocusEditor::default()),
            Dialect::Json => Self::Json(Box::default()),
        }
    }

    fn dialect(&self) -> Dialect {
        match self {
            Self::Yjs(_) => Dialect::Yjs,
            Self::Hocuspocus(_) => Dialect::Hocuspocus,
            Self::Json(_) => Dialect::Json,
        }
    }
}

/// One member of a room.
#[derive(Debug)]
pub struct Member {
    /// Its relay, as an index into the room's links.
    pub link: usize,
    /// What it speaks.
    pub client: ClientState,
    /// Whose socket it is.
    pub user: UserId,
    /// The name shown to others.
    pub name: Arc<str>,
    /// What it may do here.
    pub access: Access,
    /// Whether it is shown what is no more.
    pub looks_back: bool,
    /// The Yjs client that it announced first, its own.
    pub own_client: Option<u64>,
    /// How often it has asked for all awareness, if it has.
    pub awareness_asked: Option<Bucket>,
    /// Why its edits were refused, as far as that is in the log.
    pub logged: LoggedRefusals,
}

impl Member {
    /// Its protocol.
    pub fn dialect(&self) -> Dialect {
        self.client.dialect()
    }

    /// What an edit means in its protocol.
    pub fn editor(&self) -> &dyn Editor {
        match &self.client {
            ClientState::Yjs(editor) => editor,
            ClientState::Hocuspocus(editor) => editor,
            ClientState::Json(member) => &**member,
        }
    }

    /// As [`editor`](Self::editor), to tell it what happens.
    pub fn editor_mut(&mut self) -> &mut dyn Editor {
        match &mut self.client {
            ClientState::Yjs(editor) => editor,
            ClientState::Hocuspocus(editor) => editor,
            ClientState::Json(member) => &mut **member,
        }
    }

    /// What only y-websocket members have.
    pub fn yjs_mut(&mut self) -> Option<&mut YjsEditor> {
        if let ClientState::Yjs(editor) = &mut self.client { Some(editor) } else { None }
    }

    /// What only JSON members have.
    pub fn json(&self) -> Option<&JsonMember> {
        if let ClientState::Json(member) = &self.client { Some(member) } else { None }
    }

    /// As [`json`](Self::json), to change it.
    pub fn json_mut(&mut self) -> Option<&mut JsonMember> {
        if let ClientState::Json(member) = &mut self.client { Some(member) } else { None }
    }
}

/// The members of one user.
#[derive(Debug, Default)]
struct OwnMembers {
    all: BTreeSet<MemberId>,
    /// Those that speak JSON, behind whether they show something of themselves.
    json: BTreeSet<(bool, MemberId)>,
}

/// The members.
#[derive(Debug, Default)]
pub struct Members {
    by_id: HashMap<MemberId, Member>,
    by_user: HashMap<UserId, OwnMembers>,
    /// How many speak each dialect, in the order of [`Dialect::ALL`].
    speaking: [usize; Dialect::ALL.len()],
}

impl Members {
    /// Adds a member; an id joins once.
    pub fn insert(&mut self, id: MemberId, member: Member) {
        self.speaking[member.dialect() as usize] += 1;
        let own = self.by_user.entry(member.user.clone()).or_default();
        own.all.insert(id);
        if let Some(json) = member.json() {
            own.json.insert((json.state.is_some(), id));
        }
        self.by_id.insert(id, member);
    }

    /// Removes a member.
    pub fn remove(&mut self, id: MemberId) -> Option<Member> {
        let member = self.by_id.remove(&id)?;
        self.speaking[member.dialect() as usize] -= 1;
        if let Some(own) = self.by_user.get_mut(&member.user) {
            own.all.remove(&id);
            for shows in [false, true] {
                own.json.remove(&(shows, id));
            }
            if own.all.is_empty() {
                self.by_user.remove(&member.user);
            }
        }
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

    /// What a JSON member has.
    pub fn json(&self, id: MemberId) -> Option<&JsonMember> {
        self.get(id)?.json()
    }

    /// As [`json`](Self::json), to change it.
    pub fn json_mut(&mut self, id: MemberId) -> Option<&mut JsonMember> {
        self.get_mut(id)?.json_mut()
    }

    /// Those who take an echo for the commit, but for `sender`, whose own typing by one of these Yjs clients is.
    pub fn owners(&self, clients: &[u64], sender: Option<MemberId>) -> Vec<MemberId> {
        let has_typed = |member: &Member| member.own_client.is_some_and(|own| clients.contains(&own));
        let is_owner = |member: &Member| has_typed(member) && member.editor().takes_echo_for_commit();
        let owners = self.all().filter(|(id, member)| Some(**id) != sender && is_owner(member));
        owners.map(|(id, _)| *id).collect()
    }

    /// All members.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.all().map(|(_, member)| member)
    }

    fn all(&self) -> impl Iterator<Item = (&MemberId, &Member)> {
        #[cfg(test)]
        look_at(self.by_id.len());
        self.by_id.iter()
    }

    /// The links and ids of those who are shown edits, and are not behind.
    pub fn wanting_edits(&self) -> Vec<(usize, MemberId)> {
        let wants = |member: &Member| member.json().is_some_and(|json| json.wants_edits && json.catching_up.is_none());
        self.all().filter(|(_, member)| wants(member)).map(|(id, member)| (member.link, *id)).collect()
    }

    /// A user's JSON member, preferably one that shows something of itself.
    pub fn json_only(&self, user: &UserId) -> Option<(MemberId, &Member)> {
        let (_, id) = self.by_user.get(user)?.json.last()?;
        Some((*id, self.by_id.get(id)?))
    }

    /// A JSON member shows something of itself.
    pub fn set_state(&mut self, id: MemberId, state: Bytes) {
        let Some(member) = self.by_id.get_mut(&id) else { return };
        let Some(own) = self.by_user.get_mut(&member.user) else { return };
        let Some(json) = member.json_mut() else { return };
        own.json.remove(&(json.state.is_some(), id));
        own.json.insert((true, id));
        json.state = Some(state);
    }

    /// Whether a user is in.
    pub fn have(&self, user: &UserId) -> bool {
        self.by_user.contains_key(user)
    }

    /// The newest member of a user.
    pub fn newest_of(&self, user: &UserId) -> Option<&Member> {
        self.by_id.get(self.by_user.get(user)?.all.last()?)
    }

    /// How many members a user has.
    pub fn count_of(&self, user: &UserId) -> usize {
        self.by_user.get(user).map_or(0, |own| own.all.len())
    }

    /// Those of a user, or all.
    pub fn of(&self, user: Option<&UserId>) -> Vec<(usize, MemberId)> {
        let Some(user) = user else { return self.all().map(|(id, member)| (member.link, *id)).collect() };
        let own = self.by_user.get(user).into_iter().flat_map(|own| &own.all);
        own.filter_map(|id| Some((self.by_id.get(id)?.link, *id))).collect()
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
        for member in self.iter() {
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
