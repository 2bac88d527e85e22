//! `tutti import` and `tutti export` as a person runs them, on SQLite and on Postgres: files in, rooms out, and the other way round.
//! Databases of the real Hocuspocus and y-leveldb are imported by the suite in `tests/clients`.

#![allow(clippy::unwrap_used)]

mod documents;
mod export;
mod import;
mod interrupted;
mod refused;
mod run;
#[path = "../store/support.rs"]
#[allow(dead_code, unused_macros, unused_imports)]
mod support;
mod y_sweet;
