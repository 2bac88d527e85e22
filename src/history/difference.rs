//! What differs between two states of a shared type: the list and the keys, told as changes of one into the other.

use std::sync::Arc;

use super::change::Change;
use crate::document::TypeKind;

/// What differs in a shared type.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Of its list, in the order of the document; what is behind the last of them is as it was.
    pub ops: Vec<Difference>,
    /// Of its keys, or attributes; those that are not named are as they were.
    pub keys: Vec<(String, KeyChange)>,
}

impl Changes {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.ops.iter().all(|op| matches!(op, Difference::Retain { format: None, .. }))
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// So many units are as they were, but for their formats where those are told.
    Retain {
        /// How many.
        len: u64,
        /// The formats that are others.
        format: Option<Reformat>,
    },
    /// A shared type that is in both, and what differs in it.
    Modify {
        /// That.
        changes: Changes,
        /// The formats that are others.
        format: Option<Reformat>,
    },
    /// It was not there before.
    Insert {
        /// What it is.
        what: What,
        /// In which formats.
        attributes: Attributes,
        /// Who did it.
        change: Change,
    },
    /// It is not there any more.
    Delete {
        /// What it was.
        what: What,
        /// Who did it.
        change: Change,
    },
}

/// Formats and their values, as JSON; in a [`Reformat`] null for those that ended.
pub type Attributes = Arc<Vec<(String, String)>>;

/// Other formats of what is in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reformat {
    /// Those that are others.
    pub attributes: Attributes,
    /// Who did it.
    pub change: Change,
}

/// What came or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Text; U+FFFD stands for halves of surrogate pairs.
    Text(String),
    /// Something embedded in a text, as JSON.
    Embed(String),
    /// Plain values, each as JSON.
    Values(Vec<String>),
    /// A shared type.
    Type(Shared),
}

/// A shared type that came or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// Its kind.
    pub kind: TypeKind,
    /// Of an element or hook.
    pub name: Option<String>,
    /// All that came or went with it.
    pub changes: Changes,
}

/// What became of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyChange {
    /// It has another value.
    Replace {
        /// What it had.
        from: Option<Entry>,
        /// What it has.
        to: Option<Entry>,
        /// Who did it.
        change: Change,
    },
    /// It has the same shared type, in which something differs.
    Modify(Changes),
}

/// The value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A plain value, as JSON.
    Value(String),
    /// A shared type.
    Type(Shared),
}

/// Adds a part of a list, as part of the last one where that says the same of it.
pub(super) fn push(ops: &mut Vec<Difference>, next: Difference) {
    let next = match (ops.last_mut(), next) {
        (Some(Difference::Retain { len, format }), Difference::Retain { len: more, format: other })
            if is_alike(format.as_ref(), other.as_ref()) =>
        {
            *len += more;
            if let (Some(format), Some(other)) = (format, other) {
                format.change.take(other.change);
            }
            return;
        }
        (
            Some(Difference::Insert { what, attributes, change }),
            Difference::Insert { what: more, attributes: others, change: other },
        ) if *attributes == others && change.goes_on(&other) => match what.join(more) {
            Ok(()) => return change.take(other),
            Err(what) => Difference::Insert { what, attributes: others, change: other },
        },
        (Some(Difference::Delete { what, change }), Difference::Delete { what: more, change: other })
            if change.goes_on(&other) =>
        {
            match what.join(more) {
                Ok(()) => return change.take(other),
                Err(what) => Difference::Delete { what, change: other },
            }
        }
        (_, next) => next,
    };
    ops.push(next);
}

fn is_alike(one: Option<&Reformat>, other: Option<&Reformat>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => one.attributes == other.attributes && one.change.goes_on(&other.change),
        _ => false,
    }
}

impl What {
    /// Takes more of the same; gives it back if it is of another kind.
    fn join(&mut self, more: Self) -> Result<(), Self> {
        match (self, more) {
            (Self::Text(text), Self::Text(more)) => text.push_str(&more),
            (Self::Values(values), Self::Values(more)) => values.extend(more),
            (_, more) => return Err(more),
        }
        Ok(())
    }
}
