//! Texts and XML as text, as `toString` of Yjs gives them. Other than there, values that are no texts stand in attributes as JSON, XML
//! within a plain text is not left out, hooks are empty tags,
//! and embeds in XML texts are left out (for both Yjs writes `[object Object]`). Nothing is escaped, unless the writer is strict.

use super::budget::TooCostly;
use super::formats::Formats;
use super::tree::{Item, NONE, Tree, TypeKind};
use super::values::{Value, put_binary};
use super::writer::Writer;
use crate::document::Kind;

/// A type that is being written, and its next item.
struct Frame<'t> {
    next: u32,
    role: Role<'t>,
}

enum Role<'t> {
    /// Text without its formats.
    Plain,
    /// XML nodes, then the closing tag of this name.
    Nodes { close: Option<String> },
    /// Text with its formats as tags.
    Tagged { formats: Formats<'t>, open: Open },
}

/// What the tags of a text are open around.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Text,
    Type,
}

/// Writes a type of a kind with text or XML.
pub(super) fn write(tree: &Tree, ty: u32, kind: TypeKind, writer: &mut Writer) -> Result<(), TooCostly> {
    let mut stack = vec![frame(tree, ty, kind, writer)?];
    let mut deepest = 1;
    while let Some(frame) = stack.last_mut() {
        writer.step()?;
        if let Role::Tagged { formats, open } = &mut frame.role
            && (*open == Open::Type || frame.next == NONE)
        {
            close_tags(formats, open, writer)?;
        }
        if frame.next == NONE {
            if let Role::Nodes { close: Some(name) } = &frame.role {
                close_tag(name, writer)?;
            }
            stack.pop();
            continue;
        }
        let item = tree.item(frame.next);
        frame.next = item.right;
        if item.is_deleted {
            continue;
        }
        if let Some(ty) = enter(tree, item, &mut frame.role, writer)? {
            stack.push(self::frame(tree, ty, tree.ty(ty).kind, writer)?);
            if stack.len() > deepest {
                writer.meter().hold::<Frame<'_>>(2 * (stack.len() - deepest))?;
                deepest = stack.len();
            }
        }
    }
    Ok(())
}

fn frame<'t>(tree: &'t Tree, ty: u32, kind: TypeKind, writer: &mut Writer) -> Result<Frame<'t>, TooCostly> {
    let role = match kind {
        TypeKind::XmlElement | TypeKind::XmlHook => {
            let name = tree.name(ty).to_lowercase();
            writer.put("<")?;
            writer.put_name(&name)?;
            if kind == TypeKind::XmlElement {
                attributes(tree, ty, writer)?;
            }
            writer.put(">")?;
            Role::Nodes { close: Some(name) }
        }
        TypeKind::XmlFragment => Role::Nodes { close: None },
        TypeKind::XmlText => Role::Tagged { formats: Formats::default(), open: Open::Nothing },
        _ => Role::Plain,
    };
    Ok(Frame { next: tree.ty(ty).start, role })
}

/// Writes a live item, unless it holds a type: that is to be written next.
fn enter<'t>(tree: &'t Tree, item: &Item, role: &mut Role<'t>, writer: &mut Writer) -> Result<Option<u32>, TooCostly> {
    let shown = tree.type_of(item).filter(|ty| {
        let kind = tree.ty(*ty).kind;
        kind.is_xml() || kind == TypeKind::Text && !matches!(role, Role::Plain)
    });
    if let Role::Tagged { formats, open } = role {
        match item.kind {
            Kind::Text if *open == Open::Nothing => open_tags(formats, open, Open::Text, writer)?,
            Kind::Type | Kind::Embed | Kind::Format => close_tags(formats, open, writer)?,
            _ => {}
        }
        if item.kind == Kind::Format {
            formats.apply(tree, item, writer)?;
        }
        if shown.is_some() {
            open_tags(formats, open, Open::Type, writer)?;
        }
    }
    if item.kind == Kind::Text {
        writer.begin_content();
        tree.put_text(item, writer)?;
        writer.end_content();
    }
    Ok(shown)
}

/// Writes the attributes of an element, sorted as JavaScript does.
fn attributes(tree: &Tree, ty: u32, writer: &mut Writer) -> Result<(), TooCostly> {
    let mut found = Vec::new();
    for attribute in tree.live_entries(ty) {
        writer.step()?;
        writer.meter().hold::<(&str, &Item)>(2)?;
        found.push(attribute);
    }
    sort_as_javascript(&mut found);
    for (key, item) in found {
        writer.put(" ")?;
        writer.put_name(key)?;
        writer.put("=\"")?;
        writer.begin_content();
        attribute(tree, item, writer)?;
        writer.end_content();
        writer.put("\"")?;
    }
    Ok(())
}

/// Sorts by UTF-16 code units.
fn sort_as_javascript<T>(list: &mut [(&str, T)]) {
    list.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
}

fn attribute(tree: &Tree, item: &Item, writer: &mut Writer) -> Result<(), TooCostly> {
    match item.kind {
        Kind::Any | Kind::Json | Kind::Embed => match tree.last_value(item, writer.meter())? {
            Some(value) => put_value(value, writer),
            None => Ok(()),
        },
        Kind::Text => tree.put_text(item, writer),
        Kind::Binary => put_binary(tree.binary(item), writer),
        Kind::Document => writer.put(tree.guid(item)),
        // Texts; nothing else is a text.
        _ => {
            let mut next = tree.type_of(item).map_or(NONE, |ty| tree.ty(ty).start);
            while next != NONE {
                writer.step()?;
                let item = tree.item(next);
                next = item.right;
                if !item.is_deleted && item.kind == Kind::Text {
                    tree.put_text(item, writer)?;
                }
            }
            Ok(())
        }
    }
}

/// Writes a text as it is, another value as JSON.
fn put_value(value: Value<'_>, writer: &mut Writer) -> Result<(), TooCostly> {
    match value.as_text(writer)? {
        Some(text) => writer.put(&text),
        None if value.is_undefined() => writer.put("undefined"),
        None => value.write(writer),
    }
}

/// Opens a tag for each format; one whose value is an object has its keys as attributes.
fn open_tags(formats: &Formats<'_>, open: &mut Open, around: Open, writer: &mut Writer) -> Result<(), TooCostly> {
    *open = around;
    for (name, value) in sorted(formats, writer)? {
        writer.put("<")?;
        writer.put_name(name)?;
        for (key, value) in value.members(writer)? {
            writer.put(" ")?;
            writer.put_name(&key)?;
            writer.put("=\"")?;
            writer.begin_content();
            put_value(Value::Json(value.get()), writer)?;
            writer.end_content();
            writer.put("\"")?;
        }
        writer.put(">")?;
    }
    Ok(())
}

fn close_tags(formats: &Formats<'_>, open: &mut Open, writer: &mut Writer) -> Result<(), TooCostly> {
    if std::mem::replace(open, Open::Nothing) == Open::Nothing {
        return Ok(());
    }
    for (name, _) in sorted(formats, writer)?.into_iter().rev() {
        close_tag(name, writer)?;
    }
    Ok(())
}

fn close_tag(name: &str, writer: &mut Writer) -> Result<(), TooCostly> {
    writer.put("</")?;
    writer.put_name(name)?;
    writer.put(">")
}

fn sorted<'t>(formats: &Formats<'t>, writer: &mut Writer) -> Result<Vec<(&'t str, Value<'t>)>, TooCostly> {
    let mut found: Vec<_> = formats.iter().collect();
    writer.meter().steps(found.len())?;
    sort_as_javascript(&mut found);
    Ok(found)
}
