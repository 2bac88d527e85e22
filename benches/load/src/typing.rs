//! People who type: each a Yjs client of its own that writes one character after the other into the text `t` and has no use for
//! what the others write. The updates are byte for byte those of a Yjs document, made without one, for speed.

use std::collections::HashMap;

use yrs::Update;
use yrs::updates::decoder::Decode;

use crate::protocol::put_var_uint;

/// Makes the update of the keystroke `clock` of `client`.
pub fn keystroke(client: u64, clock: u32) -> Vec<u8> {
    let mut out = vec![1, 1];
    put_var_uint(&mut out, client);
    put_var_uint(&mut out, clock.into());
    if clock == 0 {
        // A string whose parent is the root text "t".
        out.extend_from_slice(&[0x04, 1, 1, b't']);
    } else {
        // A string whose left origin is the keystroke before.
        out.push(0x84);
        put_var_uint(&mut out, client);
        put_var_uint(&mut out, u64::from(clock) - 1);
    }
    out.extend_from_slice(&[1, letter(clock), 0]);
    out
}

fn letter(clock: u32) -> u8 {
    b'a' + (clock % 26) as u8
}

/// What an update holds of one client: clocks from the first up to the second.
pub type Span = (u64, u32, u32);

/// Reads which keystrokes an update brings, one or many merged.
pub fn spans(update: &[u8]) -> Vec<Span> {
    let update = Update::decode_v1(update).expect("a server sends updates that can be read");
    let lower: HashMap<_, _> =
        update.state_vector_lower().iter().map(|(client, clock)| (client.get(), *clock)).collect();
    let upper = update.state_vector();
    upper.iter().map(|(client, clock)| (client.get(), lower.get(&client.get()).copied().unwrap_or(0), *clock)).collect()
}

/// Where each keystroke of a client has got to with one receiver: the next clock expected, by client.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    next: HashMap<u64, u32>,
    /// Keystrokes that came after one that had not come.
    pub gaps: u64,
}

impl Seen {
    /// Takes an update in; calls `new` with each span of keystrokes that had not come before.
    pub fn take(&mut self, update: &[u8], mut new: impl FnMut(Span)) {
        for (client, from, to) in spans(update) {
            let next = self.next.entry(client).or_insert(0);
            if from > *next {
                self.gaps += u64::from(from - *next);
            }
            if to > *next {
                new((client, from.max(*next), to));
                *next = to;
            }
        }
    }

    /// How many keystrokes of a client have come.
    pub fn count(&self, client: u64) -> u32 {
        self.next.get(&client).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use yrs::{Doc, GetString, ReadTxn, Text, Transact, WriteTxn};

    #[test]
    fn keystrokes_are_what_a_document_would_send() {
        let doc = Doc::with_client_id(yrs::block::ClientID::new(300));
        for clock in 0..200 {
            let mut transaction = doc.transact_mut();
            let text = transaction.get_or_insert_text("t");
            let end = text.len(&transaction);
            text.insert(&mut transaction, end, &(letter(clock) as char).to_string());
            assert_eq!(transaction.encode_update_v1(), keystroke(300, clock));
        }
        let transaction = doc.transact();
        assert_eq!(transaction.get_text("t").unwrap().get_string(&transaction).len(), 200);
    }

    #[test]
    fn merged_keystrokes_are_counted_one_by_one_and_repeated_ones_once() {
        let merged = yrs::merge_updates_v1([keystroke(7, 0), keystroke(7, 1), keystroke(9, 0)]).unwrap();
        let mut seen = Seen::default();
        let mut count = 0;
        for update in [&merged, &merged, &keystroke(7, 2)] {
            seen.take(update, |(_, from, to)| count += to - from);
        }
        assert_eq!((count, seen.gaps, seen.count(7)), (4, 0, 3));
        seen.take(&keystroke(9, 2), |_| ());
        assert_eq!(seen.gaps, 1);
    }
}
