//! Who is on a server in a room, and what they show of themselves, as other servers are told.

use serde::{Deserialize, Serialize};

use super::frame::WHOLE_BYTES_MAX;
use crate::ids::UserId;

/// Most bytes of a part: names and states, which may be six times as long in JSON, and what each takes besides.
const PART_BYTES_MAX: usize = 512 << 10;
const EACH_BYTES: usize = 512;
/// What stands around a state in a text, at most.
const ENVELOPE_BYTES: usize = 4 << 10;

/// Who is on a server in a room, and what they show of themselves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoomState {
    /// The users.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<SharedUser>,
    /// Awareness states.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<SharedState>,
    /// Who types, or has stopped: the user, the name, whether they type.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub typing: Vec<(UserId, String, bool)>,
}

impl RoomState {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.states.is_empty() && self.typing.is_empty()
    }

    /// Adds what another part has.
    pub fn extend(&mut self, Self { users, states, typing }: Self) {
        self.users.extend(users);
        self.states.extend(states);
        self.typing.extend(typing);
    }

    /// All of it in one part if a text holds that, else in [parts](Self::parts). A version that does not know parts takes each for the
    /// whole, and may not be told one where it could be told all.
    pub fn whole_or_parts(self) -> Vec<Self> {
        // What does not become JSON does not fit, either.
        let fits = serde_json::to_vec(&self).is_ok_and(|json| json.len() + ENVELOPE_BYTES <= WHOLE_BYTES_MAX);
        if fits { vec![self] } else { self.parts() }
    }

    /// The same in parts that are told one after another, since a text holds only so much. At least one.
    pub fn parts(self) -> Vec<Self> {
        let mut parts = Divided(vec![(0, Self::default())]);
        for user in self.users {
            let bytes = user.name.len() + user.state.as_ref().map_or(0, String::len);
            parts.with_room_for(bytes).users.push(user);
        }
        for state in self.states {
            parts.with_room_for(state.state.as_ref().map_or(0, String::len)).states.push(state);
        }
        for typing in self.typing {
            parts.with_room_for(typing.1.len()).typing.push(typing);
        }
        parts.0.into_iter().map(|(_, part)| part).collect()
    }
}

/// Which part of a state it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// From 1.
    pub number: usize,
    /// Of so many.
    pub count: usize,
}

impl Part {
    /// All of it.
    pub fn is_whole(&self) -> bool {
        self.count == 1
    }
}

impl Default for Part {
    fn default() -> Self {
        Self { number: 1, count: 1 }
    }
}

/// A user on a server, in a room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SharedUser {
    /// Who.
    pub user: UserId,
    /// The name shown to others.
    pub name: String,
    /// Sockets there; 0: they have gone.
    pub sockets: usize,
    /// What they show of themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Whether they have gone for good, so that nobody waits for their return.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_for_good: bool,
}

/// A user who has no socket in a room any more and may come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbsentUser {
    /// Who.
    pub user: UserId,
    /// The name shown to others.
    pub name: String,
    /// How long ago the last socket dropped, in milliseconds; negative: it drops in so long at most.
    pub gone_ms: i64,
}

/// A client's awareness state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SharedState {
    /// The Yjs client.
    pub client: u64,
    /// Its clock.
    pub clock: u64,
    /// Whose it is.
    pub user: UserId,
    /// The state as JSON; none if the client has gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Whether the server made it, for a user who has no editor.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_placeholder: bool,
}

/// Parts, with their bytes.
struct Divided(Vec<(usize, RoomState)>);

impl Divided {
    /// A part to which something of that length is added.
    fn with_room_for(&mut self, bytes: usize) -> &mut RoomState {
        let bytes = bytes + EACH_BYTES;
        match self.0.last_mut() {
            Some((held, _)) if *held + bytes <= PART_BYTES_MAX => *held += bytes,
            _ => self.0.push((bytes, RoomState::default())),
        }
        // One was there, or was added.
        &mut self.0.last_mut().expect("there is a part").1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::RoomMessage;
    use crate::bus::message::Message;
    use crate::ids::{RoomName, Seq};

    #[test]
    fn a_large_state_is_told_in_parts_that_fit_and_hold_all_of_it() {
        // A quote takes two bytes in JSON, a control character six.
        let state = |client| SharedState {
            client,
            clock: 1,
            user: UserId::new("ada"),
            state: Some("\u{1}".repeat(32 << 10)),
            is_placeholder: false,
        };
        let user = |n| SharedUser {
            user: UserId::new(format!("u{n}")),
            name: "N".repeat(100),
            sockets: 1,
            state: Some("\"".repeat(4 << 10)),
            is_for_good: false,
        };
        let typing = |n| (UserId::new(format!("u{n}")), "N".repeat(100), true);
        let whole = RoomState {
            users: (0..500).map(user).collect(),
            states: (0..128).map(state).collect(),
            typing: (0..500).map(typing).collect(),
        };
        let parts = whole.clone().parts();
        assert!((8..20).contains(&parts.len()), "{}", parts.len());
        let mut told = RoomState::default();
        for part in parts {
            let say = RoomMessage::State { head: Seq(1), state: part.clone(), part: Part { number: 2, count: 3 } };
            let message = Message::Room { room: RoomName::parse("r").unwrap(), say };
            assert!(serde_json::to_string(&message).unwrap().len() < WHOLE_BYTES_MAX);
            told.extend(part);
        }
        assert_eq!(told, whole);
        assert_eq!(RoomState::default().parts(), [RoomState::default()], "nobody is there: that is told, too");
    }

    #[test]
    fn what_one_text_holds_is_told_whole() {
        let of = |count: usize| {
            let user = |n| SharedUser {
                user: UserId::new(format!("u{n:05}")),
                name: "N".repeat(9_950),
                sockets: 1,
                state: None,
                is_for_good: false,
            };
            RoomState { users: (0..count).map(user).collect(), ..RoomState::default() }
        };
        let bytes = |count| serde_json::to_string(&of(count)).unwrap().len();
        let each = bytes(2) - bytes(1);
        let most = (WHOLE_BYTES_MAX - ENVELOPE_BYTES - (bytes(1) - each)) / each;
        assert_eq!(of(most).whole_or_parts(), [of(most)]);
        assert!(of(most + 1).whole_or_parts().len() > 2, "in parts");
        let say = RoomMessage::State { head: Seq(u64::MAX), state: of(most), part: Part::default() };
        let message = Message::Room { room: RoomName::parse(&"x".repeat(200)).unwrap(), say };
        assert!(serde_json::to_string(&message).unwrap().len() < WHOLE_BYTES_MAX);
    }
}
