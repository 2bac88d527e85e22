//! What a person is told when Postgres cannot be connected to: where, why, and what to do. Never the password.

use std::io::ErrorKind;

use sqlx::postgres::PgConnectOptions;

/// The server, for messages.
pub(super) fn place(server: &PgConnectOptions) -> String {
    match server.get_socket() {
        Some(socket) => format!("Postgres at {}", socket.display()),
        None if server.get_host().contains(':') => format!("Postgres at [{}]:{}", server.get_host(), server.get_port()),
        None => format!("Postgres at {}:{}", server.get_host(), server.get_port()),
    }
}

/// Says what to do about a server that cannot be connected to.
pub(super) fn explain(server: &PgConnectOptions, error: &sqlx::Error) -> String {
    let (place, user) = (place(server), server.get_username());
    let code = error.as_database_error().and_then(|error| error.code());
    match (code.as_deref(), error) {
        (Some("28P01" | "28000"), error) => {
            format!(
                "{place} does not let user {user:?} in ({error}): check the user and the password in the database URL, and sslmode"
            )
        }
        (Some("3D000"), _) => {
            let database = server.get_database().unwrap_or(user);
            format!("{place} has no database {database:?}: create it, or name another in the database URL")
        }
        (Some("42501"), _) => format!("{place} does not let user {user:?} into this database: grant connect on it"),
        (Some("53300"), _) => format!("{place} has no free connection: raise max_connections there, or use fewer here"),
        // What rustls finds wrong comes as an error of input.
        (_, sqlx::Error::Io(error)) if error.kind() == ErrorKind::InvalidData => {
            certificate(&place, &error.to_string())
        }
        (_, sqlx::Error::Io(error)) => {
            format!("{place} cannot be reached ({error}): is it running, and is the database URL right?")
        }
        (_, sqlx::Error::Tls(error)) => format!("{place} cannot be reached by TLS ({error}): check sslmode"),
        _ => format!("{place} cannot be opened: {error}"),
    }
}

fn certificate(place: &str, error: &str) -> String {
    if error.contains("not valid for name") {
        return format!(
            "{place} has a certificate for another name ({error}): write the name that stands in it as the host, or use sslmode=verify-ca"
        );
    }
    if error.contains("certificate") {
        return format!(
            "{place} has a certificate that is not trusted ({error}): name the file of the authority that signed it by sslrootcert in the database URL"
        );
    }
    format!("{place} cannot be reached by TLS ({error}): check sslmode, and whether the port is that of Postgres")
}
