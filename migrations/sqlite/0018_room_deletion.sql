-- Deleted rooms. The row stays, so that the name is taken and no append revives the room: every append reads this column.
alter table room add column deleted_at integer;
-- Who deleted it.
alter table room add column deleted_by text;
-- From then on its content may go for good.
alter table room add column purge_at integer;
-- 0 all is there, 1 what is in it is being deleted, 2 it is gone.
alter table room add column purge integer not null default 0 check (purge between 0 and 2);
-- Whether the row goes as well once that is done, so that a new room may have the name.
alter table room add column frees_name integer not null default 0;

create index room_deleted on room (purge_at) where deleted_at is not null;

-- The greatest id of a room whose row went: no other room gets it, for an append to the old one may still be on its way.
create table room_id (
    freed integer not null
) strict;
insert into room_id (freed) values (0);
