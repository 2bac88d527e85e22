//! Lays the items of an update out in an arena. Blocks are cut beforehand wherever anything points at, so that nothing is ever split
//! (and moved) later: that costs n log n whatever is written.

use std::collections::HashMap;

use bytes::Bytes;

use super::budget::{Meter, TooCostly};
use super::tree::{Client, Held, Item, NONE, Span, Tree};
use crate::document::content::Cutter;
use crate::document::{Block, BlockId, Kind, Scan, Section};

/// The laid out items, of which none is in a list yet.
pub(super) struct Layout<'u> {
    pub tree: Tree,
    /// The clients' indexes by their ids.
    pub index: HashMap<u64, u32>,
    /// The section of each client.
    pub sections: Vec<Section>,
    /// What is deleted: index of the client, and clocks; sorted.
    pub deletions: Vec<(u32, u32, u32)>,
    pub scan: &'u Scan<'u>,
    /// How many blocks there are in the update.
    pub blocks: usize,
}

pub(super) fn layout<'u>(update: &Bytes, scan: &'u Scan<'u>, meter: &mut Meter) -> Result<Layout<'u>, TooCostly> {
    if u32::try_from(update.len()).is_err() {
        return Err(TooCostly);
    }
    let mut index = HashMap::new();
    let mut sections: Vec<Section> = Vec::new();
    meter.steps(scan.sections.len())?;
    meter.hold::<(Client, Section, Vec<u32>, u128)>(scan.sections.len())?;
    for section in &scan.sections {
        // Of a client that comes twice, the first counts; what does not begin at 0 lacks what is before.
        if section.start == 0 && section.blocks > 0 && !index.contains_key(&section.client) {
            index.insert(section.client, sections.len() as u32);
            sections.push(*section);
        }
    }
    let mut cuts = Cuts { index: &index, clocks: vec![Vec::new(); sections.len()], last: None };
    let mut blocks = 0;
    for section in &scan.sections {
        for block in scan.blocks(section) {
            meter.step()?;
            blocks += usize::from(block.content.kind != Kind::Skip);
            cuts.add_block(section.client, &block, meter)?;
        }
    }
    let mut deletions = Vec::new();
    for (client, clock, len) in scan.deletions() {
        meter.step()?;
        if let Some(&client) = index.get(&client) {
            let end = clock.saturating_add(len);
            meter.hold::<(u32, u32, u32)>(1)?;
            deletions.push((client, clock, end));
            cuts.add_at(client, clock, meter)?;
            cuts.add_at(client, end, meter)?;
        }
    }
    deletions.sort_unstable();
    let mut cuts = cuts.clocks;
    let mut items = blocks;
    for clocks in &mut cuts {
        meter.steps(clocks.len())?;
        clocks.sort_unstable();
        clocks.dedup();
        items += clocks.len();
    }
    meter.hold::<Item>(items)?;
    let mut tree = Tree {
        update: update.clone(),
        clients: Vec::with_capacity(sections.len()),
        items: Vec::with_capacity(items),
        types: Vec::new(),
        entries: Vec::new(),
        roots: Vec::new(),
        pairs: HashMap::new(),
    };
    for (section, cuts) in sections.iter().zip(cuts) {
        let (client, first) = (tree.clients.len() as u32, tree.items.len() as u32);
        let mut cuts = cuts.into_iter().peekable();
        for block in scan.blocks(section).take_while(|block| block.content.kind != Kind::Skip) {
            push_block(&mut tree, client, &block, &mut cuts, meter)?;
        }
        let end = tree.items.len() as u32;
        tree.clients.push(Client { id: section.client, first, end, state: 0 });
    }
    Ok(Layout { tree, index, sections, deletions, scan, blocks })
}

/// Appends the pieces of a block.
fn push_block(
    tree: &mut Tree,
    client: u32,
    block: &Block<'_>,
    cuts: &mut std::iter::Peekable<std::vec::IntoIter<u32>>,
    meter: &mut Meter,
) -> Result<(), TooCostly> {
    let mut cutter = Cutter::new(block.content);
    let mut clock = block.clock;
    while clock < block.end() {
        meter.step()?;
        while cuts.next_if(|cut| *cut <= clock).is_some() {}
        // Nobody stands beside a unit that is collected.
        let is_whole = block.content.kind == Kind::Collected;
        let end = cuts.peek().filter(|cut| !is_whole && **cut < block.end()).copied().unwrap_or(block.end());
        let piece = cutter.take(end - clock);
        if piece.ends_in_pair {
            let cut = block.content.raw.len() - cutter.place().0;
            let pair = block.content.raw.get(cut.saturating_sub(4)..cut).and_then(|raw| std::str::from_utf8(raw).ok());
            meter.hold::<(u32, char)>(2)?;
            tree.pairs.extend(pair.and_then(|pair| pair.chars().next()).map(|pair| (tree.items.len() as u32, pair)));
        }
        tree.items.push(Item {
            client,
            clock,
            len: end - clock,
            left: NONE,
            right: NONE,
            origin: NONE,
            right_origin: NONE,
            parent: NONE,
            entry: NONE,
            held: Held::Part(Span::of(piece.content.raw, &tree.update)),
            kind: block.content.kind,
            is_deleted: matches!(block.content.kind, Kind::Collected | Kind::Deleted),
            begins_in_pair: piece.begins_in_pair,
            ends_in_pair: piece.ends_in_pair,
        });
        clock = end;
    }
    Ok(())
}

/// Where blocks are cut, by client.
struct Cuts<'i> {
    index: &'i HashMap<u64, u32>,
    clocks: Vec<Vec<u32>>,
    /// The client looked up last.
    last: Option<(u64, u32)>,
}

impl Cuts<'_> {
    fn add_block(&mut self, client: u64, block: &Block<'_>, meter: &mut Meter) -> Result<(), TooCostly> {
        if let Some(origin) = block.origin
            && let Some(behind) = origin.clock.checked_add(1)
            && (origin.client != client || behind != block.clock)
        {
            self.add(BlockId { clock: behind, ..origin }, meter)?;
        }
        block.right.map_or(Ok(()), |right| self.add(right, meter))
    }

    fn add(&mut self, id: BlockId, meter: &mut Meter) -> Result<(), TooCostly> {
        let client = match self.last {
            Some((last, at)) if last == id.client => at,
            _ => match self.index.get(&id.client) {
                Some(at) => *at,
                None => return Ok(()),
            },
        };
        self.last = Some((id.client, client));
        self.add_at(client, id.clock, meter)
    }

    fn add_at(&mut self, client: u32, clock: u32, meter: &mut Meter) -> Result<(), TooCostly> {
        meter.hold::<u32>(1)?;
        self.clocks[client as usize].push(clock);
        Ok(())
    }
}
