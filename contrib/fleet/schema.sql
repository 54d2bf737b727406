-- One row for each event. RELP can deliver an event twice after a broken connection, with the same `uid`.
create table event (
    -- The line as it was written: its hash is sealed, and jsonb would change its bytes.
    raw text not null,
    -- The order of arrival, in which `recorderd verify --log -` reads the lines.
    number bigint generated always as identity,
    line jsonb generated always as (raw::jsonb) stored,
    uid uuid generated always as ((raw::jsonb ->> 'uid')::uuid) stored primary key,
    sid uuid generated always as ((raw::jsonb ->> 'sid')::uuid) stored,
    kind text generated always as (raw::jsonb ->> 'event') stored,
    host text generated always as (raw::jsonb ->> 'server_hostname') stored,
    -- All times are UTC and have the same length, so they sort as text.
    time text generated always as (raw::jsonb ->> 'time') stored
);
create index on event (sid);
create index on event (kind, time);
create index on event using gin ((line -> 'argv'));
