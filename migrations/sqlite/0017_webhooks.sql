-- Who is told what happens in rooms, and what they have not been told yet.

create table webhook (
    id         text primary key,
    url        text not null,
    -- What deliveries are signed with, as its receiver has it: whsec_ and base64.
    secret     text not null,
    -- Patterns of event types: a JSON list of texts.
    events     text not null,
    -- A pattern of room names.
    rooms      text not null,
    -- What document.changed brings along of the document: a format and a root type; null for nothing.
    content    text,
    root       text,
    paused     integer not null default 0,
    created_at integer not null
) strict;

-- Rooms with entries that were not sorted into queues yet. Written by the append, in its transaction, while there is any webhook: the
-- timeline itself is the outbox. Nothing is copied out of it.
create table webhook_due (
    room_id       integer primary key references room (id) on delete cascade,
    -- Up to here all but edits are in queues.
    since         integer not null,
    -- Up to here edits are.
    edits_since   integer not null,
    -- When the first edit after that was found, and when they are to be told; null while there are none.
    edits_from_at integer,
    edits_due_at  integer,
    -- The newest entry. Every append writes it, so that a row is never deleted that an append in flight counts on.
    head          integer not null
) strict;

-- What happened in rooms beside their timelines, until it is in queues.
create table webhook_event (
    id   integer primary key autoincrement,
    -- A name: the room may be gone.
    room text not null,
    type text not null,
    at   integer not null,
    -- JSON: the user, for presence.
    body text
) strict;

-- Deliveries of one webhook, room and event type go one after another. A queue has a row while it has deliveries to make.
create table webhook_queue (
    webhook_id   text not null references webhook (id) on delete cascade,
    room         text not null,
    type         text not null,
    -- Raised with each delivery that is added: who finds none left deletes the row only as they saw it.
    version      integer not null default 0,
    next_at      integer not null,
    -- The server that works on it, and until when it is taken to live.
    lease        blob,
    leased_until integer not null default 0,
    primary key (webhook_id, room, type)
) strict;
create index webhook_queue_next on webhook_queue (webhook_id, next_at);

-- What is to be delivered, and a log of what was. No content: that is read from the timeline when it is sent.
create table webhook_delivery (
    number     integer primary key autoincrement,
    -- The header webhook-id.
    id         text not null unique,
    webhook_id text not null references webhook (id) on delete cascade,
    room       text not null,
    type       text not null,
    -- The entry, or the entries after first_seq up to seq; null for what is in no timeline.
    after      integer,
    seq        integer,
    at         integer not null,
    -- As in webhook_event; deleted once it is delivered or given up.
    body       text,
    -- 0 waits, 1 delivered, 2 given up (parked), 3 what it was about is gone.
    state      integer not null default 0 check (state between 0 and 3),
    attempts   integer not null default 0,
    -- It is tried until then at least.
    until      integer not null,
    -- Of the last attempt: when it ended, the answer's status or why there was none.
    tried_at   integer,
    status     integer,
    error      text
) strict;
create index webhook_delivery_waiting on webhook_delivery (webhook_id, room, type, number) where state = 0;
create index webhook_delivery_log on webhook_delivery (webhook_id, number);
