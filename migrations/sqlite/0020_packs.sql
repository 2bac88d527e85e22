-- Old edits, compressed: a pack stands for the rows of up to 4,096 edits of a room, which are deleted in the transaction that makes it.
create table pack (
    room_id   integer not null references room (id) on delete cascade,
    -- The last edit in it. Packs of a room follow each other; between their edits may lie entries that are rows.
    seq       integer not null,
    -- The first one.
    first_seq integer not null check (first_seq > 0 and first_seq <= seq),
    -- What only the module `pack` understands, with a checksum.
    body      blob not null,
    -- With rowid: bodies are large.
    primary key (room_id, seq)
) strict;

-- Whose edits are in a pack: so that one user's are found without unpacking the others', and what users have stored can be counted.
create table pack_user (
    room_id integer not null,
    -- The pack's.
    seq     integer not null,
    author  text not null,
    -- Who sent them: the author, where nobody else did.
    sender  text not null,
    -- How many, and the bytes of their bodies as they were.
    entries integer not null check (entries > 0),
    bytes   integer not null,
    primary key (room_id, seq, author, sender)
) strict, without rowid;

-- How far rooms have been looked through for edits to pack.
create table packing (
    room_id integer primary key references room (id) on delete cascade,
    upto    integer not null
) strict;

-- The server that packs, one at a time: who packs beside it would only do the same work twice.
create table packing_lease (
    server text not null,
    -- By the database's clock, in Unix milliseconds.
    until  integer not null
) strict;
insert into packing_lease (server, until) values ('', 0);

-- The length of a state that was compressed, once nothing went on in its room any more; null: it is as it is.
alter table snapshot add column whole_bytes integer;
