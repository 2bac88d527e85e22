//! The program's configuration: flags and environment variables in, one checked [`Config`] or all problems out.
//! The only module that reads the environment. It knows nothing of what the settings are for.

mod bind;
mod bus;
mod command_line;
mod database_url;
mod database_url_error;
mod edge;
mod gc;
mod hooks;
mod ip_range;
mod jwks_url;
mod jwt;
mod limits;
mod log;
mod options;
mod origin;
mod postgres_url;
mod quota;
mod reading;
mod remote;
mod retention;
mod secret;
mod sources;
mod store;
#[cfg(test)]
mod tests;
mod timing;
mod tls;
#[cfg(feature = "import")]
mod transfer;
mod unknown;
mod upstream_url;

pub use bind::{Bind, NotABind};
pub use bus::BusConfig;
pub use command_line::{
    CheckTokenCommand, Command, HealthCommand, ProxyConfig, Stop, TokenCommand, command_line, serve_config,
};
pub use database_url::DatabaseUrl;
pub use database_url_error::NotADatabaseUrl;
pub use edge::EdgeConfig;
pub use gc::GcConfig;
pub use hooks::{EVENTS_MAX, HookUrl, HooksConfig, SeedConfig, SigningSecret, WebhookConfig};
pub use ip_range::{IpRange, NotAnIpRange};
pub use jwks_url::{JwksUrl, NotAJwksUrl};
pub use jwt::{JwtAlgorithm, JwtConfig, JwtKey};
pub use limits::Limits;
pub use log::{LogConfig, LogFormat};
pub use origin::{NotAnOrigin, NotAnOriginPattern, Origin, OriginPattern};
pub use postgres_url::{PostgresUrl, Target};
pub use quota::RoomQuota;
pub use reading::{Problem, Setting, variable};
pub use remote::{
    CopyTask, Credential, ListTask, PrintFormat, PrintTask, RemoteConfig, RemoveTask, RoomConfig, RoomOrder, RoomTask,
    TailConfig, TailKind, TailTask,
};
pub use retention::Retention;
pub use secret::{SECRET_BYTES_MAX, SECRET_BYTES_MIN, Secret, WeakSecret};
pub use sources::Source;
pub use store::StoreConfig;
pub use timing::Timing;
pub use tls::TlsConfig;
#[cfg(feature = "import")]
pub use transfer::{ExportConfig, ExportFormat, ImportConfig, RepairConfig, SourceKind};

pub use unknown::UnknownVariable;
pub use upstream_url::{NotAnUpstreamUrl, UpstreamUrl};

use options::ServeOptions;
use reading::Reading;
use sources::Sources;

/// Everything that `tutti serve` can be told, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the server listens and whom it trusts.
    pub edge: EdgeConfig,
    /// Where everything durable lies.
    pub store: StoreConfig,
    /// What servers on one database tell each other by.
    pub bus: BusConfig,
    /// Which documents drop what was deleted.
    pub gc: GcConfig,
    /// What is asked of the application's own back end.
    pub hooks: HooksConfig,
    /// How tokens are checked.
    pub jwt: JwtConfig,
    /// The bounds of every queue and input.
    pub limits: Limits,
    /// How long anything waits.
    pub timing: Timing,
    /// What is logged.
    pub log: LogConfig,
    /// Every option with the value in effect, secrets hidden, as `tutti check` prints them.
    pub settings: Vec<Setting>,
    /// Variables of the environment that look like settings and are none.
    pub unknown_variables: Vec<UnknownVariable>,
}

impl Config {
    /// Reads all options in one pass.
    fn read(options: &ServeOptions, sources: Sources) -> Result<Self, Vec<Problem>> {
        let mut reading = Reading::from(sources);
        let edge = EdgeConfig::read(&mut reading, &options.listen, &options.tls, &options.edge);
        let store = StoreConfig::read(&mut reading, &options.store);
        let bus = BusConfig::read(&mut reading, &options.bus, &store.url);
        let gc = GcConfig::read(&mut reading, &options.gc);
        let hooks = HooksConfig::read(&mut reading, &options.hooks);
        let jwt = JwtConfig::read(&mut reading, &options.jwt, &store.url);
        let limits = Limits::read(&mut reading, &options.limits);
        let timing = Timing::read(&mut reading, &options.timing);
        let log = LogConfig::read(&mut reading, &options.log);
        demand_key_beyond_loopback(&mut reading, &edge, options);
        if edge.is_demo && matches!(jwt.key, JwtKey::PublicKeys(_) | JwtKey::KeySet { .. }) {
            reading.problem("demo", "guests need tokens, and public keys cannot sign them; use --jwt-secret instead");
        }
        if reading.problems.is_empty() {
            Ok(Self {
                edge,
                store,
                bus,
                gc,
                hooks,
                jwt,
                limits,
                timing,
                log,
                settings: reading.settings,
                unknown_variables: Vec::new(),
            })
        } else {
            Err(reading.problems)
        }
    }
}

/// A key that nobody chose protects nobody but the person at this machine.
fn demand_key_beyond_loopback(reading: &mut Reading, edge: &EdgeConfig, options: &ServeOptions) {
    let is_set = |option: &Option<String>| option.as_ref().is_some_and(|text| !text.is_empty());
    let has_key =
        is_set(&options.jwt.jwt_secret) || is_set(&options.jwt.jwt_public_key_file) || is_set(&options.jwt.jwks_url);
    if !has_key && !edge.bind.is_local() {
        reading.problem(
            "bind",
            format!(
                "{} can be reached from other machines, so a key is needed: set TUTTI_JWT_SECRET to what \
                 `openssl rand -hex 32` prints, or TUTTI_JWT_PUBLIC_KEY_FILE, or listen on 127.0.0.1",
                edge.bind
            ),
        );
    }
}
