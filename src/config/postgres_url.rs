//! The address of a Postgres database: one or several servers, and which of them will do. Pure; does not connect.

use url::Url;

use super::database_url_error::NotADatabaseUrl;

/// Most servers of one address: each may have to be waited for.
const SERVERS_MAX: usize = 8;

/// A Postgres URL, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    servers: Vec<Url>,
    target: Target,
}

/// Which server may be connected to, by libpq's name `target_session_attrs`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// Whichever answers.
    Any,
    /// One whose sessions may write.
    ReadWrite,
    /// One that follows no other.
    Primary,
}

impl PostgresUrl {
    /// Reads `postgres://user:password@host:port,host:port/database?parameters`.
    pub fn parse(text: &str) -> Result<Self, NotADatabaseUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(NotADatabaseUrl::Form)?;
        let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (user, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        let hosts: Vec<&str> = hosts.split(',').collect();
        if hosts.len() > SERVERS_MAX || (hosts.len() > 1 && hosts.contains(&"")) {
            return Err(NotADatabaseUrl::Servers);
        }
        let mut servers = Vec::with_capacity(hosts.len());
        for host in hosts {
            let url = Url::parse(&format!("{scheme}://{user}{host}{tail}")).map_err(|_| NotADatabaseUrl::Form)?;
            // An `@` in the path comes from a password with a bare slash: host and password would be told apart wrongly.
            if url.fragment().is_some() || url.path().contains('@') {
                return Err(NotADatabaseUrl::Form);
            }
            servers.push(url);
        }
        let mut target = if servers.len() > 1 { Target::ReadWrite } else { Target::Any };
        let parameters: Vec<(String, String)> = servers[0].query_pairs().into_owned().collect();
        for (name, value) in &parameters {
            match (&**name, &**value) {
                ("target_session_attrs", "any") => target = Target::Any,
                ("target_session_attrs", "read-write") => target = Target::ReadWrite,
                ("target_session_attrs", "primary") => target = Target::Primary,
                ("target_session_attrs", _) => return Err(NotADatabaseUrl::Target),
                ("host" | "hostaddr" | "port", list) if list.contains(',') => return Err(NotADatabaseUrl::Servers),
                _ => {}
            }
        }
        let is_set = |names: &[&str]| parameters.iter().find(|(name, _)| names.contains(&&**name));
        let mode = is_set(&["sslmode", "ssl-mode"]).map(|(_, mode)| mode.to_ascii_lowercase());
        let compares = matches!(mode.as_deref(), Some("require" | "verify-ca" | "verify-full"));
        if is_set(&["sslrootcert", "ssl-root-cert", "ssl-ca"]).is_some() && !compares {
            return Err(NotADatabaseUrl::UnusedCertificate);
        }
        let rest: Vec<_> = parameters.iter().filter(|(name, _)| name != "target_session_attrs").collect();
        if rest.len() < parameters.len() {
            for url in &mut servers {
                match rest.is_empty() {
                    true => url.set_query(None),
                    false => drop(url.query_pairs_mut().clear().extend_pairs(rest.iter().copied())),
                }
            }
        }
        Ok(Self { servers, target })
    }

    /// A URL for each server, in the order to try them. They hold the password.
    pub fn servers(&self) -> &[Url] {
        &self.servers
    }

    /// Which of the servers will do. Of several only one that takes writes, unless something else is asked for.
    pub fn target(&self) -> Target {
        self.target
    }

    /// The address without user, password and parameters.
    pub(super) fn shown(&self) -> String {
        let host = |url: &Url| {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}{port}", url.host_str().unwrap_or_default())
        };
        let hosts: Vec<_> = self.servers.iter().map(host).collect();
        format!("postgres://{}{}", hosts.join(","), self.servers[0].path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Vec<String>, Target) {
        let url = PostgresUrl::parse(text).unwrap();
        (url.servers().iter().map(Url::to_string).collect(), url.target())
    }

    #[test]
    fn each_server_gets_a_url_of_its_own() {
        let one = |url: &str| (vec![url.to_owned()], Target::Any);
        for url in ["postgres://u:p@h/d", "postgresql:///d?host=/run/pg", "postgres://[::1]:5432/d", "postgres://h"] {
            assert_eq!(parsed(url), one(url));
        }
        let (servers, target) = parsed("postgres://u:p%2C@a:1,[::1]:2,c/d?sslmode=require");
        let expected = ["a:1", "[::1]:2", "c"].map(|host| format!("postgres://u:p%2C@{host}/d?sslmode=require"));
        assert_eq!((servers.as_slice(), target), (expected.as_slice(), Target::ReadWrite));
    }

    #[test]
    fn the_target_is_taken_out_of_the_parameters() {
        let url = |target: &str| format!("postgres://h/d?target_session_attrs={target}&sslmode=require");
        for (name, target) in [("any", Target::Any), ("read-write", Target::ReadWrite), ("primary", Target::Primary)] {
            assert_eq!(parsed(&url(name)), (vec!["postgres://h/d?sslmode=require".to_owned()], target));
        }
        assert_eq!(parsed("postgres://a,b/d?target_session_attrs=any").1, Target::Any);
        for name in ["standby", "prefer-standby", "read-only", ""] {
            assert!(matches!(PostgresUrl::parse(&url(name)), Err(NotADatabaseUrl::Target)), "{name}");
        }
    }

    #[test]
    fn what_would_not_do_what_it_says_is_refused() {
        let many = ["h"; SERVERS_MAX + 1].join(",");
        let cases = [
            ("postgres://a,/d", NotADatabaseUrl::Servers),
            (&*format!("postgres://{many}/d"), NotADatabaseUrl::Servers),
            ("postgres:///d?host=a,b", NotADatabaseUrl::Servers),
            ("postgres://h/d?sslrootcert=ca.crt", NotADatabaseUrl::UnusedCertificate),
            ("postgres://h/d?sslmode=prefer&sslrootcert=ca.crt", NotADatabaseUrl::UnusedCertificate),
            ("postgres:tutti", NotADatabaseUrl::Form),
            ("postgres://a:1,b:port/d", NotADatabaseUrl::Form),
        ];
        for (url, expected) in cases {
            assert_eq!(PostgresUrl::parse(url).err(), Some(expected), "{url}");
        }
        assert!(PostgresUrl::parse(&format!("postgres://{}/d", &many[2..])).is_ok());
    }
}
