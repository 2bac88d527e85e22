//! What a bus is: it carries texts, and may lose them.

use std::fmt;

use uuid::Uuid;

/// Where something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// To all servers, the sender included.
    All,
    /// To the server of this incarnation.
    Server(Uuid),
}

/// Why a connection to the bus does not work, or works no more. What was on its way may be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusError(pub String);

impl fmt::Display for BusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Carries texts between the servers of a cluster.
pub trait Bus: Send + Sync + 'static {
    /// The way out.
    type Sender: BusSender;
    /// The way in.
    type Receiver: BusReceiver;
    /// Most bytes of one text.
    const TEXT_BYTES_MAX: usize;

    /// Connects the server `me`. What is sent to it, or to all, after this is done reaches its receiver.
    fn open(&self, me: Uuid) -> impl Future<Output = Result<(Self::Sender, Self::Receiver), BusError>> + Send;
}

/// The way out.
pub trait BusSender: Send + 'static {
    /// Sends texts, in their order; done when the bus has taken all of them.
    fn send(&mut self, texts: Vec<(Channel, String)>) -> impl Future<Output = Result<(), BusError>> + Send;
}

/// The way in.
pub trait BusReceiver: Send + 'static {
    /// The next text. After an error something may be missing, and a new connection is to be made.
    fn receive(&mut self) -> impl Future<Output = Result<String, BusError>> + Send;
}
