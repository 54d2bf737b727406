-- One row for each event. RELP may bring an event twice, after a broken connection: `uid` says so.
create table event (
    line jsonb not null,
    uid uuid generated always as ((line ->> 'uid')::uuid) stored primary key,
    sid uuid generated always as ((line ->> 'sid')::uuid) stored,
    kind text generated always as (line ->> 'event') stored,
    host text generated always as (line ->> 'server_hostname') stored,
    -- All are UTC and of one length, so that they sort as they are.
    time text generated always as (line ->> 'time') stored
);
create index on event (sid);
create index on event (kind, time);
create index on event using gin ((line -> 'argv'));
