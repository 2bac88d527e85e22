-- SQLite searches a table without rowid by comparing rows, and reads each of them as a whole for that, its body included. One body of 60 MiB
-- made each entry that was stored wait a quarter of a second, whatever its room. So bodies of more than 64 KiB lie here, and an empty one
-- stands for each in `entry`.
create table large_body (
    room_id integer not null,
    seq     integer not null,
    body    blob not null,
    -- With rowid: then only keys are compared.
    primary key (room_id, seq)
) strict;

-- It goes with its entry, whoever deletes that.
create trigger large_body_goes after delete on entry begin
    delete from large_body where room_id = old.room_id and seq = old.seq;
end;

insert into large_body (room_id, seq, body) select room_id, seq, body from entry where length(body) > 65536;
update entry set body = x'' where length(body) > 65536;
