-- What an app keeps with a version: JSON, null for none.
alter table version add column meta text;
