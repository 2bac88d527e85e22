//! How long a token and what is in it may be.

/// Longest `sub`, in bytes.
pub(super) const SUBJECT_BYTES_MAX: usize = 200;
/// Longest `name`, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 200;
/// Longest `jti`, in bytes.
pub(super) const TOKEN_ID_BYTES_MAX: usize = 200;
/// Longest token, in bytes.
pub(super) const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Longest `kid` in a token's header, in bytes.
pub(super) const KEY_ID_BYTES_MAX: usize = 256;
