//! Puts the items into their lists, as Yjs 13 does it (YATA): `integrateStructs`, `Item.getMissing` and `Item.integrate` there. Blocks
//! are taken in the same order, so that the answer is the same also where a client wrote what Yjs never writes.

use std::collections::HashMap;

use super::budget::{Meter, TooCostly};
use super::read::Layout;
use super::tree::{Client, Entry, Held, Item, NONE, Span, Tree, Type, TypeKind};
use crate::document::scan::SectionBlocks;
use crate::document::{Block, BlockId, Kind, Parent};
use crate::protocol::lib0::Input;

/// Integrates what is laid out; how many blocks were left out, because something is missing before them.
pub(super) fn integrate<'u>(layout: Layout<'u>, meter: &mut Meter) -> Result<(Tree, usize), TooCostly> {
    let Layout { tree, index, sections, deletions, scan, blocks } = layout;
    meter.hold::<Mark>(tree.items.len())?;
    meter.hold::<Cursor<'_>>(sections.len())?;
    let mut cursors = Vec::with_capacity(sections.len());
    for (section, client) in sections.iter().zip(&tree.clients) {
        let mut blocks = scan.blocks(section);
        cursors.push(Cursor { next: blocks.next(), blocks, item: client.first, is_waiting: false });
    }
    let marks = vec![Mark::default(); tree.items.len()];
    let mut integrator = Integrator {
        tree,
        index,
        cursors,
        marks,
        scans: 0,
        epochs: 0,
        roots: HashMap::new(),
        entries: HashMap::new(),
        taken: 0,
        meter,
    };
    integrator.take_all()?;
    integrator.delete_all(&deletions)?;
    let taken = integrator.taken;
    let mut tree = integrator.tree;
    let mut roots = std::mem::take(&mut tree.roots);
    roots.sort_unstable_by(|a, b| tree.name(*a).cmp(tree.name(*b)));
    tree.roots = roots;
    Ok((tree, blocks - taken))
}

/// How far a client's blocks are taken.
struct Cursor<'u> {
    blocks: SectionBlocks<'u>,
    next: Option<Block<'u>>,
    /// The first item of the next block.
    item: u32,
    /// Whether the next block waits for another client's.
    is_waiting: bool,
}

/// What the search for an item's place noted about another item: in which search it stood before the place, and since when it
/// conflicts.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    scan: u32,
    epoch: u32,
}

struct Integrator<'u, 'm> {
    tree: Tree,
    index: HashMap<u64, u32>,
    cursors: Vec<Cursor<'u>>,
    marks: Vec<Mark>,
    scans: u32,
    epochs: u32,
    roots: HashMap<&'u str, u32>,
    /// By type and key.
    entries: HashMap<(u32, &'u str), u32>,
    /// How many blocks were taken.
    taken: usize,
    meter: &'m mut Meter,
}

/// Where a block belongs.
enum Place {
    /// In a type's list, or in that of an entry.
    In { left: u32, right: u32, parent: u32, entry: u32 },
    /// What it would belong to is collected.
    Nowhere,
}

/// What a block waits for.
enum Missing {
    /// Further blocks of this client.
    Client(u32),
    /// What never comes.
    Forever,
}

impl<'u> Integrator<'u, '_> {
    /// Takes all blocks: the greatest client first, and what a block points at before it.
    fn take_all(&mut self) -> Result<(), TooCostly> {
        let mut order: Vec<u32> = (0..self.cursors.len() as u32).collect();
        order.sort_unstable_by_key(|client| std::cmp::Reverse(self.tree.clients[*client as usize].id));
        let mut stack = Vec::new();
        for client in order {
            stack.push(client);
            while let Some(&client) = stack.last() {
                self.meter.step()?;
                let cursor = &mut self.cursors[client as usize];
                let Some(block) = cursor.next.filter(|block| block.content.kind != Kind::Skip) else {
                    cursor.next = None;
                    stack.pop();
                    continue;
                };
                match self.missing(client, &block) {
                    None => {
                        self.take(client, &block)?;
                        let cursor = &mut self.cursors[client as usize];
                        cursor.is_waiting = false;
                        cursor.next = cursor.blocks.next();
                        self.taken += 1;
                        if stack.len() > 1 {
                            stack.pop();
                        }
                    }
                    Some(Missing::Client(other)) if self.can_go_on(other) => {
                        self.cursors[client as usize].is_waiting = true;
                        stack.push(other);
                    }
                    // All that wait for each other wait in vain, as in Yjs.
                    Some(_) => {
                        for client in stack.drain(..) {
                            self.cursors[client as usize].next = None;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn can_go_on(&self, client: u32) -> bool {
        let cursor = &self.cursors[client as usize];
        cursor.next.is_some() && !cursor.is_waiting
    }

    /// The item behind a client's next block.
    fn end_of(&self, client: u32, block: &Block<'_>) -> u32 {
        let mut at = self.cursors[client as usize].item;
        let client = &self.tree.clients[client as usize];
        while at < client.end && self.tree.item(at).clock < block.end() {
            at += 1;
        }
        at
    }

    fn missing(&self, client: u32, block: &Block<'_>) -> Option<Missing> {
        let parent = match block.parent {
            Some(Parent::Type(id)) => Some(id),
            _ => None,
        };
        let mut ids = [block.origin, block.right, parent].into_iter().flatten();
        ids.find_map(|id| match self.client(id, client) {
            None => Some(Missing::Forever),
            Some(other) if id.clock < self.tree.clients[other as usize].state => None,
            Some(other) if other == client => Some(Missing::Forever),
            Some(other) => Some(Missing::Client(other)),
        })
    }

    /// Puts the items of a client's next block where they belong.
    fn take(&mut self, client: u32, block: &Block<'u>) -> Result<(), TooCostly> {
        let end = self.end_of(client, block);
        let first = std::mem::replace(&mut self.cursors[client as usize].item, end);
        if block.content.kind != Kind::Collected {
            match self.place(client, block)? {
                Place::Nowhere => self.collect(first..end)?,
                Place::In { left, right, parent, entry } => {
                    let item = self.tree.item_mut(first);
                    (item.left, item.right, item.origin, item.right_origin) = (left, right, left, right);
                    (item.parent, item.entry) = (parent, entry);
                    self.link(first)?;
                    self.link_rest(first, end)?;
                    self.finish(first, end, block)?;
                }
            }
        }
        self.tree.clients[client as usize].state = block.end();
        Ok(())
    }

    fn collect(&mut self, items: std::ops::Range<u32>) -> Result<(), TooCostly> {
        for at in items {
            self.meter.step()?;
            let item = self.tree.item_mut(at);
            item.kind = Kind::Collected;
            item.is_deleted = true;
        }
        Ok(())
    }

    /// The index of the client that an id names, which mostly is `own`.
    fn client(&self, id: BlockId, own: u32) -> Option<u32> {
        if self.tree.clients[own as usize].id == id.client { Some(own) } else { self.index.get(&id.client).copied() }
    }

    fn find(&self, id: BlockId, own: u32) -> Option<u32> {
        self.tree.find(self.client(id, own)?, id.clock)
    }

    /// What is left and right of a block, and what it lies in: it is where its origins are, else where it says.
    fn place(&mut self, client: u32, block: &Block<'u>) -> Result<Place, TooCostly> {
        let left = block.origin.and_then(|id| self.find(id, client)).unwrap_or(NONE);
        let right = block.right.and_then(|id| self.find(id, client)).unwrap_or(NONE);
        let mut beside = None;
        for at in [right, left].into_iter().filter(|at| *at != NONE) {
            let item = self.tree.item(at);
            if item.kind == Kind::Collected {
                return Ok(Place::Nowhere);
            }
            beside = Some((item.parent, item.entry));
        }
        if let Some((parent, entry)) = beside {
            return Ok(Place::In { left, right, parent, entry });
        }
        let parent = match block.parent {
            Some(Parent::Root(name)) => self.root(name)?,
            Some(Parent::Type(id)) => {
                match self.find(id, client).and_then(|at| self.tree.type_of(self.tree.item(at))) {
                    Some(ty) => ty,
                    None => return Ok(Place::Nowhere),
                }
            }
            None => return Ok(Place::Nowhere),
        };
        let entry = block.key.map_or(Ok(NONE), |key| self.entry(parent, key))?;
        Ok(Place::In { left, right, parent, entry })
    }

    fn root(&mut self, name: &'u str) -> Result<u32, TooCostly> {
        if let Some(&ty) = self.roots.get(name) {
            return Ok(ty);
        }
        self.meter.hold::<(&str, u32, u64)>(2)?;
        let name_span = Span::of(name.as_bytes(), &self.tree.update);
        let ty = self.push_type(TypeKind::Root, NONE, name_span)?;
        self.roots.insert(name, ty);
        self.tree.roots.push(ty);
        Ok(ty)
    }

    fn push_type(&mut self, kind: TypeKind, item: u32, name: Span) -> Result<u32, TooCostly> {
        self.meter.hold::<Type>(2)?;
        let ty = self.tree.types.len() as u32;
        self.tree.types.push(Type { kind, item, name, start: NONE, first_entry: NONE, last_entry: NONE });
        Ok(ty)
    }

    fn entry(&mut self, ty: u32, key: &'u str) -> Result<u32, TooCostly> {
        if let Some(&entry) = self.entries.get(&(ty, key)) {
            return Ok(entry);
        }
        self.meter.hold::<(Entry, u32, &str, u64)>(2)?;
        let entry = self.tree.entries.len() as u32;
        let key_span = Span::of(key.as_bytes(), &self.tree.update);
        self.tree.entries.push(Entry { key: key_span, start: NONE, current: NONE, next: NONE });
        self.entries.insert((ty, key), entry);
        let ty = &mut self.tree.types[ty as usize];
        match std::mem::replace(&mut ty.last_entry, entry) {
            NONE => ty.first_entry = entry,
            last => self.tree.entries[last as usize].next = entry,
        }
        Ok(entry)
    }

    /// The first item of the list that an item belongs to.
    fn start(&mut self, item: &Item) -> &mut u32 {
        match item.entry {
            NONE => &mut self.tree.types[item.parent as usize].start,
            entry => &mut self.tree.entries[entry as usize].start,
        }
    }

    /// Finds an item's place among what others wrote at the same place, and links it there.
    fn link(&mut self, at: u32) -> Result<(), TooCostly> {
        let mut item = self.tree.item(at).clone();
        let is_contested = match (item.left, item.right) {
            (NONE, NONE) => true,
            (NONE, right) => self.tree.item(right).left != NONE,
            (left, right) => self.tree.item(left).right != right,
        };
        if is_contested {
            item.left = self.search(&item)?;
        }
        item.right = match item.left {
            NONE => std::mem::replace(self.start(&item), at),
            left => std::mem::replace(&mut self.tree.item_mut(left).right, at),
        };
        let (left, right) = (item.left, item.right);
        *self.tree.item_mut(at) = item;
        if right != NONE {
            self.tree.item_mut(right).left = at;
        } else if self.tree.item(at).entry != NONE {
            self.set_current(at);
            if left != NONE {
                self.delete(left)?;
            }
        }
        Ok(())
    }

    fn set_current(&mut self, at: u32) {
        let entry = self.tree.item(at).entry;
        self.tree.entries[entry as usize].current = at;
    }

    /// The item behind which `item` goes: the conflict resolution of Yjs.
    fn search(&mut self, item: &Item) -> Result<u32, TooCostly> {
        let id = self.tree.clients[item.client as usize].id;
        let mut left = item.left;
        let mut other = if left == NONE { *self.start(item) } else { self.tree.item(left).right };
        self.scans = self.scans.checked_add(1).ok_or(TooCostly)?;
        self.epochs = self.epochs.checked_add(1).ok_or(TooCostly)?;
        while other != NONE && other != item.right {
            self.meter.step()?;
            self.marks[other as usize] = Mark { scan: self.scans, epoch: self.epochs };
            let there = self.tree.item(other);
            let goes_behind = if there.origin == item.origin {
                if self.tree.clients[there.client as usize].id < id {
                    true
                } else if there.right_origin == item.right_origin {
                    break;
                } else {
                    false
                }
            } else {
                match self.marks.get(there.origin as usize) {
                    Some(mark) if mark.scan == self.scans => mark.epoch != self.epochs,
                    _ => break,
                }
            };
            if goes_behind {
                left = other;
                self.epochs = self.epochs.checked_add(1).ok_or(TooCostly)?;
            }
            other = self.tree.item(other).right;
        }
        Ok(left)
    }

    /// Links the further pieces of a block behind its first, each behind the one before.
    fn link_rest(&mut self, first: u32, end: u32) -> Result<(), TooCostly> {
        let Item { parent, entry, right_origin, right, .. } = *self.tree.item(first);
        for at in first + 1..end {
            self.meter.step()?;
            self.tree.item_mut(at - 1).right = at;
            let item = self.tree.item_mut(at);
            (item.parent, item.entry, item.right_origin) = (parent, entry, right_origin);
            (item.left, item.origin, item.right) = (at - 1, at - 1, right);
        }
        if end - first > 1 {
            if right != NONE {
                self.tree.item_mut(right).left = end - 1;
            } else if entry != NONE {
                self.set_current(end - 1);
            }
        }
        Ok(())
    }

    /// What follows from being in a list: a shared type can be filled; what lies in something deleted, or is not the value of its
    /// key, is deleted.
    fn finish(&mut self, first: u32, end: u32, block: &Block<'_>) -> Result<(), TooCostly> {
        if block.content.kind == Kind::Type {
            let mut input = Input::raw(block.content.raw);
            // Both were read when the update was scanned.
            let kind = input.var_uint().ok().and_then(TypeKind::of).ok_or(TooCostly)?;
            let name = Span::of(input.text().unwrap_or_default().as_bytes(), &self.tree.update);
            let ty = self.push_type(kind, first, name)?;
            self.tree.item_mut(first).held = Held::Type(ty);
        }
        let Item { parent, entry, .. } = *self.tree.item(first);
        let holder = self.tree.ty(parent).item;
        let is_parent_deleted = holder != NONE && self.tree.item(holder).is_deleted;
        let is_overwritten = entry != NONE && self.tree.item(end - 1).right != NONE;
        if is_parent_deleted || is_overwritten {
            for at in first..end {
                self.delete(at)?;
            }
        }
        Ok(())
    }

    /// Deletes an item, and all that lies in it.
    fn delete(&mut self, at: u32) -> Result<(), TooCostly> {
        let mut open = Vec::new();
        let mut next = Some(at);
        while let Some(at) = next {
            self.meter.step()?;
            let item = self.tree.item_mut(at);
            let was_deleted = std::mem::replace(&mut item.is_deleted, true);
            if let Held::Type(ty) = item.held
                && !was_deleted
            {
                self.open(ty, &mut open)?;
            }
            next = open.pop();
        }
        Ok(())
    }

    /// Appends what lies in a type: its list, and the values of its keys.
    fn open(&mut self, ty: u32, open: &mut Vec<u32>) -> Result<(), TooCostly> {
        let Type { start, first_entry, .. } = *self.tree.ty(ty);
        let mut child = start;
        while child != NONE {
            self.meter.step()?;
            open.push(child);
            child = self.tree.item(child).right;
        }
        let mut entry = first_entry;
        while entry != NONE {
            self.meter.step()?;
            open.push(self.tree.entry(entry).current);
            entry = self.tree.entry(entry).next;
        }
        Ok(())
    }

    /// Deletes what the update says, of what is there.
    fn delete_all(&mut self, deletions: &[(u32, u32, u32)]) -> Result<(), TooCostly> {
        let mut done = (NONE, 0);
        for &(client, clock, end) in deletions {
            self.meter.step()?;
            if done.0 != client {
                done = (client, 0);
            }
            // Sorted, so what lies before is deleted already.
            let clock = clock.max(done.1);
            done.1 = done.1.max(end);
            let Some(mut at) = self.tree.find(client, clock) else { continue };
            let Client { end: last, state, .. } = self.tree.clients[client as usize];
            while at < last && self.tree.item(at).clock < end.min(state) {
                if self.tree.item(at).kind != Kind::Collected {
                    self.delete(at)?;
                }
                self.meter.step()?;
                at += 1;
            }
        }
        Ok(())
    }
}
