//! The server's own copy of a document. Pure: no I/O, no clock, no randomness, no actors; it knows Yjs updates and nothing of who
//! sends them or where they are kept.
//!
//! [`scan`] reads an update before yrs does and bounds it, [`gaps`] cuts off what does not join the document, [`joined`] puts small ones
//! together; [`nesting`] remembers
//! how deep each block lies; [`document`] applies updates and answers what a peer lacks; [`render`] turns a document into text and
//! JSON; [`split`] tells updates apart that lie in one file.

mod clocks;
mod document;
mod gaps;
mod joined;
mod nesting;
mod render;
mod scan;
mod split;
#[cfg(test)]
mod tests;

pub use clocks::Clocks;
pub use document::{Applied, News, Refusal, Replica};
pub use render::{RenderError, render_json, render_text};
pub use scan::ScanError;
pub use split::split_updates;

/// Deepest nesting of shared types (a text in a map in an array …). yrs walks some of them by recursion.
pub const NESTING_MAX: u32 = 128;
/// Deepest nesting of plain values (JSON) inside one shared value.
pub const VALUE_DEPTH_MAX: u32 = 64;
/// Most Yjs clients that may ever have typed in one document.
pub const CLIENTS_MAX: usize = 1_000_000;

/// A block's place: its Yjs client and the clock of its first unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BlockId {
    pub client: u64,
    pub clock: u32,
}
