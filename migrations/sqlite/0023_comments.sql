-- Reading a room's comments passes over its messages and all other events: by how the bodies of such events begin, `{"type":"comment.`,
-- in hexadecimal.
create index entry_comment on entry (room_id, seq) where kind = 3 and substr(body, 1, 17) = x'7b2274797065223a22636f6d6d656e742e';
