-- Version 7: a person may settle a delivery without sending it.

-- Who said so, and when.
alter table outbox add column discarded_by text;
alter table outbox add column discarded_at integer;

-- What is over is forgotten after a while, the oldest first; `not_before` is when
-- it was settled.
create index outbox_closed on outbox(not_before) where state = 'sent' or state = 'discarded';

-- Conditions are part of the schema's text only, so no row is touched (see version 5).
pragma writable_schema = on;

update sqlite_schema set sql = replace(sql,
  'or state = ''unknown''',
  'or state = ''unknown'' or (state = ''discarded'' and discarded_by is not null and discarded_at is not null)')
where type = 'table' and name = 'outbox';

pragma writable_schema = reset;
