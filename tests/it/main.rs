#![allow(clippy::unwrap_used)]
//! The whole server over real sockets, one module a feature. The clients are written here from PROTOCOL.md, not from the
//! server's code.

mod attribution;
mod beside;
mod echo;
mod faults;
mod frames;
mod heartbeat;
mod hocuspocus;
mod joining;
mod json;
mod life;
mod log;
mod memory;
mod modules;
mod opening;
mod origin;
mod pace;
mod readers;
mod rest;
mod shared;
mod slow;
mod stop;
mod support;
mod tokens;
