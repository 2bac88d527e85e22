-- Several servers on one database.

-- Tells this database's servers from others on the same bus.
create table cluster (
    id   uuid not null,
    -- One row.
    one  boolean primary key default true check (one)
);

-- The servers that run, each told by its incarnation, which is made when it starts: a name could be given twice.
create table server (
    incarnation uuid primary key,
    -- TUTTI_SERVER_NAME and the program's version, for people.
    label       text not null,
    version     text not null,
    -- Raised every few seconds: who sees it rise knows that the server lives, whatever the clocks say.
    beats       bigint not null default 0,
    -- By the database's clock, to delete the rows of servers that are long gone.
    seen_at     timestamptz not null default now()
);
