\echo Who ran wget?
select time, host, line ->> 'user' as who, line ->> 'login' as account, line ->> 'path' as program,
       line -> 'argv' as arguments
from event
where kind = 'session.command' and line ->> 'path' like '%/wget'
order by time
limit 10;

\echo Which addresses did the first session with wget reach?
select time, host, line ->> 'program' as program, line ->> 'dst_addr' as address, line ->> 'dst_port' as port
from event
where kind = 'session.network' and line ->> 'operation' = '0'
  and sid = (select sid from event where kind = 'session.command' and line ->> 'path' like '%/wget'
             order by time limit 1)
order by time;

\echo Which hosts dropped events, of which family, and why? Dropped events of sessions, and discarded lines.
select host, line ->> 'family' as family, line ->> 'cause' as cause, line ->> 'output' as output,
       sum((line ->> 'count')::bigint) as events
from event
where kind = 'session.lost'
group by 1, 2, 3, 4
union all
select host, 'any', 'discarded', null, max((line ->> 'lines_discarded')::bigint)
from event
where kind = 'recorder.status'
group by host
having max((line ->> 'lines_discarded')::bigint) > 0
order by 1, 2, 3;

\echo Which hosts had times without a recorder, and when?
select host, line ->> 'from' as since, line ->> 'to' as until, line ->> 'previous' as previous
from event
where kind = 'recorder.status' and line ->> 'reason' = 'start' and line ? 'previous'
order by 1, 2;

\echo Which sessions are still open?
select start.host, start.time as since, start.line ->> 'user' as who, start.line ->> 'addr.remote' as origin
from event start
where start.kind = 'session.start'
  and not exists (select from event stop where stop.kind = 'session.end' and stop.sid = start.sid)
order by 2;
