//! Half a character. JavaScript cuts texts between UTF-16 units, and writes half an emoji as an escape that is no character: strict
//! readers refuse the whole message for it. As `toWellFormed` does, it becomes U+FFFD wherever JSON comes in; all else stays as
//! written.

use std::borrow::Cow;

/// What is written for half a character. As long as what it replaces.
const REPLACEMENT: &str = "\\ufffd";
/// The length of an escape of one UTF-16 unit.
const ESCAPE_BYTES: usize = REPLACEMENT.len();

/// JSON text without halves of characters.
pub fn well_formed(json: &str) -> Cow<'_, str> {
    let mut mended = String::new();
    let mut taken = 0;
    let mut at = 0;
    while let Some(found) = json[at..].find('\\') {
        at += found;
        let escape = &json.as_bytes()[at..];
        match (unit(escape), escape.get(ESCAPE_BYTES..).and_then(unit)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => at += 2 * ESCAPE_BYTES,
            (Some(0xd800..0xe000), _) => {
                mended.push_str(&json[taken..at]);
                mended.push_str(REPLACEMENT);
                at += ESCAPE_BYTES;
                taken = at;
            }
            // The backslash, and what it escapes, which may be a backslash.
            _ => at += 1 + json[at + 1..].chars().next().map_or(0, char::len_utf8),
        }
    }
    if taken == 0 {
        return Cow::Borrowed(json);
    }
    mended.push_str(&json[taken..]);
    Cow::Owned(mended)
}

/// The UTF-16 unit that an escape at the beginning of `json` stands for.
fn unit(json: &[u8]) -> Option<u16> {
    let digits = json.strip_prefix(b"\\u")?.get(..4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn halves_become_the_replacement_character_and_all_else_stays_as_written() {
        let cases = [
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\uDE00 \uD83D""#, r#""\ufffd \ufffd""#),
            (r#""\ud83d\ud83d\ude00\ude00""#, r#""\ufffd\ud83d\ude00\ufffd""#),
            (r#""\ud83d\\ude00""#, r#""\ufffd\\ude00""#),
            (r#""\ud83d\n\ud83dude00""#, r#""\ufffd\n\ufffdude00""#),
            (r#"{"\udfff":["\udbff"]}"#, r#"{"\ufffd":["\ufffd"]}"#),
        ];
        for (json, expected) in cases {
            assert_eq!(well_formed(json), expected);
        }
        let fine = [
            r#""\ud83d\ude00 \\ud83d \/ \u00E9 😀""#,
            r#"{ "a" : 1.0e1 }"#,
            r#""\\\\ud83d""#,
            "\"\\",
            "\\ud83",
            "\\é",
            "",
        ];
        for json in fine {
            assert!(matches!(well_formed(json), Cow::Borrowed(same) if same == json), "{json}");
        }
    }

    proptest! {
        #[test]
        fn any_utf16_comes_out_as_its_well_formed_text(units in prop::collection::vec(prop_oneof![any::<u16>(), 0xd7f0..0xe010u16], 0..40)) {
            // As JSON.stringify writes it, but with every unit escaped.
            let json: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let read: String = serde_json::from_str(&well_formed(&format!("\"{json}\""))).unwrap();
            prop_assert_eq!(read, String::from_utf16_lossy(&units));
        }

        #[test]
        fn no_text_is_broken_by_it(text in "[\\\\ud83deé😀\"a-f0-9]{0,60}") {
            let mended = well_formed(&text);
            prop_assert_eq!(mended.len(), text.len());
            prop_assert_eq!(well_formed(&mended), mended.as_ref());
            // What strict readers read stays as it was.
            if serde_json::from_str::<String>(&text).is_ok() {
                prop_assert_eq!(mended.as_ref(), &text);
            }
        }
    }
}
