//! How tokens are checked: which key, which algorithm, which claims. Settings only; the checking is in `auth`.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::options::JwtOptions;
use super::reading::Reading;
use super::{DatabaseUrl, JwksUrl, Secret};

/// Most bytes of a public key file; more is another file.
const PUBLIC_KEY_FILE_BYTES_MAX: u64 = 64 * 1024;
/// Most seconds that two clocks may differ.
const LEEWAY_S_MAX: usize = 60;
/// How often a key set may be read, in seconds.
const REFRESH_S: RangeInclusive<u64> = 1..=86_400;
/// Longest issuer or audience, in bytes, and most audiences.
const NAME_BYTES_MAX: usize = 500;
const AUDIENCES_MAX: usize = 20;

/// How tokens are checked and made.
#[derive(Debug, Clone)]
pub struct JwtConfig {
    /// The key, or where it lies.
    pub key: JwtKey,
    /// The one algorithm that tokens must name.
    pub algorithm: JwtAlgorithm,
    /// The `iss` that tokens must carry, if one is configured.
    pub issuer: Option<String>,
    /// The audiences of which a token must name one; if empty, a token must name none.
    pub audiences: Vec<String>,
    /// How far this clock and the issuer's may differ, in seconds.
    pub leeway_s: u64,
}

/// What tokens are signed with. A secret and a public key never stand side by side.
#[derive(Debug, Clone)]
pub enum JwtKey {
    /// Shared secrets: the current one, and the one before while it is being replaced.
    Secret {
        /// Signs and verifies.
        current: Secret,
        /// Verifies only.
        previous: Option<Secret>,
    },
    /// The text of a PEM file with public keys.
    PublicKeys(String),
    /// Public keys at an address, each with its own algorithm.
    KeySet {
        /// Where they are.
        url: JwksUrl,
        /// How often they are read.
        refresh: Duration,
    },
    /// No key is configured: the server makes one and keeps it in this file.
    KeyFile(PathBuf),
}

/// A signature algorithm (RFC 7518, RFC 8037). It belongs to the key; what a token's header says never selects it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum JwtAlgorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Es256,
    Es384,
    EdDsa,
}

impl JwtAlgorithm {
    /// Every algorithm that a key can have.
    pub const ALL: [Self; 9] = [
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// The name as a token's header spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Whether one shared secret signs and verifies.
    pub fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }
}

impl fmt::Display for JwtAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for JwtAlgorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
            .ok_or_else(|| format!("one of {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

impl JwtConfig {
    pub(super) fn read(reading: &mut Reading, options: &JwtOptions, database: &DatabaseUrl) -> Self {
        let secret_text = options.jwt_secret.as_deref().unwrap_or_default();
        let previous_text = options.jwt_secret_previous.as_deref().unwrap_or_default();
        let file = options.jwt_public_key_file.as_deref().unwrap_or_default();

        let secret = secret(reading, "jwt-secret", secret_text);
        let previous = secret_previous(reading, previous_text, secret_text);
        let algorithm = reading.parsed("jwt-algorithm", &options.jwt_algorithm, JwtAlgorithm::Hs256, str::parse);
        let public_keys = public_keys(reading, file);
        let key_set = key_set(reading, options);
        match &key_set {
            None => fits(reading, algorithm, secret_text, file),
            Some(_) if !secret_text.is_empty() || !file.is_empty() => {
                reading.problem(
                    "jwks-url",
                    "a key set, --jwt-secret and --jwt-public-key-file exclude each other; keep one of them",
                );
            }
            Some(_) if algorithm != JwtAlgorithm::Hs256 => {
                reading.problem("jwt-algorithm", "each key of --jwks-url has its own algorithm; leave this out");
            }
            Some(_) => {}
        }

        let key = match (secret, public_keys, key_set) {
            (Some(current), ..) => JwtKey::Secret { current, previous },
            (None, Some(pem), _) => JwtKey::PublicKeys(pem),
            (None, None, Some(key_set)) => key_set,
            (None, None, None) => JwtKey::KeyFile(database.key_file()),
        };
        let issuer = options.jwt_issuer.as_deref().unwrap_or_default();
        let audiences = options.jwt_audience.as_deref().unwrap_or_default();
        Self {
            key,
            algorithm,
            issuer: reading.text("jwt-issuer", issuer, NAME_BYTES_MAX),
            audiences: reading.list("jwt-audience", audiences, AUDIENCES_MAX, |name| match name.len() {
                ..=NAME_BYTES_MAX => Ok(name.to_owned()),
                _ => Err(format!("names of at most {NAME_BYTES_MAX} bytes")),
            }),
            leeway_s: reading.number("jwt-leeway-s", &options.jwt_leeway_s, 0..=LEEWAY_S_MAX) as u64,
        }
    }
}

fn secret(reading: &mut Reading, option: &'static str, text: &str) -> Option<Secret> {
    reading.hidden_setting(option, text);
    if text.is_empty() {
        return None;
    }
    Secret::parse(text).map_err(|weak| reading.problem(option, weak.to_string())).ok()
}

fn secret_previous(reading: &mut Reading, text: &str, current_text: &str) -> Option<Secret> {
    const OPTION: &str = "jwt-secret-previous";
    let previous = secret(reading, OPTION, text);
    if !text.is_empty() && current_text.is_empty() {
        reading.problem(OPTION, "it stands beside --jwt-secret during a rotation and needs it");
    } else if !text.is_empty() && text == current_text {
        reading.problem(OPTION, "it is the same as --jwt-secret; leave it out, or give the secret before this one");
    }
    previous
}

fn key_set(reading: &mut Reading, options: &JwtOptions) -> Option<JwtKey> {
    let refresh = reading.duration("jwks-refresh", &options.jwks_refresh, REFRESH_S);
    let text = options.jwks_url.as_deref().unwrap_or_default();
    // A list of at most one, which may be none.
    let url = reading.list("jwks-url", text, 1, JwksUrl::from_str).pop()?;
    Some(JwtKey::KeySet { url, refresh })
}

/// The text of the file with public keys. Whether they fit the algorithm is seen when the verifier is made.
fn public_keys(reading: &mut Reading, file: &str) -> Option<String> {
    const OPTION: &str = "jwt-public-key-file";
    let file = reading.text(OPTION, file, 4096)?;
    match read_public_keys(Path::new(&file)) {
        Ok(text) => Some(text),
        Err(text) => {
            reading.problem(OPTION, format!("{file:?} {text}"));
            None
        }
    }
}

fn read_public_keys(file: &Path) -> Result<String, String> {
    let metadata = file.metadata().map_err(|error| format!("cannot be read: {error}"))?;
    if !metadata.is_file() || metadata.len() > PUBLIC_KEY_FILE_BYTES_MAX {
        return Err(format!("is not a file of at most {PUBLIC_KEY_FILE_BYTES_MAX} bytes"));
    }
    std::fs::read_to_string(file).map_err(|error| format!("cannot be read: {error}"))
}

/// A secret never verifies what a public key should, nor the other way round.
fn fits(reading: &mut Reading, algorithm: JwtAlgorithm, secret: &str, public_key_file: &str) {
    if !secret.is_empty() && !public_key_file.is_empty() {
        reading.problem("jwt-public-key-file", "a public key and --jwt-secret exclude each other; keep one of them");
    } else if !public_key_file.is_empty() && algorithm.is_symmetric() {
        reading.problem("jwt-algorithm", format!("{algorithm} is for secrets; with --jwt-public-key-file, set the algorithm of that key: RS256, RS384, RS512, ES256, ES384 or EdDSA"));
    } else if public_key_file.is_empty() && !algorithm.is_symmetric() {
        reading.problem(
            "jwt-algorithm",
            format!("{algorithm} needs --jwt-public-key-file; a secret takes HS256, HS384 or HS512"),
        );
    }
}
