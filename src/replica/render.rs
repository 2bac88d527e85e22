//! A document as text and as JSON. Works on a copy of its own, loaded from the store: rendering a large document takes long, and the
//! live one is never locked for it.

use serde_json::{Map as JsonMap, Value};
use yrs::branch::{Branch, BranchPtr};
use yrs::{Any, Array, ArrayRef, GetString, Map, MapRef, Number, Out, ReadTxn, TextRef, Transact};

use super::Replica;

/// Why there is no text to show.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The document has no root type of this name.
    #[error("the document has no root type of that name")]
    NoSuchRoot,
    /// Without a name the choice is not clear.
    #[error("the document has several root types, name one of: {}", .0.join(", "))]
    SeveralRoots(Vec<String>),
}

/// Each root type by its name, or the one named: texts and XML as strings, maps as objects, arrays as arrays.
pub fn render_json(replica: &Replica, root: Option<&str>) -> Result<Value, RenderError> {
    let txn = replica.doc().transact();
    if let Some(name) = root {
        let out = txn.get(name).ok_or(RenderError::NoSuchRoot)?;
        return Ok(json(&out, &txn));
    }
    Ok(Value::Object(txn.root_refs().map(|(name, out)| (name.to_owned(), json(&out, &txn))).collect()))
}

/// The text of one root type; without a name, of the only one. XML is written as tags.
pub fn render_text(replica: &Replica, root: Option<&str>) -> Result<String, RenderError> {
    let txn = replica.doc().transact();
    let out = match root {
        Some(name) => txn.get(name).ok_or(RenderError::NoSuchRoot)?,
        None => {
            let mut roots: Vec<_> = txn.root_refs().collect();
            match roots.len() {
                0 => return Ok(String::new()),
                1 => roots.remove(0).1,
                _ => {
                    let mut names: Vec<String> = roots.iter().map(|(name, _)| (*name).to_owned()).collect();
                    names.sort();
                    return Err(RenderError::SeveralRoots(names));
                }
            }
        }
    };
    Ok(match json(&out, &txn) {
        Value::String(text) => text,
        other => other.to_string(),
    })
}

fn json<T: ReadTxn>(out: &Out, txn: &T) -> Value {
    match out {
        Out::Any(any) => any_json(any),
        Out::YText(text) => Value::String(text.get_string(txn)),
        Out::YXmlText(text) => Value::String(text.get_string(txn)),
        Out::YXmlElement(element) => Value::String(element.get_string(txn)),
        Out::YXmlFragment(fragment) => Value::String(fragment.get_string(txn)),
        Out::YArray(array) => sequence(array.as_ref(), txn),
        Out::YMap(map) => Value::Object(entries(map, txn)),
        Out::YDoc(doc) => Value::String(doc.guid().to_string()),
        // A root type that only came by updates: its content tells what it is.
        Out::UndefinedRef(branch) => {
            let map = entries(&MapRef::from(*branch), txn);
            if map.is_empty() { sequence(branch, txn) } else { Value::Object(map) }
        }
    }
}

fn entries<T: ReadTxn>(map: &MapRef, txn: &T) -> JsonMap<String, Value> {
    map.iter(txn).map(|(key, out)| (key.to_owned(), json(&out, txn))).collect()
}

/// A sequence as an array, or as a string if it holds text or XML. yrs never ends reading text as array items, so text goes first.
fn sequence<T: ReadTxn>(branch: &Branch, txn: &T) -> Value {
    let branch = BranchPtr::from(branch);
    let text = TextRef::from(branch).get_string(txn);
    if !text.is_empty() {
        return Value::String(text);
    }
    let array = ArrayRef::from(branch);
    let mut is_xml = array.len(txn) > 0;
    let mut items = Vec::new();
    for out in array.iter(txn) {
        is_xml &= matches!(out, Out::YXmlElement(_) | Out::YXmlText(_));
        items.push(json(&out, txn));
    }
    if is_xml {
        return Value::String(items.iter().filter_map(Value::as_str).collect());
    }
    Value::Array(items)
}

fn any_json(any: &Any) -> Value {
    match any {
        Any::Null | Any::Undefined => Value::Null,
        Any::Bool(value) => (*value).into(),
        Any::Number(Number::Int(value)) => (*value).into(),
        Any::Number(Number::Float(value)) => serde_json::Number::from_f64(*value).map_or(Value::Null, Value::Number),
        Any::String(text) => text.as_ref().into(),
        Any::Buffer(bytes) => bytes.iter().copied().map(Value::from).collect(),
        Any::Array(values) => values.iter().map(any_json).collect(),
        Any::Map(values) => values.iter().map(|(key, value)| (key.clone(), any_json(value))).collect(),
    }
}
