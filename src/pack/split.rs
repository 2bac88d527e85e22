//! Splits edits into columns.

use std::collections::HashMap;

use super::column::number;
use super::columns::{Column, Columns};
use super::edit::{Bodies, PackedEdit};
use super::expect::Expect;
use super::grammar::{self, Walk};
use crate::ids::{Seq, UserId};

/// Why a body is kept as it is.
#[derive(Debug)]
pub(super) struct Foreign;

/// Reads a body from its front.
struct Body<'b> {
    rest: &'b [u8],
}

impl<'b> Body<'b> {
    /// A number that is written in the shortest way, so that it is written so again.
    fn number(&mut self) -> Result<u64, Foreign> {
        let (value, len) = number(self.rest).ok_or(Foreign)?;
        self.rest = &self.rest[len..];
        Ok(value)
    }

    fn take(&mut self, len: u64) -> Result<&'b [u8], Foreign> {
        let len = usize::try_from(len).map_err(|_| Foreign)?;
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Foreign)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// Looks whether a body follows the grammar, to its end.
struct Check<'c, 'b> {
    body: Body<'b>,
    /// Nothing depends on it here.
    expect: &'c mut Expect,
}

impl Walk for Check<'_, '_> {
    type Error = Foreign;

    fn expect(&mut self) -> &mut Expect {
        self.expect
    }

    fn number(&mut self, _: Column, _: u64) -> Result<u64, Foreign> {
        self.body.number()
    }

    fn client(&mut self, _: Column, _: u64) -> Result<u64, Foreign> {
        self.body.number()?;
        Ok(0)
    }

    fn byte(&mut self, _: Column) -> Result<u8, Foreign> {
        Ok(self.body.take(1)?[0])
    }

    fn bytes(&mut self, _: Column, len: u64) -> Result<u64, Foreign> {
        self.body.take(len).map(grammar::units)
    }

    fn foreign(&self) -> Foreign {
        Foreign
    }
}

/// Splits edits, one after another.
#[derive(Default)]
pub(super) struct Splitter {
    columns: Columns,
    expect: Expect,
    unused: Expect,
    edits: u64,
    seq: u64,
    at_ms: i64,
    users: Vec<UserId>,
    user_places: HashMap<UserId, u64>,
    clients: Vec<u64>,
    client_places: HashMap<u64, u64>,
}

impl Splitter {
    /// Adds an edit.
    pub fn edit(&mut self, edit: &PackedEdit, bodies: Bodies) {
        let PackedEdit { seq: Seq(seq), author, via, at_ms, body } = edit;
        self.edits += 1;
        self.columns.put(Column::Seq, seq.wrapping_sub(self.seq));
        let since = at_ms.wrapping_sub(self.at_ms).cast_unsigned();
        self.columns.push(Column::TimeLow, since as u8);
        self.columns.put(Column::TimeHigh, since >> 8);
        (self.seq, self.at_ms) = (*seq, *at_ms);
        let author = self.user(author);
        self.columns.put(Column::User, author);
        let sender = via.as_ref().map_or(0, |via| self.user(via) + 1);
        self.columns.put(Column::User, sender);

        let in_columns = bodies == Bodies::InColumns && self.follows_grammar(body);
        self.columns.push(Column::Form, in_columns.into());
        if in_columns {
            let mut split = Split { body: Body { rest: body }, to: self };
            // It was walked along just now.
            let walked = grammar::update(&mut split);
            debug_assert!(walked.is_ok());
        } else {
            self.columns.put(Column::WholeLen, body.len() as u64);
            self.columns.extend(Column::Whole, body);
        }
    }

    /// All columns.
    pub fn end(mut self) -> Columns {
        self.columns.put(Column::Head, self.edits);
        self.columns.put(Column::Head, self.users.len() as u64);
        for user in &self.users {
            self.columns.put(Column::Head, user.as_str().len() as u64);
            self.columns.extend(Column::Head, user.as_str().as_bytes());
        }
        self.columns.put(Column::Head, self.clients.len() as u64);
        for client in &self.clients {
            self.columns.put(Column::Head, *client);
        }
        self.columns
    }

    fn follows_grammar(&mut self, body: &[u8]) -> bool {
        let mut check = Check { body: Body { rest: body }, expect: &mut self.unused };
        grammar::update(&mut check).is_ok() && check.body.rest.is_empty()
    }

    fn user(&mut self, user: &UserId) -> u64 {
        if let Some(place) = self.user_places.get(user) {
            return *place;
        }
        let place = self.users.len() as u64;
        self.users.push(user.clone());
        self.user_places.insert(user.clone(), place);
        place
    }

    fn place(&mut self, client: u64) -> u64 {
        let clients = &mut self.clients;
        *self.client_places.entry(client).or_insert_with(|| {
            clients.push(client);
            clients.len() as u64 - 1
        })
    }
}

/// The walk along the body of one edit.
struct Split<'s, 'b> {
    body: Body<'b>,
    to: &'s mut Splitter,
}

impl Walk for Split<'_, '_> {
    type Error = Foreign;

    fn expect(&mut self) -> &mut Expect {
        &mut self.to.expect
    }

    fn number(&mut self, column: Column, expected: u64) -> Result<u64, Foreign> {
        let number = self.body.number()?;
        self.to.columns.put(column, folded(number.wrapping_sub(expected)));
        Ok(number)
    }

    fn client(&mut self, column: Column, expected: u64) -> Result<u64, Foreign> {
        let client = self.body.number()?;
        let place = self.to.place(client);
        self.to.columns.put(column, folded(place.wrapping_sub(expected)));
        Ok(place)
    }

    fn byte(&mut self, column: Column) -> Result<u8, Foreign> {
        let byte = self.body.take(1)?[0];
        self.to.columns.push(column, byte);
        Ok(byte)
    }

    fn bytes(&mut self, column: Column, len: u64) -> Result<u64, Foreign> {
        let bytes = self.body.take(len)?;
        self.to.columns.extend(column, bytes);
        Ok(grammar::units(bytes))
    }

    fn foreign(&self) -> Foreign {
        Foreign
    }
}

/// A distance, small ones of both directions as small numbers.
fn folded(distance: u64) -> u64 {
    (distance << 1) ^ (distance.cast_signed() >> 63).cast_unsigned()
}
