//! An XML root as a ProseMirror document wants it: nodes that show the same stay, those that are most alike become each other, attributes
//! and texts are changed within.

use super::align::{hunks, pairs, text_likeness};
use super::formats::Run;
use super::nodes::{MarkNames, Node, NodeKind, Span, read};
use super::pieces::{New, Piece, Splice};
use super::{Draft, DraftError, Ty};
use crate::document::content::units;
use crate::document::view::tree::TypeKind;
use crate::document::{Json, Kind};

/// So much text of two nodes is compared to tell how alike they are, in bytes.
const LIKENESS_BYTES: usize = 1024;

impl Draft<'_> {
    pub(super) fn write_prosemirror(&mut self, root: &str, document: &Json) -> Result<(), DraftError> {
        let ty = self.root(root, TypeKind::XmlFragment)?;
        let mut names = MarkNames::default();
        let old = self.nodes(ty, &mut names, 1)?;
        let wanted = read(document, &mut names)?;
        self.write_children(ty, old, &wanted)
    }

    fn write_children(&mut self, ty: Ty, old: Vec<(u32, Node)>, wanted: &[Node]) -> Result<(), DraftError> {
        self.meter.steps(old.len() + wanted.len())?;
        if let ([(_, Node { kind: NodeKind::Text(_), ty: Some(text), .. })], []) = (old.as_slice(), wanted) {
            // Somebody may be typing in it.
            return self.write_text(*text, "");
        }
        let end = self.len(ty)?;
        let place = |at: usize| old.get(at).map_or(end, |(place, _)| *place);
        let is_empty = |node: &Node| matches!(&node.kind, NodeKind::Text(spans) if spans.is_empty());
        let mut splices = Vec::new();
        let before: Vec<&Node> = old.iter().map(|(_, node)| node).collect();
        let after: Vec<&Node> = wanted.iter().collect();
        for hunk in hunks(&before, &after, &mut self.meter)? {
            let (before, after) = (&old[hunk.before.clone()], &wanted[hunk.after.clone()]);
            self.meter.steps(64 * (before.len() * after.len()).min(4096))?;
            let becomes = pairs(before.len(), after.len(), |at, other| likeness(&before[at].1, &after[other]));
            let mut becomes = becomes.into_iter().peekable();
            let (mut at, mut other) = (0, 0);
            loop {
                let (old_end, new_end) = becomes.peek().copied().unwrap_or((before.len(), after.len()));
                let mut insert = Vec::new();
                for node in &after[other..new_end] {
                    insert.push(New::Type(self.new_node(node)?));
                }
                if !insert.is_empty() {
                    splices.push(Splice { at: place(hunk.before.start + at), delete: 0, insert });
                }
                for (place, node) in &before[at..old_end] {
                    // A text without anything in it shows nothing, and somebody may be about to type there.
                    if !is_empty(node) {
                        splices.push(Splice { at: *place, delete: 1, insert: Vec::new() });
                    }
                }
                let Some((pair_old, pair_new)) = becomes.next() else { break };
                self.write_node(&before[pair_old].1, &after[pair_new])?;
                (at, other) = (pair_old + 1, pair_new + 1);
            }
        }
        self.splice(ty, splices)
    }

    /// Makes a node of the document one that is wanted.
    fn write_node(&mut self, old: &Node, wanted: &Node) -> Result<(), DraftError> {
        let Some(ty) = old.ty else { return Ok(()) };
        match (&old.kind, &wanted.kind) {
            (NodeKind::Element { attributes: before, .. }, NodeKind::Element { attributes, children, .. }) => {
                for key in before.keys().filter(|key| !attributes.contains_key(*key)) {
                    self.unset(ty, key);
                }
                for (key, value) in attributes.iter().filter(|(key, value)| before.get(*key) != Some(*value)) {
                    self.set(ty, key, New::Value(value.clone()));
                }
                let nodes = self.nodes(ty, &mut MarkNames::default(), 1)?;
                self.write_children(ty, nodes, children)
            }
            (NodeKind::Text(_), NodeKind::Text(spans)) => self.write_spans(ty, spans),
            _ => Ok(()),
        }
    }

    /// Makes a text, and its formats, those that are wanted.
    fn write_spans(&mut self, ty: Ty, spans: &[Span]) -> Result<(), DraftError> {
        let text: String = spans.iter().map(|span| span.text.as_str()).collect();
        self.write_text(ty, &text)?;
        let mut spans = spans.iter().map(|span| (units(span.text.as_bytes()) as u32, &span.formats));
        let (mut left, mut formats) = (0, None);
        let mut wanted = Vec::new();
        for at in 0..self.types[ty].list.len() {
            self.meter.step()?;
            let piece = &self.types[ty].list[at];
            let is_text = match piece {
                Piece::Old { item, .. } => self.tree.item(*item).kind == Kind::Text,
                Piece::New(new) => matches!(new, New::Text(_)),
            };
            let mut units = piece.units(self.tree);
            if !is_text {
                wanted.push(Run { len: units, formats: None });
                continue;
            }
            while units > 0 {
                if left == 0 {
                    let Some((len, next)) = spans.next() else { break };
                    (left, formats) = (len, Some(next.clone()));
                }
                let len = units.min(left);
                wanted.push(Run { len, formats: formats.clone() });
                (units, left) = (units - len, left - len);
            }
        }
        self.write_formats(ty, wanted)
    }

    pub(super) fn new_node(&mut self, node: &Node) -> Result<Ty, DraftError> {
        self.meter.step()?;
        match &node.kind {
            NodeKind::Element { name, attributes, children } => {
                let ty = self.new_element(name);
                for (key, value) in attributes {
                    self.set(ty, key, New::Value(value.clone()));
                }
                for child in children {
                    let child = self.new_node(child)?;
                    self.types[ty].list.push(Piece::New(New::Type(child)));
                }
                Ok(ty)
            }
            NodeKind::Text(spans) => {
                let ty = self.push(TypeKind::XmlText, String::new());
                self.write_spans(ty, spans)?;
                Ok(ty)
            }
        }
    }
}

/// How much two nodes are alike, from 1 to 100; 0 if the one cannot become the other.
fn likeness(old: &Node, wanted: &Node) -> u32 {
    let is_possible = match (&old.kind, &wanted.kind) {
        (NodeKind::Element { name, .. }, NodeKind::Element { name: other, .. }) => name == other,
        (NodeKind::Text(_), NodeKind::Text(_)) => true,
        _ => false,
    };
    if !is_possible {
        return 0;
    }
    let (mut before, mut after) = (String::new(), String::new());
    old.put_text(&mut before, LIKENESS_BYTES);
    wanted.put_text(&mut after, LIKENESS_BYTES);
    1 + text_likeness(&before, &after) * 99 / 100
}
