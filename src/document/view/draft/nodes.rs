//! ProseMirror documents as y-prosemirror keeps them: elements with attributes, and between them texts whose marks are formats.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use indexmap::IndexMap;
use sha2::{Digest, Sha256};

use super::formats::Formats;
use super::{Draft, DraftError, Held, Slot, Ty, deeper};
use crate::document::Json;
use crate::document::view::json::mark_name;
use crate::document::view::tree::TypeKind;

/// What y-prosemirror keeps for itself.
const OWN: &str = "ychange";

/// An element or a text. Two are equal if they show the same, whether they are in the document or wanted.
#[derive(Debug)]
pub(super) struct Node {
    pub kind: NodeKind,
    /// The type in the document.
    pub ty: Option<Ty>,
    hash: u64,
}

#[derive(Debug, PartialEq)]
pub(super) enum NodeKind {
    Element { name: String, attributes: IndexMap<String, Json>, children: Vec<Node> },
    Text(Vec<Span>),
}

/// A part of a text with the same formats.
#[derive(Debug, PartialEq)]
pub(super) struct Span {
    pub text: String,
    pub formats: Formats,
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.kind == other.kind
    }
}

impl Eq for Node {}

impl Hash for Node {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

fn hash_members(members: &IndexMap<String, Json>, state: &mut DefaultHasher) {
    let mut keys: Vec<_> = members.iter().collect();
    keys.sort_unstable_by_key(|(key, _)| key.as_str());
    keys.hash(state);
}

impl Node {
    fn new(kind: NodeKind, ty: Option<Ty>) -> Self {
        let mut state = DefaultHasher::new();
        match &kind {
            NodeKind::Element { name, attributes, children } => {
                name.hash(&mut state);
                hash_members(attributes, &mut state);
                children.hash(&mut state);
            }
            NodeKind::Text(spans) => {
                for Span { text, formats } in spans {
                    text.hash(&mut state);
                    hash_members(formats, &mut state);
                }
            }
        }
        Self { hash: state.finish(), kind, ty }
    }

    /// Appends the text in it, until there are so many bytes.
    pub fn put_text(&self, out: &mut String, bytes_max: usize) {
        match &self.kind {
            NodeKind::Text(spans) => spans.iter().for_each(|span| {
                if out.len() < bytes_max {
                    out.push_str(&span.text);
                }
            }),
            NodeKind::Element { children, .. } => {
                for child in children {
                    if out.len() < bytes_max {
                        child.put_text(out, bytes_max);
                    }
                }
            }
        }
    }
}

/// Which format stands for a mark. Marks that may overlap others of their kind have a hash behind their name; which those are only the
/// editor's schema tells, and what is in the document.
#[derive(Debug, Default)]
pub(super) struct MarkNames {
    known: HashMap<String, Vec<(Json, String)>>,
    hashed: HashSet<String>,
}

impl MarkNames {
    fn learn(&mut self, formats: &Formats) {
        for (format, attributes) in formats {
            let name = mark_name(format);
            if name == format {
                continue;
            }
            self.hashed.insert(name.to_owned());
            let known = self.known.entry(name.to_owned()).or_default();
            if !known.iter().any(|(_, other)| other == format) {
                known.push((attributes.clone(), format.clone()));
            }
        }
    }

    /// Marks that stand twice on one text may overlap, wherever else they are.
    fn learn_wanted(&mut self, nodes: &[Json]) {
        for node in nodes {
            let list = |key: &str| match node.get(key) {
                Some(Json::List(values)) => values.as_slice(),
                _ => &[],
            };
            let mut names = HashSet::new();
            for name in list("marks").iter().filter_map(|mark| mark.get("type").and_then(Json::as_text)) {
                if !names.insert(name) {
                    self.hashed.insert(name.to_owned());
                }
            }
            self.learn_wanted(list("content"));
        }
    }

    fn format(&self, name: &str, attributes: &Json) -> String {
        let known = self.known.get(name).into_iter().flatten();
        if let Some((_, format)) = known.into_iter().find(|(other, _)| other == attributes) {
            return format.clone();
        }
        if !self.hashed.contains(name) {
            return name.to_owned();
        }
        // As `hashOfJSON` of y-prosemirror.
        let mut mark = IndexMap::from([("type".to_owned(), Json::Text(name.to_owned()))]);
        if attributes.as_map().is_some_and(|attributes| !attributes.is_empty()) {
            mark.insert("attrs".to_owned(), attributes.clone());
        }
        let mut raw = Vec::new();
        Json::Map(mark).put_any(&mut raw);
        let mut folded = [0u8; 6];
        for (at, byte) in Sha256::digest(&raw).iter().enumerate() {
            folded[at % 6] ^= byte;
        }
        format!("{name}--{}", BASE64_STANDARD.encode(folded))
    }
}

/// Reads what is wanted.
pub(super) fn read(document: &Json, names: &mut MarkNames) -> Result<Vec<Node>, DraftError> {
    if document.get("type").and_then(Json::as_text).is_none() {
        return Err(DraftError::Invalid("a ProseMirror document is an object with a type and its content".into()));
    }
    names.learn_wanted(std::slice::from_ref(document));
    read_children(document, names, 1)
}

/// Reads nodes that are to be inserted.
pub(super) fn read_nodes(nodes: &[Json]) -> Result<Vec<Node>, DraftError> {
    let mut names = MarkNames::default();
    names.learn_wanted(nodes);
    children(nodes, &names, 1)
}

fn read_children(node: &Json, names: &MarkNames, depth: u32) -> Result<Vec<Node>, DraftError> {
    match node.get("content") {
        None | Some(Json::Null) => Ok(Vec::new()),
        Some(Json::List(nodes)) => children(nodes, names, depth),
        Some(other) => Err(DraftError::Invalid(format!("the content of a node is an array and not {}", other.kind()))),
    }
}

fn children(nodes: &[Json], names: &MarkNames, depth: u32) -> Result<Vec<Node>, DraftError> {
    let depth = deeper(depth)?;
    let (mut found, mut spans) = (Vec::new(), Vec::new());
    for node in nodes {
        let Some(name) = node.get("type").and_then(Json::as_text).filter(|name| !name.is_empty()) else {
            return Err(DraftError::Invalid("each node is an object with a type".into()));
        };
        if name == "text" {
            let Some(text) = node.get("text").and_then(Json::as_text) else {
                return Err(DraftError::Invalid("a node of the type text has a text".into()));
            };
            push_span(&mut spans, Span { text: text.to_owned(), formats: read_marks(node, names)? });
            continue;
        }
        end_text(&mut spans, &mut found);
        let attributes = match node.get("attrs") {
            None | Some(Json::Null) => IndexMap::new(),
            Some(Json::Map(attributes)) => {
                let kept = attributes.iter().filter(|(key, value)| !matches!(value, Json::Null) && *key != OWN);
                kept.map(|(key, value)| (key.clone(), value.clone())).collect()
            }
            Some(other) => {
                return Err(DraftError::Invalid(format!("the attrs of a node are an object and not {}", other.kind())));
            }
        };
        let children = read_children(node, names, depth)?;
        found.push(Node::new(NodeKind::Element { name: name.to_owned(), attributes, children }, None));
    }
    end_text(&mut spans, &mut found);
    Ok(found)
}

fn push_span(spans: &mut Vec<Span>, span: Span) {
    match spans.last_mut() {
        _ if span.text.is_empty() => {}
        Some(last) if last.formats == span.formats => last.text.push_str(&span.text),
        _ => spans.push(span),
    }
}

fn end_text(spans: &mut Vec<Span>, found: &mut Vec<Node>) {
    if !spans.is_empty() {
        found.push(Node::new(NodeKind::Text(std::mem::take(spans)), None));
    }
}

fn read_marks(node: &Json, names: &MarkNames) -> Result<Formats, DraftError> {
    let marks = match node.get("marks") {
        None | Some(Json::Null) => return Ok(Formats::new()),
        Some(Json::List(marks)) => marks,
        Some(other) => {
            return Err(DraftError::Invalid(format!("the marks of a text are an array and not {}", other.kind())));
        }
    };
    let name = |mark: &Json| mark.get("type").and_then(Json::as_text).map(str::to_owned);
    let mut formats = Formats::new();
    for mark in marks {
        let Some(own) = name(mark) else {
            return Err(DraftError::Invalid("each mark is an object with a type".into()));
        };
        if own == OWN {
            continue;
        }
        let attributes = match mark.get("attrs") {
            None | Some(Json::Null) => Json::Map(IndexMap::new()),
            Some(attributes) => attributes.clone(),
        };
        formats.insert(names.format(&own, &attributes), attributes);
    }
    Ok(formats)
}

impl Draft<'_> {
    /// What a type holds, and the names of its marks. What editors do not show is left out.
    pub(super) fn nodes(&mut self, ty: Ty, names: &mut MarkNames, depth: u32) -> Result<Vec<(u32, Node)>, DraftError> {
        let depth = deeper(depth)?;
        let mut nodes = Vec::new();
        for (place, unit) in self.list_units(ty)?.into_iter().enumerate() {
            let Some(child) = self.held(&unit.held)? else { continue };
            self.meter.hold::<Node>(2)?;
            let kind = match self.types[child].kind {
                TypeKind::XmlElement => {
                    let children = self.nodes(child, names, depth)?.into_iter().map(|(_, node)| node).collect();
                    let attributes = self.attributes(child)?;
                    NodeKind::Element { name: self.types[child].name.clone(), attributes, children }
                }
                TypeKind::XmlText => {
                    let spans = self.spans(child)?;
                    spans.iter().for_each(|span| names.learn(&span.formats));
                    NodeKind::Text(spans)
                }
                _ => continue,
            };
            nodes.push((place as u32, Node::new(kind, Some(child))));
        }
        Ok(nodes)
    }

    /// The attributes of an element that are not null.
    pub(super) fn attributes(&mut self, ty: Ty) -> Result<IndexMap<String, Json>, DraftError> {
        let mut attributes = IndexMap::new();
        let keys: Vec<String> = self.types[ty].entries.keys().cloned().collect();
        for key in keys {
            let value = match &self.types[ty].entries[&key].slot {
                Slot::Old(item) => self.entry_shown(*item)?,
                Slot::New(super::New::Value(value)) => value.clone(),
                _ => continue,
            };
            if !matches!(value, Json::Null) && key != OWN {
                self.meter.hold::<(String, Json)>(2)?;
                attributes.insert(key, value);
            }
        }
        Ok(attributes)
    }

    fn entry_shown(&mut self, item: u32) -> Result<Json, DraftError> {
        match self.held(&Held::Item(item))?.and_then(|ty| self.types[ty].source) {
            Some(source) => self.shown(source),
            None => Ok(self.plain(item, u32::MAX, true)?.unwrap_or_default()),
        }
    }

    fn spans(&mut self, ty: Ty) -> Result<Vec<Span>, DraftError> {
        let runs = self.runs(ty)?;
        let mut runs = runs.into_iter();
        let (mut left, mut formats) = (0, Formats::new());
        let mut spans = Vec::new();
        for at in 0..self.types[ty].list.len() {
            let piece = self.types[ty].list[at].clone();
            let units = piece.units(self.tree);
            if units == 0 {
                continue;
            }
            if left == 0
                && let Some(run) = runs.next()
            {
                (left, formats) = (run.len, run.formats.unwrap_or_default());
            }
            left = left.saturating_sub(units);
            let text = self.piece_text(&piece)?;
            self.meter.hold::<u16>(text.len())?;
            push_span(&mut spans, Span { text, formats: formats.clone() });
        }
        Ok(spans)
    }
}
