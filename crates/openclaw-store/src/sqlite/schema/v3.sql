-- Version 3. Which turns of a conversation are shown to the model as a summary.
-- The turns themselves stay where they are; `undone_at` shows them again.

create table compaction(
  id            integer primary key,
  session       integer not null,
  conversation  integer not null,
  run           text,
  v             integer not null,
  body          any     not null,
  at            integer not null,
  undone_at     integer,
  undone_by     text
) strict;
create index compaction_conversation on compaction(conversation, id);
create index compaction_blob on compaction(body) where typeof(body) = 'blob';
