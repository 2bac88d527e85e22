-- What past states are read from: stretches of a room's edits, merged, with what each of them inserted and deleted. Made of the
-- entries, and made again where it is missing: any row may be deleted.
create table history (
    room_id integer not null references room (id) on delete cascade,
    -- It has the edits after this seq, so that of two servers that make the same stretch one finds it done.
    after   integer not null check (after >= 0),
    -- And up to this one.
    seq     integer not null check (seq > after),
    body    blob not null,
    primary key (room_id, after)
) strict;
