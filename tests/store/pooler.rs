//! A real PgBouncer before Postgres: by session all settings hold, by anything else it is refused.

use std::time::Duration;

use tutti::bus::{Bus, BusReceiver, BusSender, Channel, PostgresBus};
use tutti::store::{Store, StoreSettings};

use crate::postgres_server::{PgBouncer, Pooling};
use crate::support::*;

/// The database's settings, by way of the pooler.
fn through(db: &Database, pooler: &PgBouncer) -> StoreSettings {
    let database = db.url.rsplit('/').next().expect("a database");
    let url = format!("postgres://postgres@{}/{database}", pooler.address);
    // Long enough for a busy machine; where there is no answer at all, the test waits for it.
    StoreSettings { connect_timeout: Duration::from_secs(5), ..StoreSettings::new(url, "s1") }
}

fn address(db: &Database) -> &str {
    db.url.split('@').nth(1).and_then(|rest| rest.split('/').next()).expect("an address")
}

#[test]
fn rule_33_settings_hold_behind_a_pooler_by_session_whatever_the_databases_defaults() {
    // Without the line, PgBouncer refuses sessions that ask for such parameters at the start; with it, it drops them.
    for more in ["", "ignore_startup_parameters = extra_float_digits,options"] {
        on_postgres(async |db: &Database| {
            drop(db.store("s1").await);
            db.execute(
                "do $$ begin execute format('alter database %I set synchronous_commit = off', current_database()); end $$; \
                 alter table entry add check (current_setting('synchronous_commit') = 'on' \
                   and current_setting('statement_timeout') = '5s' and current_setting('lock_timeout') = '2s' \
                   and current_setting('idle_in_transaction_session_timeout') = '5s'); \
                 alter table snapshot add check (current_setting('statement_timeout') = '5s')",
            )
            .await;
            let pooler = PgBouncer::start(address(db), &Pooling { mode: "session", more });
            // The second time, too, when the pooler has connections that others have used.
            for round in 0..2 {
                let store = opened(through(db, &pooler)).await;
                let room = room(&store, "a").await;
                let placed = placed(&store, &append(room, vec![edit("x")])).await;
                assert_eq!(seqs(&placed), [round + 1]);
                store.save_snapshot(room, placed[0].seq, "state".into(), 0).await.expect("the reader's settings hold");
            }
        });
    }
}

#[test]
fn a_pooler_that_keeps_no_sessions_is_refused_with_what_to_do() {
    on_postgres(async |db: &Database| {
        let warm = "default_pool_size = 5\nmin_pool_size = 5";
        for (mode, more) in [
            ("transaction", ""),
            ("transaction", "default_pool_size = 1\nquery_wait_timeout = 60"),
            ("transaction", warm),
            ("transaction", "default_pool_size = 2\nmin_pool_size = 2\nserver_round_robin = 1"),
            ("transaction", "default_pool_size = 5\nmin_pool_size = 5\nserver_round_robin = 1"),
            ("transaction", "ignore_startup_parameters = extra_float_digits,options"),
            ("statement", ""),
            ("statement", warm),
        ] {
            let pooler = PgBouncer::start(address(db), &Pooling { mode, more });
            let refused = Store::open(through(db, &pooler)).await.err().map(|error| error.to_string());
            let refused = refused.unwrap_or_else(|| panic!("{mode} pooling is taken ({more})"));
            assert!(refused.contains("pool_mode = session"), "{mode} ({more}): {refused}");
        }
    });
}

#[test]
fn trap_41_a_bus_through_a_pooler_that_keeps_no_sessions_is_refused_with_what_to_do() {
    on_postgres(async |db: &Database| {
        let cluster = uuid::Uuid::new_v4();
        for mode in ["transaction", "statement"] {
            let pooler = PgBouncer::start(address(db), &Pooling { mode, more: "" });
            let refused = PostgresBus::new(&through(db, &pooler), cluster).await.err().map(|error| error.to_string());
            let refused = refused.unwrap_or_else(|| panic!("{mode} pooling is taken"));
            assert!(refused.contains("pool_mode = session"), "{mode}: {refused}");
        }
        let pooler = PgBouncer::start(address(db), &Pooling { mode: "session", more: "" });
        let bus = PostgresBus::new(&through(db, &pooler), cluster).await.expect("sessions are kept");
        let (mut sender, mut receiver) = bus.open(uuid::Uuid::new_v4()).await.expect("it opens");
        sender.send(vec![(Channel::All, "hello".to_owned())]).await.expect("it is sent");
        let heard = within_seconds(20, receiver.receive()).await.expect("it comes");
        assert_eq!(heard, "hello");
    });
}
