//! What apps may put into their JSON: bounded in depth, with numbers that every language can hold, without NUL.

use serde_json::value::RawValue;

use super::error::JsonError;
use super::limits::DEPTH_MAX;

/// Checks JSON that will be passed on as it is.
pub fn check(raw: &RawValue) -> Result<(), JsonError> {
    let text = raw.get();
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at + 1)?,
            b'[' | b'{' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(JsonError::Depth);
                }
            }
            b']' | b'}' => depth -= 1,
            b'-' | b'0'..=b'9' => {
                let rest = &text[at..];
                let end = rest.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'));
                let number = &rest[..end.unwrap_or(rest.len())];
                if !number.parse::<f64>().is_ok_and(f64::is_finite) {
                    return Err(JsonError::Number);
                }
                at += number.len() - 1;
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// Whether JSON is deeper than clients can follow.
pub fn is_too_deep(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += 1;
                while bytes.get(at).is_some_and(|byte| *byte != b'"') {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
        if depth > DEPTH_MAX {
            return true;
        }
        at += 1;
    }
    false
}

/// Where the string that begins at `at` has its closing quote. The text is JSON already, so it has one.
fn string_end(bytes: &[u8], mut at: usize) -> Result<usize, JsonError> {
    while bytes.get(at).is_some_and(|byte| *byte != b'"') {
        if bytes[at] == b'\\' {
            if bytes[at + 1..].starts_with(b"u0000") {
                return Err(JsonError::Nul);
            }
            at += 1;
        }
        at += 1;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), JsonError> {
        check(&RawValue::from_string(text.to_owned()).unwrap())
    }

    #[test]
    fn what_apps_usually_send_passes() {
        for text in ["1", "-0.5e3", "null", r#""a\\u0000 \"b\" ü""#, r#"{"a":[1,{"b":"]}"}],"c":true}"#] {
            assert_eq!(checked(text), Ok(()), "{text}");
        }
        assert_eq!(checked(&format!("{}{}", "[".repeat(64), "]".repeat(64))), Ok(()));
    }

    #[test]
    fn depth_is_counted_outside_of_strings() {
        let nested = |depth: usize| format!(r#"{{"[[\"[":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert!(!is_too_deep(&nested(DEPTH_MAX)) && is_too_deep(&nested(DEPTH_MAX + 1)));
        assert!(!is_too_deep(&format!("[{}]", vec!["[[]]"; 100].join(","))));
    }

    #[test]
    fn too_deep_too_large_a_number_and_nul_are_refused() {
        assert_eq!(checked(&format!("{}{}", "[".repeat(65), "]".repeat(65))), Err(JsonError::Depth));
        assert_eq!(checked(r#"{"a":1e999}"#), Err(JsonError::Number));
        assert_eq!(checked("-1e400"), Err(JsonError::Number));
        assert_eq!(checked(r#"["a\u0000"]"#), Err(JsonError::Nul));
        assert_eq!(checked(r#"{"\u0000":1}"#), Err(JsonError::Nul));
    }
}
