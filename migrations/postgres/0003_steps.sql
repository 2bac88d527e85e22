-- Looking for the steps after a version must not pass over the messages and events between them.
create index entry_step on entry (room_id, seq) where kind = 4;
