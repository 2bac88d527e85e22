//! What bounds what JSON clients may say.

/// Most messages in one frame.
pub const BATCH_MAX: usize = 256;
/// Most steps in one `edit.push`.
pub const STEPS_MAX: usize = 1000;
/// Longest presence state, in bytes of JSON.
pub const STATE_BYTES_MAX: usize = 4096;
/// Deepest nesting of arrays and objects.
pub const DEPTH_MAX: usize = 64;
/// Longest binary frame, in bytes.
pub const SIGNAL_BYTES_MAX: usize = 64 * 1024;
