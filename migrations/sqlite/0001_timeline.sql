-- Rooms and their timelines. Times are Unix milliseconds: the same number in both databases, on the wire and in the code.
-- Strict tables: without it SQLite stores a text where a number belongs, and finds out when reading.

create table room (
    -- Short, since it stands in every row of every table; a name may have 200 bytes.
    id         integer primary key,
    -- Compared by bytes (SQLite's default), as in Postgres, so that paging by name means the same everywhere.
    name       text not null unique,
    -- The seq of the newest entry. Every append reads and sets it in one write transaction, which makes one total order.
    head       integer not null default 0 check (head >= 0),
    -- The newest entry's time (at first: the creation's). The next entry is never earlier, whatever the clock says.
    last_at    integer not null,
    created_at integer not null
) strict;

create table entry (
    -- No foreign key: the append has found the room in its own transaction; a check would cost a lookup an entry.
    room_id integer not null,
    seq     integer not null check (seq > 0),
    -- 1 edit, 2 message, 3 event, 4 step. A number, because it stands in every row.
    kind    integer not null check (kind between 1 and 4),
    author  text not null,
    -- Not unique and not strictly rising: entries committed together share a time. The order is the seq's.
    at      integer not null,
    -- The sender's own name for the entry, so that sending it again stores it once. Most entries have none.
    key     text,
    -- What the kind says: the store never looks inside.
    body    blob not null,
    primary key (room_id, seq)
-- Without rowid: the rows lie in the order of their primary key, so a room's timeline is read in one run, from one tree.
) strict, without rowid;

-- A repeated key of one author in one room is one entry. By author, so that nobody can take another's key away.
create unique index entry_key on entry (room_id, author, key) where key is not null;

-- Makes loading fast and replaces no entry: any row may be deleted.
create table snapshot (
    room_id integer not null references room (id) on delete cascade,
    -- The state holds all edits up to this seq, and nothing else.
    seq     integer not null check (seq > 0),
    state   blob not null,
    -- Loading asks for the newest of a room: one step down this index. With rowid: states are large.
    primary key (room_id, seq)
) strict;

-- Attribution: a Yjs update names client ids, not users.
create table client (
    room_id   integer not null references room (id) on delete cascade,
    -- A Yjs client id is unsigned with up to 64 bits, an integer signed: the same bits, so large ids show as negative.
    client_id integer not null,
    -- Who first brought the client live. Bound once: forwarded edits keep that name.
    user_id   text not null,
    primary key (room_id, client_id)
) strict, without rowid;

-- Named seqs: any past state can be read from the entries, so a version needs no state of its own.
create table version (
    room_id integer not null references room (id) on delete cascade,
    seq     integer not null check (seq > 0),
    label   text not null,
    author  text not null,
    at      integer not null,
    -- One seq may carry several names, one name a seq only once.
    primary key (room_id, seq, label)
) strict;

-- What each server appended last in a room, written in the append's own transaction: an append whose answer was lost is
-- sent again with the same id, found here, and not stored twice. One row is enough, since a server has at most one
-- append a room in flight.
create table last_append (
    room_id   integer not null references room (id) on delete cascade,
    -- The server's name from its configuration: another server's appends must not overwrite what this one may ask for.
    server    text not null,
    append_id blob not null check (length(append_id) = 16),
    -- The first seq given; 0 if the append brought nothing new.
    first_seq integer not null check (first_seq >= 0),
    at        integer not null,
    -- Null if every entry was new: then their seqs run from first_seq without gap. Else a JSON list, one item an entry:
    -- null if it was refused, else [seq, at, was it new].
    outcome   text,
    primary key (room_id, server)
) strict, without rowid;
