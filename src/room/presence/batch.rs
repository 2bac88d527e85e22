//! Awareness in large rooms: gathered for a moment, and only the newest state of each client shown. Cursors cost their number times
//! the number of members, and every y-websocket client sends every frame of it back, so frames are what must be few.

use std::collections::HashMap;
use std::time::Duration;

use actix::{AsyncContext, Context, SpawnHandle};

use crate::ids::MemberId;
use crate::protocol::Word;
use crate::protocol::awareness::{self, Entry};
use crate::room::room::Room;

/// In rooms of fewer members awareness is shown like edits.
const MEMBERS_MIN: usize = 64;
/// How long it is gathered otherwise, for each member.
const EACH: Duration = Duration::from_micros(50);
/// How long at most.
const GATHER_MAX: Duration = Duration::from_millis(50);

/// What has been gathered.
#[derive(Default)]
pub(in crate::room) struct Gathered {
    entries: HashMap<u64, Entry>,
    timer: Option<SpawnHandle>,
}

impl Room {
    /// Shows what `from` has announced, at once or with what others announce in the next moment.
    pub(in crate::room) fn show_announced(&mut self, from: MemberId, news: Vec<Entry>, ctx: &mut Context<Self>) {
        let members = self.members.count();
        if members < MEMBERS_MIN {
            if !news.is_empty() {
                self.say_to_all(Word::Awareness(&awareness::encode(news.iter())), Some(from), &[]);
            }
            return;
        }
        self.gathered.entries.extend(news.into_iter().map(|entry| (entry.client, entry)));
        if self.gathered.timer.is_none() && !self.gathered.entries.is_empty() {
            let wait = (EACH * members as u32).min(GATHER_MAX);
            self.gathered.timer = Some(ctx.run_later(wait, |room, ctx| {
                room.gathered.timer = None;
                let entries: Vec<Entry> = room.gathered.entries.drain().map(|(_, entry)| entry).collect();
                for frame in awareness::chunks(&entries) {
                    // Who announced it ignores it by its clock.
                    room.say_to_all(Word::Awareness(&frame), None, &[]);
                }
                room.end_turn(ctx);
            }));
        }
    }
}
