//! Binary frames: an app's own bytes, behind the room's name, and to clients behind the sender's, too.

use bytes::Bytes;

use super::error::JsonError;
use crate::ids::{RoomName, UserId};
use crate::protocol::lib0::{Input, put_buf};
use crate::wire::Frame;

/// Reads what a client sends: the room and the app's bytes.
pub fn decode(message: &Bytes) -> Result<(RoomName, Bytes), JsonError> {
    let mut input = Input::new(message);
    let not_a_signal = "a binary frame is the room's name after its length, then the signal";
    let name = input.text().map_err(|_| JsonError::Field(not_a_signal.into()))?;
    let room = RoomName::parse(name)?;
    Ok((room, message.slice(input.position()..)))
}

/// The frame of a signal from `user`.
pub fn frame(room: &RoomName, user: &UserId, payload: &[u8]) -> Frame {
    let mut head = Vec::with_capacity(room.as_str().len() + user.as_str().len() + 4);
    put_buf(&mut head, room.as_str().as_bytes());
    put_buf(&mut head, user.as_str().as_bytes());
    Frame::binary(&[&head, payload])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rule_27_any_bytes_are_a_signal_or_refused(
            length in 0u8..8,
            room in "[a-z/.]{0,6}",
            payload in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let message = [&[length], room.as_bytes(), &payload].concat();
            match decode(&Bytes::from(message)) {
                Ok((named, rest)) => {
                    prop_assert_eq!(named.as_str().len(), usize::from(length));
                    prop_assert_eq!(named.as_str().len() + rest.len(), room.len() + payload.len());
                }
                Err(error) => prop_assert!(error.to_string().len() < 300),
            }
        }
    }
}
