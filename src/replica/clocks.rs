//! A peer's state vector: how far it is with each Yjs client.

use bytes::Bytes;
use yrs::{ClientID, StateVector};

use crate::protocol::DecodeError;
use crate::protocol::lib0::Input;

/// How far someone is with each Yjs client.
#[derive(Debug, Default)]
pub struct Clocks(StateVector);

impl Clocks {
    /// Reads an encoded state vector.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(raw: &Bytes) -> Result<Self, DecodeError> {
        let mut input = Input::new(raw);
        let count = input.var_uint()?;
        if count > input.remaining() as u64 / 2 {
            return Err(DecodeError::Truncated);
        }
        let mut known = StateVector::default();
        for _ in 0..count {
            let client = input.var_uint()?;
            known.set_max(ClientID::new(client), input.var_u32()?);
        }
        Ok(Self(known))
    }

    /// The clock after all that is known of a client.
    pub fn get(&self, client: u64) -> u32 {
        self.0.get(&ClientID::new(client))
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets all but one client, which saves memory.
    pub fn keep_only(&mut self, client: Option<u64>) {
        let mut kept = StateVector::default();
        if let Some(client) = client {
            kept.set_max(ClientID::new(client), self.get(client));
        }
        self.0 = kept;
    }

    /// Each client with its clock.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u32)> {
        self.0.iter().map(|(client, clock)| (client.get(), *clock))
    }

    pub(super) fn as_state_vector(&self) -> &StateVector {
        &self.0
    }
}
