//! Types as JSON: plainly, as a delta, or as ProseMirror reads it.

use super::budget::TooCostly;
use super::formats::Formats;
use super::tree::{Item, NONE, Tree, TypeKind};
use super::values::{put_binary, separate};
use super::writer::Writer;
use super::xml;
use crate::document::Kind;

/// What is written.
pub(super) enum Start {
    /// All roots by their names.
    Roots,
    /// A type.
    Type(u32),
    /// A type's list as a delta.
    Delta(u32),
    /// A type as a ProseMirror document.
    ProseMirror(u32),
}

/// What is being written, and where it goes on.
enum Frame<'t> {
    Roots {
        next: usize,
    },
    /// A type's value.
    Type(u32),
    /// What a type's list holds, as this kind.
    Content(u32, TypeKind),
    List {
        next: u32,
        is_first: bool,
    },
    Entries {
        next: u32,
        is_first: bool,
    },
    Delta(Delta<'t>),
    /// The children of a ProseMirror node.
    Nodes {
        next: u32,
        is_first: bool,
    },
    Text(&'static str),
}

/// A delta, and its formats so far.
struct Delta<'t> {
    next: u32,
    is_first: bool,
    formats: Formats<'t>,
    open: Open,
}

/// What of a delta's operation is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    /// The beginning of a text.
    Text,
    /// What it inserts.
    Insert,
}

pub(super) fn write(tree: &Tree, start: Start, writer: &mut Writer) -> Result<(), TooCostly> {
    let mut stack = Vec::new();
    match start {
        Start::Roots => {
            writer.put("{")?;
            stack.push(Frame::Roots { next: 0 });
        }
        Start::Type(ty) => stack.push(Frame::Type(ty)),
        Start::Delta(ty) => {
            writer.put("[")?;
            stack.push(Frame::Delta(delta(tree, ty)));
        }
        Start::ProseMirror(ty) => {
            writer.put(r#"{"type":"doc","content":["#)?;
            stack.push(Frame::Text("]}"));
            stack.push(Frame::Nodes { next: tree.ty(ty).start, is_first: true });
        }
    }
    let mut deepest = 0;
    while let Some(frame) = stack.pop() {
        writer.step()?;
        if stack.len() > deepest {
            writer.meter().hold::<Frame<'_>>(2 * (stack.len() - deepest))?;
            deepest = stack.len();
        }
        match frame {
            Frame::Text(text) => writer.put(text)?,
            Frame::Roots { next } => roots(tree, next, &mut stack, writer)?,
            Frame::Type(ty) => value(tree, ty, &mut stack, writer)?,
            Frame::Content(ty, kind) => content(tree, ty, kind, &mut stack, writer)?,
            Frame::List { next, is_first } => list(tree, next, is_first, &mut stack, writer)?,
            Frame::Entries { next, is_first } => entries(tree, next, is_first, &mut stack, writer)?,
            Frame::Delta(delta) => operations(tree, delta, &mut stack, writer)?,
            Frame::Nodes { next, is_first } => nodes(tree, next, is_first, &mut stack, writer)?,
        }
    }
    Ok(())
}

type Stack<'t> = Vec<Frame<'t>>;
type Done = Result<(), TooCostly>;

fn roots<'t>(tree: &'t Tree, next: usize, stack: &mut Stack<'t>, writer: &mut Writer) -> Done {
    let Some(&root) = tree.roots.get(next) else { return writer.put("}") };
    separate(&mut (next == 0), writer)?;
    writer.put_string(tree.name(root))?;
    writer.put(":")?;
    stack.push(Frame::Roots { next: next + 1 });
    stack.push(Frame::Type(root));
    Ok(())
}

/// Writes a type; a root that has a list of values and keys, with both.
fn value<'t>(tree: &'t Tree, ty: u32, stack: &mut Stack<'t>, writer: &mut Writer) -> Done {
    let kind = tree.kind(ty, writer.meter())?;
    let shared = tree.ty(ty);
    let has_both = shared.kind == TypeKind::Root && kind == TypeKind::Array && has_entries(tree, ty, writer)?;
    if !has_both {
        return content(tree, ty, kind, stack, writer);
    }
    writer.put(r#"{"attributes":{"#)?;
    stack.push(Frame::Text("}"));
    stack.push(Frame::Content(ty, kind));
    stack.push(Frame::Text(r#","content":"#));
    stack.push(Frame::Entries { next: shared.first_entry, is_first: true });
    Ok(())
}

fn has_entries(tree: &Tree, ty: u32, writer: &mut Writer) -> Result<bool, TooCostly> {
    let mut next = tree.ty(ty).first_entry;
    while next != NONE {
        writer.step()?;
        let entry = tree.entry(next);
        if !tree.item(entry.current).is_deleted {
            return Ok(true);
        }
        next = entry.next;
    }
    Ok(false)
}

fn content<'t>(tree: &'t Tree, ty: u32, kind: TypeKind, stack: &mut Stack<'t>, writer: &mut Writer) -> Done {
    match kind {
        TypeKind::Map | TypeKind::XmlHook => {
            writer.put("{")?;
            stack.push(Frame::Entries { next: tree.ty(ty).first_entry, is_first: true });
        }
        TypeKind::Array | TypeKind::Root => {
            writer.put("[")?;
            stack.push(Frame::List { next: tree.ty(ty).start, is_first: true });
        }
        _ => {
            writer.open_string()?;
            xml::write(tree, ty, kind, writer)?;
            writer.close_string()?;
        }
    }
    Ok(())
}

fn list<'t>(tree: &'t Tree, mut next: u32, mut is_first: bool, stack: &mut Stack<'t>, writer: &mut Writer) -> Done {
    while next != NONE {
        writer.step()?;
        let item = tree.item(next);
        next = item.right;
        if item.is_deleted {
            continue;
        }
        for value in tree.values(item) {
            separate(&mut is_first, writer)?;
            value.write(writer)?;
        }
        if matches!(item.kind, Kind::Text | Kind::Binary | Kind::Document | Kind::Type) {
            separate(&mut is_first, writer)?;
        }
        if let Some(ty) = single(tree, item, writer)? {
            stack.push(Frame::List { next, is_first });
            stack.push(Frame::Type(ty));
            return Ok(());
        }
    }
    writer.put("]")
}

fn entries<'t>(tree: &'t Tree, mut next: u32, mut is_first: bool, stack: &mut Stack<'t>, writer: &mut Writer) -> Done {
    while next != NONE {
        writer.step()?;
        let (key, entry) = (tree.key(next), tree.entry(next));
        next = entry.next;
        let item = tree.item(entry.current);
        if item.is_deleted {
            continue;
        }
        let value = tree.last_value(item, writer.meter())?;
        if item.kind == Kind::Format || value.is_some_and(|value| value.is_undefined()) {
            continue;
        }
        separate(&mut is_first, writer)?;
        writer.put_string(key)?;
        writer.put(":")?;
        if let Some(value) = value {
            value.write(writer)?;
        } else if let Some(ty) = single(tree, item, writer)? {
            stack.push(Frame::Entries { next, is_first });
            stack.push(Frame::Type(ty));
            return Ok(());
        }
    }
    writer.put("}")
}

/// Writes the one value of an item that holds no plain values; a type is to be written next.
fn single(tree: &Tree, item: &Item, writer: &mut Writer) -> Result<Option<u32>, TooCostly> {
    match item.kind {
        Kind::Text => {
            writer.open_string()?;
            tree.put_text(item, writer)?;
            writer.close_string()?;
        }
        Kind::Binary => put_binary(tree.binary(item), writer)?,
        Kind::Document => writer.put_string(tree.guid(item))?,
        _ => {}
    }
    Ok(tree.type_of(item))
}

fn delta<'t>(tree: &Tree, ty: u32) -> Delta<'t> {
    Delta { next: tree.ty(ty).start, is_first: true, formats: Formats::default(), open: Open::Nothing }
}

fn operations<'t>(tree: &'t Tree, mut delta: Delta<'t>, stack: &mut Stack<'t>, writer: &mut Writer) -> Done {
    if delta.open == Open::Insert {
        delta.close(writer)?;
    }
    while delta.next != NONE {
        writer.step()?;
        let item = tree.item(delta.next);
        delta.next = item.right;
        if item.is_deleted {
            continue;
        }
        match item.kind {
            Kind::Text => {
                if delta.open == Open::Nothing {
                    delta.open(Open::Text, writer)?;
                }
                tree.put_text(item, writer)?;
            }
            Kind::Embed => {
                delta.close(writer)?;
                delta.open(Open::Insert, writer)?;
                for value in tree.values(item) {
                    value.write(writer)?;
                }
                delta.close(writer)?;
            }
            Kind::Type => {
                delta.close(writer)?;
                delta.open(Open::Insert, writer)?;
                let ty = tree.type_of(item);
                stack.push(Frame::Delta(delta));
                stack.extend(ty.map(Frame::Type));
                return Ok(());
            }
            Kind::Format => {
                delta.close(writer)?;
                delta.formats.apply(tree, item, writer)?;
            }
            _ => {}
        }
    }
    delta.close(writer)?;
    writer.put("]")
}

impl Delta<'_> {
    fn open(&mut self, what: Open, writer: &mut Writer) -> Done {
        separate(&mut self.is_first, writer)?;
        writer.put(r#"{"insert":"#)?;
        self.open = what;
        if what == Open::Text { writer.open_string() } else { Ok(()) }
    }

    /// Ends an operation, if one is open.
    fn close(&mut self, writer: &mut Writer) -> Done {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => return Ok(()),
            Open::Text => writer.close_string()?,
            Open::Insert => {}
        }
        if !self.formats.is_empty() {
            writer.put(r#","attributes":{"#)?;
            let mut is_first = true;
            for (key, value) in self.formats.iter() {
                writer.step()?;
                separate(&mut is_first, writer)?;
                writer.put_string(key)?;
                writer.put(":")?;
                value.write(writer)?;
            }
            writer.put("}")?;
        }
        writer.put("}")
    }
}

/// Writes ProseMirror nodes: elements with their attributes and children, and texts with their marks.
fn nodes<'t>(tree: &'t Tree, mut next: u32, mut is_first: bool, stack: &mut Stack<'t>, writer: &mut Writer) -> Done {
    while next != NONE {
        writer.step()?;
        let item = tree.item(next);
        next = item.right;
        let Some(ty) = tree.type_of(item).filter(|_| !item.is_deleted) else { continue };
        match tree.ty(ty).kind {
            TypeKind::XmlText => text_nodes(tree, ty, &mut is_first, writer)?,
            TypeKind::XmlElement => {
                separate(&mut is_first, writer)?;
                writer.put(r#"{"type":"#)?;
                writer.put_string(tree.name(ty))?;
                stack.push(Frame::Nodes { next, is_first });
                stack.push(Frame::Text("}"));
                if has_children(tree, ty, writer)? {
                    stack.push(Frame::Text("]"));
                    stack.push(Frame::Nodes { next: tree.ty(ty).start, is_first: true });
                    stack.push(Frame::Text(r#","content":["#));
                }
                if has_entries(tree, ty, writer)? {
                    writer.put(r#","attrs":{"#)?;
                    stack.push(Frame::Entries { next: tree.ty(ty).first_entry, is_first: true });
                }
                return Ok(());
            }
            _ => {}
        }
    }
    Ok(())
}

fn has_children(tree: &Tree, ty: u32, writer: &mut Writer) -> Result<bool, TooCostly> {
    let mut next = tree.ty(ty).start;
    while next != NONE {
        writer.step()?;
        let item = tree.item(next);
        if !item.is_deleted {
            return Ok(true);
        }
        next = item.right;
    }
    Ok(false)
}

fn text_nodes(tree: &Tree, ty: u32, is_first: &mut bool, writer: &mut Writer) -> Done {
    let mut formats = Formats::default();
    let mut is_open = false;
    let mut next = tree.ty(ty).start;
    while next != NONE {
        writer.step()?;
        let item = tree.item(next);
        next = item.right;
        if item.is_deleted {
            continue;
        }
        if item.kind == Kind::Text {
            if !std::mem::replace(&mut is_open, true) {
                separate(is_first, writer)?;
                writer.put(r#"{"type":"text","text":"#)?;
                writer.open_string()?;
            }
            tree.put_text(item, writer)?;
            continue;
        }
        if matches!(item.kind, Kind::Format | Kind::Embed | Kind::Type) && std::mem::take(&mut is_open) {
            close_text(&formats, writer)?;
        }
        if item.kind == Kind::Format {
            formats.apply(tree, item, writer)?;
        }
    }
    if is_open { close_text(&formats, writer) } else { Ok(()) }
}

fn close_text(formats: &Formats<'_>, writer: &mut Writer) -> Done {
    writer.close_string()?;
    if !formats.is_empty() {
        writer.put(r#","marks":["#)?;
        let mut is_first = true;
        for (name, attrs) in formats.iter() {
            writer.step()?;
            separate(&mut is_first, writer)?;
            writer.put(r#"{"type":"#)?;
            writer.put_string(mark_name(name))?;
            // As ProseMirror's own JSON, which has no empty ones.
            if !attrs.is_empty_object() {
                writer.put(r#","attrs":"#)?;
                attrs.write(writer)?;
            }
            writer.put("}")?;
        }
        writer.put("]")?;
    }
    writer.put("}")
}

/// y-prosemirror tells marks of one kind that overlap apart by a hash behind their name: `--` and eight characters of base64.
pub(super) fn mark_name(format: &str) -> &str {
    let is_hash =
        |hash: &str| hash.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
    match format.len().checked_sub(10).and_then(|at| format.split_at_checked(at)) {
        Some((name, hash)) if hash.strip_prefix("--").is_some_and(is_hash) => name,
        _ => format,
    }
}
