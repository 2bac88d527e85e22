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

    /// How many clients are known.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The clients and their clocks.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u32)> {
        self.0.iter().map(|(client, clock)| (*client, *clock))
    }
}

/// The same in as little memory as it can be looked up in, for those that are kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PackedClocks {
    /// In order.
    clients: Box<[u64]>,
    /// Of each of them.
    clocks: Box<[u32]>,
}

impl PackedClocks {
    /// What the clocks of so many clients take, in bytes.
    pub fn bytes(clients: usize) -> usize {
        clients * (size_of::<u64>() + size_of::<u32>())
    }

    /// The clock after all that is known of a client.
    pub fn get(&self, client: u64) -> u32 {
        self.clients.binary_search(&client).map_or(0, |at| self.clocks[at])
    }

    /// What is left of it without all clients but one, if any.
    pub fn only(&self, client: Option<u64>) -> Self {
        let known = client.and_then(|client| Some((client, self.clients.binary_search(&client).ok()?)));
        known.map_or_else(Self::default, |(client, at)| Self {
            clients: [client].into(),
            clocks: [self.clocks[at]].into(),
        })
    }
}

impl From<&Clocks> for PackedClocks {
    fn from(clocks: &Clocks) -> Self {
        let mut sorted: Vec<_> = clocks.iter().collect();
        sorted.sort_unstable();
        let (clients, clocks): (Vec<_>, Vec<_>) = sorted.into_iter().unzip();
        Self { clients: clients.into(), clocks: clocks.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_clocks_tell_the_same_and_can_be_cut_down_to_one_client() {
        let clocks = Clocks::read(&Bytes::from_static(&[3, 9, 4, 2, 7, 5, 1])).unwrap();
        let packed = PackedClocks::from(&clocks);
        for client in 0..11 {
            assert_eq!(packed.get(client), clocks.get(client));
        }
        let one = packed.only(Some(2));
        assert_eq!((one.get(2), one.get(9), PackedClocks::bytes(clocks.len())), (7, 0, 36));
        assert_eq!((packed.only(Some(3)), packed.only(None)), Default::default());
    }
}
