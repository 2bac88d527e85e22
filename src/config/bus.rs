//! What servers on one database tell each other by.

use std::fmt;
use std::net::IpAddr;

use url::Url;

use super::options::BusOptions;
use super::reading::Reading;
use super::{DatabaseUrl, PostgresUrl};

/// What carries what servers on one database tell each other.
#[derive(Clone, PartialEq, Eq)]
pub enum BusConfig {
    /// Nothing: SQLite has one server.
    None,
    /// Postgres: the database itself, or what this URL names.
    Postgres(Option<String>),
    /// NATS.
    Nats(Url),
}

impl BusConfig {
    pub(super) fn read(reading: &mut Reading, options: &BusOptions, database: &DatabaseUrl) -> Self {
        let is_sqlite = database.sqlite_file().is_some();
        let url = options.bus_url.as_deref().filter(|url| !url.is_empty());
        reading.hidden_setting("bus-url", url.unwrap_or_default());
        let bus = match (&*options.bus, url) {
            ("none", _) | ("auto", None) if is_sqlite || options.bus == "none" => Ok(Self::None),
            ("auto" | "postgres" | "nats", _) if is_sqlite => {
                Err(("bus", "an SQLite file has one server, which has nobody to talk to; several need Postgres"))
            }
            ("auto" | "postgres", None) => Ok(Self::Postgres(None)),
            ("auto" | "postgres", Some(url)) if PostgresUrl::parse(url).is_ok() => {
                Ok(Self::Postgres(Some(url.to_owned())))
            }
            ("auto" | "nats", Some(url)) => nats(url).map(Self::Nats).map_err(|problem| ("bus-url", problem)),
            ("postgres", Some(_)) => Err(("bus-url", "postgres://user:password@host/database, for --bus postgres")),
            ("nats", None) => {
                Err(("bus-url", "the address of the NATS server is needed: nats://user:password@host:4222"))
            }
            _ => Err(("bus", "auto, postgres, nats or none")),
        };
        let bus = bus.unwrap_or_else(|(option, problem)| {
            reading.problem(option, problem);
            Self::None
        });
        reading.setting("bus", &bus);
        bus
    }
}

/// Whoever can publish on the bus can show people what nobody has written.
fn nats(text: &str) -> Result<Url, &'static str> {
    const FORM: &str = "nats://user:password@host:4222 or tls://user:password@host:4222";
    let url = Url::parse(text).map_err(|_| FORM)?;
    // Of such a scheme an address is a name like any other.
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(FORM)?;
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_loopback = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "nats" | "tls" if is_loopback || !url.username().is_empty() => Ok(url),
        "nats" | "tls" => Err(
            "a NATS server beyond this machine needs credentials, or anybody could show people what nobody has written: \
                 nats://user:password@host:4222",
        ),
        _ => Err(FORM),
    }
}

impl fmt::Display for BusConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Postgres(_) => "postgres",
            Self::Nats(_) => "nats",
        })
    }
}

impl fmt::Debug for BusConfig {
    /// Without URLs, which hold passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BusConfig({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_38_a_nats_server_beyond_this_machine_needs_credentials() {
        for url in
            ["nats://127.0.0.1:4222", "nats://localhost", "tls://[::1]:4222", "nats://u:p@bus:4222", "tls://token@bus"]
        {
            assert!(nats(url).is_ok(), "{url}");
        }
        for url in ["nats://bus:4222", "tls://10.0.0.1", "http://127.0.0.1", "bus", ""] {
            assert!(nats(url).is_err(), "{url}");
        }
    }
}
