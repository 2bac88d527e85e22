-- What users have on disk, which quotas count. Kept by the appends of servers that have quotas, in their transactions; what others append
-- is counted later, a part at a time.

-- Up to this entry all of the room's are counted.
alter table room add column counted bigint not null default 0;

create table room_usage (
    room_id bigint not null references room (id) on delete cascade,
    -- Whose it is: who sent the entries, or made the room a copy.
    user_id text not null,
    -- Bodies, and a little for each entry.
    bytes   bigint not null,
    primary key (room_id, user_id)
-- Updated by many appends.
) with (fillfactor = 70);
-- What a user has in all rooms.
create index room_usage_user on room_usage (user_id);
