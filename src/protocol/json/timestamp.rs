//! Times as JSON has them.

use time::OffsetDateTime;
use time::macros::format_description;

/// Milliseconds since 1970 as RFC 3339, UTC, always with three decimals so that texts sort as times do.
pub fn rfc3339(at_ms: i64) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ms) * 1_000_000);
    at.ok().and_then(|at| at.format(format).ok()).unwrap_or_default()
}
