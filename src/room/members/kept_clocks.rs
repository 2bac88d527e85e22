//! What the room keeps of a member's state vector.

use crate::budget::HeldBytes;
use crate::document::PackedClocks;

/// The clocks of a state vector, with what they take of a budget.
#[derive(Debug)]
pub struct KeptClocks {
    /// The clocks.
    pub clocks: PackedClocks,
    /// Given back with them; `None` for few.
    pub held: Option<HeldBytes>,
}
