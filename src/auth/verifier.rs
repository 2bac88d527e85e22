//! From a token to an identity: size, header, signature, claims, in this order, so that nothing unsigned is believed.
//! What is taken from the header before the signature holds is only the algorithm's name, to compare it.
//!
//! Only signatures are verified by `jsonwebtoken` (`key.rs`), not whole tokens by its `decode`: that bounds no token and no `kid`, does
//! not refuse `crit`, reads the system's clock, takes one key, and stops at the first problem, where [`Verifier::inspect`] tells all.

use std::borrow::Cow;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::claims::{Claims, Expected};
use super::key::{FromFile, Key, KeyError};
use super::key_file;
use super::key_set::{KeyMark, KeySet};
use super::limits::{KEY_ID_BYTES_MAX, TOKEN_BYTES_MAX};
use super::{Identity, Revocations, TokenError};
use crate::config::{JwtAlgorithm, JwtConfig, JwtKey};
use crate::ids::UserId;

/// Verifies tokens with one configuration's keys. Cheap to share behind an `Arc`; holds no clock.
pub struct Verifier {
    keys: Vec<Key>,
    /// Where the keys are those of an address, in place of `keys`.
    key_set: Option<KeySet>,
    algorithm: JwtAlgorithm,
    expected: Expected,
    revocations: Revocations,
}

/// The fields of a header that are looked at. Keys and addresses of keys in it (`jwk`, `jku`, `x5u`, `x5c`) are the
/// sender's claims about itself and ignored.
#[derive(Deserialize)]
struct TokenHeader {
    alg: String,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

/// What a token says and what is wrong with it.
#[derive(Debug, Default)]
pub struct Inspection {
    /// Everything that is wrong; empty if there is an identity.
    pub problems: Vec<TokenError>,
    /// Who holds it, if nothing is wrong.
    pub identity: Option<Identity>,
    /// Its header as it stands there, believed or not.
    pub header: Option<Value>,
    /// Its claims as they stand there, believed or not.
    pub claims: Option<Value>,
}

impl Inspection {
    fn said(header: &[u8], claims: &[u8]) -> Self {
        let read = |json| serde_json::from_slice(json).ok();
        Self { header: read(header), claims: read(claims), ..Self::default() }
    }
}

impl Verifier {
    /// The server's verifier, with the configuration's keys; makes the key file if one is needed and none is there.
    pub fn open(config: &JwtConfig) -> Result<Self, KeyError> {
        Self::with_keys(config, key_file::load_or_create)
    }

    /// The same beside a server; makes no key.
    pub fn open_existing(config: &JwtConfig) -> Result<Self, KeyError> {
        Self::with_keys(config, key_file::load_existing)
    }

    fn with_keys(config: &JwtConfig, from_file: FromFile) -> Result<Self, KeyError> {
        let expected =
            Expected { issuer: config.issuer.clone(), audiences: config.audiences.clone(), leeway_s: config.leeway_s };
        Ok(Self {
            keys: Key::load(config, from_file)?,
            key_set: matches!(config.key, JwtKey::KeySet { .. }).then(KeySet::default),
            algorithm: config.algorithm,
            expected,
            revocations: Revocations::default(),
        })
    }

    /// Who holds `token`, at the time `now_s` in Unix seconds.
    pub fn verify(&self, token: &str, now_s: u64) -> Result<Identity, TokenError> {
        self.verify_recent(token, now_s, 0)
    }

    /// As [`verify`](Self::verify), but takes a token that expired up to `grace_s` seconds ago: it proves who came,
    /// not that they may come in. For giving a guest a fresh token under the same name.
    pub fn verify_recent(&self, token: &str, now_s: u64, grace_s: u64) -> Result<Identity, TokenError> {
        let (claims, key) = self.signed_claims(token)?;
        let identity = claims.identity(&self.expected, now_s, grace_s).map_err(|problems| problems[0])?;
        let identity = Identity { key, ..identity };
        if self.revocations.hit(&identity, now_s) { Err(TokenError::Revoked) } else { Ok(identity) }
    }

    /// Whether what an earlier token said still holds.
    pub fn confirm(&self, identity: &Identity, now_s: u64) -> Result<(), TokenError> {
        if now_s >= identity.valid_until_s {
            return Err(TokenError::Expired);
        }
        if identity.key.is_gone() {
            return Err(TokenError::UnknownKey);
        }
        if self.revocations.hit(identity, now_s) { Err(TokenError::Revoked) } else { Ok(()) }
    }

    /// Whom it refuses before their tokens expire.
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// Whose token it is if its signature holds, whatever else is wrong with it: for the log.
    pub fn signer(&self, token: &str) -> Option<UserId> {
        self.signed_claims(token).ok()?.0.subject().map(UserId::new)
    }

    /// Everything that is wrong with `token`, and what it says, for who looks for the reason of a refusal.
    pub fn inspect(&self, token: &str, now_s: u64) -> Inspection {
        let mut problems = Vec::new();
        if token.len() > TOKEN_BYTES_MAX {
            problems.push(TokenError::TooLong);
        }
        let mut parts = token.split('.').map(decoded);
        let (Some(Ok(header)), Some(Ok(payload)), Some(Ok(signature)), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            problems.push(TokenError::Malformed);
            return Inspection { problems, ..Inspection::default() };
        };
        let (keys, _) = self.keys_for(&header).unwrap_or_else(|wrong| {
            problems.push(wrong);
            (Cow::Borrowed(&self.keys), KeyMark::default())
        });
        let message = token.rsplit_once('.').map_or("", |(message, _)| message);
        let is_unknown = problems.contains(&TokenError::UnknownKey);
        if !is_unknown && !keys.iter().any(|key| key.verifies(message.as_bytes(), &signature)) {
            problems.push(TokenError::Signature);
        }
        match Claims::parse(&payload).map(|claims| claims.identity(&self.expected, now_s, 0)) {
            Ok(Ok(identity)) if problems.is_empty() => {
                return Inspection { identity: Some(identity), ..Inspection::said(&header, &payload) };
            }
            Ok(Ok(_)) => (),
            Ok(Err(wrong)) => problems.extend(wrong),
            Err(wrong) => problems.push(wrong),
        }
        Inspection { problems, ..Inspection::said(&header, &payload) }
    }

    fn signed_claims(&self, token: &str) -> Result<(Claims, KeyMark), TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
        let (keys, mark) = self.keys_for(&decoded(header)?)?;
        // A dot more leaves one in the payload, which base64 refuses.
        let (payload, signature) = (decoded(payload)?, decoded(signature)?);
        if !keys.iter().any(|key| key.verifies(message.as_bytes(), &signature)) {
            return Err(TokenError::Signature);
        }
        Ok((Claims::parse(&payload)?, mark))
    }

    /// The keys, one of which must have signed a token with this header.
    fn keys_for(&self, json: &[u8]) -> Result<(Cow<'_, [Key]>, KeyMark), TokenError> {
        let header: TokenHeader = serde_json::from_slice(json).map_err(|_| TokenError::Malformed)?;
        if self.key_set.is_none() && header.alg != self.algorithm.as_str() {
            return Err(TokenError::Algorithm);
        }
        if header.kid.as_ref().is_some_and(|kid| kid.len() > KEY_ID_BYTES_MAX) {
            return Err(TokenError::KeyId);
        }
        if header.crit.is_some() {
            return Err(TokenError::Critical);
        }
        let Some(key_set) = &self.key_set else { return Ok((Cow::Borrowed(&self.keys), KeyMark::default())) };
        let id = header.kid.ok_or(TokenError::UnknownKey)?;
        let Some((key, mark)) = key_set.key(&id) else {
            key_set.ask(Instant::now());
            return Err(TokenError::UnknownKey);
        };
        if key.is_of(&header.alg) { Ok((Cow::Owned(vec![key]), mark)) } else { Err(TokenError::Algorithm) }
    }

    /// The keys that are read from an address, if they are.
    pub fn key_set(&self) -> Option<&KeySet> {
        self.key_set.as_ref()
    }

    /// Has the key set read again if it lacks the key of `token`, and waits for that, in bounded time.
    pub async fn await_key(&self, token: &str) {
        let Some(key_set) = &self.key_set else { return };
        let header =
            token.split('.').next().filter(|_| token.len() <= TOKEN_BYTES_MAX).and_then(|part| decoded(part).ok());
        let header = header.and_then(|json| serde_json::from_slice::<TokenHeader>(&json).ok());
        if let Some(id) = header.and_then(|header| header.kid).filter(|id| id.len() <= KEY_ID_BYTES_MAX) {
            key_set.await_key(&id).await;
        }
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}
