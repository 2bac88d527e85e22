//! How many rooms a user makes, on all servers together.

use super::{Servers, on_each_bus};
use crate::support::editor::Editor;
use crate::support::json::Client;
use crate::support::message::{BARRIER, Message};
use crate::support::token::writer;

on_each_bus! {
    fn a_room_that_may_not_be_made_any_more_is_left_to_others_who_were_shown_it(by: By) {
        let servers = Servers::with(by, "makers", 2, &["--quota-user-rooms", "1"]);
        let mut tries = 1..=10;
        let (n, mut bob, ada, mut ada_too, mut chat) = loop {
            let n = tries.next().expect("the server that she types on had heard each time how many rooms she has");
            let ada_n = writer(&format!("ada{n}"));
            let room = format!("r{n}");
            let mut bob = Editor::join(servers.at(1), &room, &writer("bob"), 2);
            let mut ada = Editor::join(servers.at(1), &room, &ada_n, 1);
            let ada_too = Editor::join(servers.at(1), &room, &ada_n, 4);
            let chat = Client::join(servers.at(1), &ada_n, &room);
            Editor::join(servers.at(0), &format!("own{n}"), &ada_n, 3).saves("mine");
            ada.types("more");
            let (code, reason) = ada.socket.closed();
            assert_eq!(code, 4413, "{reason}");
            assert!(reason.contains("as many rooms as you may"), "{reason}");
            // The other server reads what she has when she comes. Unless it did so only now, it has not heard of that, and shows what she
            // types before the database says no.
            bob.socket.say(BARRIER);
            bob.until("what she typed, or that it is refused", |bob, message| {
                bob.text() == "more" || *message == Message::Update(vec![0, 0])
            });
            if bob.text() == "more" {
                break (n, bob, ada, ada_too, chat);
            }
        };
        let (room, ada_n) = (format!("r{n}"), writer(&format!("ada{n}")));
        ada_too.until_text("more");
        for reader in [&mut bob, &mut ada_too] {
            assert_eq!(reader.socket.closed().0, 1013, "she wrote it elsewhere");
        }
        assert_eq!(chat.socket.closed().0, 1013, "the room is not what it was told");
        assert_eq!(servers.database.number("select count(*) from room"), n, "her own, in each try");
        // What he was shown is in his document: now the room is his.
        let mut bob = Editor::join_with(servers.at(1), &room, &writer("bob"), bob.leave());
        bob.barrier();
        let mut ada = Editor::join_with(servers.at(0), &room, &ada_n, ada.leave());
        ada.saves("!");
        bob.until_text("more!");
        let mut ada_too = Editor::join_with(servers.at(1), &room, &ada_n, ada_too.leave());
        ada_too.until_text("more!");
        ada_too.saves("?");
        let makers = format!("select count(*) from room where (name, made_by) in (('own{n}', 'ada{n}'), ('r{n}', 'bob'))");
        assert_eq!(servers.database.number(&makers), 2);
    }
}
