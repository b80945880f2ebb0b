-- Version 4: less to write per run.

-- Events of one append and one epoch share a row of `ev` while they are short:
-- `seq` is the position of the first, `kind` names all, separated by commas, and
-- `body` is an array when there are several. Rows of earlier versions hold one
-- event each and are read as before. `ev.step` is not filled any more: `step.step`
-- is the position of a call's first event.

-- Each cost every run two writes. Those who ask look through `run_open`, which
-- lists the few runs that have not ended.
drop index run_queue;
drop index run_lease;

-- A row per event, for those who look at the journal from outside.
create view event(gsn, run, seq, epoch, kind, at, v, body) as
  select gsn, run, seq, epoch, kind, at, v, body from ev
  where typeof(body) <> 'text' or substr(body, 1, 1) <> '['
  union all
  select e.gsn, e.run, e.seq + one.key, e.epoch, json_extract(one.value, '$.kind'), e.at, e.v, one.value
  from ev e, json_each(e.body) one
  where typeof(e.body) = 'text' and substr(e.body, 1, 1) = '[';
