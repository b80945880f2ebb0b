-- Version 2: what is sent to people, answers of children, leases.

-- Version 1 had this table and never wrote to it.
drop table outbox;
create table outbox(
  id           integer primary key,
  run          integer not null,
  ikey         text    not null unique,
  state        text    not null check (state in ('pending','sending','sent','failed','unknown')),
  attempt      integer not null default 0,
  owner        text,
  not_before   integer not null,
  not_after    integer,
  provider_id  text,
  message      text,
  at           integer not null,
  v            integer not null,
  body         any     not null,
  check (state <> 'sending' or owner is not null),
  check (state <> 'sent' or provider_id is not null)
) strict;
create index outbox_due     on outbox(id)   where state = 'pending';
create index outbox_sending on outbox(id)   where state = 'sending';
create index outbox_run     on outbox(run);
create index outbox_blob    on outbox(body) where typeof(body) = 'blob';

create index inbox_seen on inbox(seen);
create index inbox_run  on inbox(run);

-- `parent` is the run that waits, `parent_call` its call.
alter table run add column parent_call text;

-- How children ended whose parents have not recorded it yet. It names the child
-- in words, because a child's session may be removed before the parent looks.
create table mail(
  run      integer not null,
  call     text    not null,
  session  text    not null,
  child    text    not null,
  at       integer not null,
  v        integer not null,
  body     any     not null,
  primary key(run, call, session, child)
) strict, without rowid;
create index mail_blob on mail(body) where typeof(body) = 'blob';

-- Every owned run has a lease, those that wait for a person as well.
drop index run_lease;
create index run_lease on run(lease_until) where lease_until is not null;
