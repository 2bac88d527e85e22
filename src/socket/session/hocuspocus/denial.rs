//! Whether a token opens a document, and why not.

use crate::auth::{Access, Action, Identity, TokenError, Verifier, allows, now_s};
use crate::ids::{RoomName, RoomNameError};
use crate::protocol::hocuspocus;

/// Why a token does not open a document.
#[derive(Debug, thiserror::Error)]
pub enum TokenDenial {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Name(#[from] RoomNameError),
    #[error("no access to this room")]
    Forbidden,
    /// Someone else's token does not go on with this one's work.
    #[error("this is another user's token; open another connection for it")]
    OtherUser,
}

impl TokenDenial {
    /// What the client hears. Rooms that exist and rooms that do not look alike; for these it is what a Hocuspocus server says.
    pub fn told(&self) -> String {
        match self {
            TokenDenial::Forbidden => "permission-denied".into(),
            denial => denial.to_string(),
        }
    }
}

/// What a token opens at an address: the room, for whom, and what it allows. Without a token it is what `own` opens, who came with the
/// connection.
pub fn check(
    address: &str,
    token: &str,
    own: Option<&Identity>,
    verifier: &Verifier,
) -> Result<(RoomName, Identity, Access), TokenDenial> {
    let now_s = now_s();
    let identity = match own.filter(|_| token.is_empty()) {
        Some(own) => verifier.confirm(own, now_s).map(|()| own.clone())?,
        None => verifier.verify(token, now_s)?,
    };
    let name = RoomName::parse(hocuspocus::document(address))?;
    let access = identity.access(&name);
    match allows(access, Action::Join) {
        true => Ok((name, identity, access)),
        false => Err(TokenDenial::Forbidden),
    }
}
