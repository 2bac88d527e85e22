//! Who has something that the room missing, and when each of them is asked for it by Step1. Pure.
//!
//! A member's edit is lacking if there was no room for it, if it came after a gap, or if it was refused for now. From then on the
//! member is in this one list, until the room has all of it: a Step2 of it has been taken whole, or the missing clocks have been
//! reached in another way. Nobody in the list is forgotten: each is due, or being asked, or rests before the next question.
//!
//! Whoever waits longest is asked first. An answer brings everything at once, so no more is asked for at a time than finds room, but
//! always one answer of any size.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::ids::MemberId;
use crate::protocol::{EditKind, yjs};
use crate::room::members::Receipt;
use crate::wire::Frame;

/// Most echoes that wait for one member's missing part. A client whose further ones are dropped never takes its edits for saved.
const HELD_ECHOES_MAX: usize = 64;
/// Most bytes of them; a single one may be longer.
const HELD_ECHO_BYTES_MAX: usize = 1024 * 1024;
/// Most barriers that wait for one member's missing part; their echoes together are less than an outbox holds.
const HELD_BARRIERS_MAX: usize = 64 * 1024;
/// Clocks that are remembered of a member's incomplete edits; with more, only its Step2 tells that all is there.
const CLOCKS_MAX: usize = 64;
/// How long a member whose answer did not help rests before it is asked again: doubled each time, up to the last.
const REST_FIRST: Duration = Duration::from_secs(1);
const REST_LAST: Duration = Duration::from_secs(300);
/// The first rest where the answer was refused: the same one would be refused again, and it may be long.
const REST_REFUSED: Duration = Duration::from_secs(30);
/// How long an answer that is awaited keeps others from being asked.
const PATIENCE: Duration = Duration::from_secs(5);

/// What stands between a member and the next question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing, once there is room for an answer.
    AfterRoom,
    /// Nothing.
    Now,
    /// It is being asked, since then.
    Asked(Instant),
    /// Its last answer did not help; until then.
    Resting(Instant),
}

/// What the room lacks of one member. Until the room has it, nothing tells that member that all before is committed.
#[derive(Debug)]
pub struct MissingPart {
    /// Orders the members by how long they wait.
    place: u64,
    stage: Stage,
    /// Clocks that the document must reach, by Yjs client.
    clocks: Vec<(u64, u32)>,
    /// Whether only a Step2 can tell that all is there.
    needs_step2: bool,
    /// How long the answer will be at least, in bytes.
    expected: usize,
    rest: Duration,
    /// Echoes that wait, barriers apart.
    echoes: Vec<Frame>,
    barriers: usize,
    /// Messages of a Hocuspocus client whose status waits.
    messages: u64,
}

impl MissingPart {
    fn new(place: u64, stage: Stage) -> Self {
        Self {
            place,
            stage,
            clocks: Vec::new(),
            needs_step2: false,
            expected: 0,
            rest: REST_FIRST,
            echoes: Vec::new(),
            barriers: 0,
            messages: 0,
        }
    }

    /// Ends a question whose answer did not help.
    fn rest(&mut self, at_least: Duration, now: Instant) {
        let rest = self.rest.max(at_least);
        self.stage = Stage::Resting(now + rest);
        self.rest = (rest * 2).min(REST_LAST);
    }

    fn is_due(&self, now: Instant) -> bool {
        match self.stage {
            Stage::Now | Stage::AfterRoom => true,
            Stage::Asked(_) => false,
            Stage::Resting(until) => until <= now,
        }
    }

    fn needs_step2(&mut self) {
        self.needs_step2 = true;
        self.clocks = Vec::new();
    }

    /// Messages of a Hocuspocus client whose status waits.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// The receipts that waited, barriers last.
    pub fn into_receipts(self) -> impl Iterator<Item = Receipt> {
        let status = (self.messages > 0).then_some(Receipt::Status(self.messages));
        let barriers = std::iter::repeat_n(yjs::barrier(), self.barriers);
        self.echoes.into_iter().chain(barriers).map(Receipt::Echo).chain(status)
    }
}

/// The members of whom the room lacks something.
#[derive(Debug, Default)]
pub struct MissingEdits {
    by_member: HashMap<MemberId, MissingPart>,
    next_place: u64,
}

impl MissingEdits {
    /// There was no room for an edit of `bytes`; `messages` of its sender wait for their status with it.
    pub fn put_off(&mut self, of: MemberId, kind: EditKind, bytes: usize, messages: u64) {
        let part = self.of(of, Stage::AfterRoom);
        part.needs_step2();
        part.messages += messages;
        match kind {
            // What comes while the answer is on its way is part of that.
            EditKind::Update => {
                part.expected = part.expected.saturating_add(bytes);
                if part.stage == Stage::Now {
                    part.stage = Stage::AfterRoom;
                }
            }
            EditKind::Step2 => (part.expected, part.stage) = (bytes, Stage::AfterRoom),
        }
    }

    /// An edit was incomplete: the document must reach `clocks` to have all of it, or, if there are none, only a Step2 tells.
    pub fn gap(&mut self, of: MemberId, kind: EditKind, clocks: &[(u64, u32)], messages: u64, now: Instant) {
        let part = self.of(of, Stage::Now);
        part.messages += messages;
        if part.needs_step2 || clocks.is_empty() || part.clocks.len() + clocks.len() > CLOCKS_MAX {
            part.needs_step2();
        } else {
            part.clocks.extend(clocks);
        }
        if kind == EditKind::Step2 {
            // Its sender lacks something, too. Asked at once, it would give the same answer, without end.
            part.rest(Duration::ZERO, now);
        }
    }

    /// An edit was refused for now. Only a Step2 tells that all is there.
    pub fn lost(&mut self, of: MemberId, kind: EditKind) {
        let part = self.of(of, Stage::AfterRoom);
        part.needs_step2();
        if kind == EditKind::Step2 {
            part.stage = Stage::AfterRoom;
        }
    }

    /// An answer was refused for good. What is lacking of its sender may be taken when it has changed.
    pub fn refused(&mut self, of: MemberId, kind: EditKind, now: Instant) {
        if kind == EditKind::Step2
            && let Some(part) = self.by_member.get_mut(&of)
        {
            part.rest(REST_REFUSED, now);
        }
    }

    fn of(&mut self, member: MemberId, stage: Stage) -> &mut MissingPart {
        self.by_member.entry(member).or_insert_with(|| {
            self.next_place += 1;
            MissingPart::new(self.next_place, stage)
        })
    }

    /// Keeps an echo until the room lacks nothing of its receiver. Hands it back if that is so.
    pub fn hold(&mut self, to: MemberId, echo: Frame) -> Option<Frame> {
        let Some(part) = self.by_member.get_mut(&to) else { return Some(echo) };
        if echo == yjs::barrier() {
            part.barriers = (part.barriers + 1).min(HELD_BARRIERS_MAX);
        } else if part.echoes.len() < HELD_ECHOES_MAX {
            let bytes: usize = part.echoes.iter().map(Frame::plain_bytes).sum();
            if bytes == 0 || bytes + echo.plain_bytes() <= HELD_ECHO_BYTES_MAX {
                part.echoes.push(echo);
            }
        }
        None
    }

    /// A Step2 has been taken whole: the room has everything of its sender. What waited for that.
    pub fn answered(&mut self, of: MemberId) -> Option<MissingPart> {
        self.by_member.remove(&of)
    }

    /// Takes out those of whom nothing is lacking any more, by the clocks that the document `has_reached`.
    pub fn reached(&mut self, has_reached: impl Fn(&[(u64, u32)]) -> bool) -> Vec<(MemberId, MissingPart)> {
        self.by_member.extract_if(|_, part| !part.needs_step2 && has_reached(&part.clocks)).collect()
    }

    /// A member has left, or may not edit any more.
    pub fn forget(&mut self, member: MemberId) -> Option<MissingPart> {
        self.by_member.remove(&member)
    }

    /// A member is being asked, whatever for.
    pub fn asked(&mut self, member: MemberId, now: Instant) {
        if let Some(part) = self.by_member.get_mut(&member) {
            part.stage = Stage::Asked(now);
        }
    }

    /// Whether nothing is lacking of anybody.
    pub fn is_empty(&self) -> bool {
        self.by_member.is_empty()
    }

    /// Whom to ask now; they count as asked. `room_left` is for how many bytes there is room, `None` if for no edit at all.
    pub fn take_due(&mut self, room_left: Option<usize>, now: Instant) -> Vec<MemberId> {
        let mut awaited = self.awaited(now);
        let mut due: Vec<_> = self.by_member.iter_mut().filter(|(_, part)| part.is_due(now)).collect();
        due.sort_unstable_by_key(|(_, part)| part.place);
        let mut asked = Vec::new();
        let mut is_full = false;
        for (member, part) in due {
            let fits = room_left.is_some_and(|left| awaited == 0 || awaited.saturating_add(part.expected) <= left);
            // Nobody is overtaken by those who need less room.
            is_full |= !fits && part.stage != Stage::Now;
            if is_full && part.stage != Stage::Now {
                continue;
            }
            awaited = awaited.saturating_add(part.expected);
            part.stage = Stage::Asked(now);
            asked.push(*member);
        }
        asked
    }

    /// When somebody may become due by the clock alone.
    pub fn next_due(&self, now: Instant) -> Option<Instant> {
        let due = |part: &MissingPart| match part.stage {
            Stage::Resting(until) => Some(until),
            Stage::Asked(since) => Some(since + PATIENCE),
            Stage::Now | Stage::AfterRoom => None,
        };
        self.by_member.values().filter_map(due).filter(|due| *due > now).min()
    }

    /// How much is on its way that was asked for not long ago, in bytes.
    fn awaited(&self, now: Instant) -> usize {
        let is_awaited = |part: &&MissingPart| matches!(part.stage, Stage::Asked(since) if now < since + PATIENCE);
        self.by_member.values().filter(is_awaited).fold(0, |sum: usize, part| sum.saturating_add(part.expected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: MemberId = MemberId(1);
    const BOB: MemberId = MemberId(2);
    const CLEO: MemberId = MemberId(3);

    #[test]
    fn those_who_wait_longest_are_asked_first_for_as_much_as_finds_room() {
        let (mut missing, now) = (MissingEdits::default(), Instant::now());
        for (member, bytes) in [(ADA, 60), (BOB, 60), (CLEO, 10)] {
            missing.put_off(member, EditKind::Update, bytes, 0);
        }
        assert_eq!(missing.take_due(None, now), []);
        assert_eq!(missing.take_due(Some(100), now), [ADA], "nobody overtakes bob");
        assert_eq!(missing.take_due(Some(100), now), []);
        assert!(missing.answered(ADA).is_some());
        assert_eq!(missing.take_due(Some(100), now), [BOB, CLEO]);
    }

    #[test]
    fn an_answer_larger_than_everything_is_asked_for_all_the_same_and_a_missing_one_keeps_nobody_waiting_for_long() {
        let (mut missing, now) = (MissingEdits::default(), Instant::now());
        missing.put_off(ADA, EditKind::Update, 1_000, 0);
        missing.put_off(BOB, EditKind::Update, 1, 0);
        assert_eq!(missing.take_due(Some(0), now), [ADA]);
        assert_eq!(missing.next_due(now), Some(now + PATIENCE));
        assert_eq!(missing.take_due(Some(0), now + PATIENCE), [BOB]);
    }

    #[test]
    fn an_answer_that_finds_no_room_is_asked_for_again_once_there_is_some() {
        let (mut missing, now) = (MissingEdits::default(), Instant::now());
        missing.gap(ADA, EditKind::Update, &[(7, 9)], 1, now);
        assert_eq!(missing.take_due(None, now), [ADA], "whether there is room is not known before");
        for _ in 0..3 {
            missing.put_off(ADA, EditKind::Step2, 500, 1);
            assert_eq!(missing.take_due(None, now), []);
            assert_eq!(missing.take_due(Some(0), now), [ADA]);
        }
        let receipts: Vec<_> = missing.answered(ADA).unwrap().into_receipts().collect();
        assert_eq!(receipts, [Receipt::Status(4)]);
    }

    #[test]
    fn answers_that_do_not_help_are_asked_for_ever_more_seldom_but_always() {
        for (is_refused, asked_at) in [(false, [0, 1, 3, 7, 15, 31]), (true, [0, 30, 90, 210, 450, 750])] {
            let (mut missing, began) = (MissingEdits::default(), Instant::now());
            missing.gap(ADA, EditKind::Update, &[], 0, began);
            let mut asked = Vec::new();
            for second in 0..3_600 {
                let now = began + Duration::from_secs(second);
                if missing.take_due(Some(100), now) == [ADA] {
                    asked.push(second);
                    if is_refused {
                        missing.refused(ADA, EditKind::Step2, now);
                    } else {
                        missing.gap(ADA, EditKind::Step2, &[], 0, now);
                    }
                    // Typing goes on, and does not make it sooner.
                    missing.gap(ADA, EditKind::Update, &[(7, 9)], 0, now);
                    missing.put_off(ADA, EditKind::Update, 10, 0);
                }
            }
            assert_eq!(asked[..6], asked_at);
            assert!(asked.windows(2).all(|pair| pair[1] - pair[0] <= 300), "{asked:?}");
        }
    }

    #[test]
    fn a_gap_that_others_close_needs_no_answer() {
        let (mut missing, now) = (MissingEdits::default(), Instant::now());
        missing.gap(ADA, EditKind::Update, &[(7, 9)], 0, now);
        missing.gap(BOB, EditKind::Update, &[], 0, now);
        assert_eq!(missing.hold(ADA, yjs::barrier()), None);
        assert!(missing.reached(|_| false).is_empty());
        let (member, part) = missing.reached(|clocks| clocks.iter().all(|clock| *clock == (7, 9))).pop().unwrap();
        assert_eq!((member, part.into_receipts().collect()), (ADA, vec![Receipt::Echo(yjs::barrier())]));
        assert_eq!(missing.hold(ADA, yjs::barrier()), Some(yjs::barrier()));
        assert!(missing.hold(BOB, yjs::barrier()).is_none(), "only bob's Step2 tells");
    }

    #[test]
    fn echoes_that_wait_hold_few_bytes_together_and_a_single_one_may_be_long() {
        let (mut missing, long) = (MissingEdits::default(), vec![0; HELD_ECHO_BYTES_MAX]);
        missing.lost(ADA, EditKind::Update);
        for _ in 0..5 {
            missing.hold(ADA, yjs::update(&long));
        }
        missing.lost(BOB, EditKind::Update);
        for _ in 0..5 {
            missing.hold(BOB, yjs::update(&long[..HELD_ECHO_BYTES_MAX / 4]));
        }
        let count = |part: Option<MissingPart>| part.unwrap().into_receipts().count();
        assert_eq!((count(missing.answered(ADA)), count(missing.answered(BOB))), (1, 3));
    }

    #[test]
    fn barriers_are_kept_however_many_echoes_wait() {
        let mut missing = MissingEdits::default();
        missing.lost(ADA, EditKind::Update);
        for number in 0..2 * HELD_ECHOES_MAX {
            missing.hold(ADA, yjs::update(&[0, number as u8, 1]));
        }
        missing.hold(ADA, yjs::barrier());
        let receipts: Vec<_> = missing.answered(ADA).unwrap().into_receipts().collect();
        assert_eq!(receipts.len(), HELD_ECHOES_MAX + 1);
        assert_eq!(receipts.last(), Some(&Receipt::Echo(yjs::barrier())));
    }
}
