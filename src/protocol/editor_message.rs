//! What a room sends to editors, before it is a frame, and how edits come from them.

/// How an edit comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditKind {
    /// Typed just now.
    Update,
    /// The answer to a Step1: what the server lacked.
    Step2,
}

/// What a room says about its document, before it is a frame. Contents are encoded as Yjs does.
#[derive(Debug, Clone, Copy)]
pub enum EditorMessage<'a> {
    /// The server's state vector; the client answers with what the server lacks.
    Step1(&'a [u8]),
    /// An edit, an update.
    Update(&'a [u8]),
    /// Awareness entries, see [`super::awareness`].
    Awareness(&'a [u8]),
}
