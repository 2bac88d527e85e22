-- Rooms and their timelines. Times are Unix milliseconds: the same number in both databases, on the wire and in the code.

create table room (
    -- Short, since it stands in every row of every table; a name may have 200 bytes.
    id         bigint generated always as identity primary key,
    -- "C": sorted by bytes, as SQLite does, so that paging by name means the same everywhere and prefixes use the index.
    name       text collate "C" not null unique,
    -- The seq of the newest entry. Every append locks this row, which makes the timeline one total order, whoever writes.
    head       bigint not null default 0 check (head >= 0),
    -- The newest entry's time (at first: the creation's). The next entry is never earlier, whatever the servers' clocks say.
    last_at    bigint not null,
    created_at bigint not null
-- Updated by every append: space in each page lets the new row version stay beside the old one, out of the indexes.
) with (fillfactor = 70);

create table entry (
    -- No foreign key: the append holds the room's row lock, so the room exists; a check would cost a lookup an entry.
    room_id bigint not null,
    seq     bigint not null check (seq > 0),
    -- 1 edit, 2 message, 3 event, 4 step. A number, because it stands in every row.
    kind    smallint not null check (kind between 1 and 4),
    author  text not null,
    -- Not unique and not strictly rising: entries committed together share a time. The order is the seq's.
    at      bigint not null,
    -- The sender's own name for the entry, so that sending it again stores it once. Most entries have none.
    key     text,
    -- What the kind says: the store never looks inside.
    body    bytea not null,
    primary key (room_id, seq)
);

-- A repeated key of one author in one room is one entry. By author, so that nobody can take another's key away.
create unique index entry_key on entry (room_id, author, key) where key is not null;

-- Makes loading fast and replaces no entry: any row may be deleted.
create table snapshot (
    room_id bigint not null references room (id) on delete cascade,
    -- The state holds all edits up to this seq, and nothing else.
    seq     bigint not null check (seq > 0),
    state   bytea not null,
    -- Loading asks for the newest of a room: one step down this index.
    primary key (room_id, seq)
);

-- Attribution: a Yjs update names client ids, not users.
create table client (
    room_id   bigint not null references room (id) on delete cascade,
    -- A Yjs client id is unsigned with up to 64 bits, a bigint signed: the same bits, so large ids show as negative.
    client_id bigint not null,
    -- Who first brought the client live. Bound once: forwarded edits keep that name.
    user_id   text not null,
    primary key (room_id, client_id)
);

-- Named seqs: any past state can be read from the entries, so a version needs no state of its own.
create table version (
    room_id bigint not null references room (id) on delete cascade,
    seq     bigint not null check (seq > 0),
    label   text not null,
    author  text not null,
    at      bigint not null,
    -- One seq may carry several names, one name a seq only once.
    primary key (room_id, seq, label)
);

-- What each server appended last in a room, written in the append's own transaction: an append whose answer was lost is
-- sent again with the same id, found here, and not stored twice. One row is enough, since a server has at most one
-- append a room in flight.
create table last_append (
    room_id   bigint not null references room (id) on delete cascade,
    -- The server's name from its configuration: another server's appends must not overwrite what this one may ask for.
    server    text not null,
    append_id uuid not null,
    -- The first seq given; 0 if the append brought nothing new.
    first_seq bigint not null check (first_seq >= 0),
    at        bigint not null,
    -- Null if every entry was new: then their seqs run from first_seq without gap. Else a JSON list, one item an entry:
    -- null if it was refused, else [seq, at, was it new].
    outcome   text,
    primary key (room_id, server)
) with (fillfactor = 70);
