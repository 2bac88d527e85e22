//! What a document says, whoever wrote it by which blocks: to tell whether two states are the same to all who read them.

use std::collections::{BTreeMap, HashMap};

use crate::document::{Items, Kind, View, ViewItem};

/// All that is not deleted, in UTF-16 units.
#[derive(Default)]
pub(super) struct Content(Vec<u16>);

impl Content {
    pub fn of(view: &View) -> Self {
        let mut content = Self::default();
        for root in view.roots() {
            let before = content.0.len();
            content.token(b'R', root.as_bytes());
            let empty = content.0.len();
            view.items(root).into_iter().for_each(|items| content.items(items));
            if content.0.len() == empty {
                // One that is empty is one that is not there.
                content.0.truncate(before);
            }
        }
        content
    }

    /// Whether both read the same. Where anybody ever typed between its halves, a surrogate pair is two U+FFFD for good.
    pub fn is(&self, other: &Self) -> bool {
        let half = |one: u16, other: u16| one == 0xfffd && (0xd800..0xe000).contains(&other);
        self.0.len() == other.0.len()
            && self.0.iter().zip(&other.0).all(|(one, other)| one == other || half(*one, *other) || half(*other, *one))
    }

    fn token(&mut self, name: u8, bytes: &[u8]) {
        self.0.push(name.into());
        self.units(bytes.iter().map(|byte| (*byte).into()).collect());
    }

    fn units(&mut self, units: Vec<u16>) {
        // The length in two parts is clear enough.
        self.0.extend([(units.len() >> 16) as u16, units.len() as u16]);
        self.0.extend(units);
    }

    /// Types lie no deeper than a document allows.
    fn items(&mut self, items: Items<'_>) {
        let mut list = List::default();
        let mut values: BTreeMap<&str, ViewItem<'_>> = BTreeMap::new();
        for item in items.filter(|item| !item.is_deleted) {
            if let Some(key) = item.key {
                values.insert(key, item);
                continue;
            }
            if item.content.kind == Kind::Format {
                list.format(item.content.raw);
                continue;
            }
            if !list.changed.is_empty() {
                self.flush(&mut list);
                for (key, value) in std::mem::take(&mut list.changed) {
                    self.token(b'F', key);
                    self.token(b'V', value);
                    list.formats.insert(key, value);
                }
            }
            if !matches!(item.content.kind, Kind::Text | Kind::Any | Kind::Json) {
                self.flush(&mut list);
                self.value(&item);
                continue;
            }
            if list.kind != Some(item.content.kind) {
                self.flush(&mut list);
                list.kind = Some(item.content.kind);
            }
            match item.text() {
                Some(text) => list.units.extend(text.encode_utf16()),
                None => list.units.extend(item.content.raw.iter().map(|byte| u16::from(*byte))),
            }
        }
        self.flush(&mut list);
        for (key, item) in values {
            self.token(b'K', key.as_bytes());
            self.value(&item);
        }
    }

    fn flush(&mut self, list: &mut List<'_>) {
        if let Some(kind) = list.kind.take() {
            self.0.push(kind as u16);
            self.units(std::mem::take(&mut list.units));
        }
    }

    fn value(&mut self, item: &ViewItem<'_>) {
        let Some(children) = item.children() else { return self.token(item.content.kind as u8, item.content.raw) };
        let kind = item.type_kind().and_then(|kind| kind.number()).unwrap_or_default();
        self.token(b'Y', &kind.to_be_bytes());
        self.token(b'N', item.type_name().as_bytes());
        self.items(children);
        self.token(b'E', &[]);
    }
}

/// A list that is being read: content that may go on, and formats.
#[derive(Default)]
struct List<'v> {
    kind: Option<Kind>,
    units: Vec<u16>,
    /// Those of what was read last, and what is different about what comes: so many formats at once cost no more than few.
    formats: HashMap<&'v [u8], &'v [u8]>,
    changed: BTreeMap<&'v [u8], &'v [u8]>,
}

/// No format.
const NONE: &[u8] = b"null";

impl<'v> List<'v> {
    /// Takes a formatting mark, key and value each behind its length.
    fn format(&mut self, raw: &'v [u8]) {
        let mut input = crate::protocol::lib0::Input::raw(raw);
        // Both were read when the document was.
        let (Ok(key), Ok(value)) = (input.raw_buf(), input.raw_buf()) else { return };
        if *self.formats.get(key).unwrap_or(&NONE) == value {
            self.changed.remove(key);
        } else {
            self.changed.insert(key, value);
        }
    }
}
