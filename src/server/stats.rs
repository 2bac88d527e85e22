//! Samples the server's figures once a second and shows them to who reads the room of the figures.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use serde_json::json;

use crate::http::AppState;
use crate::http::figures::Sampler;
use crate::http::stats::ROOM;
use crate::ids::RoomName;
use crate::room::Announce;

/// How often.
const EVERY: Duration = Duration::from_secs(1);

/// Goes on until it is aborted.
pub(super) async fn publish(state: Data<AppState>) {
    let Ok(room) = RoomName::parse(ROOM) else { return };
    let state = Arc::clone(&state);
    let mut sampler = Sampler::default();
    // What was counted before the first second is no rate.
    sampler.sample();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let stats = sampler.sample();
        if let Some(room) = state.directory.peek(&room) {
            let event = json!({ "type": "metric.update", "name": "server", "payload": stats });
            room.do_send(Announce { body: event.to_string().into() });
        }
        state.stats.set(stats);
    }
}
