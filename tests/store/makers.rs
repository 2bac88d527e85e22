//! How many rooms a user may have made: counted in the transaction that makes one, whoever else makes one for them.

use tutti::ids::{RoomName, Seq, UserId};
use tutti::store::{CopyEnd, CopyPart, Deletion, FinishedCopy, Maker, RoomId, Store, StoreError, Undeletion, Usage};

use crate::support::{Database, append, contract, edit, history, name, placed};

fn by(user: &str, rooms_max: u64) -> Option<Maker> {
    Some(Maker { user: UserId::new(user), rooms_max: Some(rooms_max) })
}

async fn made(store: &Store, room: &str, by: Option<Maker>) -> Result<RoomId, StoreError> {
    store.ensure_room(&name(room), by).await
}

async fn rooms(store: &Store, user: &str) -> u64 {
    store.usage_of(vec![UserId::new(user)], 100).await.expect("works")[0].rooms
}

contract! {
    async fn a_user_makes_so_many_rooms_and_not_one_more_and_others_make_theirs(db: &Database) {
        let store = db.store("main").await;
        let first = made(&store, "a", by("ada", 2)).await.expect("it is made");
        made(&store, "b", by("ada", 2)).await.expect("it is made");
        assert_eq!(made(&store, "c", by("ada", 2)).await, Err(StoreError::TooManyRooms));
        assert_eq!(store.room(&name("c")).await, Ok(None));
        assert_eq!(made(&store, "a", by("ada", 2)).await, Ok(first), "it is there");
        assert!(made(&store, "c", by("bob", 2)).await.is_ok());
        assert!(made(&store, "c", by("ada", 2)).await.is_ok(), "it is bob's");
        assert!(made(&store, "d", None).await.is_ok());
        let any = Maker { user: UserId::new("ada"), rooms_max: None };
        assert!(made(&store, "e", Some(any)).await.is_ok());
        assert_eq!((rooms(&store, "ada").await, rooms(&store, "bob").await, rooms(&store, "carl").await), (3, 1, 0));
        let counted = store.usage_of(vec![UserId::new("ada")], 2).await;
        assert_eq!(counted, Ok(vec![Usage { bytes: 0, rooms: 2 }]), "no further than asked for");
    }

    async fn however_many_servers_make_rooms_for_a_user_at_once_there_are_never_more(db: &Database) {
        let (store, other) = (db.store("s1").await, db.store("s2").await);
        let names: Vec<RoomName> = (0..20).map(|number| name(&format!("room-{number}"))).collect();
        let asked = names.iter().enumerate().map(|(index, name)| {
            let store = if index % 2 == 0 { &store } else { &other };
            store.ensure_room(name, by("ada", 7))
        });
        let answers = futures_util::future::join_all(asked).await;
        let refused = answers.iter().filter(|answer| **answer == Err(StoreError::TooManyRooms)).count();
        assert_eq!((answers.iter().filter(|answer| answer.is_ok()).count(), refused), (7, 13), "{answers:?}");
        assert_eq!((rooms(&store, "ada").await, store.rooms("", None, 100).await.expect("rooms").len()), (7, 7));
    }

    async fn a_room_that_is_made_at_this_moment_is_there_for_who_may_make_no_more(db: &Database) {
        let (store, other) = (db.store("s1").await, db.store("s2").await);
        for number in 0..20 {
            let (room, user) = (format!("room-{number}"), format!("user-{number}"));
            let here = futures_util::future::join(made(&store, &room, by(&user, 1)), made(&store, &room, by(&user, 1)));
            let (here, there) = futures_util::future::join(here, made(&other, &room, by(&user, 1))).await;
            assert_eq!((here.0.is_ok(), &here.0, &here.0), (true, &here.1, &there));
        }
    }

    async fn a_deleted_room_counts_until_it_cannot_be_taken_back(db: &Database) {
        let store = db.store("main").await;
        let plan = made(&store, "plan", by("ada", 1)).await.expect("it is made");
        let root = UserId::new("root");
        store.delete_room(&name("plan"), (&root, "Root"), Deletion::Soft(1_000), 5_000).await.expect("it is deleted");
        assert_eq!(made(&store, "new", by("ada", 1)).await, Err(StoreError::TooManyRooms));
        assert_eq!(store.undelete_room(&name("plan")).await, Ok(Undeletion::Done));
        assert_eq!(made(&store, "new", by("ada", 1)).await, Err(StoreError::TooManyRooms));
        store.delete_room(&name("plan"), (&root, "Root"), Deletion::Soft(1_000), 5_000).await.expect("it is deleted");
        while store.purge_part(plan, 6_000).await.expect("a part") {}
        assert!(made(&store, "new", by("ada", 1)).await.is_ok());
        let how = Deletion::Hard { frees_name: false };
        store.delete_room(&name("new"), (&root, "Root"), how, 7_000).await.expect("it is deleted");
        assert!(made(&store, "newer", by("ada", 1)).await.is_ok());
        assert_eq!(rooms(&store, "ada").await, 1);
    }

    async fn a_copy_counts_for_who_makes_it_once_it_is_there(db: &Database) {
        let store = db.store("main").await;
        let plan = made(&store, "plan", by("bob", 1)).await.expect("it is made");
        placed(&store, &append(plan, vec![edit("e")])).await;
        let copied = async |to: &str, maker: Option<Maker>| {
            let copy = store.begin_copy(plan, 0, 1_000).await.expect("an answer").expect("it begins");
            store.fill_copy(copy, CopyPart::Entries(history(&store, plan).await), 1_000).await.expect("a part");
            let by = (UserId::new("ada"), "Ada".to_owned());
            let (head, at_ms, of, bytes) = (Seq(1), 5, plan, 65);
            let finished = FinishedCopy { name: name(to), head, at_ms, of, with_past: true, by, bytes, maker };
            store.finish_copy(copy, finished, 1_000).await
        };
        assert_eq!(copied("copy", by("ada", 1)).await, Ok(CopyEnd::Done));
        assert_eq!((rooms(&store, "ada").await, rooms(&store, "bob").await), (1, 1));
        assert_eq!(copied("again", by("ada", 1)).await, Ok(CopyEnd::TooMany));
        assert_eq!(store.room(&name("again")).await, Ok(None));
        assert_eq!(made(&store, "new", by("ada", 1)).await, Err(StoreError::TooManyRooms));
        assert_eq!(copied("nobodys", None).await, Ok(CopyEnd::Done));
        assert_eq!(rooms(&store, "ada").await, 1);
    }
}
