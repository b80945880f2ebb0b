-- Version 5: what a row may hold is tested by comparing, not by looking it up.

-- For `x in (..)` with more than two values SQLite builds a table of them each
-- time a statement runs: six tables for every run that begins and ends. The
-- conditions mean the same as before. They are part of the schema's text only, so
-- no row is touched (sqlite.org/lang_altertable.html, "making other kinds of table
-- schema changes"); the migration checks the integrity of the whole file after it.
pragma writable_schema = on;

update sqlite_schema set sql = replace(sql,
  'state in (''CREATED'',''ACTIVE'',''PAUSED'',''RESUMING'',''CLOSING'',''CLOSED'')',
  'state = ''ACTIVE'' or state = ''CREATED'' or state = ''PAUSED'' or state = ''RESUMING''
      or state = ''CLOSING'' or state = ''CLOSED''')
where type = 'table' and name = 'session';

update sqlite_schema set sql = replace(replace(sql,
  'status in (''queued'',''running'',''waiting'',''attention'',''done'',''failed'',''cancelled'')',
  'status = ''running'' or status = ''done'' or status = ''queued'' or status = ''waiting''
      or status = ''attention'' or status = ''failed'' or status = ''cancelled'''),
  '(status in (''done'',''failed'',''cancelled''))',
  '(status = ''done'' or status = ''failed'' or status = ''cancelled'')')
where type = 'table' and name = 'run';

update sqlite_schema set sql = replace(replace(replace(sql,
  'state in (''intent'',''started'',''done'',''failed'',''unknown'',''resolved'')',
  'state = ''started'' or state = ''done'' or state = ''intent'' or state = ''failed''
      or state = ''unknown'' or state = ''resolved'''),
  'kind in (''model'',''tool'',''wait'',''child'')',
  'kind = ''tool'' or kind = ''model'' or kind = ''wait'' or kind = ''child'''),
  'effect in (''pure'',''idempotent'',''keyed'',''once'')',
  'effect = ''pure'' or effect = ''idempotent'' or effect = ''keyed'' or effect = ''once''')
where type = 'table' and name = 'step';

update sqlite_schema set sql = replace(sql,
  'state in (''pending'',''sending'',''sent'',''failed'',''unknown'')',
  'state = ''pending'' or state = ''sending'' or state = ''sent'' or state = ''failed''
      or state = ''unknown''')
where type = 'table' and name = 'outbox';

pragma writable_schema = reset;
