//! A draft as an update. What is new is written list by list, from left to right: behind what is before it, which is written by then, and
//! before the next that is there already.

use bytes::Bytes;

use super::pieces::{New, Piece};
use super::{Draft, DraftError, DraftType, Entry, Slot, Ty};
use crate::document::encode::Head;
use crate::document::view::tree::TypeKind;
use crate::document::{BlockId, Json, Kind, Parent, scan};
use crate::protocol::lib0::{put_buf, put_var_uint};

struct Writer {
    client: u64,
    clock: u32,
    count: u64,
    blocks: Vec<u8>,
    deleted: Vec<(u64, u32, u32)>,
}

/// What stands before a block.
#[derive(Clone, Copy)]
struct Place<'p> {
    origin: Option<BlockId>,
    right: Option<BlockId>,
    parent: Parent<'p>,
    key: Option<&'p str>,
}

impl Writer {
    /// Writes a block; the id of its first unit.
    fn block(&mut self, kind: Kind, place: Place<'_>, len: u32, content: impl FnOnce(&mut Vec<u8>)) -> BlockId {
        let Place { origin, right, parent, key } = place;
        let is_told = origin.is_none() && right.is_none();
        Head { kind, origin, right, parent: is_told.then_some(parent), key: if is_told { key } else { None } }
            .put(&mut self.blocks);
        content(&mut self.blocks);
        let id = BlockId { client: self.client, clock: self.clock };
        self.clock += len;
        self.count += 1;
        id
    }

    fn update(mut self) -> Option<Bytes> {
        if self.count == 0 && self.deleted.is_empty() {
            return None;
        }
        let mut out = Vec::with_capacity(self.blocks.len() + 16 * (2 + self.deleted.len()));
        put_var_uint(&mut out, u64::from(self.count > 0));
        if self.count > 0 {
            [self.count, self.client, 0].into_iter().for_each(|number| put_var_uint(&mut out, number));
            out.append(&mut self.blocks);
        }
        self.deleted.sort_unstable();
        self.deleted.dedup_by(|next, last| {
            let touches = next.0 == last.0 && next.1 <= last.1 + last.2;
            if touches {
                last.2 = last.2.max(next.1 + next.2 - last.1);
            }
            touches
        });
        let clients = self.deleted.chunk_by(|one, next| one.0 == next.0);
        put_var_uint(&mut out, clients.clone().count() as u64);
        for ranges in clients {
            put_var_uint(&mut out, ranges[0].0);
            put_var_uint(&mut out, ranges.len() as u64);
            for (_, clock, len) in ranges {
                put_var_uint(&mut out, (*clock).into());
                put_var_uint(&mut out, (*len).into());
            }
        }
        Some(out.into())
    }
}

impl Draft<'_> {
    /// The update that makes the document as the draft is.
    pub(super) fn finish(self, client: u64) -> Result<Option<Bytes>, DraftError> {
        let mut writer = Writer { client, clock: 0, count: 0, blocks: Vec::new(), deleted: Vec::new() };
        for ty in 0..self.types.len() {
            let DraftType { source, name, .. } = &self.types[ty];
            let parent = match source {
                Some(source) => match self.tree.ty(*source).item {
                    super::NONE => Parent::Root(name),
                    item => Parent::Type(self.tree.id(self.tree.item(item))),
                },
                None if self.new_roots.get(name) == Some(&ty) => Parent::Root(name),
                // Written where it stands, if it does.
                None => continue,
            };
            self.write_type(ty, parent, &mut writer);
        }
        let update = writer.update();
        debug_assert!(update.as_ref().is_none_or(|update| scan(update).is_ok()), "what is written can be read");
        Ok(update)
    }

    fn write_type(&self, ty: Ty, parent: Parent<'_>, writer: &mut Writer) {
        let DraftType { list, entries, .. } = &self.types[ty];
        self.write_pieces(list, parent, writer);
        for (key, Entry { slot, before }) in entries {
            let before = before.map(|item| self.tree.item(item));
            if let Some(item) = before.filter(|item| !item.is_deleted && !matches!(slot, Slot::Old(_))) {
                let BlockId { client, clock } = self.tree.id(item);
                writer.deleted.push((client, clock, item.len));
            }
            if let Slot::New(new) = slot {
                let origin = before.map(|item| {
                    let BlockId { client, clock } = self.tree.id(item);
                    BlockId { client, clock: clock + item.len - 1 }
                });
                self.write_new(
                    std::slice::from_ref(new),
                    Place { origin, right: None, parent, key: Some(key) },
                    writer,
                );
            }
        }
    }

    fn write_pieces(&self, list: &[Piece], parent: Parent<'_>, writer: &mut Writer) {
        let first = |piece: &Piece| match piece {
            Piece::Old { item, from, .. } => {
                let BlockId { client, clock } = self.tree.id(self.tree.item(*item));
                Some(BlockId { client, clock: clock + from })
            }
            Piece::New(_) => None,
        };
        let mut origin = None;
        let mut at = 0;
        while at < list.len() {
            if let Piece::Old { item, from, len, is_live } = &list[at] {
                let source = self.tree.item(*item);
                let BlockId { client, clock } = self.tree.id(source);
                if !is_live && !source.is_deleted {
                    writer.deleted.push((client, clock + from, *len));
                }
                origin = Some(BlockId { client, clock: clock + from + len - 1 });
                at += 1;
                continue;
            }
            // All that is new until the next that is not.
            let run: Vec<New> = list[at..]
                .iter()
                .map_while(|piece| match piece {
                    Piece::New(new) => Some(new.clone()),
                    Piece::Old { .. } => None,
                })
                .collect();
            at += run.len();
            let right = list.get(at).and_then(first);
            let last = self.write_new(&run, Place { origin, right, parent, key: None }, writer);
            origin = last.or(origin);
        }
    }

    /// Writes what is new side by side; the id of its last unit.
    fn write_new(&self, run: &[New], mut place: Place<'_>, writer: &mut Writer) -> Option<BlockId> {
        let mut last = None;
        let mut rest = run;
        while let Some(new) = rest.first() {
            let same = |other: &&New| std::mem::discriminant(*other) == std::mem::discriminant(new);
            let alike = match new {
                New::Text(_) | New::Value(_) => rest.iter().take_while(same).count(),
                New::Format(..) | New::Type(_) => 1,
            };
            let (part, behind) = rest.split_at(alike);
            rest = behind;
            let len: u32 = if matches!(new, New::Format(..)) { 1 } else { part.iter().map(New::units).sum() };
            if len == 0 {
                continue;
            }
            let id = match new {
                New::Text(_) => writer.block(Kind::Text, place, len, |out| put_buf(out, joined(part).as_bytes())),
                New::Value(_) => writer.block(Kind::Any, place, len, |out| {
                    put_var_uint(out, len.into());
                    values(part).for_each(|value| value.put_any(out));
                }),
                New::Format(name, value) => writer.block(Kind::Format, place, len, |out| {
                    put_buf(out, name.as_bytes());
                    put_buf(out, value.to_string().as_bytes());
                }),
                New::Type(ty) => {
                    let DraftType { kind, name, .. } = &self.types[*ty];
                    let id = writer.block(Kind::Type, place, len, |out| {
                        put_var_uint(out, number(*kind));
                        if *kind == TypeKind::XmlElement {
                            put_buf(out, name.as_bytes());
                        }
                    });
                    self.write_type(*ty, Parent::Type(id), writer);
                    id
                }
            };
            let end = BlockId { clock: id.clock + len - 1, ..id };
            place.origin = Some(end);
            last = Some(end);
        }
        last
    }
}

fn joined(part: &[New]) -> String {
    let texts = part.iter().map(|new| if let New::Text(text) = new { text.as_str() } else { "" });
    texts.collect()
}

fn values(part: &[New]) -> impl Iterator<Item = &Json> {
    part.iter().filter_map(|new| if let New::Value(value) = new { Some(value) } else { None })
}

/// The number of a kind on the wire.
fn number(kind: TypeKind) -> u64 {
    match kind {
        TypeKind::Array | TypeKind::Root => 0,
        TypeKind::Map => 1,
        TypeKind::Text => 2,
        TypeKind::XmlElement => 3,
        TypeKind::XmlFragment => 4,
        TypeKind::XmlHook => 5,
        TypeKind::XmlText => 6,
    }
}
