-- When the edits of a segment were committed; null once that is only told by the edits, in whose packs times are the largest part. What
-- there is of histories was written in another layout, and is made again.
delete from history;
alter table history add column times bytea;
