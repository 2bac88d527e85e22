//! Who is not let in any more, as a table has it. The store does not know what it means.

use super::error::StoreError;
use crate::layout::Stored;

/// What a revocation names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokedKind {
    /// A user.
    User,
    /// A token.
    Token,
}

impl RevokedKind {
    pub(super) fn column(self) -> i16 {
        match self {
            Self::User => 1,
            Self::Token => 2,
        }
    }
}

/// One revocation. Times are Unix seconds, which the tables have as milliseconds, as all times there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationRow {
    /// What it names.
    pub kind: RevokedKind,
    /// The user's or the token's id.
    pub subject: String,
    /// When it was made.
    pub at_s: u64,
    /// How long it holds.
    pub until_s: u64,
}

/// kind, subject, revoked_at, until.
pub(super) type RevocationColumns = (i16, String, i64, i64);

pub(super) const REVOKE_SQL: &str = "insert into revocation (kind, subject, revoked_at, until) values ($1, $2, $3, $4) \
     on conflict (kind, subject) do update set revoked_at = excluded.revoked_at, \
     until = case when revocation.until > excluded.until then revocation.until else excluded.until end";

pub(super) const REVOCATIONS_SQL: &str = "select kind, subject, revoked_at, until from revocation \
     where revoked_at >= $1 and (kind, subject) > ($2, $3) order by kind, subject limit $4";

pub(super) const FORGET_SQL: &str = "delete from revocation where until <= $1";

pub(super) fn ms(seconds: u64) -> i64 {
    i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX)
}

/// Revocations, in their order. Those of a kind that a newer release has brought, which come last, are passed over: all others hold.
pub(super) fn rows(found: Vec<RevocationColumns>) -> Result<Vec<RevocationRow>, StoreError> {
    let known = found.into_iter().filter(|(kind, ..)| {
        let is_newer = *kind > Stored::Revocation.newest().into();
        if is_newer {
            Stored::Revocation.newer((*kind).into());
        }
        !is_newer
    });
    known.map(row).collect()
}

fn row((kind, subject, at_ms, until_ms): RevocationColumns) -> Result<RevocationRow, StoreError> {
    let kind = match kind {
        1 => RevokedKind::User,
        2 => RevokedKind::Token,
        _ => return Err(StoreError::Unexpected(format!("no such kind of revocation: {kind}"))),
    };
    let seconds = |ms: i64| ms.max(0) as u64 / 1000;
    Ok(RevocationRow { kind, subject, at_s: seconds(at_ms), until_s: seconds(until_ms) })
}
