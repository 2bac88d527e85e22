//! Tutti: a self-hosted real-time collaboration backend.

pub mod auth;
pub mod config;
pub mod ids;
pub mod server;
pub mod telemetry;
