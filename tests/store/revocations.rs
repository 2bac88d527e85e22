//! Revocations: kept once each, read in pages, forgotten when their time is over.

use tutti::store::{RevocationRow, RevokedKind, Store};

use crate::support::*;

fn row(kind: RevokedKind, subject: &str, at_s: u64, until_s: u64) -> RevocationRow {
    RevocationRow { kind, subject: subject.to_owned(), at_s, until_s }
}

fn user(subject: &str, at_s: u64, until_s: u64) -> RevocationRow {
    row(RevokedKind::User, subject, at_s, until_s)
}

/// All since a time, read by pages of two.
async fn since(store: &Store, since_s: u64) -> Vec<RevocationRow> {
    let mut all: Vec<RevocationRow> = Vec::new();
    loop {
        let page = store.revocations(since_s, all.last(), 2).await.expect("the store answers");
        if page.is_empty() {
            return all;
        }
        assert!(page.len() <= 2);
        all.extend(page);
    }
}

contract! {
    async fn revocations_are_read_in_the_order_of_kind_and_bytes(db: &Database) {
        let store = db.store("s1").await;
        let sorted = ["A", "Z", "a", "a-b", "a.b", "ä", "会"].map(|name| user(name, 10, 20));
        let token = row(RevokedKind::Token, "A", 10, 20);
        for row in sorted.iter().rev().chain([&token]) {
            store.revoke(row.clone()).await.expect("the store keeps it");
        }
        let all: Vec<RevocationRow> = sorted.into_iter().chain([token]).collect();
        assert_eq!(since(&store, 0).await, all);
        assert_eq!(since(&db.store("s2").await, 0).await, all);
    }

    async fn a_second_revocation_takes_the_place_of_the_first_and_ends_no_earlier(db: &Database) {
        let store = db.store("s1").await;
        for row in [user("ada", 10, 30), user("ada", 11, 20), user("bob", 10, 20), user("bob", 12, 30)] {
            store.revoke(row).await.expect("the store keeps it");
        }
        assert_eq!(since(&store, 0).await, [user("ada", 11, 30), user("bob", 12, 30)]);
        assert_eq!(since(&store, 12).await, [user("bob", 12, 30)]);
        assert_eq!(since(&store, 13).await, []);
    }

    async fn what_is_over_is_forgotten_and_nothing_else(db: &Database) {
        let store = db.store("s1").await;
        for row in [user("ada", 10, 20), user("bob", 10, 21)] {
            store.revoke(row).await.expect("the store keeps it");
        }
        store.forget_revocations(20).await.expect("the store answers");
        assert_eq!(since(&store, 0).await, [user("bob", 10, 21)]);
    }
}
