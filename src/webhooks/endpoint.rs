//! Endpoints: where events go, and which.

use std::fmt;
use std::net::IpAddr;

use url::Host;

use crate::config::{EVENTS_MAX, HookUrl, SigningSecret};
use crate::document::Format;
use crate::ids::{EventPattern, RoomName, RoomPattern};
use crate::outgoing::Reach;
use crate::store::WebhookRow;

/// Longest name of a root type, in bytes.
const ROOT_BYTES_MAX: usize = 200;

/// Where events go, and which.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its name.
    pub id: String,
    /// What it was made from.
    pub new: NewEndpoint,
    /// What its deliveries are signed with.
    pub secret: SigningSecret,
    /// Whether its deliveries wait.
    pub is_paused: bool,
    /// When it was made, in Unix milliseconds.
    pub created_at_ms: i64,
}

/// An endpoint as it is asked for.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    /// Where deliveries go.
    pub url: HookUrl,
    /// Of which types.
    pub events: Vec<EventPattern>,
    /// Of which rooms.
    pub rooms: RoomPattern,
    /// In which format a changed document comes along, and which root type of it.
    pub content: Option<Format>,
    /// The root type.
    pub root: Option<String>,
}

/// Why an endpoint is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NewEndpointError {
    /// No types, or too many.
    #[error("events is a list of 1 to {EVENTS_MAX} patterns of event types")]
    Events,
    /// Inside.
    #[error("the url's address is in a private network, which TUTTI_WEBHOOK_ALLOW_PRIVATE would allow")]
    Private,
    /// A root without a format, or one that none has.
    #[error("root is a name of 1 to {ROOT_BYTES_MAX} bytes, and goes with content in another format than yjs")]
    Root,
}

impl NewEndpoint {
    /// Whether this can be an endpoint, of a server whose deliveries have this reach.
    pub fn check(&self, reach: Reach) -> Result<(), NewEndpointError> {
        if self.events.is_empty() || self.events.len() > EVENTS_MAX {
            return Err(NewEndpointError::Events);
        }
        // What is behind a name is looked at with each delivery.
        let address = match self.url.as_url().host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            _ => None,
        };
        if address.is_some_and(|address| !reach.allows(address)) {
            return Err(NewEndpointError::Private);
        }
        let is_root = |root: &String| (1..=ROOT_BYTES_MAX).contains(&root.len()) && !root.contains('\0');
        match (&self.root, self.content) {
            (None, _) => Ok(()),
            (Some(root), Some(format)) if is_root(root) && format != Format::Yjs => Ok(()),
            _ => Err(NewEndpointError::Root),
        }
    }
}

impl Endpoint {
    /// Whether it is told of this.
    pub fn wants(&self, room: &RoomName, kind: &str) -> bool {
        self.new.rooms.matches(room) && self.new.events.iter().any(|pattern| pattern.matches(kind))
    }

    /// As the store has it.
    pub fn row(&self) -> WebhookRow {
        let NewEndpoint { url, events, rooms, content, root } = &self.new;
        WebhookRow {
            id: self.id.clone(),
            url: url.as_url().to_string(),
            secret: self.secret.expose(),
            events: serde_json::json!(events).to_string(),
            rooms: rooms.to_string(),
            content: content.map(|format| format.name().to_owned()),
            root: root.clone(),
            is_paused: self.is_paused,
            created_at_ms: self.created_at_ms,
        }
    }

    /// From what the store has; `None` if it cannot be read: a newer release has written it.
    pub fn of(row: WebhookRow) -> Option<Self> {
        let new = NewEndpoint {
            url: HookUrl::parse(&row.url).ok()?,
            events: serde_json::from_str(&row.events).ok()?,
            rooms: RoomPattern::parse(&row.rooms).ok()?,
            content: row.content.as_deref().map(Format::parse).transpose().ok()?,
            root: row.root,
        };
        let secret = SigningSecret::parse(&row.secret)?;
        Some(Self { id: row.id, new, secret, is_paused: row.is_paused, created_at_ms: row.created_at_ms })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.id, self.new.url)
    }
}
