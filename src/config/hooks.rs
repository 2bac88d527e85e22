//! What the server asks of the application's own back end.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use url::Url;

use super::options::HookOptions;
use super::reading::Reading;
use crate::ids::{EventPattern, RoomPattern};

/// Most patterns of event types of an endpoint.
pub const EVENTS_MAX: usize = 50;
/// Longest address, in bytes.
const URL_BYTES_MAX: usize = 2000;
/// Before the base64 of a signing secret, as Standard Webhooks writes it.
const SECRET_PREFIX: &str = "whsec_";
/// Fewest and most bytes of a signing secret.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What the server asks of the application's own back end.
#[derive(Debug, Clone, Default)]
pub struct HooksConfig {
    /// Where the first content of a document comes from.
    pub seed: Option<SeedConfig>,
    /// Who is told what happens in rooms, beside those that were added by REST.
    pub webhook: Option<WebhookConfig>,
    /// Whether webhooks may lead into private networks.
    pub webhook_allow_private: bool,
    /// How long a delivery is tried.
    pub webhook_give_up: Duration,
}

/// An endpoint of webhooks.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// Where deliveries go.
    pub url: HookUrl,
    /// What they are signed with.
    pub secret: SigningSecret,
    /// Of which types.
    pub events: Vec<EventPattern>,
    /// Of which rooms.
    pub rooms: RoomPattern,
}

/// Where the first content of a document comes from.
#[derive(Debug, Clone)]
pub struct SeedConfig {
    /// The address, to which `room` is added.
    pub url: HookUrl,
    /// What the question is signed with.
    pub secret: SigningSecret,
}

/// An address that the operator chose: `http` or `https`, without a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookUrl(Url);

impl HookUrl {
    /// The address.
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// Checks and takes `text`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "an http or https URL without a user, such as https://app.example.com/tutti";
        let url = Url::parse(text).map_err(|_| WRONG)?;
        let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        let is_fit = matches!(url.scheme(), "http" | "https") && url.has_host() && text.len() <= URL_BYTES_MAX;
        if is_plain && is_fit { Ok(Self(url)) } else { Err(WRONG) }
    }
}

impl fmt::Display for HookUrl {
    /// Without the query, which may hold a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0[..url::Position::AfterPath])
    }
}

/// A secret that requests are signed with: `whsec_` and base64. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

impl SigningSecret {
    /// The key.
    pub fn key(&self) -> &[u8] {
        &self.0
    }

    /// A new one.
    pub fn generate() -> Self {
        Self(rand::random::<[u8; 32]>().to_vec())
    }

    /// As its receiver has it.
    pub fn expose(&self) -> String {
        format!("{SECRET_PREFIX}{}", BASE64_STANDARD.encode(&self.0))
    }

    /// Reads it as its receiver has it.
    pub fn parse(text: &str) -> Option<Self> {
        let key = BASE64_STANDARD.decode(text.strip_prefix(SECRET_PREFIX)?).ok()?;
        SECRET_BYTES.contains(&key.len()).then_some(Self(key))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret")
    }
}

impl HooksConfig {
    pub(super) fn read(reading: &mut Reading, options: &HookOptions) -> Self {
        let given = |option: &Option<String>| option.clone().unwrap_or_default();
        let seed =
            signed(reading, ("seed-url", &given(&options.seed_url)), ("seed-secret", &given(&options.seed_secret)));
        let url = ("webhook-url", &*given(&options.webhook_url));
        let webhook = signed(reading, url, ("webhook-secret", &given(&options.webhook_secret)));
        let events = reading.list("webhook-events", &options.webhook_events, EVENTS_MAX, EventPattern::parse);
        let everything = || RoomPattern::parse("*").ok();
        let rooms =
            reading.list("webhook-rooms", &options.webhook_rooms, 1, RoomPattern::parse).pop().or_else(everything);
        let webhook = webhook.zip(rooms).map(|((url, secret), rooms)| WebhookConfig { url, secret, events, rooms });
        Self {
            seed: seed.map(|(url, secret)| SeedConfig { url, secret }),
            webhook,
            webhook_allow_private: reading.boolean("webhook-allow-private", &options.webhook_allow_private),
            webhook_give_up: reading.duration("webhook-give-up", &options.webhook_give_up, 1..=30 * 86_400),
        }
    }
}

/// An address and the secret that it needs.
fn signed(
    reading: &mut Reading,
    (url_option, url): (&'static str, &str),
    (secret_option, secret): (&'static str, &str),
) -> Option<(HookUrl, SigningSecret)> {
    reading.hidden_setting(secret_option, secret);
    let url = reading.list(url_option, url, 1, HookUrl::parse).pop()?;
    let secret = SigningSecret::parse(secret);
    if secret.is_none() {
        let text = format!(
            "--{url_option} needs it: whsec_ and 24 to 64 bytes in base64, such as what \
             `echo whsec_$(openssl rand -base64 32)` prints"
        );
        reading.problem(secret_option, text);
    }
    Some((url, secret?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_http_and_secrets_long_enough() {
        for (text, is_fit) in [
            ("http://app:3000/seed", true),
            ("https://app.example.com/seed?a=1", true),
            ("ftp://app/seed", false),
            ("app/seed", false),
            ("https://user@app/seed", false),
            ("https://app/seed#x", false),
        ] {
            assert_eq!(HookUrl::parse(text).is_ok(), is_fit, "{text}");
        }
        let secret = |bytes: usize| format!("whsec_{}", BASE64_STANDARD.encode(vec![7; bytes]));
        for (text, is_fit) in [
            (secret(24), true),
            (secret(64), true),
            (secret(23), false),
            (secret(65), false),
            (secret(32).replace("whsec_", ""), false),
            ("whsec_!".to_owned(), false),
        ] {
            assert_eq!(SigningSecret::parse(&text).is_some(), is_fit, "{text}");
        }
    }
}
