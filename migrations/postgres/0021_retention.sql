-- What is kept of rooms, and what is erased.

-- Edits and messages up to this seq were dropped, for they were older than is kept: nobody is told of them any more.
alter table room add column horizon bigint not null default 0;
-- Up to here their rows are gone.
alter table room add column trimmed bigint not null default 0;
-- Raised with each erasure: what was made of entries that were read before it is not kept any more.
alter table room add column epoch bigint not null default 0;

-- What stays of edits that were dropped: who wrote what of the document there, and of named versions before.
create table base (
    room_id bigint primary key references room (id) on delete cascade,
    -- The horizon that it was made for.
    seq     bigint not null check (seq > 0),
    body    bytea not null
);

-- Work that one server at a time does.
create table lease (
    name   text collate "C" primary key,
    -- The incarnation of the server that does it, and until when that is taken to live, in Unix milliseconds.
    server text not null,
    until  bigint not null
);

-- Erasures that have begun and not ended: whoever goes on with one needs only this. One a room.
create table erasure (
    room_id bigint primary key references room (id) on delete cascade,
    -- Which units, of which Yjs clients, whose messages: not what is in them.
    plan    bytea not null,
    -- Entries up to this seq are rewritten, and those up to the other one are.
    upto    bigint not null,
    done    bigint not null default 0
);
