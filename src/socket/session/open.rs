//! Makes the session of a connection, as the upgrade decided.

use std::time::{Duration, Instant};

use tracing::Span;
use tracing::field::{debug, display};
use uuid::Uuid;

use super::denied::DeniedSession;
use super::echo::EchoSession;
use super::hocuspocus::HocuspocusSession;
use super::io::SessionIo;
use super::json::JsonSession;
use super::session::{Session, SocketClose};
use super::yjs::YjsSession;
use crate::ids::shortened;
use crate::protocol::{CloseCode, yjs};
use crate::socket::opening::{Path, StreamRoom, UpgradeRefusal};
use crate::socket::rates::RateLimits;

/// How long a JSON client with a wrong token is held, since it may come back at once.
const DENIED_HOLD: Duration = Duration::from_secs(1);

/// A session that has begun.
pub struct Opened {
    /// The session.
    pub session: Box<dyn Session>,
    /// How long the connection lasts, and why it is closed then, if that is decided already.
    pub close: Option<(Duration, SocketClose)>,
}

impl Opened {
    fn new(session: impl Session + 'static) -> Self {
        Self { session: Box::new(session), close: None }
    }
}

/// Begins the session that the upgrade decided on, in the socket's span.
pub fn open(path: Path, io: &SessionIo) -> Opened {
    let span = Span::current();
    match path {
        Path::Yjs { room, lease, place, identity, rights, visit, user_permit } => {
            span.record("room.name", display(&room)).record("user.id", display(&identity.user));
            tracing::info!("socket opened");
            Opened::new(YjsSession::join(lease, place, visit, user_permit, identity, rights, io))
        }
        Path::Hocuspocus { identity } => Opened::new(HocuspocusSession::new(identity)),
        Path::Json { identity, network } => {
            let limits = RateLimits::new(network, &io.context.rates, Instant::now());
            let mut session = JsonSession::open(Uuid::new_v4(), limits, io);
            let close = match identity {
                Ok(None) => None,
                Ok(Some(identity)) => {
                    let user = identity.user.clone();
                    let full = session.on_token(identity, None, io).err();
                    full.map(|full| denied(full.code, UpgradeRefusal { reason: full.reason, user: Some(user) }))
                }
                Err(refusal) => {
                    let close = denied(CloseCode::Unauthorized, refusal);
                    session.refuse_token(&close.reason, io);
                    Some(close)
                }
            };
            Opened { session: Box::new(session), close: close.map(|close| (DENIED_HOLD, close)) }
        }
        Path::Events { client, identity, user_permit, room, network } => {
            let limits = RateLimits::new(network, &io.context.rates, Instant::now());
            let mut session = JsonSession::open(client, limits, io);
            session.enter(identity, user_permit, None, io);
            if let Some(StreamRoom { name, since, wants_edits }) = room {
                span.record("room.name", display(&name));
                session.enter_only(name, since, wants_edits, io);
            }
            Opened::new(session)
        }
        Path::Denied { room, code, refusal, hold } => {
            span.record("room.name", debug(shortened(&room)));
            let close = denied(code, refusal);
            io.send(&yjs::denied(&close.reason));
            Opened { session: Box::new(DeniedSession), close: Some((hold, close)) }
        }
        Path::Echo => Opened::new(EchoSession),
    }
}

fn denied(code: CloseCode, UpgradeRefusal { reason, user }: UpgradeRefusal) -> SocketClose {
    let user = user.as_ref().map(display);
    tracing::info!(user.id = user, code = code.code(), reason, "socket denied");
    SocketClose { code, reason }
}
