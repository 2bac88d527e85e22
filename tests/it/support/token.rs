//! Tokens, right and wrong, signed here and not by the server's own code.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tutti::auth::now_s;

/// The secret of every test server.
pub const SECRET: &str = "9f2c71d05be84a36c1d7e09a4b5f6832";

/// A token of `user` with grants like `docs/*=write`, good for an hour.
pub fn token(user: &str, grants: &[&str]) -> String {
    token_until(user, grants, now_s() + 3600)
}

/// As [`token`], good until `expires_at_s`.
pub fn token_until(user: &str, grants: &[&str], expires_at_s: u64) -> String {
    signed(SECRET, &json!({ "sub": user, "exp": expires_at_s, "rooms": rooms(grants) }))
}

/// A token of `user` that opens every room for writing.
pub fn writer(user: &str) -> String {
    token(user, &["*=write"])
}

/// A token of `user` that opens every room for reading.
pub fn reader(user: &str) -> String {
    token(user, &["*=read"])
}

/// The claim `rooms`.
pub fn rooms(grants: &[&str]) -> Value {
    let grant = |text: &&str| {
        let (room, access) = text.split_once('=').unwrap();
        json!({ "room": room, "access": access })
    };
    grants.iter().map(grant).collect()
}

/// Any claims, signed with any secret.
pub fn signed(secret: &str, claims: &Value) -> String {
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

/// A token of `user` that opens every room for reading, its past included.
pub fn looking_back(user: &str) -> String {
    let rooms = json!([{ "room": "*", "access": "read", "history": true }]);
    signed(SECRET, &json!({ "sub": user, "exp": now_s() + 3600, "rooms": rooms }))
}
