-- Who sent an entry, where that is somebody else than its author: an edit bears the name of who first brought its Yjs client, and
-- anybody may forward it, or forge it. Null for all that was stored before.
alter table entry add column via text;
