//! The keys that verify tokens, each bound to one algorithm when it is loaded.

use std::ops::RangeInclusive;
use std::path::Path;

use jsonwebtoken::DecodingKey;
use ring::hmac;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use simple_asn1::ASN1Block;

use super::key_file::KeyFileError;
use crate::config::{JwtAlgorithm, JwtConfig, JwtKey, Secret};

/// Most public keys in a file: the current one and one of a rotation.
const PUBLIC_KEYS_MAX: usize = 2;
/// Bits of an RSA modulus: the fewest by RFC 7518 section 3.3, the most that `ring` takes.
const RSA_BITS: RangeInclusive<u64> = 2048..=8192;
/// Bytes of an uncompressed point on each curve (SEC 1 section 2.3.3), and its first byte.
const P256_POINT_BYTES: usize = 65;
const P384_POINT_BYTES: usize = 97;
const UNCOMPRESSED: u8 = 4;
/// Bytes of an Ed25519 key (RFC 8032 section 5.1.5).
const ED25519_KEY_BYTES: usize = 32;

/// One key and the one algorithm that it verifies.
pub(super) enum Key {
    /// A shared secret.
    Secret(hmac::Key),
    /// The public half of someone else's key.
    Public(UnparsedPublicKey<Vec<u8>>),
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
    /// An RSA key that can be broken, or takes too long.
    #[error(
        "an RSA key in the public key file has not {} to {} bits; use one that has",
        RSA_BITS.start(),
        RSA_BITS.end()
    )]
    RsaBits,
}

impl Key {
    /// All keys of a configuration, the current one first. `from_file` reads the key file, where that is the key.
    pub fn load(config: &JwtConfig, from_file: FromFile) -> Result<Vec<Self>, KeyError> {
        match &config.key {
            JwtKey::Secret { current, previous } => {
                Ok([Some(current), previous.as_ref()].into_iter().flatten().map(|s| Self::secret(s, config)).collect())
            }
            JwtKey::KeyFile(path) => Ok(vec![Self::secret(&from_file(path)?, config)]),
            JwtKey::PublicKeys(pem) => public_keys(pem, config.algorithm),
        }
    }

    fn secret(secret: &Secret, config: &JwtConfig) -> Self {
        Self::Secret(hmac::Key::new(hash(config.algorithm), secret.expose()))
    }

    /// Whether this key made `signature` over `message`. Takes constant time for a secret.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            Self::Public(key) => key.verify(message, signature).is_ok(),
        }
    }
}

/// The signature of `message`, by a secret.
pub(super) fn sign(secret: &Secret, algorithm: JwtAlgorithm, message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hash(algorithm), secret.expose()), message).as_ref().to_owned()
}

/// The hash of a secret's algorithm. That a secret has no other is seen to where the configuration is read.
fn hash(algorithm: JwtAlgorithm) -> hmac::Algorithm {
    match algorithm {
        JwtAlgorithm::Hs384 => hmac::HMAC_SHA384,
        JwtAlgorithm::Hs512 => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
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
    let unfit = || KeyError::Unfit(algorithm);
    let verifies: &'static dyn VerificationAlgorithm = match algorithm {
        JwtAlgorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        JwtAlgorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        JwtAlgorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        JwtAlgorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
        JwtAlgorithm::Es384 => &ECDSA_P384_SHA384_FIXED,
        JwtAlgorithm::EdDsa => &ED25519,
        // A public key as a secret would let everyone who knows it, and that is everyone, sign.
        JwtAlgorithm::Hs256 | JwtAlgorithm::Hs384 | JwtAlgorithm::Hs512 => return Err(unfit()),
    };
    let read = match algorithm {
        JwtAlgorithm::Es256 | JwtAlgorithm::Es384 => DecodingKey::from_ec_pem(pem.as_bytes()),
        JwtAlgorithm::EdDsa => DecodingKey::from_ed_pem(pem.as_bytes()),
        _ => DecodingKey::from_rsa_pem(pem.as_bytes()),
    };
    let read = read.map_err(|_| unfit())?;
    let key = read.try_get_as_bytes().map_err(|_| unfit())?;
    let is_point = |length: usize| key.len() == length && key[0] == UNCOMPRESSED;
    let is_fit = match algorithm {
        JwtAlgorithm::Es256 => is_point(P256_POINT_BYTES),
        JwtAlgorithm::Es384 => is_point(P384_POINT_BYTES),
        JwtAlgorithm::EdDsa => key.len() == ED25519_KEY_BYTES,
        _ if !RSA_BITS.contains(&rsa_bits(key).ok_or_else(unfit)?) => return Err(KeyError::RsaBits),
        _ => true,
    };
    if is_fit { Ok(Key::Public(UnparsedPublicKey::new(verifies, key.to_owned()))) } else { Err(unfit()) }
}

/// The bits of the modulus in an `RSAPublicKey` (RFC 8017 appendix A.1.1).
fn rsa_bits(der: &[u8]) -> Option<u64> {
    match &simple_asn1::from_der(der).ok()?[..] {
        [ASN1Block::Sequence(_, parts)] => match &parts[..] {
            [ASN1Block::Integer(_, modulus), ASN1Block::Integer(..)] => Some(modulus.bits()),
            _ => None,
        },
        _ => None,
    }
}
