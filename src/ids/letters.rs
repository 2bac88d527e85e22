//! Which characters names of rooms are made of. The same rule stands in `static/page/names.js` for the demo.

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};

/// Visible in the eyes of Unicode, yet blank, or a stand-in for what could not be read.
const BLANK: [char; 3] = ['\u{2800}', '\u{FFFC}', '\u{FFFD}'];

/// Whether a room's name may hold `c`. Of ASCII: letters, digits, space and `. _ ~ : @ / -`. Beyond: what can be seen, that is letters,
/// marks, digits, punctuation and symbols, emoji included. Not: control and format characters, bidi controls and joiners among them,
/// variation selectors, spaces, private use, and what this version of Unicode has not assigned.
pub(super) fn is_allowed(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || "._~:@/- ".contains(c);
    }
    let visible = [
        GeneralCategoryGroup::Letter,
        GeneralCategoryGroup::Mark,
        GeneralCategoryGroup::Number,
        GeneralCategoryGroup::Punctuation,
        GeneralCategoryGroup::Symbol,
    ];
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    visible.iter().any(|group| group.contains(category))
        && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        && !BLANK.contains(&c)
}

/// Whether `c` turns the direction in which the text behind it is written (an embedding, override or isolate, or the end of one): in a
/// name, also that of what a program or page writes behind the name.
pub fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Whether `text` is in Unicode's normalisation form C, so that what looks the same is the same.
pub(super) fn is_nfc(text: &str) -> bool {
    text.is_ascii() || ComposingNormalizerBorrowed::new_nfc().is_normalized(text)
}
