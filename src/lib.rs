//! Tutti: a self-hosted real-time collaboration backend.

pub mod ids;
pub mod store;
