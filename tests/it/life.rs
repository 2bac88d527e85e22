//! A room's life: it leaves memory when nobody is in, and nobody notices.

use std::thread;
use std::time::Duration;

use crate::support::editor::Editor;
use crate::support::server::Server;
use crate::support::token::writer;

#[test]
fn a_join_around_the_moment_of_unloading_gets_the_whole_document() {
    let server = Server::with(&["--room-idle-ms", "10"]);
    let mut expected = String::new();
    for round in 0..150 {
        // A user of its own each time: who comes back in a loop is slowed down.
        let mut editor = Editor::join(server.address, "room", &writer(&format!("user{round}")), round + 1);
        assert_eq!(editor.text(), expected, "round {round}");
        let word = format!("{round} ");
        editor.saves(&word);
        expected.push_str(&word);
        drop(editor);
        // Aims at the moment of the unloading, from before to after it.
        thread::sleep(Duration::from_micros(8_000 + round * 40));
    }
}

#[test]
fn joins_from_many_threads_around_the_unloading_all_get_what_was_saved_before() {
    let server = Server::with(&["--room-idle-ms", "10"]);
    Editor::join(server.address, "room", &writer("first"), 1).saves("kept");
    let address = server.address;
    let threads: Vec<_> = (0..4u64)
        .map(|thread| {
            thread::spawn(move || {
                for round in 0..40 {
                    let user = format!("user{thread}-{round}");
                    let mut editor = Editor::join(address, "room", &writer(&user), 2 + thread * 100 + round);
                    editor.until_text("kept");
                    drop(editor);
                    thread::sleep(Duration::from_micros(9_000 + thread * 700 + round * 50));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn the_last_edit_before_leaving_is_kept_even_if_nobody_waited_for_its_echo() {
    let server = Server::with(&["--room-idle-ms", "10"]);
    for round in 0..30 {
        let room = format!("room{round}");
        let mut alice = Editor::join(server.address, &room, &writer("alice"), 1);
        alice.types("last words");
        drop(alice);
        let mut bob = Editor::join(server.address, &room, &writer("bob"), 2);
        bob.until_text("last words");
    }
}
