//! What attackers and careless issuers send, as tables: each is refused by the condition that it breaks, and what
//! lies just within the rule is taken. Here: how the tests make tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::*;
use crate::config::{JwtAlgorithm, JwtConfig, JwtKey, Secret};

mod claims;
mod forgery;
mod keys;

pub(super) const NOW_S: u64 = 1_800_000_000;
pub(super) const LEEWAY_S: u64 = 30;
pub(super) const SECRET: &str = "9f2c71d05be84a36c1d7e09a4b5f6832";
pub(super) const OTHER_SECRET: &str = "3b8e6f1c92d74a05e8b1c6f3072d9a54";
pub(super) const RSA_PUBLIC: &str = include_str!("../testdata/rsa.public.pem");

pub(super) fn config(algorithm: JwtAlgorithm, key: JwtKey) -> JwtConfig {
    JwtConfig { key, algorithm, issuer: None, audiences: Vec::new(), leeway_s: LEEWAY_S }
}

pub(super) fn secrets(current: &str, previous: Option<&str>) -> JwtKey {
    let parsed = |text| Secret::parse(text).unwrap();
    JwtKey::Secret { current: parsed(current), previous: previous.map(parsed) }
}

pub(super) fn hs256() -> JwtConfig {
    config(JwtAlgorithm::Hs256, secrets(SECRET, None))
}

pub(super) fn verifier() -> Verifier {
    Verifier::open(&hs256()).unwrap()
}

pub(super) fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

pub(super) fn signed(message: String, algorithm: Algorithm, key: &EncodingKey) -> String {
    let signer = (DEFAULT_PROVIDER.signer_factory)(&algorithm, key).unwrap();
    let signature = URL_SAFE_NO_PAD.encode(signer.try_sign(message.as_bytes()).unwrap());
    format!("{message}.{signature}")
}

/// A token with any header and payload, with a good signature by the secret.
pub(super) fn token_of(header: &str, payload: &[u8]) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    signed(message, Algorithm::HS256, &EncodingKey::from_secret(SECRET.as_bytes()))
}

pub(super) fn good() -> Value {
    json!({ "sub": "alice", "exp": NOW_S + 60 })
}

/// The good claims with one of them changed; null takes it out.
pub(super) fn with(claim: &str, value: Value) -> Value {
    let mut claims = good();
    match value {
        Value::Null => claims.as_object_mut().unwrap().remove(claim),
        value => claims.as_object_mut().unwrap().insert(claim.to_owned(), value),
    };
    claims
}

pub(super) fn verified(claims: &Value) -> Result<Identity, TokenError> {
    verifier().verify(&token_of(r#"{"alg":"HS256","typ":"JWT"}"#, claims.to_string().as_bytes()), NOW_S)
}

pub(super) fn with_header(header: Value) -> Result<Identity, TokenError> {
    verifier().verify(&token_of(&header.to_string(), good().to_string().as_bytes()), NOW_S)
}
