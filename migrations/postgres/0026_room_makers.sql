-- Whose a room is, which quotas count: who stored its first entry, or made it as a copy. Null where it is nobody's: an admin made it, it was
-- imported, or it is older than this column.
alter table room add column made_by text;
-- How many rooms a user has made that are there, or can be taken back.
create index room_made_by on room (made_by) where made_by is not null and purge = 0;
