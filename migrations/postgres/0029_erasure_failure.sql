-- Why an erasure cannot go on, as the server that tried last has found, and when that was in Unix milliseconds: so that whichever server is
-- asked can tell. Null while it goes on.
alter table erasure add column failure text;
alter table erasure add column failed_at bigint;
