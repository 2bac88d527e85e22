//! Signed tokens whose claims break a rule, and those just within it.

use super::super::limits::{NAME_BYTES_MAX, SUBJECT_BYTES_MAX};
use super::*;
use crate::ids::PATTERN_BYTES_MAX;

#[test]
fn a_good_token_tells_who_and_what() {
    let identity = verified(&json!({
        "sub": "alice", "name": "Alice", "exp": NOW_S + 60, "nbf": NOW_S, "iat": NOW_S, "jti": "t1",
        "rooms": [{ "room": "docs/*", "access": "write" }], "unknown": [{}],
    }))
    .unwrap();
    assert_eq!((identity.user.as_str(), &*identity.name, identity.token_id.as_deref()), ("alice", "Alice", Some("t1")));
    assert_eq!((identity.expires_at_s, identity.valid_until_s), (NOW_S + 60, NOW_S + 60 + LEEWAY_S));
    assert_eq!(identity.access(&RoomName::parse("docs/plan").unwrap()), Access::Write);
    assert_eq!(identity.access(&RoomName::parse("general").unwrap()), Access::None);
}

#[test]
fn rule_10_times_are_numbers_in_range_and_the_leeway_has_exact_ends() {
    use TokenError::*;
    let exps = [
        (Value::Null, Some(Missing("exp"))),
        (json!((NOW_S + 60).to_string()), Some(Claim("exp"))),
        (json!(NOW_S as f64 + 60.5), None),
        (json!(NOW_S as f64 + 60.0), None),
        (json!((NOW_S - LEEWAY_S) as f64 + 0.5), Some(Expired)),
        (json!((NOW_S - LEEWAY_S) as f64 + 1.5), None),
        (json!(-0.0), Some(Expired)),
        (json!(0.5), Some(Expired)),
        (json!(-0.5), Some(Claim("exp"))),
        (json!(253_402_300_799.5), Some(Claim("exp"))),
        (json!("NaN"), Some(Claim("exp"))),
        (json!(NOW_S.to_string() + ".5"), Some(Claim("exp"))),
        (json!(-1), Some(Claim("exp"))),
        (json!(true), Some(Claim("exp"))),
        (json!([NOW_S + 60]), Some(Claim("exp"))),
        (json!(1u64 << 63), Some(Claim("exp"))),
        (json!(u64::MAX), Some(Claim("exp"))),
        (json!(1e300), Some(Claim("exp"))),
        (json!(253_402_300_800u64), Some(Claim("exp"))),
        (json!(253_402_300_799u64), None),
        (json!(0), Some(Expired)),
        (json!(NOW_S - LEEWAY_S), Some(Expired)),
        (json!(NOW_S - LEEWAY_S + 1), None),
    ];
    let nbfs = [
        (json!(NOW_S + LEEWAY_S), None),
        (json!((NOW_S + LEEWAY_S) as f64), None),
        (json!((NOW_S + LEEWAY_S) as f64 + 0.25), Some(NotYet)),
        (json!((NOW_S + LEEWAY_S) as f64 - 0.25), None),
        (json!(NOW_S + LEEWAY_S + 1), Some(NotYet)),
        (json!(253_402_300_799.5), Some(Claim("nbf"))),
        (json!(1u64 << 63), Some(Claim("nbf"))),
        (json!("0"), Some(Claim("nbf"))),
        (json!(-1), Some(Claim("nbf"))),
    ];
    for (claim, cases) in [("exp", &exps[..]), ("nbf", &nbfs[..])] {
        for (value, error) in cases {
            assert_eq!(verified(&with(claim, value.clone())).err(), *error, "{claim} {value}");
        }
    }
}

#[test]
fn a_time_may_be_written_in_every_form_of_a_json_number() {
    let claims = |written: &str| format!(r#"{{"sub":"alice","exp":{written}}}"#);
    let verify = |json: &str| verifier().verify(&token_of(r#"{"alg":"HS256"}"#, json.as_bytes()), NOW_S);
    let second = NOW_S + 600;
    let exponent = format!("{:e}", second as f64);
    let forms = [
        format!("{second}"),
        format!("{second}.0"),
        format!("{second}.000000001"),
        format!("{second}.33"),
        format!("{second}e0"),
        format!("{second}E+0"),
        format!("{second}0e-1"),
        exponent,
    ];
    for form in forms {
        assert_eq!(verify(&claims(&form)).map(|identity| identity.expires_at_s), Ok(second), "{form}");
    }
    assert!(verify(&claims("9.9e10")).is_ok());
    for form in ["1e999", "-1e999", "NaN", "Infinity", "0x7fffffff", "+1795886457", ".5e10", "1795886457."] {
        assert_eq!(verify(&claims(form)).err(), Some(TokenError::Malformed), "{form}");
    }
}

#[test]
fn only_a_token_with_no_other_fault_is_called_expired() {
    let expired = with("exp", json!(NOW_S - LEEWAY_S));
    assert_eq!(verified(&expired).err(), Some(TokenError::Expired));
    let faults = [
        ("sub", Value::Null),
        ("name", json!(7)),
        ("jti", json!(7)),
        ("rooms", json!("*")),
        ("aud", json!("someone")),
        ("nbf", json!(NOW_S + 3600)),
    ];
    for (claim, value) in faults {
        let mut claims = expired.clone();
        claims[claim] = value;
        let error = verified(&claims).err();
        assert!(error.is_some() && error != Some(TokenError::Expired), "{claim}: {error:?}");
    }
}

#[test]
fn rule_10_who_a_token_is_for_and_from_is_checked() {
    use TokenError::*;
    let check = |issuer: Option<&str>, audiences: &[&str], claims: &Value| {
        let mut config = hs256();
        config.issuer = issuer.map(str::to_owned);
        config.audiences = audiences.iter().map(|name| (*name).to_owned()).collect();
        let token = token_of(r#"{"alg":"HS256"}"#, claims.to_string().as_bytes());
        Verifier::open(&config).unwrap().verify(&token, NOW_S).err()
    };
    let issuers = [
        (None, json!("anyone"), None),
        (Some("us"), json!("us"), None),
        (Some("us"), json!("them"), Some(Issuer)),
        (Some("us"), json!("us "), Some(Issuer)),
        (Some("us"), json!(["us"]), Some(Issuer)),
        (Some("us"), Value::Null, Some(Missing("iss"))),
    ];
    for (issuer, claim, error) in issuers {
        assert_eq!(check(issuer, &[], &with("iss", claim.clone())), error, "{issuer:?} {claim}");
    }
    let audiences: [(&[&str], Value, Option<TokenError>); 13] = [
        (&[], Value::Null, None),
        (&[], json!("tutti"), Some(Audience)),
        (&[], json!([]), Some(Audience)),
        (&["tutti"], json!("tutti"), None),
        (&["tutti"], json!(["other", "tutti"]), None),
        (&["other", "tutti"], json!("tutti"), None),
        (&["tutti"], json!("other"), Some(Audience)),
        (&["tutti"], json!(["other"]), Some(Audience)),
        (&["tutti"], json!([]), Some(Audience)),
        (&["tutti"], json!("tutti "), Some(Audience)),
        (&["tutti"], json!(["tutti", 1]), Some(Claim("aud"))),
        (&["tutti"], json!({ "tutti": true }), Some(Claim("aud"))),
        (&["tutti"], Value::Null, Some(Missing("aud"))),
    ];
    for (configured, claim, error) in audiences {
        assert_eq!(check(None, configured, &with("aud", claim.clone())), error, "{configured:?} {claim}");
    }
    let mut null = good();
    null["aud"] = Value::Null;
    assert_eq!(check(None, &[], &null), Some(Claim("aud")));
}

#[test]
fn texts_are_bounded_and_hold_no_control_characters() {
    use TokenError::*;
    let cases = [
        ("sub", Value::Null, Some(Missing("sub"))),
        ("sub", json!(""), Some(Claim("sub"))),
        ("sub", json!("x".repeat(SUBJECT_BYTES_MAX)), None),
        ("sub", json!("x".repeat(SUBJECT_BYTES_MAX + 1)), Some(Claim("sub"))),
        ("sub", json!("ä".repeat(SUBJECT_BYTES_MAX / 2 + 1)), Some(Claim("sub"))),
        ("sub", json!("a\0b"), Some(Claim("sub"))),
        ("sub", json!("a\nb"), Some(Claim("sub"))),
        ("sub", json!("a\u{7f}"), Some(Claim("sub"))),
        ("sub", json!("a\u{85}"), Some(Claim("sub"))),
        ("sub", json!(7), Some(Claim("sub"))),
        ("sub", json!("jürgen@例え"), None),
        ("name", json!("x".repeat(NAME_BYTES_MAX)), None),
        ("name", json!("x".repeat(NAME_BYTES_MAX + 1)), Some(Claim("name"))),
        ("name", json!("a\0"), Some(Claim("name"))),
        ("name", json!({}), Some(Claim("name"))),
        ("jti", json!(""), Some(Claim("jti"))),
        ("jti", json!("a\0"), Some(Claim("jti"))),
        ("jti", json!(1), Some(Claim("jti"))),
    ];
    for (claim, value, error) in cases {
        assert_eq!(verified(&with(claim, value.clone())).err(), error, "{claim} {value}");
    }
    for name in [Value::Null, json!("")] {
        assert_eq!(&*verified(&with("name", name)).unwrap().name, "alice");
    }
}

#[test]
fn a_token_without_rooms_opens_none_and_a_grant_that_is_not_understood_refuses_it() {
    let room = RoomName::parse("docs/plan").unwrap();
    for rooms in [Value::Null, json!([])] {
        assert_eq!(verified(&with("rooms", rooms)).unwrap().access(&room), Access::None);
    }
    let grant = json!({ "room": "*", "access": "read" });
    let refused = [
        json!("*"),
        json!({ "*": "read" }),
        json!(["*"]),
        json!([grant, { "room": "*" }]),
        json!([grant, { "access": "read" }]),
        json!([grant, { "room": "*", "access": "owner" }]),
        json!([grant, { "room": "*", "access": "Read" }]),
        json!([grant, { "room": "", "access": "read" }]),
        json!([grant, { "room": "a?", "access": "read" }]),
        json!([grant, { "room": "a".repeat(PATTERN_BYTES_MAX + 1), "access": "read" }]),
        json!([{ "room": "*", "access": "write", "until": 1 }]),
    ];
    for rooms in refused {
        assert_eq!(verified(&with("rooms", rooms.clone())).err(), Some(TokenError::Claim("rooms")), "{rooms}");
    }
}

#[test]
fn an_expired_token_still_proves_who_came_within_the_grace_only() {
    let expired = with("exp", json!(NOW_S - LEEWAY_S - 100));
    let token = token_of(r#"{"alg":"HS256"}"#, expired.to_string().as_bytes());
    assert_eq!(verifier().verify(&token, NOW_S), Err(TokenError::Expired));
    assert_eq!(verifier().verify_recent(&token, NOW_S, 100), Err(TokenError::Expired));
    assert_eq!(verifier().verify_recent(&token, NOW_S, 101).unwrap().user.as_str(), "alice");
    let forged = format!("{token}A");
    assert!(verifier().verify_recent(&forged, NOW_S, u64::MAX).is_err());
}

#[test]
fn rule_19_a_grant_for_the_servers_own_rooms_makes_nobody_a_server() {
    let with = |rooms: Value| verified(&json!({ "sub": "guest", "exp": NOW_S + 60, "rooms": rooms })).unwrap();
    let own = json!({ "room": "tutti/stats", "access": "admin" });
    for (rooms, is_server, may_message) in [
        (json!([own]), false, false),
        (json!([{ "room": "demo/*", "access": "read" }, own]), false, false),
        (json!([{ "room": "demo/*", "access": "write" }, own]), false, true),
        (json!([{ "room": "demo/*", "access": "admin" }]), true, true),
        (json!([{ "room": "*", "access": "admin" }]), true, true),
    ] {
        let identity = with(rooms.clone());
        assert_eq!((identity.is_server(), identity.may_message()), (is_server, may_message), "{rooms}");
    }
}
