-- What an app keeps with a room: a JSON object, null for none.
alter table room add column meta text;
