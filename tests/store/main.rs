//! The store's contract: every case runs on a fresh SQLite file and on a fresh Postgres database. What only one of them
//! can do wrong stands in its own cases. Asks the store through its public interface; plain SQL only sets the scene.

mod append;
mod claim;
mod copy;
mod deletion;
mod erasure;
mod faults;
mod history;
mod large_bodies;
mod load;
mod makers;
mod migrations;
#[allow(dead_code)]
#[path = "../network/mod.rs"]
mod network;
mod newer;
mod open;
mod pack_spans;
mod packs;
mod pooler;
mod postgres_server;
mod repeat;
mod retention;
mod revocations;
mod rooms;
mod saving;
mod servers;
mod sessions;
mod shared;
mod shutdown;
mod slow;
mod support;
mod timeline;
mod usage;
