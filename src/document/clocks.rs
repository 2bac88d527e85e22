//! A peer's state vector: how far it is with each Yjs client.

use std::collections::HashMap;

use bytes::Bytes;

use crate::protocol::DecodeError;
use crate::protocol::lib0::Input;

/// How far someone is with each Yjs client.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Clocks(HashMap<u64, u32>);

impl Clocks {
    /// Reads an encoded state vector. Of a client that stands twice the later clock counts.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(raw: &Bytes) -> Result<Self, DecodeError> {
        let mut input = Input::new(raw);
        let count = input.count(2)?;
        let mut known = HashMap::with_capacity(count.min(1024));
        for _ in 0..count {
            let client = input.var_uint()?;
            let clock = input.var_u32()?;
            let known = known.entry(client).or_insert(0);
            *known = clock.max(*known);
        }
        Ok(Self(known))
    }

    /// The clock after all that is known of a client.
    pub fn get(&self, client: u64) -> u32 {
        self.0.get(&client).copied().unwrap_or(0)
    }

    /// Notes the clock after all that is known of a client.
    pub fn set(&mut self, client: u64, clock: u32) {
        self.0.insert(client, clock);
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets all clients but one, if any.
    pub fn keep_only(&mut self, client: Option<u64>) {
        self.0.retain(|known, _| Some(*known) == client);
        self.0.shrink_to_fit();
    }

    /// The clients and their clocks.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u32)> {
        self.0.iter().map(|(client, clock)| (*client, *clock))
    }
}
