//! What is particular to a member that is one document of a Hocuspocus connection: the document's own address, and an end of the
//! document that leaves the connection as it is.

use std::sync::Arc;

use crate::budget::Payer;
use crate::protocol::{Dialect, hocuspocus};
use crate::room::StateBudget;
use crate::socket::session::member_outlet::{MemberKind, Standing};
use crate::wire::Frame;

/// One document.
pub struct DocumentMember {
    address: String,
    /// As it stands before messages, where that is not the room's name, to which rooms address their frames.
    other_address: Option<Vec<u8>>,
    /// What large frames for an address of its own may hold.
    budget: Arc<StateBudget>,
    /// Under whose name.
    payer: Payer,
}

impl DocumentMember {
    /// The document of `room` at `address`.
    pub fn new(room: &str, address: &str, budget: Arc<StateBudget>, payer: Payer) -> Self {
        let other_address = (address != room).then(|| hocuspocus::encode_address(address));
        Self { address: address.to_owned(), other_address, budget, payer }
    }
}

impl MemberKind for DocumentMember {
    const DIALECT: Dialect = Dialect::Hocuspocus;

    fn other_address(&self) -> Option<(&[u8], &Arc<StateBudget>, Payer)> {
        self.other_address.as_deref().map(|address| (address, &self.budget, self.payer))
    }

    // No message of the protocol makes a provider start one document anew, so where the room puts it off nothing is said, and the
    // session asks again in its place.

    fn ended(&self, reason: &str) -> Option<Frame> {
        Some(hocuspocus::close(&self.address, reason))
    }

    fn deleted(&self, standing: Standing, reason: &str) -> Option<Frame> {
        match standing {
            Standing::Asking => Some(hocuspocus::denied(&self.address, reason)),
            _ => self.ended(reason),
        }
    }
}
