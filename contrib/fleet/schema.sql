-- One row for each event. RELP can deliver an event twice after a broken connection, with the same `uid`.
create table event (
    line jsonb not null,
    uid uuid generated always as ((line ->> 'uid')::uuid) stored primary key,
    sid uuid generated always as ((line ->> 'sid')::uuid) stored,
    kind text generated always as (line ->> 'event') stored,
    host text generated always as (line ->> 'server_hostname') stored,
    -- All times are UTC and have the same length, so they sort as text.
    time text generated always as (line ->> 'time') stored
);
create index on event (sid);
create index on event (kind, time);
create index on event using gin ((line -> 'argv'));
