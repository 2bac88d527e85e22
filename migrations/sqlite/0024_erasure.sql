-- An erasure rewrites packs before rows, so that what it has done of either is one number.

-- Packs up to this seq are rewritten.
alter table erasure add column packed integer not null default 0;

-- Of which room it is to be a copy, until it is: when something is erased there, what was filled goes, for it has that, too.
alter table room add column copy_of integer;
