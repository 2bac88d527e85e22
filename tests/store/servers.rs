//! Which server is connected to: one of several, by IPv6, by TLS; and what is said where none will do.

use std::fs;
use std::time::Duration;

use tutti::store::{Store, StoreSettings};

use crate::network::Network;
use crate::postgres_server::{PostgresServer, certificates};
use crate::support::*;

fn settings(url: String) -> StoreSettings {
    StoreSettings { connect_timeout: Duration::from_secs(5), ..StoreSettings::new(url, "s1") }
}

async fn refused(url: String) -> String {
    Store::open(settings(url)).await.err().expect("it does not open").to_string()
}

#[test]
fn the_first_of_several_servers_that_will_do_is_connected_to() {
    let files = tempfile::tempdir().expect("a temporary folder");
    let primary = PostgresServer::with_files(files.path());
    fs::write(files.path().join("standby.signal"), "").expect("written");
    let standby = PostgresServer::with_files(files.path());
    let (primary, standby) = (&primary.address, &standby.address);
    block_on(async {
        let down = Network::to(primary.clone());
        down.cut();
        let down = down.address().to_string();
        let url = |hosts: &str, parameters: &str| format!("postgres://postgres@{hosts}/postgres{parameters}");
        for (hosts, target) in [
            (format!("{standby},{primary}"), ""),
            (format!("{primary},{standby}"), ""),
            (format!("{down},{standby},{primary}"), "?target_session_attrs=read-write"),
            (format!("{standby},{down},{primary}"), "?target_session_attrs=primary"),
            (format!("{down},{primary}"), "?target_session_attrs=any"),
        ] {
            let store = opened(settings(url(&hosts, target))).await;
            let room = room(&store, "a").await;
            placed(&store, &append(room, vec![edit("x")])).await;
        }
        for (target, why) in [("read-write", "is read-only"), ("primary", "is a standby")] {
            let message = refused(url(standby, &format!("?target_session_attrs={target}"))).await;
            assert!(message.contains(why) && message.contains(standby), "{message}");
        }
        // Each is named.
        let message = refused(url(&format!("{down},{standby}"), "")).await;
        assert!(message.contains(&down) && message.contains(standby), "{message}");
    });
}

#[test]
fn when_the_server_goes_away_the_next_one_that_will_do_is_connected_to() {
    on_postgres(async |db: &Database| {
        let (before, database) = db.url.rsplit_once('/').expect("a URL with a database");
        let address = before.split('@').nth(1).expect("an address");
        let (first, second) = (Network::to(address), Network::to(address));
        let hosts = format!("{},{}", first.address(), second.address());
        let store = opened(settings(format!("postgres://postgres@{hosts}/{database}"))).await;
        let room = room(&store, "a").await;
        placed(&store, &append(room, vec![edit("1")])).await;
        first.cut();
        let again = append(room, vec![edit("2")]);
        assert_eq!(seqs(&insistently(&store, vec![again]).await[0]), [2]);
        assert_eq!(history(&store, room).await.len(), 2, "readers, too");
        first.restore();
        second.cut();
        let again = append(room, vec![edit("3")]);
        assert_eq!(seqs(&insistently(&store, vec![again]).await[0]), [3]);
    });
}

#[test]
fn a_server_is_reached_by_its_ipv6_address() {
    on_postgres(async |db: &Database| {
        let (before, database) = db.url.rsplit_once('/').expect("a URL with a database");
        let address = before.split('@').nth(1).expect("an address");
        let network = Network::at("[::1]:0", address);
        let url = format!("postgres://postgres@{}/{database}", network.address());
        let store = opened(settings(url.clone())).await;
        room(&store, "a").await;
        drop(store);
        network.cut();
        let message = refused(url).await;
        assert!(message.contains(&network.address().to_string()), "{message}");
    });
}

#[test]
fn tls_compares_what_the_url_asks_for_and_says_which_certificate_is_wrong() {
    let files = certificates();
    fs::write(files.path().join("postgresql.auto.conf"), "ssl = on\n").expect("written");
    let server = PostgresServer::with_files(files.path());
    let other = certificates();
    let (_, port) = server.address.split_once(':').expect("a port");
    let ca = files.path().join("ca.crt").display().to_string();
    let others_ca = other.path().join("ca.crt").display().to_string();
    let url = |host: &str, parameters: String| format!("postgres://postgres@{host}:{port}/postgres?{parameters}");
    block_on(async {
        let verified = |ca: &str, mode: &str| format!("sslmode={mode}&sslrootcert={ca}");
        for (host, parameters) in [
            ("localhost", verified(&ca, "verify-full")),
            ("127.0.0.1", verified(&ca, "verify-ca")),
            ("127.0.0.1", verified(&ca, "require")),
            ("127.0.0.1", "sslmode=require".to_owned()),
        ] {
            let store = Store::open(settings(url(host, parameters.clone()))).await;
            assert!(store.is_ok(), "{parameters}: {:?}", store.err());
        }
        for (host, parameters, says) in [
            ("localhost", verified("/no/such/ca.crt", "verify-full"), ["/no/such/ca.crt", "sslrootcert"]),
            ("localhost", format!("sslmode=require&sslcert=/no/such.crt&sslkey={ca}"), ["/no/such.crt", "sslcert"]),
            ("localhost", verified(&others_ca, "verify-full"), ["not trusted", "sslrootcert"]),
            ("localhost", verified(&others_ca, "verify-ca"), ["not trusted", "sslrootcert"]),
            ("localhost", verified(&others_ca, "require"), ["not trusted", "sslrootcert"]),
            ("localhost", "sslmode=verify-full".to_owned(), ["not trusted", "sslrootcert"]),
            ("127.0.0.1", verified(&ca, "verify-full"), ["another name", "localhost"]),
            ("localhost", format!("sslrootcert={ca}"), ["sslmode=verify-full", "not looked at"]),
        ] {
            let message = refused(url(host, parameters.clone())).await;
            assert!(says.iter().all(|part| message.contains(part)), "{parameters}: {message}");
            assert!(!message.contains("is it running"), "{message}");
        }
    });
}

#[test]
fn a_server_without_tls_is_refused_where_tls_is_asked_for() {
    on_postgres(async |db: &Database| {
        let message = refused(format!("{}?sslmode=require", db.url)).await;
        assert!(message.contains("TLS") && message.contains("sslmode"), "{message}");
    });
}
