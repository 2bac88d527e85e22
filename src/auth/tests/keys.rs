//! Each key verifies its own algorithm only; two are valid during a rotation; what is minted is accepted.

use super::*;

#[test]
fn rule_9_a_public_key_is_never_used_as_a_secret() {
    let verifier = Verifier::open(&config(JwtAlgorithm::Rs256, JwtKey::PublicKeys(RSA_PUBLIC.to_owned()))).unwrap();
    let key = EncodingKey::from_secret(RSA_PUBLIC.as_bytes());
    for (alg, error) in [("HS256", TokenError::Algorithm), ("RS256", TokenError::Signature)] {
        let message = format!("{}.{}", part(&json!({ "alg": alg })), part(&good()));
        assert_eq!(verifier.verify(&signed(message, Algorithm::HS256, &key), NOW_S), Err(error), "{alg}");
    }
    for algorithm in [JwtAlgorithm::Hs256, JwtAlgorithm::Hs384, JwtAlgorithm::Hs512] {
        let config = config(algorithm, JwtKey::PublicKeys(RSA_PUBLIC.to_owned()));
        assert!(matches!(Verifier::open(&config), Err(KeyError::Unfit(_))));
    }
}

#[test]
fn rule_11_two_secrets_are_valid_during_a_rotation_and_no_third() {
    let token = |secret: &str| {
        let message = format!("{}.{}", part(&json!({ "alg": "HS256" })), part(&good()));
        signed(message, Algorithm::HS256, &EncodingKey::from_secret(secret.as_bytes()))
    };
    let key = secrets(OTHER_SECRET, Some(SECRET));
    let verifier = Verifier::open(&config(JwtAlgorithm::Hs256, key.clone())).unwrap();
    assert!(verifier.verify(&token(SECRET), NOW_S).is_ok() && verifier.verify(&token(OTHER_SECRET), NOW_S).is_ok());
    assert_eq!(verifier.verify(&token("c4d1e7805a3f4b6992e0f7d81b2c3a65"), NOW_S), Err(TokenError::Signature));
    let minter = Minter::open(&config(JwtAlgorithm::Hs256, key)).unwrap();
    let minted =
        minter.mint(&NewToken { subject: "a", name: None, grants: &Grants::default(), expires_at_s: NOW_S + 1 });
    let current_only = Verifier::open(&config(JwtAlgorithm::Hs256, secrets(OTHER_SECRET, None))).unwrap();
    assert!(current_only.verify(&minted.unwrap(), NOW_S).is_ok());
}

#[test]
fn rule_9_each_key_verifies_its_own_algorithm_and_no_other() {
    let rsa = || EncodingKey::from_rsa_pem(include_bytes!("../testdata/rsa.private.pem")).unwrap();
    let hmac = || EncodingKey::from_secret(SECRET.as_bytes());
    let public = |pem: &str| JwtKey::PublicKeys(pem.to_owned());
    let ec = |pem: &[u8]| EncodingKey::from_ec_pem(pem).unwrap();
    let es256 = public(include_str!("../testdata/es256.public.pem"));
    let es384 = public(include_str!("../testdata/es384.public.pem"));
    let ed = EncodingKey::from_ed_pem(include_bytes!("../testdata/ed25519.private.pem")).unwrap();
    let keys = [
        (JwtAlgorithm::Hs256, Algorithm::HS256, secrets(SECRET, None), hmac()),
        (JwtAlgorithm::Hs384, Algorithm::HS384, secrets(SECRET, None), hmac()),
        (JwtAlgorithm::Hs512, Algorithm::HS512, secrets(SECRET, None), hmac()),
        (JwtAlgorithm::Rs256, Algorithm::RS256, public(RSA_PUBLIC), rsa()),
        (JwtAlgorithm::Rs384, Algorithm::RS384, public(RSA_PUBLIC), rsa()),
        (JwtAlgorithm::Rs512, Algorithm::RS512, public(RSA_PUBLIC), rsa()),
        (JwtAlgorithm::Es256, Algorithm::ES256, es256, ec(include_bytes!("../testdata/es256.private.pem"))),
        (JwtAlgorithm::Es384, Algorithm::ES384, es384, ec(include_bytes!("../testdata/es384.private.pem"))),
        (JwtAlgorithm::EdDsa, Algorithm::EdDSA, public(include_str!("../testdata/ed25519.public.pem")), ed),
    ];
    assert_eq!(keys.each_ref().map(|(algorithm, ..)| *algorithm), JwtAlgorithm::ALL);
    for (algorithm, _, key, _) in &keys {
        let verifier = Verifier::open(&config(*algorithm, key.clone())).unwrap();
        for (signed_by, name, _, signing) in &keys {
            let honest = format!("{}.{}", part(&json!({ "alg": signed_by.as_str() })), part(&good()));
            let claimed = format!("{}.{}", part(&json!({ "alg": algorithm.as_str() })), part(&good()));
            let (honest, claimed) = (signed(honest, *name, signing), signed(claimed, *name, signing));
            if signed_by == algorithm {
                assert!(verifier.verify(&honest, NOW_S).is_ok(), "{algorithm}");
            } else {
                assert_eq!(verifier.verify(&honest, NOW_S), Err(TokenError::Algorithm), "{signed_by} for {algorithm}");
                assert_eq!(verifier.verify(&claimed, NOW_S), Err(TokenError::Signature), "{signed_by} as {algorithm}");
            }
        }
        for length in [0, 64, 96, 256] {
            let blank = URL_SAFE_NO_PAD.encode(vec![0; length]);
            let token = format!("{}.{}.{blank}", part(&json!({ "alg": algorithm.as_str() })), part(&good()));
            assert_eq!(verifier.verify(&token, NOW_S), Err(TokenError::Signature), "{algorithm}, {length} zeros");
        }
    }
}

#[test]
fn a_public_key_file_holds_one_or_two_fitting_public_keys_and_nothing_else() {
    let open = |algorithm, pem: &str| Verifier::open(&config(algorithm, JwtKey::PublicKeys(pem.to_owned()))).err();
    let es256 = include_str!("../testdata/es256.public.pem");
    let es384 = include_str!("../testdata/es384.public.pem");
    let ed = include_str!("../testdata/ed25519.public.pem");
    assert!(open(JwtAlgorithm::EdDsa, &format!("\n{ed}\n{ed}")).is_none());

    let certificate = include_str!("../testdata/rsa.certificate.pem");
    let private = include_str!("../testdata/rsa.private.pem");
    for pem in [
        "",
        "x",
        SECRET,
        certificate,
        private,
        &format!("{RSA_PUBLIC}{private}"),
        &RSA_PUBLIC.repeat(3),
        &format!("x{RSA_PUBLIC}"),
    ] {
        assert!(matches!(open(JwtAlgorithm::Rs256, pem), Some(KeyError::NotPublicKeys)), "{pem}");
    }
    let broken = RSA_PUBLIC.replace("MIIB", "MIIA");
    let unfit = [
        (JwtAlgorithm::Rs256, es256),
        (JwtAlgorithm::Es256, RSA_PUBLIC),
        (JwtAlgorithm::Es256, es384),
        (JwtAlgorithm::Es384, es256),
        (JwtAlgorithm::EdDsa, es256),
        (JwtAlgorithm::Es256, ed),
        (JwtAlgorithm::Rs256, &broken),
    ];
    for (algorithm, pem) in unfit {
        assert!(matches!(open(algorithm, pem), Some(KeyError::Unfit(_))), "{algorithm} {pem}");
    }
    let short = include_str!("../testdata/rsa1024.public.pem");
    assert!(matches!(open(JwtAlgorithm::Rs256, short), Some(KeyError::ShortRsa)));
}

#[test]
fn what_is_minted_is_accepted_with_every_configured_claim() {
    for algorithm in [JwtAlgorithm::Hs256, JwtAlgorithm::Hs384, JwtAlgorithm::Hs512] {
        let mut config = config(algorithm, secrets(SECRET, None));
        config.issuer = Some("us".to_owned());
        config.audiences = vec!["tutti".to_owned(), "other".to_owned()];
        let grants = Grants::new(vec![Grant::parse("docs/*=write").unwrap()]).unwrap();
        let new = NewToken { subject: "alice", name: Some("Alice"), grants: &grants, expires_at_s: NOW_S + 5 };
        let token = Minter::open(&config).unwrap().mint(&new).unwrap();
        let identity = Verifier::open(&config).unwrap().verify(&token, NOW_S).unwrap();
        assert_eq!((identity.user.as_str(), &*identity.name, identity.expires_at_s), ("alice", "Alice", NOW_S + 5));
        assert_eq!(*identity.grants, grants);
    }
}

#[test]
fn no_token_is_minted_that_would_be_refused() {
    let minter = Minter::open(&hs256()).unwrap();
    let none = Grants::default();
    let many = Grants::new(vec![Grant::parse("docs/*=write").unwrap(); GRANTS_MAX]).unwrap();
    let good = NewToken { subject: "alice", name: None, grants: &none, expires_at_s: NOW_S };
    let long = "x".repeat(201);
    assert!(matches!(minter.mint(&NewToken { subject: "", ..good }), Err(MintError::Subject)));
    assert!(matches!(minter.mint(&NewToken { subject: &long, ..good }), Err(MintError::Subject)));
    assert!(matches!(minter.mint(&NewToken { name: Some("a\0"), ..good }), Err(MintError::Name)));
    assert!(matches!(minter.mint(&NewToken { expires_at_s: u64::MAX, ..good }), Err(MintError::Expiry)));
    assert!(matches!(minter.mint(&NewToken { grants: &many, ..good }), Err(MintError::TooLong)));
    let public = config(JwtAlgorithm::Rs256, JwtKey::PublicKeys(RSA_PUBLIC.to_owned()));
    assert!(matches!(Minter::open(&public), Err(MintError::PublicKey)));
}
