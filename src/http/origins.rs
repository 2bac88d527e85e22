//! Judges the origins of requests, and tells the operator once of each that is refused, with the line that would allow it: to a
//! browser's page a refusal is a connection that fails for no reason.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::auth::origin::{AllowedOrigins, OriginRefusal, OriginVerdict, judge};

/// Most origins that are told of; who sends more of them makes them up.
const TOLD_MAX: usize = 100;

/// Which origins are allowed, and of which refused ones the log has.
pub struct Origins {
    allowed: AllowedOrigins,
    told: Mutex<HashSet<Vec<u8>>>,
}

impl Origins {
    /// Allows these.
    pub fn new(allowed: AllowedOrigins) -> Self {
        Self { allowed, told: Mutex::default() }
    }

    /// As [`judge`].
    pub fn judge<'a>(&self, origins: impl Iterator<Item = &'a [u8]> + Clone, host: Option<&[u8]>) -> OriginVerdict {
        let verdict = judge(origins.clone(), host, &self.allowed);
        if let OriginVerdict::Refused(refusal) = verdict {
            self.tell(refusal, origins.last().unwrap_or_default());
        }
        verdict
    }

    fn tell(&self, refusal: OriginRefusal, origin: &[u8]) {
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.len() >= TOLD_MAX || !told.insert(origin.to_owned()) {
                return;
            }
        }
        // Only an origin in its form is repeated; anything else may be whatever someone wants in the log.
        match (refusal, std::str::from_utf8(origin)) {
            (OriginRefusal::Foreign, Ok(origin)) => {
                tracing::warn!(origin, "a page was refused because of its origin; to allow it: {}", self.line(origin));
            }
            _ => tracing::warn!("a page was refused: {refusal}"),
        }
    }

    /// The setting with `origin` added.
    fn line(&self, origin: &str) -> String {
        let listed = self.allowed.listed.iter().map(ToString::to_string);
        let all: Vec<String> = listed.chain([origin.to_ascii_lowercase()]).collect();
        format!("TUTTI_ALLOWED_ORIGINS={}", all.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OriginPattern;

    #[test]
    fn the_line_adds_the_origin_to_the_list_and_is_one_that_the_configuration_takes() {
        let listed = vec![OriginPattern::parse("https://*.example.com").unwrap()];
        let origins = Origins::new(AllowedOrigins { listed, loopback: false });
        let line = origins.line("HTTP://App.example.org:81");
        assert_eq!(line, "TUTTI_ALLOWED_ORIGINS=https://*.example.com,http://app.example.org:81");
    }

    #[test]
    fn made_up_origins_are_remembered_up_to_a_bound() {
        let origins = Origins::new(AllowedOrigins::default());
        for number in 0..10 * TOLD_MAX {
            let origin = format!("https://{number}.example.com");
            let verdict = origins.judge([origin.as_bytes()].into_iter(), None);
            assert_eq!(verdict, OriginVerdict::Refused(OriginRefusal::Foreign));
        }
        assert_eq!(origins.told.lock().unwrap().len(), TOLD_MAX);
    }
}
