//! What a verified token says, claim by claim, with the bounds of each. Reached only once the signature holds.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::grants::{Grant, Grants};
use super::limits::{NAME_BYTES_MAX, SUBJECT_BYTES_MAX, TOKEN_ID_BYTES_MAX};
use super::{Identity, KeyMark, TokenError};
use crate::ids::UserId;

/// Latest `exp` or `nbf`: the last second that RFC 3339 can write, 9999-12-31T23:59:59Z.
pub(super) const TIME_S_MAX: u64 = 253_402_300_799;

/// The claims that matter here, their types still unchecked; others are ignored. A claim given twice is an error.
#[derive(Deserialize)]
pub(super) struct Claims {
    sub: Option<Value>,
    name: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
    iat: Option<Value>,
    jti: Option<Value>,
    rooms: Option<Value>,
    iss: Option<Value>,
    // Not an `Option`: a null counts as a claim that names no audience.
    #[serde(default = "absent")]
    aud: Audience,
}

/// Which claims a token must carry, and how far clocks may differ.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub issuer: Option<String>,
    pub audiences: Vec<String>,
    pub leeway_s: u64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
    Other(IgnoredAny),
    #[serde(skip)]
    Absent,
}

fn absent() -> Audience {
    Audience::Absent
}

impl Claims {
    /// Reads the payload of a token.
    pub fn parse(json: &[u8]) -> Result<Self, TokenError> {
        serde_json::from_slice(json).map_err(|_| TokenError::Malformed)
    }

    /// `sub`, if it is as it must be.
    pub fn subject(self) -> Option<String> {
        text("sub", self.sub, SUBJECT_BYTES_MAX).ok().flatten()
    }

    /// Checks every claim at the time `now_s`, taking a token that expired up to `grace_s` ago. The error is everything that is
    /// wrong, never empty.
    pub fn identity(self, expected: &Expected, now_s: u64, grace_s: u64) -> Result<Identity, Vec<TokenError>> {
        let name = match self.name {
            Some(Value::String(name)) if name.is_empty() => None,
            name => name,
        };
        let mut wrong = Vec::new();
        // Rounded so that no token holds longer than it says.
        let expiry = time_s("exp", self.exp, f64::floor).and_then(|exp| exp.ok_or(TokenError::Missing("exp")));
        let expires_at_s = taken(&mut wrong, expiry);
        taken(&mut wrong, check_start(self.nbf, now_s.saturating_add(expected.leeway_s)));
        taken(&mut wrong, check_issuer(self.iss, expected.issuer.as_deref()));
        taken(&mut wrong, check_audience(&self.aud, &expected.audiences));
        let subject = text("sub", self.sub, SUBJECT_BYTES_MAX).and_then(|sub| sub.ok_or(TokenError::Missing("sub")));
        let subject = taken(&mut wrong, subject);
        let name = taken(&mut wrong, text("name", name, NAME_BYTES_MAX)).flatten();
        let token_id = taken(&mut wrong, text("jti", self.jti, TOKEN_ID_BYTES_MAX)).flatten();
        let grants = taken(&mut wrong, grants(self.rooms));
        // Only a revocation asks for it; one that cannot be read counts as none, which every revocation of the user hits.
        let issued_at_s = time_s("iat", self.iat, f64::floor).unwrap_or_default();
        // Last: who is told that a token has expired may come back with one that differs in nothing else.
        let valid_until_s = expires_at_s.map(|expires_at_s| expires_at_s + expected.leeway_s);
        if valid_until_s.is_some_and(|until_s| now_s >= until_s.saturating_add(grace_s)) {
            wrong.push(TokenError::Expired);
        }
        match (expires_at_s, valid_until_s, subject, grants) {
            (Some(expires_at_s), Some(valid_until_s), Some(subject), Some(grants)) if wrong.is_empty() => {
                Ok(Identity {
                    name: Arc::from(name.as_deref().unwrap_or(&subject)),
                    user: UserId::new(subject),
                    expires_at_s,
                    valid_until_s,
                    token_id,
                    issued_at_s,
                    grants: Arc::new(grants),
                    key: KeyMark::default(),
                })
            }
            _ => Err(wrong),
        }
    }
}

/// The value, or its error among those that are `wrong`.
fn taken<T>(wrong: &mut Vec<TokenError>, result: Result<T, TokenError>) -> Option<T> {
    result.map_err(|error| wrong.push(error)).ok()
}

fn check_start(nbf: Option<Value>, latest_s: u64) -> Result<(), TokenError> {
    match time_s("nbf", nbf, f64::ceil)? {
        Some(nbf) if nbf > latest_s => Err(TokenError::NotYet),
        _ => Ok(()),
    }
}

/// Whether a text may be a `sub`, `name` or `jti`. A control character would break logs, and NUL the database.
pub(super) fn is_plain(text: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Whether a text may be a `sub` or a `jti`.
pub fn is_plain_id(text: &str) -> bool {
    is_plain(text, SUBJECT_BYTES_MAX.min(TOKEN_ID_BYTES_MAX))
}

fn text(claim: &'static str, value: Option<Value>, bytes_max: usize) -> Result<Option<String>, TokenError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if is_plain(&text, bytes_max) => Ok(Some(text)),
        Some(_) => Err(TokenError::Claim(claim)),
    }
}

/// A NumericDate (RFC 7519 section 2), which may have a fraction; `rounded` makes whole seconds of it.
fn time_s(claim: &'static str, value: Option<Value>, rounded: fn(f64) -> f64) -> Result<Option<u64>, TokenError> {
    let wrong = TokenError::Claim(claim);
    match value {
        None | Some(Value::Null) => Ok(None),
        // Within this range a double holds every whole second exactly.
        Some(Value::Number(seconds)) => match seconds.as_f64() {
            Some(seconds) if (0.0..=TIME_S_MAX as f64).contains(&seconds) => Ok(Some(rounded(seconds) as u64)),
            _ => Err(wrong),
        },
        Some(_) => Err(wrong),
    }
}

fn check_issuer(issuer: Option<Value>, expected: Option<&str>) -> Result<(), TokenError> {
    let Some(expected) = expected else {
        return Ok(());
    };
    match issuer {
        None | Some(Value::Null) => Err(TokenError::Missing("iss")),
        Some(Value::String(issuer)) if issuer == expected => Ok(()),
        Some(_) => Err(TokenError::Issuer),
    }
}

/// A token for someone else must not open this server, even if the same key signed it.
fn check_audience(audience: &Audience, expected: &[String]) -> Result<(), TokenError> {
    match audience {
        Audience::Absent if expected.is_empty() => Ok(()),
        Audience::Absent => Err(TokenError::Missing("aud")),
        Audience::One(name) if expected.contains(name) => Ok(()),
        Audience::Several(names) if names.iter().any(|name| expected.contains(name)) => Ok(()),
        Audience::One(_) | Audience::Several(_) => Err(TokenError::Audience),
        Audience::Other(_) => Err(TokenError::Claim("aud")),
    }
}

/// No `rooms`: no access. A grant that is not understood refuses the token: it might have been meant to take
/// something away.
fn grants(rooms: Option<Value>) -> Result<Grants, TokenError> {
    match rooms {
        None | Some(Value::Null) => Ok(Grants::default()),
        Some(list) => {
            let list: Vec<Grant> = serde_json::from_value(list).map_err(|_| TokenError::Claim("rooms"))?;
            Grants::new(list).map_err(|_| TokenError::Claim("rooms"))
        }
    }
}
