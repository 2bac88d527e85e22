//! The bound of every queue and input: how much.

use std::ops::RangeInclusive;

use super::options::LimitOptions;
use super::quota::{self, RoomQuota};
use super::reading::Reading;

/// Most bytes that a bound in bytes may be set to: 1 TiB.
const BYTES_MAX: usize = 1 << 40;
/// What the largest document may be set to, in bytes.
pub(super) const DOCUMENT_BYTES: RangeInclusive<usize> = 1024..=BYTES_MAX;

/// Most that a rate may be set to, a second.
const RATE_MAX: usize = 10_000_000;

/// The bounds of every queue and input, in bytes or as counts.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Most sockets.
    pub sockets_max: usize,
    /// Most sockets from one address (IPv6: one /64).
    pub sockets_per_ip_max: usize,
    /// Most sockets of one user.
    pub sockets_per_user_max: usize,
    /// Most bytes waiting for one socket.
    pub outbox_bytes_max: usize,
    /// Most bytes waiting for all sockets together.
    pub outboxes_bytes_max: usize,
    /// Most bytes of one socket that its rooms have not handled.
    pub socket_unhandled_bytes_max: usize,
    /// Most bytes that a document holds in memory, and most of a message from someone who may write.
    pub document_bytes_max: usize,
    /// Most bytes that all live documents hold in memory together.
    pub documents_bytes_max: usize,
    /// Most bytes of a message from someone who may only read.
    pub reader_message_bytes_max: usize,
    /// Most bytes of a message from a JSON client.
    pub json_message_bytes_max: usize,
    /// Most rooms of one JSON client.
    pub rooms_per_socket_max: usize,
    /// Most bytes of the awareness states of one room.
    pub room_awareness_bytes_max: usize,
    /// Most users whose presence is told by name.
    pub presence_users_max: usize,
    /// Most entries that a JSON client is sent when it comes back.
    pub replay_entries_max: usize,
    /// Messages a second of one JSON client.
    pub rate_socket: usize,
    /// Messages a second of a user's JSON clients.
    pub rate_user: usize,
    /// Messages a second of an address's JSON clients.
    pub rate_address: usize,
    /// Messages a second of a room's JSON clients.
    pub rate_room: usize,
    /// Rooms a minute that a user may open while nobody is in them.
    pub rate_rooms_user: usize,
    /// Most bytes of rooms on disk, where there is a limit.
    pub quota_room_bytes: RoomQuota,
    /// Most bytes of a user on disk, in all rooms together, if there is a limit.
    pub quota_user_bytes: Option<u64>,
    /// Most rooms that a user may have made without admin access, if there is a limit.
    pub quota_user_rooms: Option<u64>,
    /// Whether only who has admin access may make a room.
    pub admins_make_rooms: bool,
    /// Messages a second of Yjs clients, and bytes of everybody: of one socket.
    pub rate_yjs_socket: usize,
    /// The same of a user.
    pub rate_yjs_user: usize,
    /// The same of an address.
    pub rate_yjs_address: usize,
    /// The same of a room.
    pub rate_yjs_room: usize,
    /// Most bytes of messages that have begun and not ended, of all sockets together.
    pub unfinished_bytes_max: usize,
    /// Most frames that one message may be split into.
    pub fragments_max: usize,
    /// Most bytes that one room keeps while the database is down.
    pub room_unsaved_bytes_max: usize,
    /// Most uncommitted bytes of all rooms together.
    pub uncommitted_bytes_max: usize,
    /// Most entries that one transaction commits.
    pub batch_entries_max: usize,
    /// Most bytes that one transaction commits, if more than one append is in it.
    pub batch_bytes_max: usize,
}

impl Limits {
    pub(super) fn read(reading: &mut Reading, options: &LimitOptions) -> Self {
        let limits = Self {
            sockets_max: reading.number("sockets-max", &options.sockets_max, 1..=10_000_000),
            sockets_per_ip_max: reading.number("sockets-per-ip-max", &options.sockets_per_ip_max, 1..=10_000_000),
            sockets_per_user_max: reading.number("sockets-per-user-max", &options.sockets_per_user_max, 1..=10_000_000),
            outbox_bytes_max: reading.number("outbox-bytes-max", &options.outbox_bytes_max, 4096..=BYTES_MAX),
            outboxes_bytes_max: reading.number("outboxes-bytes-max", &options.outboxes_bytes_max, 4096..=BYTES_MAX),
            socket_unhandled_bytes_max: reading.number(
                "socket-unhandled-bytes-max",
                &options.socket_unhandled_bytes_max,
                1024..=BYTES_MAX,
            ),
            document_bytes_max: reading.number("document-bytes-max", &options.document_bytes_max, DOCUMENT_BYTES),
            documents_bytes_max: reading.number("documents-bytes-max", &options.documents_bytes_max, DOCUMENT_BYTES),
            reader_message_bytes_max: reading.number(
                "reader-message-bytes-max",
                &options.reader_message_bytes_max,
                1024..=BYTES_MAX,
            ),
            json_message_bytes_max: reading.number(
                "json-message-bytes-max",
                &options.json_message_bytes_max,
                1024..=BYTES_MAX,
            ),
            rooms_per_socket_max: reading.number("rooms-per-socket-max", &options.rooms_per_socket_max, 1..=10_000),
            room_awareness_bytes_max: reading.number(
                "room-awareness-bytes-max",
                &options.room_awareness_bytes_max,
                64 * 1024..=BYTES_MAX,
            ),
            presence_users_max: reading.number("presence-users-max", &options.presence_users_max, 0..=100_000),
            replay_entries_max: reading.number("replay-entries-max", &options.replay_entries_max, 0..=10_000_000),
            rate_socket: reading.number("rate-socket", &options.rate_socket, 1..=RATE_MAX),
            rate_user: reading.number("rate-user", &options.rate_user, 1..=RATE_MAX),
            rate_address: reading.number("rate-address", &options.rate_address, 1..=RATE_MAX),
            rate_room: reading.number("rate-room", &options.rate_room, 1..=RATE_MAX),
            rate_rooms_user: reading.number("rate-rooms-user", &options.rate_rooms_user, 1..=RATE_MAX),
            quota_room_bytes: RoomQuota::read(reading, "quota-room-bytes", &options.quota_room_bytes),
            quota_user_bytes: quota::size(reading, "quota-user-bytes", &options.quota_user_bytes),
            quota_user_rooms: quota::rooms(reading, "quota-user-rooms", &options.quota_user_rooms),
            admins_make_rooms: reading.boolean("admins-make-rooms", &options.admins_make_rooms),
            rate_yjs_socket: reading.number("rate-yjs-socket", &options.rate_yjs_socket, 1..=RATE_MAX),
            rate_yjs_user: reading.number("rate-yjs-user", &options.rate_yjs_user, 1..=RATE_MAX),
            rate_yjs_address: reading.number("rate-yjs-address", &options.rate_yjs_address, 1..=RATE_MAX),
            rate_yjs_room: reading.number("rate-yjs-room", &options.rate_yjs_room, 1..=RATE_MAX),
            unfinished_bytes_max: reading.number(
                "unfinished-bytes-max",
                &options.unfinished_bytes_max,
                1024..=BYTES_MAX,
            ),
            fragments_max: reading.number("fragments-max", &options.fragments_max, 1..=1_000_000),
            room_unsaved_bytes_max: reading.number(
                "room-unsaved-bytes-max",
                &options.room_unsaved_bytes_max,
                1024..=BYTES_MAX,
            ),
            uncommitted_bytes_max: reading.number(
                "uncommitted-bytes-max",
                &options.uncommitted_bytes_max,
                1024..=BYTES_MAX,
            ),
            batch_entries_max: reading.number("batch-entries-max", &options.batch_entries_max, 1..=100_000),
            batch_bytes_max: reading.number("batch-bytes-max", &options.batch_bytes_max, 1024..=BYTES_MAX),
        };
        limits.demand_order(reading);
        limits
    }

    /// The bound of one must not pass the bound of all, or it would never be reached.
    fn demand_order(&self, reading: &mut Reading) {
        let pairs = [
            ("outbox-bytes-max", self.outbox_bytes_max, "outboxes-bytes-max", self.outboxes_bytes_max),
            (
                "room-unsaved-bytes-max",
                self.room_unsaved_bytes_max,
                "uncommitted-bytes-max",
                self.uncommitted_bytes_max,
            ),
            ("document-bytes-max", self.document_bytes_max, "documents-bytes-max", self.documents_bytes_max),
            ("document-bytes-max", self.document_bytes_max, "unfinished-bytes-max", self.unfinished_bytes_max),
            ("reader-message-bytes-max", self.reader_message_bytes_max, "document-bytes-max", self.document_bytes_max),
        ];
        let has_problem = |reading: &Reading, option| reading.problems.iter().any(|problem| problem.option == option);
        for (option, bytes, whole, whole_bytes) in pairs {
            if bytes > whole_bytes && !has_problem(reading, option) && !has_problem(reading, whole) {
                reading.problem(option, format!("{bytes} is more than --{whole}, which is {whole_bytes}"));
            }
        }
    }
}
