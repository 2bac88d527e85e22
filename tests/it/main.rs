#![allow(clippy::unwrap_used)]
//! The whole server over real sockets, one module a feature. The clients are written here from PROTOCOL.md, not from the
//! server's code.

mod attribution;
mod beside;
mod bounded_http;
mod broken_network;
mod browser_client;
mod browser_side;
mod cluster;
mod compression;
mod crowded;
mod damage;
mod descriptors;
mod documents;
mod echo;
mod edge;
mod events;
mod faults;
mod frames;
mod full_disk;
mod heartbeat;
mod hocuspocus;
mod hostile;
mod joining;
mod json;
mod key_set;
mod late_database;
mod life;
mod log;
mod memory;
mod methods;
mod modules;
mod names;
#[path = "../network/mod.rs"]
mod network;
mod opening;
mod origin;
mod outputs;
mod pace;
mod past;
mod questions;
mod readers;
mod rest;
mod revocation;
mod shared;
mod slow;
mod stop;
mod supervisor;
mod support;
mod tickets;
mod tls;
mod tokens;
mod unix_socket;
mod waiting;
