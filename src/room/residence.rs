//! That a room lives on this server, as others are told.

use std::sync::Arc;

use crate::bus::{Cluster, Entered};
use crate::ids::RoomName;

/// A room lives on this server as long as this does, as others are told.
pub(super) struct Residence {
    name: RoomName,
    cluster: Arc<Cluster>,
}

impl Residence {
    /// The room begins here.
    pub fn begin(name: &RoomName, cluster: &Arc<Cluster>) -> (Self, Entered) {
        let entered = cluster.begin(name);
        (Self { name: name.clone(), cluster: cluster.clone() }, entered)
    }
}

impl Drop for Residence {
    fn drop(&mut self) {
        self.cluster.end(&self.name);
    }
}
