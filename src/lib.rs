//! Tutti: a self-hosted real-time collaboration backend.

pub mod ids;
pub mod protocol;
pub mod replica;
pub mod wire;
