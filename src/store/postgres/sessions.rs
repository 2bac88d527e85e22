//! How sessions begin: on a server that will do, with the settings that the promises rest on. They are set after connecting, since
//! poolers refuse or drop what comes with the start-up, and read back, since nothing else tells whether they hold.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};
use tokio::time::timeout;

use super::explain::{explain, place};
use crate::config::{PostgresUrl, Target};
use crate::store::error::StoreError;
use crate::store::settings::{StoreSettings, URL_HELP};

/// Opens sessions.
pub(in crate::store) struct Sessions {
    /// In the order of the URL.
    servers: Vec<PgConnectOptions>,
    target: Target,
    /// Names and values, as `pg_settings` shows them.
    settings: [(&'static str, String); 4],
    /// The files that the URL names, by the parameter that names them.
    certificates: Vec<(String, PathBuf)>,
    /// How long each server has.
    pub timeout: Duration,
    /// The server that did last time is tried first: one that is silent is not waited for each time.
    last: AtomicUsize,
}

impl Sessions {
    pub fn new(settings: &StoreSettings) -> Result<Self, StoreError> {
        let invalid = |error: &dyn std::fmt::Display| {
            StoreError::Settings(format!("the database URL is not valid ({error}): {URL_HELP}"))
        };
        let url = PostgresUrl::parse(&settings.url).map_err(|error| invalid(&error))?;
        let options = |server: &url::Url| {
            let options = PgConnectOptions::from_str(server.as_str())?;
            // What PgBouncer would refuse at the start-up; nothing here is a float.
            let options = options.extra_float_digits(None);
            // An IPv6 address stands in brackets in a URL only.
            let host = options.get_host().trim_start_matches('[').trim_end_matches(']').to_owned();
            let options = options.host(&host);
            Ok(match options.get_application_name() {
                Some(_) => options,
                None => options.application_name("tutti"),
            })
        };
        let servers = url.servers().iter().map(options).collect::<sqlx::Result<Vec<_>>>();
        let mut servers = servers.map_err(|error| invalid(&error))?;
        let is_file = |name: &str| {
            matches!(name, "sslrootcert" | "ssl-root-cert" | "ssl-ca" | "sslcert" | "ssl-cert" | "sslkey" | "ssl-key")
        };
        let parameters = url.servers()[0].query_pairs().into_owned();
        let certificates: Vec<_> =
            parameters.filter(|(name, _)| is_file(name)).map(|(name, path)| (name, PathBuf::from(path))).collect();
        let has_root =
            certificates.iter().any(|(name, _)| matches!(&**name, "sslrootcert" | "ssl-root-cert" | "ssl-ca"));
        for server in &mut servers {
            // As libpq does: who names an authority wants the certificate compared with it.
            if has_root && matches!(server.get_ssl_mode(), PgSslMode::Require) {
                *server = server.clone().ssl_mode(PgSslMode::VerifyCa);
            }
        }
        let ms = |duration: Duration| duration.as_millis().to_string();
        let settings_kept = [
            ("statement_timeout", ms(settings.statement_timeout)),
            ("lock_timeout", ms(settings.lock_timeout)),
            // A server that stops in the middle of an append must not keep its rooms locked for the others.
            ("idle_in_transaction_session_timeout", ms(settings.statement_timeout)),
            // An acknowledged entry is on disk, whatever the database's default.
            ("synchronous_commit", "on".to_owned()),
        ];
        let (target, timeout) = (url.target(), settings.connect_timeout);
        Ok(Self { servers, target, settings: settings_kept, certificates, timeout, last: AtomicUsize::new(0) })
    }

    /// The role, for messages.
    pub fn role(&self) -> &str {
        self.servers[0].get_username()
    }

    /// A session on the first server that will do. The error says what is wrong with each.
    pub async fn connect(&self) -> Result<PgConnection, StoreError> {
        let count = self.servers.len();
        let first = self.last.load(Ordering::Relaxed);
        let mut problems = Vec::new();
        for index in (first..first + count).map(|index| index % count) {
            let server = &self.servers[index];
            match timeout(self.timeout, self.connect_to(server)).await {
                Ok(Ok(connection)) => {
                    self.last.store(index, Ordering::Relaxed);
                    return Ok(connection);
                }
                Ok(Err(problem)) => problems.push(problem),
                Err(_) => problems.push(format!("{} does not answer within {:?}", place(server), self.timeout)),
            }
        }
        Err(StoreError::Unavailable(problems.join("; ")))
    }

    /// How to connect to the first server that will do.
    pub async fn find(&self) -> Result<PgConnectOptions, StoreError> {
        let found = self.connect().await?;
        // How it ends does not matter.
        let _ = timeout(self.timeout, found.close()).await;
        Ok(self.servers[self.last.load(Ordering::Relaxed)].clone())
    }

    async fn connect_to(&self, server: &PgConnectOptions) -> Result<PgConnection, String> {
        for (parameter, path) in &self.certificates {
            // The driver's own error would name no file.
            File::open(path).map_err(|error| {
                format!("{}, which {parameter} in the database URL names, cannot be read: {error}", path.display())
            })?;
        }
        let mut connection = server.connect().await.map_err(|error| explain(server, &error))?;
        let row = sqlx::raw_sql(AssertSqlSafe(self.set_and_show())).fetch_one(&mut connection).await;
        let show = |row: sqlx::postgres::PgRow| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
        let (follows, is_read_only, kept) = row.and_then(show).map_err(|error: sqlx::Error| explain(server, &error))?;
        self.check(&place(server), follows, is_read_only, kept)?;
        Ok(connection)
    }

    /// Without parameters, and so without a prepared statement, for which a pooler may not be made.
    fn set_and_show(&self) -> String {
        let set: String = self.settings.iter().map(|(name, value)| format!("set {name} = {value}; ")).collect();
        let names: Vec<_> = self.settings.iter().map(|(name, _)| format!("'{name}'")).collect();
        let names = names.join(", ");
        format!(
            "{set} select pg_is_in_recovery()::text, current_setting('transaction_read_only'), \
             (select string_agg(name || '=' || setting, ' ') from pg_settings where name in ({names}))"
        )
    }

    fn check(&self, place: &str, follows: String, is_read_only: String, kept: String) -> Result<(), String> {
        let kept: HashMap<&str, &str> = kept.split(' ').filter_map(|setting| setting.split_once('=')).collect();
        for (name, value) in &self.settings {
            let shown = kept.get(name).copied().unwrap_or_default();
            if shown != value {
                return Err(format!(
                    "{place} does not keep settings of a session ({name} is {shown:?} after it was set to {value:?}): {SESSION_POOLING}"
                ));
            }
        }
        match self.target {
            Target::ReadWrite if is_read_only == "on" => {
                Err(format!("{place} is read-only, and target_session_attrs asks for read-write"))
            }
            Target::Primary if follows == "true" => {
                Err(format!("{place} is a standby, and target_session_attrs asks for primary"))
            }
            _ => Ok(()),
        }
    }
}

/// What to do where sessions are not kept.
pub(super) const SESSION_POOLING: &str =
    "a pooler in front of the database must pool by session (PgBouncer: pool_mode = session)";
