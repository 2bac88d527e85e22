//! How many rooms a user makes, on all servers together.

use super::{Servers, on_each_bus};
use crate::support::editor::Editor;
use crate::support::json::Client;
use crate::support::token::writer;

on_each_bus! {
    fn a_room_that_may_not_be_made_any_more_is_left_to_others_who_were_shown_it(by: By) {
        let servers = Servers::with(by, "makers", 2, &["--quota-user-rooms", "1"]);
        let mut bob = Editor::join(servers.at(1), "r", &writer("bob"), 2);
        let mut ada = Editor::join(servers.at(1), "r", &writer("ada"), 1);
        let mut ada_too = Editor::join(servers.at(1), "r", &writer("ada"), 4);
        let mut chat = Client::join(servers.at(1), &writer("ada"), "r");
        Editor::join(servers.at(0), "own", &writer("ada"), 3).saves("mine");
        // The other server has not heard of that, and shows what she types before the database says no.
        ada.types("more");
        let (code, reason) = ada.socket.closed();
        assert_eq!(code, 4413, "{reason}");
        assert!(reason.contains("as many rooms as you may"), "{reason}");
        for reader in [&mut bob, &mut ada_too] {
            reader.until_text("more");
            assert_eq!(reader.socket.closed().0, 1013, "she wrote it elsewhere");
        }
        assert_eq!(chat.socket.closed().0, 1013, "the room is not what it was told");
        assert_eq!(servers.database.number("select count(*) from room"), 1);
        // What he was shown is in his document: now the room is his.
        let mut bob = Editor::join_with(servers.at(1), "r", &writer("bob"), bob.leave());
        bob.barrier();
        let mut ada = Editor::join_with(servers.at(0), "r", &writer("ada"), ada.leave());
        ada.saves("!");
        bob.until_text("more!");
        let mut ada_too = Editor::join_with(servers.at(1), "r", &writer("ada"), ada_too.leave());
        ada_too.until_text("more!");
        ada_too.saves("?");
        let makers = "select count(*) from room where (name, made_by) in (('own', 'ada'), ('r', 'bob'))";
        assert_eq!(servers.database.number(makers), 2);
    }
}
