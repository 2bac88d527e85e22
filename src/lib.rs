//! Tutti: a self-hosted real-time collaboration backend.

pub mod config;
pub mod ids;
