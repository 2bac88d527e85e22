//! The keys that verify tokens, each bound to one algorithm when it is loaded.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};

use super::key_file::KeyFileError;
use crate::config::{JwtAlgorithm, JwtConfig, JwtKey, Secret};

/// Most public keys in a file: the current one and one of a rotation.
const PUBLIC_KEYS_MAX: usize = 2;
/// Shortest RSA modulus, in bytes (RFC 7518 section 3.3).
const RSA_MODULUS_BYTES_MIN: usize = 256;

/// One key and the one algorithm that it verifies. The cryptography is called directly, not through the process-wide
/// default of `jsonwebtoken`, so no other crate's choice of features changes it.
#[derive(Clone)]
pub struct Key {
    decoding: DecodingKey,
    algorithm: Algorithm,
}

/// How the key file is read: as the server does, which makes one if there is none, or as everyone else does.
pub(super) type FromFile = fn(&Path) -> Result<Secret, KeyFileError>;

/// Why no key can be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file of the key that the server made.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The PEM file holds no public key, more than two, or something else.
    #[error(
        "the public key file must hold 1 to {PUBLIC_KEYS_MAX} blocks '-----BEGIN PUBLIC KEY-----' and nothing else; make one from a certificate with: openssl x509 -pubkey -noout, from a private key with: openssl pkey -pubout"
    )]
    NotPublicKeys,
    /// A key in the PEM file is of another kind than the algorithm's.
    #[error(
        "a key in the public key file cannot verify {0}; set --jwt-algorithm (TUTTI_JWT_ALGORITHM) to the key's own"
    )]
    Unfit(JwtAlgorithm),
    /// An RSA key that can be broken.
    #[error("an RSA key in the public key file has fewer than 2048 bits; use a longer one")]
    ShortRsa,
}

impl Key {
    /// All keys of a configuration, the current one first. `from_file` reads the key file, where that is the key.
    pub(super) fn load(config: &JwtConfig, from_file: FromFile) -> Result<Vec<Self>, KeyError> {
        match &config.key {
            JwtKey::Secret { current, previous } => {
                Ok([Some(current), previous.as_ref()].into_iter().flatten().map(|s| Self::secret(s, config)).collect())
            }
            JwtKey::KeyFile(path) => Ok(vec![Self::secret(&from_file(path)?, config)]),
            JwtKey::PublicKeys(pem) => public_keys(pem, config.algorithm),
            // They come by and by.
            JwtKey::KeySet { .. } => Ok(Vec::new()),
        }
    }

    /// A key of a set, bound to the algorithm that it names, or to the one of its kind. `None`: it verifies no tokens.
    pub(super) fn from_set(jwk: &Jwk) -> Option<Self> {
        let is_for_signatures = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        let operations = jwk.common.key_operations.as_ref();
        if !is_for_signatures || operations.is_some_and(|all| !all.contains(&KeyOperations::Verify)) {
            return None;
        }
        let named = jwk.common.key_algorithm;
        let algorithm = match (&jwk.algorithm, named) {
            (AlgorithmParameters::RSA(rsa), _) if modulus_bytes(&rsa.n) < RSA_MODULUS_BYTES_MIN => return None,
            (AlgorithmParameters::RSA(_), None | Some(KeyAlgorithm::RS256)) => JwtAlgorithm::Rs256,
            (AlgorithmParameters::RSA(_), Some(KeyAlgorithm::RS384)) => JwtAlgorithm::Rs384,
            (AlgorithmParameters::RSA(_), Some(KeyAlgorithm::RS512)) => JwtAlgorithm::Rs512,
            (AlgorithmParameters::EllipticCurve(key), named) => match (&key.curve, named) {
                (EllipticCurve::P256, None | Some(KeyAlgorithm::ES256)) => JwtAlgorithm::Es256,
                (EllipticCurve::P384, None | Some(KeyAlgorithm::ES384)) => JwtAlgorithm::Es384,
                _ => return None,
            },
            (AlgorithmParameters::OctetKeyPair(key), None | Some(KeyAlgorithm::EdDSA)) => match key.curve {
                EllipticCurve::Ed25519 => JwtAlgorithm::EdDsa,
                _ => return None,
            },
            // A secret that everybody can read is none.
            _ => return None,
        };
        let (decoding, algorithm) = (DecodingKey::from_jwk(jwk).ok()?, name(algorithm));
        (DEFAULT_PROVIDER.verifier_factory)(&algorithm, &decoding).ok()?;
        Some(Self { decoding, algorithm })
    }

    /// Whether a token's header names this key's algorithm.
    pub(super) fn is_of(&self, algorithm: &str) -> bool {
        JwtAlgorithm::ALL.iter().any(|known| known.as_str() == algorithm && name(*known) == self.algorithm)
    }

    fn secret(secret: &Secret, config: &JwtConfig) -> Self {
        Self { decoding: DecodingKey::from_secret(secret.expose()), algorithm: name(config.algorithm) }
    }

    /// Whether this key made `signature` over `message`. Takes constant time for a secret.
    pub(super) fn verifies(&self, message: &[u8], signature: &Vec<u8>) -> bool {
        (DEFAULT_PROVIDER.verifier_factory)(&self.algorithm, &self.decoding)
            .is_ok_and(|verifier| verifier.verify(message, signature).is_ok())
    }
}

/// The signature of `message`, by a secret.
pub(super) fn sign(secret: &Secret, algorithm: JwtAlgorithm, message: &[u8]) -> Option<Vec<u8>> {
    let key = EncodingKey::from_secret(secret.expose());
    (DEFAULT_PROVIDER.signer_factory)(&name(algorithm), &key).ok()?.try_sign(message).ok()
}

fn name(algorithm: JwtAlgorithm) -> Algorithm {
    match algorithm {
        JwtAlgorithm::Hs256 => Algorithm::HS256,
        JwtAlgorithm::Hs384 => Algorithm::HS384,
        JwtAlgorithm::Hs512 => Algorithm::HS512,
        JwtAlgorithm::Rs256 => Algorithm::RS256,
        JwtAlgorithm::Rs384 => Algorithm::RS384,
        JwtAlgorithm::Rs512 => Algorithm::RS512,
        JwtAlgorithm::Es256 => Algorithm::ES256,
        JwtAlgorithm::Es384 => Algorithm::ES384,
        JwtAlgorithm::EdDsa => Algorithm::EdDSA,
    }
}

/// The keys of a PEM file. Only blocks named PUBLIC KEY are taken: from a private key or a certificate the parser
/// would take the first bit string that it finds.
fn public_keys(pem: &str, algorithm: JwtAlgorithm) -> Result<Vec<Key>, KeyError> {
    let mut blocks = pem.split("-----BEGIN ");
    let is_empty_before = blocks.next().is_some_and(|before| before.trim().is_empty());
    let keys: Vec<Key> = blocks
        .map(|block| match block.starts_with("PUBLIC KEY-----") {
            true => public_key(&format!("-----BEGIN {block}"), algorithm),
            false => Err(KeyError::NotPublicKeys),
        })
        .collect::<Result<_, _>>()?;
    match is_empty_before && (1..=PUBLIC_KEYS_MAX).contains(&keys.len()) {
        true => Ok(keys),
        false => Err(KeyError::NotPublicKeys),
    }
}

fn public_key(pem: &str, algorithm: JwtAlgorithm) -> Result<Key, KeyError> {
    let unfit = |_| KeyError::Unfit(algorithm);
    let decoding = match algorithm {
        JwtAlgorithm::Rs256 | JwtAlgorithm::Rs384 | JwtAlgorithm::Rs512 => rsa_key(pem, algorithm)?,
        JwtAlgorithm::Es256 | JwtAlgorithm::Es384 => DecodingKey::from_ec_pem(pem.as_bytes()).map_err(unfit)?,
        JwtAlgorithm::EdDsa => DecodingKey::from_ed_pem(pem.as_bytes()).map_err(unfit)?,
        // A public key as a secret would let everyone who knows it, and that is everyone, sign.
        JwtAlgorithm::Hs256 | JwtAlgorithm::Hs384 | JwtAlgorithm::Hs512 => return Err(KeyError::Unfit(algorithm)),
    };
    let algorithm = name(algorithm);
    // The curve of an EC key and the form of an Ed25519 key are looked at only here.
    (DEFAULT_PROVIDER.verifier_factory)(&algorithm, &decoding).map_err(unfit)?;
    Ok(Key { decoding, algorithm })
}

/// How long a modulus is, in base64url as a key set has it.
fn modulus_bytes(modulus: &str) -> usize {
    let bytes = URL_SAFE_NO_PAD.decode(modulus.trim_end_matches('=')).unwrap_or_default();
    bytes.iter().skip_while(|byte| **byte == 0).count()
}

fn rsa_key(pem: &str, algorithm: JwtAlgorithm) -> Result<DecodingKey, KeyError> {
    let unfit = |_| KeyError::Unfit(algorithm);
    let key = DecodingKey::from_rsa_pem(pem.as_bytes()).map_err(unfit)?;
    let der = key.try_get_as_bytes().map_err(unfit)?;
    let (modulus, _) = (DEFAULT_PROVIDER.key_utils.rsa_pub_components_from_public_key)(der).map_err(unfit)?;
    match modulus.len() {
        ..RSA_MODULUS_BYTES_MIN => Err(KeyError::ShortRsa),
        _ => Ok(key),
    }
}
