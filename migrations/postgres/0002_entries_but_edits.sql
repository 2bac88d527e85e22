-- Reading a room's messages, events and steps passes over its edits, which are most of many timelines.
create index entry_not_edit on entry (room_id, seq) where kind <> 1;
