-- Users and tokens that are not let in before their tokens expire. A server holds all of them in memory and reads what others add.
create table revocation (
    -- 1 user (sub), 2 token (jti).
    kind       smallint not null check (kind between 1 and 2),
    subject    text collate "C" not null,
    -- Of a user, tokens that were issued up to here are refused.
    revoked_at bigint not null,
    -- From here on the row may be deleted: no token that it hits is still good.
    until      bigint not null,
    primary key (kind, subject)
);

-- What has been added since a server last looked.
create index revocation_revoked_at on revocation (revoked_at);
