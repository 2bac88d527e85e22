//! Puts edits together from their columns.

use bytes::Bytes;

use super::column::put;
use super::columns::{Column, Columns};
use super::edit::{Damaged, PACK_ENTRIES_MAX, PackedEdit};
use super::expect::Expect;
use super::grammar::{self, Walk};
use crate::ids::{Seq, UserId};

/// Puts edits together, one after another.
pub(super) struct Joiner {
    columns: Columns,
    expect: Expect,
    edits: usize,
    users: Vec<UserId>,
    clients: Vec<u64>,
    /// The bodies, one behind another, and how long they are at most.
    bodies: Vec<u8>,
    bodies_max: usize,
}

impl Joiner {
    /// Reads what is said of all edits.
    pub fn new(mut columns: Columns, bodies_max: usize) -> Result<Self, Damaged> {
        let edits = count(&mut columns, PACK_ENTRIES_MAX)?;
        let mut users = Vec::new();
        for _ in 0..count(&mut columns, 2 * PACK_ENTRIES_MAX)? {
            let len = columns.number(Column::Head)?;
            let user = std::str::from_utf8(columns.take(Column::Head, len)?).map_err(|_| Damaged::Columns)?;
            users.push(UserId::new(user));
        }
        let mut clients = Vec::new();
        // Each is written once, at least.
        for _ in 0..count(&mut columns, bodies_max)? {
            clients.push(columns.number(Column::Head)?);
        }
        Ok(Self { columns, expect: Expect::default(), edits, users, clients, bodies: Vec::new(), bodies_max })
    }

    /// All edits.
    pub fn edits(mut self) -> Result<Vec<PackedEdit>, Damaged> {
        let mut edits = Vec::with_capacity(self.edits);
        let mut begins = Vec::with_capacity(self.edits);
        let (mut seq, mut at_ms) = (0_u64, 0_i64);
        for _ in 0..self.edits {
            (seq, at_ms) = moment(&mut self.columns, (seq, at_ms))?;
            let author = self.columns.number(Column::User)?;
            let author = self.user(author)?;
            let sender = self.columns.number(Column::User)?;
            let via = sender.checked_sub(1).map(|place| self.user(place)).transpose()?;
            begins.push(self.bodies.len());
            self.body()?;
            edits.push(PackedEdit { seq: Seq(seq), author, via, at_ms, body: Bytes::new() });
        }
        if !self.columns.is_at_end() {
            return Err(Damaged::Columns);
        }
        let bodies = Bytes::from(self.bodies);
        let ends = begins.iter().skip(1).copied().chain([bodies.len()]);
        for (edit, (&begin, end)) in edits.iter_mut().zip(begins.iter().zip(ends)) {
            edit.body = bodies.slice(begin..end);
        }
        Ok(edits)
    }

    fn user(&self, place: u64) -> Result<UserId, Damaged> {
        let user = usize::try_from(place).ok().and_then(|place| self.users.get(place));
        user.cloned().ok_or(Damaged::Columns)
    }

    fn body(&mut self) -> Result<(), Damaged> {
        match self.columns.byte(Column::Form)? {
            0 => {
                let len = self.columns.number(Column::WholeLen)?;
                self.copy(Column::Whole, len).map(drop)
            }
            1 => grammar::update(self),
            _ => Err(Damaged::Columns),
        }
    }

    fn copy(&mut self, column: Column, len: u64) -> Result<u64, Damaged> {
        let bytes = self.columns.take(column, len)?;
        if self.bodies.len() + bytes.len() > self.bodies_max {
            return Err(Damaged::Columns);
        }
        self.bodies.extend_from_slice(bytes);
        Ok(grammar::units(bytes))
    }

    fn write(&mut self, number: u64) -> Result<(), Damaged> {
        put(&mut self.bodies, number);
        self.bounded(())
    }

    fn bounded<T>(&self, written: T) -> Result<T, Damaged> {
        if self.bodies.len() > self.bodies_max { Err(Damaged::Columns) } else { Ok(written) }
    }
}

impl Walk for Joiner {
    type Error = Damaged;

    fn expect(&mut self) -> &mut Expect {
        &mut self.expect
    }

    fn number(&mut self, column: Column, expected: u64) -> Result<u64, Damaged> {
        let number = expected.wrapping_add(unfolded(self.columns.number(column)?));
        self.write(number)?;
        Ok(number)
    }

    fn client(&mut self, column: Column, expected: u64) -> Result<u64, Damaged> {
        let place = expected.wrapping_add(unfolded(self.columns.number(column)?));
        let client = usize::try_from(place).ok().and_then(|place| self.clients.get(place)).copied();
        self.write(client.ok_or(Damaged::Columns)?)?;
        Ok(place)
    }

    fn byte(&mut self, column: Column) -> Result<u8, Damaged> {
        let byte = self.columns.byte(column)?;
        self.bodies.push(byte);
        self.bounded(byte)
    }

    fn bytes(&mut self, column: Column, len: u64) -> Result<u64, Damaged> {
        self.copy(column, len)
    }

    fn foreign(&self) -> Damaged {
        Damaged::Columns
    }
}

/// The seqs and times of all edits, of which there are only the columns.
pub(super) fn moments(mut columns: Columns) -> Result<Vec<(Seq, i64)>, Damaged> {
    let (mut moments, mut last) = (Vec::new(), (0, 0));
    for _ in 0..count(&mut columns, PACK_ENTRIES_MAX)? {
        last = moment(&mut columns, last)?;
        moments.push((Seq(last.0), last.1));
    }
    Ok(moments)
}

/// The next edit's seq and time, behind those of the one before.
fn moment(columns: &mut Columns, (seq, at_ms): (u64, i64)) -> Result<(u64, i64), Damaged> {
    let seq = seq.wrapping_add(columns.number(Column::Seq)?);
    let low = columns.byte(Column::TimeLow)?;
    let high = columns.number(Column::TimeHigh)?;
    Ok((seq, at_ms.wrapping_add(((high << 8) | u64::from(low)).cast_signed())))
}

fn count(columns: &mut Columns, max: usize) -> Result<usize, Damaged> {
    let count = columns.number(Column::Head)?;
    usize::try_from(count).ok().filter(|count| *count <= max).ok_or(Damaged::Columns)
}

/// The distance that was folded.
fn unfolded(folded: u64) -> u64 {
    (folded >> 1) ^ (folded & 1).wrapping_neg()
}
