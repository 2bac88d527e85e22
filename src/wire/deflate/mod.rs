//! Compressed messages (RFC 7692). Each message is compressed by itself, in both directions ("no context takeover"): so a frame is
//! compressed once for all who get it, and an idle connection keeps no window.

mod deflater;
mod inflater;
mod offer;

pub use deflater::deflate;
pub use inflater::{InflateError, Inflater, WINDOW_BYTES};
pub use offer::{Accepted, accept};
