//! What a server does about the others by the clock: shows in the database that it lives, looks for the dead, reads the heads of rooms
//! that live elsewhere, too.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval, sleep};

use super::cluster::Cluster;
use crate::ids::{RoomName, Seq};
use crate::metrics;
use crate::store::Store;

const TICK: Duration = Duration::from_secs(1);
/// In so many ticks the server tells that it lives, on the bus and in the database.
const BEAT_EVERY: u32 = 2;
/// How often heads are read. Told at once by the bus, they are read to find out what it has lost.
const HEADS_EVERY: Duration = Duration::from_secs(2);
/// Between two readings that were asked for.
const HEADS_PAUSE: Duration = Duration::from_millis(100);
/// Rooms whose heads are read at once.
const HEADS_EACH: usize = 1_000;
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Waits until the cluster knows the servers that were seen in the database a moment ago; not for long.
pub async fn meet(cluster: &Cluster, store: &Store) {
    match store.beat(VERSION).await {
        Ok(rows) => cluster.meet(&rows).await,
        Err(error) => tracing::warn!(%error, "it is not known which other servers there are"),
    }
}

/// Goes on until it is aborted.
pub async fn tick(cluster: Arc<Cluster>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 1_u32.. {
        ticks.tick().await;
        cluster.tick(Instant::now(), number.is_multiple_of(BEAT_EVERY));
    }
}

/// As above: what needs the database, which may take its time.
pub async fn beat(cluster: Arc<Cluster>, store: Store) {
    let mut ticks = interval(TICK * BEAT_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if cluster.is_leaving() {
            return;
        }
        match store.beat(VERSION).await {
            Ok(rows) => cluster.on_rows(&rows, Instant::now()),
            Err(error) => tracing::debug!(%error, "the server cannot show in the database that it lives"),
        }
    }
}

/// As above: reads heads, at once when something may be missing.
pub async fn heads(cluster: Arc<Cluster>, store: Store) {
    let mut told: HashMap<RoomName, (Seq, i64)> = HashMap::new();
    loop {
        tokio::select! {
            () = cluster.look.notified() => sleep(HEADS_PAUSE).await,
            () = sleep(HEADS_EVERY) => {}
        }
        let rooms = cluster.rooms_to_look_at();
        told.retain(|room, _| !rooms.is_empty() && rooms.contains(room) || rooms.len() > HEADS_EACH);
        for asked in rooms.chunks(HEADS_EACH) {
            match store.heads(asked.to_vec()).await {
                Ok(rows) => {
                    metrics::BUS_HEADS_READ.inc_by(rows.len() as u64);
                    let heads: Vec<_> = rows.iter().map(|(row, _)| (row.id, row.head, row.updated_at_ms)).collect();
                    store.hear(&heads);
                    let found: HashSet<&RoomName> = rows.iter().map(|(row, _)| &row.name).collect();
                    asked.iter().filter(|room| !found.contains(room)).for_each(|room| cluster.on_missing(room));
                    for (row, is_deleted) in rows {
                        if is_deleted {
                            cluster.on_deleted(&row);
                        } else if told.insert(row.name.clone(), (row.head, row.epoch)) != Some((row.head, row.epoch)) {
                            cluster.on_head(&row);
                        }
                    }
                }
                Err(error) => tracing::debug!(%error, "heads cannot be read now"),
            }
        }
    }
}
