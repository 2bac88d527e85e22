//! Plain values: read from JSON text or from lib0's `Any` encoding, written as either. Keys keep their order.

use std::fmt;
use std::hash::{Hash, Hasher};

use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::value::RawValue;

use super::content;
use super::{Refusal, VALUE_DEPTH_MAX};
use crate::protocol::DecodeError;
use crate::protocol::lib0::{Input, put_buf, put_var_uint};

/// Whole numbers below it are whole in JavaScript, too.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
/// Whole numbers up to it are written as such; Yjs writes larger ones as floating-point numbers.
const VAR_INT_MAX: u64 = 0x7fff_ffff;
/// Most values of what is written as JSON text: in memory one takes up to a hundred times its byte.
const TEXT_VALUES_MAX: usize = 1_000_000;

/// A plain value.
#[derive(Debug, Clone, Default)]
pub enum Json {
    /// `null`, and what JSON has no word for.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object.
    Map(IndexMap<String, Json>),
}

impl Json {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The members, if it is an object.
    pub fn as_map(&self) -> Option<&IndexMap<String, Json>> {
        match self {
            Self::Map(members) => Some(members),
            _ => None,
        }
    }

    /// A member of an object.
    pub fn get(&self, key: &str) -> Option<&Json> {
        self.as_map()?.get(key)
    }

    /// What it is, for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "an array",
            Self::Map(_) => "an object",
        }
    }

    /// How many lists and objects are open around its deepest value.
    pub fn depth(&self) -> u32 {
        match self {
            Self::List(values) => 1 + values.iter().map(Self::depth).max().unwrap_or(0),
            Self::Map(members) => 1 + members.values().map(Self::depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// How many values there are in it, itself among them.
    pub fn count(&self) -> usize {
        1 + match self {
            Self::List(values) => values.iter().map(Self::count).sum(),
            Self::Map(members) => members.values().map(Self::count).sum(),
            _ => 0,
        }
    }

    /// Reads a value in the `Any` encoding; `None` if there are more than so many values in it. One that cannot be read is null.
    pub(super) fn of_any(raw: &[u8], values_max: usize) -> Option<Self> {
        // Refuses what is nested too deep, so that what follows may recurse.
        match content::value(&mut Input::raw(raw)) {
            Ok(_) => Self::of_checked(raw, values_max).ok(),
            Err(_) => Some(Self::Null),
        }
    }

    /// The same of at most so many values.
    fn of_checked(raw: &[u8], mut values_max: usize) -> Result<Self, Refusal> {
        Ok(read_any(&mut Input::raw(raw), &mut values_max)?.unwrap_or_default())
    }

    /// Appends it in the `Any` encoding, as lib0 writes it.
    pub fn put_any(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.push(126),
            Self::Bool(true) => out.push(120),
            Self::Bool(false) => out.push(121),
            Self::Int(number) if number.unsigned_abs() <= VAR_INT_MAX => {
                out.push(125);
                put_var_int(out, *number);
            }
            Self::Int(number) => put_float(out, *number as f64),
            Self::Float(number) => put_float(out, *number),
            Self::Text(text) => {
                out.push(119);
                put_buf(out, text.as_bytes());
            }
            Self::List(values) => {
                out.push(117);
                put_var_uint(out, values.len() as u64);
                values.iter().for_each(|value| value.put_any(out));
            }
            Self::Map(members) => {
                out.push(118);
                put_var_uint(out, members.len() as u64);
                for (key, value) in members {
                    put_buf(out, key.as_bytes());
                    value.put_any(out);
                }
            }
        }
    }
}

/// A value in the `Any` encoding as JSON text, as `JSON.stringify` writes it.
pub(super) fn text_of_any(raw: &[u8]) -> Result<String, Refusal> {
    if raw.first() == Some(&127) {
        return Ok("undefined".to_owned());
    }
    content::value(&mut Input::raw(raw))?;
    Ok(Json::of_checked(raw, TEXT_VALUES_MAX)?.to_string())
}

/// Takes `count` of the values that there still may be.
fn spend(left: &mut usize, count: usize) -> Result<(), Refusal> {
    *left = left.checked_sub(count).ok_or(Refusal::Impossible("a value of more than 1,000,000 values"))?;
    Ok(())
}

/// A value, of at most as many as are left. `None`: undefined.
fn read_any(input: &mut Input<'_>, left: &mut usize) -> Result<Option<Json>, Refusal> {
    spend(left, 1)?;
    Ok(Some(match input.u8()? {
        127 => return Ok(None),
        126 => Json::Null,
        120 => Json::Bool(true),
        121 => Json::Bool(false),
        125 => Json::Int(input.var_int()?),
        124 => whole(f32::from_be_bytes(array(input)?).into()),
        123 => whole(f64::from_be_bytes(array(input)?)),
        122 => Json::Int(i64::from_be_bytes(array(input)?)),
        119 => Json::Text(input.text()?.to_owned()),
        116 => {
            let bytes = input.raw_buf()?;
            spend(left, bytes.len())?;
            Json::List(bytes.iter().map(|byte| Json::Int((*byte).into())).collect())
        }
        kind @ (117 | 118) => {
            let count = input.count(1)?;
            if kind == 117 {
                let mut values = Vec::new();
                for _ in 0..count {
                    values.push(read_any(input, left)?.unwrap_or_default());
                }
                Json::List(values)
            } else {
                let mut members = IndexMap::new();
                for _ in 0..count {
                    let key = input.text()?.to_owned();
                    if let Some(value) = read_any(input, left)? {
                        members.insert(key, value);
                    }
                }
                Json::Map(members)
            }
        }
        _ => return Err(DecodeError::Truncated.into()),
    }))
}

fn array<const N: usize>(input: &mut Input<'_>) -> Result<[u8; N], DecodeError> {
    input.take(N as u64)?.try_into().map_err(|_| DecodeError::Truncated)
}

/// A floating-point number, as a whole one where it is.
fn whole(number: f64) -> Json {
    match number {
        _ if number.fract() == 0.0 && number.abs() < WHOLE_MAX => Json::Int(number as i64),
        _ if number.is_finite() => Json::Float(number),
        _ => Json::Null,
    }
}

fn put_float(out: &mut Vec<u8>, number: f64) {
    let narrow = number as f32;
    if f64::from(narrow) == number {
        out.push(124);
        out.extend_from_slice(&narrow.to_be_bytes());
    } else {
        out.push(123);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

/// A finite number as JavaScript writes it.
fn decimal(number: f64) -> String {
    match number.abs() {
        0.0 => "0".to_owned(),
        1e-6..1e21 => number.to_string(),
        1e21.. => format!("{number:e}").replace('e', "e+"),
        _ => format!("{number:e}"),
    }
}

/// Appends a number with its sign: 6 bits in the first byte, 7 in each that follows.
fn put_var_int(out: &mut Vec<u8>, number: i64) {
    let mut left = number.unsigned_abs();
    let sign = if number < 0 { 0x40 } else { 0 };
    let goes_on = if left > 0x3f { 0x80 } else { 0 };
    out.push(goes_on | sign | (left & 0x3f) as u8);
    left >>= 6;
    while left > 0 {
        let goes_on = if left > 0x7f { 0x80 } else { 0 };
        out.push(goes_on | (left & 0x7f) as u8);
        left >>= 7;
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::Int(one), Self::Int(other)) => one == other,
            (Self::Float(one), Self::Float(other)) => one == other,
            (Self::Int(whole), Self::Float(float)) | (Self::Float(float), Self::Int(whole)) => *whole as f64 == *float,
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::List(one), Self::List(other)) => one == other,
            // In any order.
            (Self::Map(one), Self::Map(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for Json {}

impl Hash for Json {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Null => 0u8.hash(state),
            Self::Bool(value) => (1u8, value).hash(state),
            Self::Int(number) => (2u8, (*number as f64).to_bits()).hash(state),
            // Both zeros are one.
            Self::Float(number) => (2u8, (number + 0.0).to_bits()).hash(state),
            Self::Text(text) => (3u8, text).hash(state),
            Self::List(values) => (4u8, values).hash(state),
            Self::Map(members) => {
                let mut keys: Vec<_> = members.iter().collect();
                keys.sort_unstable_by_key(|(key, _)| key.as_str());
                (5u8, keys).hash(state);
            }
        }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(number) => serializer.serialize_i64(*number),
            Self::Float(number) => {
                RawValue::from_string(decimal(*number)).map_err(S::Error::custom)?.serialize(serializer)
            }
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(values) => serializer.collect_seq(values),
            Self::Map(members) => serializer.collect_map(members),
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = deserializer.deserialize_any(JsonVisitor)?;
        if value.depth() > VALUE_DEPTH_MAX {
            return Err(D::Error::custom(format!("values are nested more than {VALUE_DEPTH_MAX} deep")));
        }
        Ok(value)
    }
}

/// A value within another, whose depth is looked at once it is whole.
struct Inner(Json);

impl<'de> Deserialize<'de> for Inner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor).map(Inner)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(i64::try_from(number).map_or(Json::Float(number as f64), Json::Int))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(whole(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(Inner(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = IndexMap::new();
        while let Some((key, Inner(value))) = map.next_entry::<String, Inner>()? {
            members.insert(key, value);
        }
        Ok(Json::Map(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_very_many_values_is_not_written_as_text() {
        let binary = |bytes: usize| {
            let mut raw = vec![116];
            put_buf(&mut raw, &vec![0; bytes]);
            text_of_any(&raw).map(|text| text.len())
        };
        assert_eq!(binary(TEXT_VALUES_MAX - 1), Ok(2 * TEXT_VALUES_MAX - 1));
        assert!(matches!(binary(TEXT_VALUES_MAX), Err(Refusal::Impossible(_))));
    }

    #[test]
    fn values_are_written_as_lib0_does_and_read_back() {
        // Written by lib0's `writeAny`.
        for (json, hex) in [
            ("null", "7e"),
            ("[true,false,\"ü\"]", "750378797702c3bc"),
            ("{\"b\":-1,\"a\":[0]}", "760201627d41016175017d00"),
            ("[63,64,-64,2147483647]", "75047d3f7d80017dc0017dbfffffff0f"),
            ("2147483648", "7c4f000000"),
            ("0.5", "7c3f000000"),
            ("0.1", "7b3fb999999999999a"),
            (
                "[1e-7,0.000001,18446744073709552000,1e+21]",
                "75047b3e7ad7f29abcaf487b3eb0c6f7a0b5ed8d7c5f8000007b444b1ae4d6e2ef50",
            ),
        ] {
            let value: Json = serde_json::from_str(json).unwrap();
            let mut raw = Vec::new();
            value.put_any(&mut raw);
            assert_eq!(hex::encode(&raw), hex, "{json}");
            assert_eq!(Json::of_any(&raw, value.count()), Some(value.clone()));
            assert_eq!(value.to_string(), json);
        }
    }

    #[test]
    fn values_are_nested_so_deep_and_no_deeper() {
        let nested = |depth: u32| format!("{}{}", "[".repeat(depth as usize), "]".repeat(depth as usize));
        assert!(serde_json::from_str::<Json>(&nested(VALUE_DEPTH_MAX)).is_ok());
        assert!(serde_json::from_str::<Json>(&nested(VALUE_DEPTH_MAX + 1)).is_err());
    }

    #[test]
    fn numbers_of_one_value_are_equal() {
        let read = |text: &str| serde_json::from_str::<Json>(text).unwrap();
        assert_eq!(read("1.0"), read("1"));
        assert_eq!(read("{\"a\":1,\"b\":2}"), read("{\"b\":2,\"a\":1e0}"));
        assert_ne!(read("9007199254740993"), read("9007199254740992"));
    }
}
