//! A signing secret: hidden wherever it might be printed, and refused if it is short or guessable.

use std::fmt;

/// Fewest bytes of a secret: the output size of HMAC-SHA-256 (RFC 7518 section 3.2).
pub const SECRET_BYTES_MIN: usize = 32;
/// Most bytes of a secret; more is a mistake, such as the content of a wrong file.
pub const SECRET_BYTES_MAX: usize = 4096;

/// Fewest different characters that must remain once the words that examples are made of are taken out. 32 random
/// hexadecimal digits have fewer than 8 different ones in less than one of a million cases.
const DISTINCT_MIN: usize = 8;
/// Longest unit whose repetition makes a secret guessable, in bytes.
const PERIOD_MAX: usize = 16;

/// What documentation, tutorials and default configurations fill a secret with.
const PLACEHOLDER_WORDS: [&str; 45] = [
    "supersecret",
    "development",
    "production",
    "characters",
    "changeit",
    "changeme",
    "insecure",
    "password",
    "passphrase",
    "default",
    "example",
    "testing",
    "private",
    "replace",
    "letmein",
    "replaceme",
    "please",
    "qwerty",
    "random",
    "secret",
    "shared",
    "signing",
    "string",
    "change",
    "atleast",
    "least",
    "admin",
    "bytes",
    "super",
    "token",
    "tutti",
    "value",
    "this",
    "very",
    "long",
    "your",
    "test",
    "bits",
    "jwt",
    "key",
    "and",
    "for",
    "my",
    "is",
    "it",
];

/// A secret of at least [`SECRET_BYTES_MIN`] bytes that is none of the well-known ones. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Why a text is refused as a secret. The message never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakSecret {
    /// Fewer than [`SECRET_BYTES_MIN`] bytes.
    #[error("the secret has {0} bytes and needs at least {SECRET_BYTES_MIN}; make one with: openssl rand -hex 32")]
    Short(usize),
    /// More than [`SECRET_BYTES_MAX`] bytes.
    #[error("the secret has {0} bytes; at most {SECRET_BYTES_MAX} are allowed")]
    Long(usize),
    /// White space before or after it, which is nearly always an accident of quoting or line ends.
    #[error("the secret starts or ends with whitespace; remove it")]
    WhiteSpace,
    /// A well-known default, or one padded or repeated, or a plain sequence.
    #[error("the secret is a well-known default or easy to guess; make one with: openssl rand -hex 32")]
    Guessable,
}

impl Secret {
    /// Checks and takes `text`; its bytes are the key.
    pub fn parse(text: &str) -> Result<Self, WeakSecret> {
        if text.trim() != text {
            return Err(WeakSecret::WhiteSpace);
        }
        if is_placeholder(text) {
            return Err(WeakSecret::Guessable);
        }
        match text.len() {
            0..SECRET_BYTES_MIN => Err(WeakSecret::Short(text.len())),
            SECRET_BYTES_MIN..=SECRET_BYTES_MAX if is_patterned(text.as_bytes()) => Err(WeakSecret::Guessable),
            SECRET_BYTES_MIN..=SECRET_BYTES_MAX => Ok(Self(text.to_owned())),
            _ => Err(WeakSecret::Long(text.len())),
        }
    }

    /// The key's bytes.
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// Whether little remains once placeholder words are taken out: `changeme`, `please-change-me`, `secret!!!!!!!!`.
fn is_placeholder(text: &str) -> bool {
    let mut rest = text.to_lowercase();
    let has_word = PLACEHOLDER_WORDS.iter().any(|word| rest.contains(word));
    for word in PLACEHOLDER_WORDS {
        rest = rest.replace(word, "");
    }
    has_word && distinct(rest.as_bytes()) < DISTINCT_MIN
}

/// Whether a text is one short unit repeated, has few different bytes, or mostly counts up, down or in place.
fn is_patterned(bytes: &[u8]) -> bool {
    let is_repeated = (1..=PERIOD_MAX).any(|period| bytes.iter().zip(&bytes[period..]).all(|(a, b)| a == b));
    let step = |pair: &[u8]| i16::from(pair[1]) - i16::from(pair[0]);
    let counted = |three: &&[u8]| step(three).abs() <= 1 && step(three) == step(&three[1..]);
    let counted = bytes.windows(3).filter(counted).count();
    is_repeated || distinct(bytes) < DISTINCT_MIN || counted * 2 > bytes.len()
}

fn distinct(bytes: &[u8]) -> usize {
    let mut seen = [false; 256];
    bytes.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    seen.iter().filter(|is_seen| **is_seen).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "9f2c71d05be84a36c1d7e09a4b5f6832";

    #[test]
    fn a_random_secret_of_32_bytes_is_taken_and_one_of_31_is_refused() {
        assert!(Secret::parse(GOOD).is_ok());
        assert_eq!(Secret::parse(&GOOD[1..]), Err(WeakSecret::Short(31)));
        assert_eq!(Secret::parse(&format!("{GOOD} ")), Err(WeakSecret::WhiteSpace));
    }

    #[test]
    fn what_random_generators_print_is_taken() {
        let alphabets = ["0123456789abcdef", "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/"];
        for alphabet in alphabets {
            for _ in 0..500 {
                let text: String =
                    std::iter::repeat_with(|| char::from(alphabet.as_bytes()[rand::random_range(0..alphabet.len())]))
                        .take(64)
                        .collect();
                assert!(Secret::parse(&text).is_ok(), "{text}");
            }
        }
    }

    #[test]
    fn known_defaults_are_refused_also_padded_or_repeated() {
        let refused = [
            "secret",
            "changeme",
            "CHANGEME",
            "12345678",
            "secretsecretsecretsecretsecretsecret",
            "changeme-changeme-changeme-changeme-",
            "secret00000000000000000000000000000000",
            "secret12345678901234567890123456789012",
            "changeme!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!",
            "please-change-me-please-change-me-please",
            "your-256-bit-secret-your-256-bit-secret",
            "a-string-secret-at-least-256-bits-long",
            "this-is-a-very-long-secret-change-it-please",
            "my-super-secret-jwt-signing-key-for-testing",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "0123456789abcdef0123456789abcdef",
            "k7Qx9mPzk7Qx9mPzk7Qx9mPzk7Qx9mPz",
            "azgtzmagtmzzagmtgazmtagztmgaazmgtgza",
            "abcdefghijklmnopqrstuvwxyz0123456789",
            "qwertyqwertyqwertyqwertyqwertyqwerty",
        ];
        for text in refused {
            assert!(Secret::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn neither_debug_nor_the_errors_show_the_secret() {
        assert_eq!(format!("{:?}", Secret::parse(GOOD)), "Ok(Secret(hidden))");
        assert!(!Secret::parse("hunter2").map_err(|e| e.to_string()).unwrap_err().contains("hunter2"));
    }
}
