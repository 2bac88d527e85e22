//! Forged, damaged and oversized tokens: nothing unsigned is believed.

use super::super::limits::{KEY_ID_BYTES_MAX, TOKEN_BYTES_MAX};
use super::*;

#[test]
fn rule_9_the_header_never_chooses_the_algorithm() {
    for alg in ["none", "NoNe", "NONE", "", "hs256", "HS384", "HS512", "RS256", "ES256", "EdDSA", "HS256 "] {
        assert_eq!(with_header(json!({ "alg": alg })), Err(TokenError::Algorithm), "{alg:?}");
    }
    let unsigned = format!("{}.{}.", part(&json!({ "alg": "none" })), part(&good()));
    assert_eq!(verifier().verify(&unsigned, NOW_S), Err(TokenError::Algorithm));
    for header in
        [json!({}), json!({ "alg": null }), json!({ "alg": 1 }), json!({ "alg": ["HS256"] }), json!([]), json!("x")]
    {
        assert_eq!(with_header(header.clone()), Err(TokenError::Malformed), "{header}");
    }
    let twice = token_of(r#"{"alg":"HS256","alg":"none"}"#, good().to_string().as_bytes());
    assert_eq!(verifier().verify(&twice, NOW_S), Err(TokenError::Malformed));
}

#[test]
fn rule_9_keys_and_addresses_of_keys_in_the_header_are_ignored() {
    let attackers = json!({
        "alg": "HS256", "jku": "http://127.0.0.1:1/keys", "x5u": "file:///etc/passwd", "x5c": [1], "kid": "../../dev/null",
        "jwk": { "kty": "oct", "k": URL_SAFE_NO_PAD.encode(OTHER_SECRET) },
    });
    let message = format!("{}.{}", part(&attackers), part(&good()));
    let forged = signed(message, Algorithm::HS256, &EncodingKey::from_secret(OTHER_SECRET.as_bytes()));
    assert_eq!(verifier().verify(&forged, NOW_S), Err(TokenError::Signature));
    assert!(with_header(attackers).is_ok());
}

#[test]
fn rule_9_a_key_id_has_a_bound_and_extensions_are_refused() {
    let cases = [
        (json!({ "alg": "HS256", "kid": "k".repeat(KEY_ID_BYTES_MAX) }), None),
        (json!({ "alg": "HS256", "kid": "k".repeat(KEY_ID_BYTES_MAX + 1) }), Some(TokenError::KeyId)),
        (json!({ "alg": "HS256", "kid": "k".repeat(10 * 1024) }), Some(TokenError::TooLong)),
        (json!({ "alg": "HS256", "kid": 1 }), Some(TokenError::Malformed)),
        (json!({ "alg": "HS256", "crit": ["b64"], "b64": false }), Some(TokenError::Critical)),
        (json!({ "alg": "HS256", "crit": [] }), Some(TokenError::Critical)),
    ];
    for (header, error) in cases {
        assert_eq!(with_header(header.clone()).err(), error, "{header}");
    }
}

#[test]
fn a_token_at_the_longest_length_is_taken_and_one_past_it_is_refused() {
    let token = |length: usize| {
        let empty = with("pad", json!("")).to_string();
        let around = token_of(r#"{"alg":"HS256","typ":"JWT"}"#, b"").len();
        let payload = with("pad", json!("x".repeat((length - around) * 3 / 4 - empty.len()))).to_string();
        token_of(r#"{"alg":"HS256","typ":"JWT"}"#, payload.as_bytes())
    };
    let (longest, longer) = (token(TOKEN_BYTES_MAX), token(TOKEN_BYTES_MAX + 1));
    assert_eq!((longest.len(), longer.len()), (TOKEN_BYTES_MAX, TOKEN_BYTES_MAX + 1));
    assert!(verifier().verify(&longest, NOW_S).is_ok());
    assert_eq!(verifier().verify(&longer, NOW_S), Err(TokenError::TooLong));
}

#[test]
fn what_is_no_token_is_malformed() {
    let token = token_of(r#"{"alg":"HS256"}"#, good().to_string().as_bytes());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let cases = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "hello".to_owned(),
        message.to_owned(),
        format!("{token}.x"),
        format!("{header}..{payload}.{signature}"),
        format!("{token}="),
        format!(" {token}"),
        format!("{token}\n"),
        format!("Bearer {token}"),
        format!("{header}.{payload}é.{signature}"),
        format!("{}.{payload}.{signature}", URL_SAFE_NO_PAD.encode("{")),
        format!("{}.{payload}.{signature}", URL_SAFE_NO_PAD.encode([0xff, 0xfe])),
    ];
    for case in cases {
        assert_eq!(verifier().verify(&case, NOW_S), Err(TokenError::Malformed), "{case:?}");
    }
    let duplicate = format!(r#"{{"sub":"alice","sub":"admin","exp":{}}}"#, NOW_S + 60);
    let deep = format!(r#"{{"sub":"alice","exp":{},"rooms":{}}}"#, NOW_S + 60, "[".repeat(2000));
    for payload in [&b"{"[..], b"[]", b"1", b"\xff", duplicate.as_bytes(), deep.as_bytes()] {
        let token = token_of(r#"{"alg":"HS256"}"#, payload);
        assert_eq!(verifier().verify(&token, NOW_S), Err(TokenError::Malformed), "{payload:?}");
    }
}

#[test]
fn only_a_whole_signature_by_the_key_is_taken() {
    let token = token_of(r#"{"alg":"HS256"}"#, good().to_string().as_bytes());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let admin = part(&with("sub", json!("admin")));
    let header = message.split_once('.').unwrap().0;
    let by_other = signed(message.to_owned(), Algorithm::HS256, &EncodingKey::from_secret(OTHER_SECRET.as_bytes()));
    let by_empty = signed(message.to_owned(), Algorithm::HS256, &EncodingKey::from_secret(b""));
    let cases = [
        format!("{message}."),
        format!("{message}.{}", &signature[..40]),
        format!("{message}.{}", URL_SAFE_NO_PAD.encode([0; 32])),
        format!("{header}.{admin}.{signature}"),
        by_other,
        by_empty,
    ];
    for case in cases {
        assert_eq!(verifier().verify(&case, NOW_S), Err(TokenError::Signature), "{case:?}");
    }
}

proptest::proptest! {
    /// One byte changed anywhere is noticed, and nothing panics. The last character of a part may hold unused bits,
    /// which the decoder refuses to be set.
    #[test]
    fn a_token_with_one_byte_changed_is_refused(at: proptest::sample::Index, byte in 0x20u8..0x7f) {
        let token = token_of(r#"{"alg":"HS256"}"#, good().to_string().as_bytes());
        let mut bytes = token.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let changed = String::from_utf8(bytes).unwrap();
        proptest::prop_assert!(changed == token || verifier().verify(&changed, NOW_S).is_err());
    }

    #[test]
    fn rule_27_no_text_brings_the_verifier_down(text in "\\PC{0,300}", header in "\\PC{0,80}", payload: Vec<u8>) {
        proptest::prop_assert!(verifier().verify(&text, NOW_S).is_err());
        proptest::prop_assert!(verifier().verify(&token_of(&header, &payload), NOW_S).is_err());
        let signed = token_of(r#"{"alg":"HS256"}"#, &payload);
        proptest::prop_assert!(verifier().verify(&signed, NOW_S).is_err());
    }
}
