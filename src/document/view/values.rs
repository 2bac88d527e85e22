//! Plain values as JSON: those of lib0's `Any` encoding, and those that clients wrote as JSON text.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::budget::{Meter, TooCostly};
use super::writer::Writer;
use crate::document::Json;
use crate::protocol::DecodeError;
use crate::protocol::lib0::Input;

/// Whole numbers below it are written as such.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// What a value takes in memory that is read to be compared, about: as much as a member of an object.
pub(super) type InMemory = [u8; 96];

/// A plain value as it stands on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'u> {
    /// In the `Any` encoding.
    Any(&'u [u8]),
    /// As JSON text.
    Json(&'u str),
}

impl Value<'_> {
    /// JSON leaves such values out of objects.
    pub fn is_undefined(&self) -> bool {
        match self {
            Self::Any(raw) => raw.first() == Some(&127),
            Self::Json(text) => *text == "undefined",
        }
    }

    pub fn is_null(&self) -> bool {
        match self {
            Self::Any(raw) => raw.first() == Some(&126),
            Self::Json(text) => *text == "null",
        }
    }

    /// As a value of its own, if that fits into what is left of the budget; what cannot be read is null. What is to be kept is taken from
    /// the budget by who keeps it.
    pub fn to_json(self, meter: &mut Meter) -> Result<Json, TooCostly> {
        let values_max = meter.room_for::<InMemory>();
        match self {
            Self::Any(raw) => {
                meter.steps(raw.len() / 8)?;
                Json::of_any(raw, values_max).ok_or(TooCostly)
            }
            Self::Json(text) => {
                meter.steps(text.len() / 8)?;
                // At most: some of these stand in strings.
                let values = 1 + text.bytes().filter(|byte| b",[{".contains(byte)).count();
                if values > values_max {
                    return Err(TooCostly);
                }
                Ok(serde_json::from_str(&whole_pairs(text)).unwrap_or_default())
            }
        }
    }

    /// The text, where the value is one.
    pub fn as_text(&self, writer: &mut Writer) -> Result<Option<Cow<'_, str>>, TooCostly> {
        Ok(match self {
            Self::Any(raw) => {
                let mut input = Input::raw(raw);
                let is_text = input.u8() == Ok(119);
                is_text.then(|| input.text().ok().map(Cow::Borrowed)).flatten()
            }
            Self::Json(text) if text.trim_start().starts_with('"') => {
                writer.meter().steps(text.len() / 64)?;
                serde_json::from_str::<String>(&whole_pairs(text)).ok().map(Cow::Owned)
            }
            Self::Json(_) => None,
        })
    }

    /// The members of an object that was written as JSON text, sorted by their keys; none of another value.
    pub fn members(&self, writer: &mut Writer) -> Result<BTreeMap<String, Box<RawValue>>, TooCostly> {
        match self {
            Self::Json(text) if text.starts_with('{') => {
                writer.meter().steps(text.len())?;
                // At most: some of these stand in strings.
                let members = text.bytes().filter(|byte| *byte == b':').count();
                if members > writer.meter().room_for::<InMemory>() {
                    return Err(TooCostly);
                }
                Ok(serde_json::from_str(&whole_pairs(text)).unwrap_or_default())
            }
            _ => Ok(BTreeMap::new()),
        }
    }

    /// Whether it is an object without members, as clients write it.
    pub fn is_empty_object(&self) -> bool {
        matches!(self, Self::Json("{}"))
    }

    /// Writes it as JSON.
    pub fn write(&self, writer: &mut Writer) -> Result<(), TooCostly> {
        match self {
            Self::Json("undefined") => writer.put("null"),
            Self::Json(text) => writer.put(&whole_pairs(text)),
            // Read when the update was scanned.
            Self::Any(raw) => write_any(raw, writer).map_err(|_| TooCostly),
        }
    }
}

/// Reads the values of a content one after another.
pub(super) struct Values<'u> {
    input: Input<'u>,
    is_any: bool,
}

impl<'u> Values<'u> {
    /// Of a content with values in the `Any` encoding.
    pub fn any(raw: &'u [u8]) -> Self {
        Self { input: Input::raw(raw), is_any: true }
    }

    /// Of a content with JSON texts.
    pub fn json(raw: &'u [u8]) -> Self {
        Self { input: Input::raw(raw), is_any: false }
    }
}

impl<'u> Iterator for Values<'u> {
    type Item = Value<'u>;

    fn next(&mut self) -> Option<Value<'u>> {
        if self.input.is_empty() {
            return None;
        }
        if !self.is_any {
            return self.input.text().ok().map(Value::Json);
        }
        let begin = self.input.position();
        crate::document::content::value(&mut self.input).ok()?;
        Some(Value::Any(self.input.since(begin)))
    }
}

/// Why a value could not be written.
enum Failed {
    Unreadable,
    TooCostly,
}

impl From<DecodeError> for Failed {
    fn from(_: DecodeError) -> Self {
        Self::Unreadable
    }
}

impl From<TooCostly> for Failed {
    fn from(_: TooCostly) -> Self {
        Self::TooCostly
    }
}

impl From<Failed> for TooCostly {
    fn from(_: Failed) -> Self {
        Self
    }
}

/// A list that is being written.
struct Open {
    left: usize,
    is_map: bool,
    is_first: bool,
}

fn write_any(raw: &[u8], writer: &mut Writer) -> Result<(), Failed> {
    let mut input = Input::raw(raw);
    let mut open: Vec<Open> = Vec::new();
    loop {
        writer.step()?;
        match input.u8()? {
            120 => writer.put("true")?,
            121 => writer.put("false")?,
            122 => {
                let number = i64::from_be_bytes(array(&mut input)?);
                writer.put(&number.to_string())?;
            }
            123 => put_number(f64::from_be_bytes(array(&mut input)?), writer)?,
            124 => put_number(f32::from_be_bytes(array(&mut input)?).into(), writer)?,
            125 => {
                let number = input.var_int()?;
                writer.put(&number.to_string())?;
            }
            119 => writer.put_string(input.text()?)?,
            116 => put_binary(input.raw_buf()?, writer)?,
            kind @ (117 | 118) => {
                let is_map = kind == 118;
                open.push(Open { left: input.count(1)?, is_map, is_first: true });
                writer.put(if is_map { "{" } else { "[" })?;
            }
            _ => writer.put("null")?,
        }
        loop {
            let Some(list) = open.last_mut() else { return Ok(()) };
            if list.left == 0 {
                writer.put(if list.is_map { "}" } else { "]" })?;
                open.pop();
                continue;
            }
            list.left -= 1;
            if list.is_map {
                let key = input.text()?;
                writer.step()?;
                if raw.get(input.position()) == Some(&127) {
                    input.u8()?;
                    continue;
                }
                separate(&mut list.is_first, writer)?;
                writer.put_string(key)?;
                writer.put(":")?;
            } else {
                separate(&mut list.is_first, writer)?;
            }
            break;
        }
    }
}

/// Writes a comma, unless it is the first time.
pub(super) fn separate(is_first: &mut bool, writer: &mut Writer) -> Result<(), TooCostly> {
    if std::mem::replace(is_first, false) { Ok(()) } else { writer.put(",") }
}

fn array<const N: usize>(input: &mut Input<'_>) -> Result<[u8; N], DecodeError> {
    input.take(N as u64)?.try_into().map_err(|_| DecodeError::Truncated)
}

fn put_number(number: f64, writer: &mut Writer) -> Result<(), TooCostly> {
    if number.fract() == 0.0 && number.abs() < WHOLE_MAX {
        return writer.put(&(number as i64).to_string());
    }
    // What JSON has no number for is null, as for `JSON.stringify`.
    match serde_json::Number::from_f64(number) {
        Some(number) => writer.put(&number.to_string()),
        None => writer.put("null"),
    }
}

/// Writes bytes as a list of numbers.
pub(super) fn put_binary(bytes: &[u8], writer: &mut Writer) -> Result<(), TooCostly> {
    writer.put("[")?;
    let mut is_first = true;
    for byte in bytes {
        writer.step()?;
        separate(&mut is_first, writer)?;
        writer.put(&byte.to_string())?;
    }
    writer.put("]")
}

/// A JSON text in which halves of surrogate pairs, written as escapes, are U+FFFD: few readers take them.
fn whole_pairs(text: &str) -> Cow<'_, str> {
    if !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let len = match (surrogate(escape), escape.get(6..).and_then(surrogate)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => 12,
            (Some(_), _) => {
                out.push_str("\\ufffd");
                rest = &escape[6..];
                continue;
            }
            // An escape is the backslash and an ASCII character.
            (None, _) => 2.min(escape.len()),
        };
        let (escape, behind) = escape.split_at_checked(len).unwrap_or((escape, ""));
        out.push_str(escape);
        rest = behind;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The half of a surrogate pair that an escape at the front of `text` stands for.
fn surrogate(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok().filter(|unit| (0xd800..0xe000).contains(unit))
}

#[cfg(test)]
mod tests {
    use super::whole_pairs;

    #[test]
    fn only_halves_of_pairs_are_replaced() {
        for (text, expected) in [
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\udc4b\ud83d""#, r#""\ufffd\ufffd""#),
            (r#""\ud83d\udc4b""#, r#""\ud83d\udc4b""#),
            (r#""\uD83D\ud83d\uDC4B""#, r#""\ufffd\ud83d\uDC4B""#),
            (r#""\\ud83d \u0041""#, r#""\\ud83d \u0041""#),
            (r#""\\\ud83d""#, r#""\\\ufffd""#),
            ("\"\\u00e4 👋\"", "\"\\u00e4 👋\""),
        ] {
            assert_eq!(whole_pairs(text), expected, "{text}");
            assert!(serde_json::from_str::<String>(&whole_pairs(text)).is_ok(), "{text}");
        }
    }
}
