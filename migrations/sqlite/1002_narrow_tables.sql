-- Whoever deletes an entry looked for its large body also where it has none: packing 4,096 edits, which keeps others from writing, that
-- often. A large body has an empty one in its entry.
drop trigger large_body_goes;
create trigger large_body_goes after delete on entry when length(old.body) = 0 begin
    delete from large_body where room_id = old.room_id and seq = old.seq;
end;

-- Tables whose rows are short, and found by their keys alone, need no second tree for these: that takes a page of each file, however
-- little is in it.
create table narrow_version (
    room_id integer not null references room (id) on delete cascade,
    seq     integer not null check (seq > 0),
    label   text not null,
    author  text not null,
    at      integer not null,
    meta    text,
    primary key (room_id, seq, label)
) strict, without rowid;
insert into narrow_version (room_id, seq, label, author, at, meta) select room_id, seq, label, author, at, meta from version;
drop table version;
alter table narrow_version rename to version;

create table narrow_lease (
    name   text primary key not null,
    server text not null,
    until  integer not null
) strict, without rowid;
insert into narrow_lease (name, server, until) select name, server, until from lease;
drop table lease;
alter table narrow_lease rename to lease;

create table narrow_queue (
    webhook_id   text not null references webhook (id) on delete cascade,
    room         text not null,
    type         text not null,
    version      integer not null default 0,
    next_at      integer not null,
    lease        blob,
    leased_until integer not null default 0,
    primary key (webhook_id, room, type)
) strict, without rowid;
insert into narrow_queue (webhook_id, room, type, version, next_at, lease, leased_until)
    select webhook_id, room, type, version, next_at, lease, leased_until from webhook_queue;
drop table webhook_queue;
alter table narrow_queue rename to webhook_queue;
create index webhook_queue_next on webhook_queue (webhook_id, next_at);
