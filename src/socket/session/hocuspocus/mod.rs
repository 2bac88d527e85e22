//! A Hocuspocus provider's connection: many documents, each with a token of its own, each a member of its room.

mod denial;
mod documents;
mod held;
mod member;
mod opening;
mod session;

pub use session::HocuspocusSession;
