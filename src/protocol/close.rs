//! The close codes; `docs/PROTOCOL.md` and the browser client list the same. 44xx is final, y-websocket stops at it; all others mean:
//! come back.

/// Why the server closes a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum CloseCode {
    /// The client closed, or asked to.
    Normal = 1000,
    /// The server stops or restarts; come back.
    GoingAway = 1001,
    /// The frames break RFC 6455.
    Protocol = 1002,
    /// Text that is not UTF-8, or compressed data that cannot be inflated.
    InvalidText = 1007,
    /// A message beyond the limit, on paths where that is not an edit.
    TooBig = 1009,
    /// A fault of the server; come back.
    Internal = 1011,
    /// The server is full or its database is away; come back.
    TryLater = 1013,
    /// No token, or one that does not hold. Final.
    Unauthorized = 4401,
    /// The token does not allow this room, known or not. Final.
    Forbidden = 4403,
    /// The room was deleted. Final.
    RoomDeleted = 4404,
    /// An edit larger than the server takes. Final: all later typing of this client would build on it.
    EditTooLarge = 4413,
    /// An edit or message that cannot be read. Final, as above.
    EditRefused = 4422,
    /// The client took its frames too slowly and its outbox was full; come back.
    SlowConsumer = 4500,
    /// No sign of life after a ping; come back.
    HeartbeatLost = 4501,
    /// Too many messages, and no pause when that was said; come back.
    TooMany = 4502,
    /// The token ran out; come back with a fresh one.
    TokenExpired = 4504,
}

impl CloseCode {
    /// The number on the wire.
    pub fn code(self) -> u16 {
        self as u16
    }

    /// What the close frame says where nothing more exact is known.
    pub fn reason(self) -> &'static str {
        match self {
            CloseCode::Normal => "",
            CloseCode::GoingAway => "the server restarts, come back",
            CloseCode::Protocol => "not WebSocket as RFC 6455 has it",
            CloseCode::InvalidText => "text must be UTF-8",
            CloseCode::TooBig => "message too large",
            CloseCode::Internal => "internal error",
            CloseCode::TryLater => "try again later",
            CloseCode::Unauthorized => "a valid token is needed",
            CloseCode::Forbidden => "no access to this room",
            CloseCode::RoomDeleted => "the room was deleted",
            CloseCode::EditTooLarge => "edit too large",
            CloseCode::EditRefused => "edit refused",
            CloseCode::SlowConsumer => "too slow in reading",
            CloseCode::HeartbeatLost => "no answer to a ping",
            CloseCode::TooMany => "too many messages",
            CloseCode::TokenExpired => "the token ran out, come back with a fresh one",
        }
    }

    /// Whether a client must not come back as it is.
    pub fn is_final(self) -> bool {
        (4400..4500).contains(&self.code())
    }
}
