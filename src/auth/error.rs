//! Why a token is refused. The messages go to whoever sent it: they say what to do and never hold a part of it.

use super::limits::{KEY_ID_BYTES_MAX, NAME_BYTES_MAX, SUBJECT_BYTES_MAX, TOKEN_BYTES_MAX, TOKEN_ID_BYTES_MAX};

/// Why a token is refused, by condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// More bytes than any token of ours has.
    #[error("the token has more than {TOKEN_BYTES_MAX} bytes; put fewer claims into it")]
    TooLong,
    /// Not three base64url parts with JSON in the first two.
    #[error("this is not a JSON Web Token; send its three parts with dots between them and nothing around them")]
    Malformed,
    /// The header names another algorithm than the key's, `none` included.
    #[error("the token's algorithm is not that of this server's key; sign it with the configured algorithm")]
    Algorithm,
    /// The header's `kid` is longer than any of ours.
    #[error("the token's kid has more than {KEY_ID_BYTES_MAX} bytes; shorten it")]
    KeyId,
    /// The header demands extensions (`crit`, RFC 7515 section 4.1.11); this server knows none.
    #[error("the token's header requires extensions (crit) that this server does not support; leave them out")]
    Critical,
    /// The header names no key, or one that the key set does not have.
    #[error(
        "the token's key (kid) is not in the key set of this server's issuer; try again soon if it is new, or get a fresh token"
    )]
    UnknownKey,
    /// No current key made this signature.
    #[error("the token's signature does not match this server's key; sign it with the configured key")]
    Signature,
    /// A claim has the wrong type or is out of range.
    #[error("the token's claim {0} is invalid; it must be {rule}", rule = rule(.0))]
    Claim(&'static str),
    /// A claim that must be there is not.
    #[error("the token lacks the claim {0}; it must be {rule}", rule = rule(.0))]
    Missing(&'static str),
    /// `exp` and the leeway are past.
    #[error("the token has expired; get a fresh one")]
    Expired,
    /// The user or the token was revoked.
    #[error("the token was revoked; sign in again")]
    Revoked,
    /// `nbf` and the leeway are still to come.
    #[error("the token is not valid yet (nbf); wait, or correct the issuer's clock")]
    NotYet,
    /// `iss` is not the configured issuer.
    #[error("the token comes from another issuer (iss) than this server is configured for")]
    Issuer,
    /// `aud` names none of the configured audiences, or none is configured.
    #[error("the token is for another audience (aud) than this server is configured for")]
    Audience,
}

/// What a claim must be.
fn rule(claim: &str) -> String {
    match claim {
        "sub" => format!("a text of 1 to {SUBJECT_BYTES_MAX} bytes without control characters"),
        "name" => format!("a text of at most {NAME_BYTES_MAX} bytes without control characters"),
        "jti" => format!("a text of 1 to {TOKEN_ID_BYTES_MAX} bytes without control characters"),
        "exp" | "nbf" => "a number, the time in Unix seconds".to_owned(),
        "rooms" => r#"a list of {"room": pattern, "access": "none", "read", "write" or "admin"}"#.to_owned(),
        _ => "a text, or for aud a list of texts".to_owned(),
    }
}
