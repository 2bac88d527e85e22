#![no_main]
//! Any text as a token, and any header and claims, a line each, under a good signature: refused or taken, with bounds on whom it names, and
//! `check-token` says the same.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, EncodingKey};
use libfuzzer_sys::fuzz_target;
use tutti::auth::Verifier;
use tutti::config::serve_config;

const SECRET: &str = "p6Uo0n3bY1xk9Zr7QeWq2tLs5vGd8Hj4";
const NOW_S: u64 = 1_800_000_000;

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let config = serve_config(["--jwt-secret", SECRET, "--jwt-audience", "tutti"]);
    let Ok(config) = config else { panic!("the options are good") };
    Verifier::open(&config.jwt).expect("a secret needs no file")
});

fn signed(header: &[u8], claims: &[u8]) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let signer = (DEFAULT_PROVIDER.signer_factory)(&Algorithm::HS256, &key).expect("a secret signs");
    let signature = signer.try_sign(message.as_bytes()).expect("a secret signs");
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn check(token: &str) {
    let verified = VERIFIER.verify(token, NOW_S);
    let inspected = VERIFIER.inspect(token, NOW_S);
    assert_eq!(verified.as_ref().ok(), inspected.identity.as_ref());
    assert_eq!(verified.is_ok(), inspected.problems.is_empty(), "{:?}", inspected.problems);
    if let Ok(identity) = verified {
        assert!((1..=256).contains(&identity.user.as_str().len()) && !identity.user.as_str().contains('\0'));
        assert!(identity.grants.as_slice().len() <= 1000);
        assert!(identity.valid_until_s > NOW_S);
        assert_eq!(VERIFIER.signer(token), Some(identity.user));
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(token) = std::str::from_utf8(bytes) {
        check(token);
    }
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    check(&signed(&bytes[..end], bytes.get(end + 1..).unwrap_or_default()));
    check(&signed(br#"{"alg":"HS256"}"#, bytes));
});
