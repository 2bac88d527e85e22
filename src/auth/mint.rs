//! Makes tokens: for `tutti token` and for the demo's guests. Applications make their own, with the same secret.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::claims::{TIME_S_MAX, is_plain};
use super::grants::Grants;
use super::key::{self, FromFile, KeyError};
use super::key_file;
use super::limits::{NAME_BYTES_MAX, SUBJECT_BYTES_MAX, TOKEN_BYTES_MAX};
use crate::config::{JwtAlgorithm, JwtConfig, JwtKey, Secret};

/// Makes tokens that a [`Verifier`](super::Verifier) of the same configuration accepts. Only a secret can: a public
/// key verifies.
pub struct Minter {
    secret: Secret,
    algorithm: JwtAlgorithm,
    issuer: Option<String>,
    audience: Option<String>,
}

/// What a token shall say.
#[derive(Debug, Clone)]
pub struct NewToken<'a> {
    /// The user's id (`sub`).
    pub subject: &'a str,
    /// The name shown to others, if it is not the id.
    pub name: Option<&'a str>,
    /// The rooms that it opens.
    pub grants: &'a Grants,
    /// When it expires, in Unix seconds.
    pub expires_at_s: u64,
}

/// Why a token cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The key's file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Only a public key is configured.
    #[error(
        "a public key verifies tokens and cannot make them; ask who holds the private key, or set TUTTI_JWT_SECRET instead"
    )]
    PublicKey,
    /// The id cannot be a `sub`.
    #[error("the user's id must have 1 to {SUBJECT_BYTES_MAX} bytes and no control characters")]
    Subject,
    /// The name cannot be a `name`.
    #[error("the name must have 1 to {NAME_BYTES_MAX} bytes and no control characters")]
    Name,
    /// The expiry lies past the year 9999.
    #[error("the token would expire after the year 9999; shorten its lifetime")]
    Expiry,
    /// The grants make it longer than a token may be.
    #[error("the token would have more than {TOKEN_BYTES_MAX} bytes; grant fewer rooms, or use patterns")]
    TooLong,
    /// The signature could not be computed.
    #[error("the token could not be signed")]
    Signing,
}

#[derive(Serialize)]
struct NewHeader {
    alg: &'static str,
    typ: &'static str,
}

#[derive(Serialize)]
struct NewClaims<'a> {
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    rooms: &'a Grants,
}

impl Minter {
    /// The server's minter, with the configuration's secret; makes the key file if one is needed and none is there.
    pub fn open(config: &JwtConfig) -> Result<Self, MintError> {
        Self::with_key(config, key_file::load_or_create)
    }

    /// The same beside a server; makes no key.
    pub fn open_existing(config: &JwtConfig) -> Result<Self, MintError> {
        Self::with_key(config, key_file::load_existing)
    }

    fn with_key(config: &JwtConfig, from_file: FromFile) -> Result<Self, MintError> {
        let secret = match &config.key {
            JwtKey::Secret { current, .. } => current.clone(),
            JwtKey::KeyFile(path) => from_file(path).map_err(KeyError::File)?,
            JwtKey::PublicKeys(_) | JwtKey::KeySet { .. } => return Err(MintError::PublicKey),
        };
        Ok(Self {
            secret,
            algorithm: config.algorithm,
            issuer: config.issuer.clone(),
            audience: config.audiences.first().cloned(),
        })
    }

    /// Makes a token, within the bounds that its verification will demand.
    pub fn mint(&self, token: &NewToken<'_>) -> Result<String, MintError> {
        if !is_plain(token.subject, SUBJECT_BYTES_MAX) {
            return Err(MintError::Subject);
        }
        if token.name.is_some_and(|name| !is_plain(name, NAME_BYTES_MAX)) {
            return Err(MintError::Name);
        }
        if token.expires_at_s > TIME_S_MAX {
            return Err(MintError::Expiry);
        }
        let header = NewHeader { alg: self.algorithm.as_str(), typ: "JWT" };
        let claims = NewClaims {
            sub: token.subject,
            name: token.name,
            iat: super::now_s(),
            exp: token.expires_at_s,
            iss: self.issuer.as_deref(),
            aud: self.audience.as_deref(),
            rooms: token.grants,
        };
        let message = format!("{}.{}", encoded(&header)?, encoded(&claims)?);
        let signature = key::sign(&self.secret, self.algorithm, message.as_bytes()).ok_or(MintError::Signing)?;
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
        if token.len() > TOKEN_BYTES_MAX { Err(MintError::TooLong) } else { Ok(token) }
    }
}

fn encoded(part: &impl Serialize) -> Result<String, MintError> {
    serde_json::to_vec(part).map(|json| URL_SAFE_NO_PAD.encode(json)).map_err(|_| MintError::Signing)
}
