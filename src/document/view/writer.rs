//! Where a rendering is written: text that grows within the budget. Within a JSON string what is put is escaped.

use super::budget::{Meter, TooCostly};

#[derive(Debug)]
pub(super) struct Writer {
    out: String,
    meter: Meter,
    /// Whether what is put stands in a JSON string.
    is_in_string: bool,
    /// Whether tags are written so that any reader of XML can read them.
    is_strict: bool,
    /// Whether what is put stands between strict tags, or in an attribute of one.
    is_in_content: bool,
}

impl Writer {
    pub fn new(meter: Meter) -> Self {
        Self { out: String::new(), meter, is_in_string: false, is_strict: false, is_in_content: false }
    }

    /// Writes XML that any reader of it can read.
    pub fn strict(mut self) -> Self {
        self.is_strict = true;
        self
    }

    /// Begins what tags are not to be mistaken in, until [`Writer::end_content`].
    pub fn begin_content(&mut self) {
        self.is_in_content = self.is_strict;
    }

    pub fn end_content(&mut self) {
        self.is_in_content = false;
    }

    /// Appends the name of a tag or an attribute.
    pub fn put_name(&mut self, name: &str) -> Result<(), TooCostly> {
        match self.is_strict {
            true => self.put(&strict_name(name)),
            false => self.put(name),
        }
    }

    pub fn into_text(self) -> String {
        self.out
    }

    /// What was written, and what is left of the budget.
    pub fn finish(self) -> (String, Meter) {
        (self.out, self.meter)
    }

    pub fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }

    pub fn step(&mut self) -> Result<(), TooCostly> {
        self.meter.step()
    }

    /// Begins a JSON string, which goes on until [`Writer::close_string`].
    pub fn open_string(&mut self) -> Result<(), TooCostly> {
        self.put("\"")?;
        self.is_in_string = true;
        Ok(())
    }

    pub fn close_string(&mut self) -> Result<(), TooCostly> {
        self.is_in_string = false;
        self.put("\"")
    }

    /// Appends a JSON string; also within one, which then holds JSON.
    pub fn put_string(&mut self, text: &str) -> Result<(), TooCostly> {
        self.put("\"")?;
        for (clean, escape) in Escapes(text) {
            self.put(clean)?;
            self.put(escape.as_str())?;
        }
        self.put("\"")
    }

    /// Appends text.
    pub fn put(&mut self, text: &str) -> Result<(), TooCostly> {
        if !self.is_in_string {
            return self.append(text);
        }
        for (clean, escape) in Escapes(text) {
            self.append(clean)?;
            self.append(escape.as_str())?;
        }
        Ok(())
    }

    fn append(&mut self, text: &str) -> Result<(), TooCostly> {
        if self.is_in_content && text.contains(must_be_escaped) {
            self.is_in_content = false;
            let appended = self.append(&escaped(text));
            self.is_in_content = true;
            return appended;
        }
        self.meter.steps(text.len() / 64)?;
        // Twice, as it doubles when it grows.
        self.meter.hold::<u16>(text.len())?;
        self.out.push_str(text);
        Ok(())
    }
}

/// What may not stand as it is between tags or in an attribute.
fn must_be_escaped(c: char) -> bool {
    matches!(c, '&' | '<' | '>' | '"' | '\u{fffe}' | '\u{ffff}') || c.is_ascii_control() && !matches!(c, '\n' | '\t')
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            // XML has no word for them.
            c if must_be_escaped(c) && c != '\u{7f}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A name as XML allows it: other characters become `_`.
fn strict_name(name: &str) -> String {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut out: String = name.chars().map(|c| if is_fit(c) { c } else { '_' }).collect();
    if !out.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        out.insert(0, '_');
    }
    out
}

/// A text cut at the characters that JSON escapes: what stands before each, and its escape; at last what stands behind all.
struct Escapes<'t>(&'t str);

enum Escape {
    None,
    Short(&'static str),
    Control(String),
}

impl Escape {
    fn as_str(&self) -> &str {
        match self {
            Self::None => "",
            Self::Short(text) => text,
            Self::Control(text) => text,
        }
    }
}

impl<'t> Iterator for Escapes<'t> {
    type Item = (&'t str, Escape);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let found = self.0.bytes().position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\'));
        let Some(at) = found else { return Some((std::mem::take(&mut self.0), Escape::None)) };
        let (clean, rest) = self.0.split_at(at);
        let escape = match rest.as_bytes()[0] {
            b'"' => Escape::Short("\\\""),
            b'\\' => Escape::Short("\\\\"),
            b'\n' => Escape::Short("\\n"),
            b'\r' => Escape::Short("\\r"),
            b'\t' => Escape::Short("\\t"),
            control => Escape::Control(format!("\\u{control:04x}")),
        };
        self.0 = &rest[1..];
        Some((clean, escape))
    }
}
