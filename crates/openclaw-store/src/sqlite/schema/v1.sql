-- Version 1. Small integer ids inside, text ids outside; times are milliseconds
-- since the Unix epoch. A body is JSON text, or, above 8 KiB, the 32-byte
-- sha256 of a row in blob; `v` is the version of the body's form.

create table session(
  id            integer primary key,
  skey          text    not null unique,
  agent         text    not null,
  conversation  integer not null,
  state         text    not null
    check (state in ('CREATED','ACTIVE','PAUSED','RESUMING','CLOSING','CLOSED')),
  label         text,
  model         text,
  thinking      text,
  pinned        integer not null default 0,
  unread        integer not null default 0,
  delivery      text    not null default '{}',
  tokens_in     integer not null default 0,
  tokens_out    integer not null default 0,
  cache_read    integer not null default 0,
  cache_write   integer not null default 0,
  reasoning     integer not null default 0,
  cost_usd      real,
  entries       integer not null default 0,
  head          integer not null default 0,
  revision      integer not null default 1,
  created_at    integer not null,
  updated_at    integer not null,
  -- A removed session keeps its row, so that entry numbers are never given out twice.
  removed_at    integer
) strict;

create table conversation(
  id          integer primary key,
  session     integer not null,
  uuid        text    not null unique,
  started_at  integer not null,
  ended_at    integer
) strict;
create index conversation_session on conversation(session);

create table entry(
  id            integer primary key,
  session       integer not null,
  n             integer not null,
  conversation  integer not null,
  run           text,
  at            integer not null,
  v             integer not null,
  body          any     not null,
  unique(session, n)
) strict;

create table run(
  id            integer primary key,
  session       integer not null,
  idem          text    not null,
  request_hash  blob    not null,
  status        text    not null
    check (status in ('queued','running','waiting','attention','done','failed','cancelled')),
  isolation     text    not null default 'session' check (isolation in ('session','thread')),
  caps          text,
  prio          integer not null default 0,
  parent        integer,
  action_scope  blob,
  epoch         integer not null,
  seq           integer not null,
  owner         text,
  lease_until   integer,
  attempts      integer not null default 0,
  deadline      integer,
  accepted_at   integer not null,
  ended_at      integer,
  outcome       any,
  unique(session, idem),
  check (status <> 'running' or owner is not null),
  check ((status in ('done','failed','cancelled')) = (ended_at is not null))
) strict;
create index run_open   on run(id) where ended_at is null;
create index run_queue  on run(prio desc, accepted_at) where status = 'queued';
create index run_lease  on run(lease_until) where status = 'running' and lease_until is not null;
-- One active turn per session.
create unique index run_turn on run(session) where status = 'running' and isolation = 'session';

-- The journal. No foreign key to run: unique(run, seq) is the second fence, and
-- a key check would make writers wait for each other in stores that share this form.
create table ev(
  gsn    integer primary key,
  run    integer not null,
  seq    integer not null,
  epoch  integer not null,
  kind   text    not null,
  step   integer,
  wid    blob,
  at     integer not null,
  v      integer not null,
  body   any     not null,
  unique(run, seq)
) strict;

-- Open only inside the transaction that removes a session's transcript.
create table retention(one integer primary key check (one = 1), is_open integer not null) strict;
insert into retention values (1, 0);

create trigger ev_is_never_changed before update on ev
begin select raise(abort, 'the journal is append-only'); end;
create trigger ev_is_never_removed before delete on ev
when (select is_open from retention) = 0
begin select raise(abort, 'the journal is append-only'); end;

create table step(
  run         integer not null,
  step        integer not null,
  attempt     integer not null default 0,
  kind        text    not null check (kind in ('model','tool','wait','child')),
  call        text,
  tool        text,
  effect      text    check (effect in ('pure','idempotent','keyed','once')),
  action_ref  blob,
  ikey        text,
  state       text    not null
    check (state in ('intent','started','done','failed','unknown','resolved')),
  epoch       integer not null,
  result_seq  integer,
  primary key(run, step),
  unique(run, call),
  unique(run, ikey),
  check (state not in ('done','failed') or result_seq is not null)
) strict, without rowid;
create index step_action on step(action_ref)
  where effect in ('keyed','once') and state in ('started','unknown');

create table blob(
  id     integer primary key,
  sha    blob not null unique,
  bytes  blob not null
) strict;
-- Tell whether a blob is still used; rows with inline bodies cost nothing here.
create index ev_blob    on ev(body)     where typeof(body) = 'blob';
create index entry_blob on entry(body)  where typeof(body) = 'blob';
create index run_blob   on run(outcome) where typeof(outcome) = 'blob';

create table outbox(
  id           integer primary key,
  run          integer not null,
  seq          integer not null,
  dest         text    not null,
  ikey         text    not null unique,
  state        text    not null check (state in ('pending','sending','sent','failed','unknown')),
  epoch        integer not null,
  lease_until  integer,
  not_after    integer,
  provider_id  text,
  body         any,
  unique(run, seq, dest)
) strict;

create table inbox(
  channel  text    not null,
  account  text    not null,
  ext_id   text    not null,
  run      integer not null,
  seen     integer not null,
  primary key(channel, account, ext_id)
) strict, without rowid;

create table ckpt(
  run   integer not null,
  seq   integer not null,
  sha   blob    not null,
  body  any     not null,
  at    integer not null,
  primary key(run, seq)
) strict;

create table slot(
  agent        text    not null,
  n            integer not null,
  run          integer,
  epoch        integer,
  lease_until  integer,
  primary key(agent, n)
) strict, without rowid;

create table lease(
  name   text    primary key,
  owner  text    not null,
  epoch  integer not null,
  until  integer not null
) strict, without rowid;

create table variable(
  scope       text    not null check (scope in ('session','agent','global')),
  owner       text    not null,
  name        text    not null,
  value       text    not null,
  updated_at  integer not null,
  primary key(scope, owner, name)
) strict;

create table memory(
  id       integer primary key,
  mid      text    not null,
  agent    text    not null,
  sha      blob    not null,
  text     text    not null,
  session  text,
  at       integer not null,
  unique(agent, mid),
  unique(agent, sha)
) strict;
create index memory_newest on memory(agent, at);
-- Holds the words of `words.rs`, not the text: the text stands in memory.
create virtual table memory_words using fts5(
  words, content='', contentless_delete=1, tokenize='porter unicode61 remove_diacritics 2'
);

create table device(
  id       text    primary key,
  v        integer not null,
  body     text    not null,
  seen_at  integer not null
) strict, without rowid;

create table pairing(
  device    text    primary key,
  id        text    not null unique,
  v         integer not null,
  body      text    not null,
  asked_at  integer not null
) strict, without rowid;

create table standing_grant(
  id    text    primary key,
  v     integer not null,
  body  text    not null,
  at    integer not null
) strict, without rowid;
