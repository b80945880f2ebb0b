-- Version 6: files of instances.

-- What the scratch directory of a run's instance held at a position of its
-- journal. The content stands in `blob`, once, however often it is kept.
-- `left_out` says in JSON what is not here; `is_moving` that programs ran meanwhile.
create table scratch(
  id         integer primary key,
  run        integer not null,
  seq        integer not null,
  at         integer not null,
  bytes      integer not null,
  left_out   text    not null,
  is_moving  integer not null,
  unique(run, seq)
) strict;

create table scratch_file(
  scratch        integer not null,
  path           text    not null,
  is_executable  integer not null,
  body           blob    not null,
  primary key(scratch, path)
) strict, without rowid;
-- Tells whether a blob is still used.
create index scratch_file_blob on scratch_file(body);
