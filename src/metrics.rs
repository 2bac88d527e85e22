//! What the process counts, for operators. One registry a process; no label ever names a room or a user, so the number of series
//! stays the same however many there are.

use std::sync::LazyLock;
use std::time::Duration;

use prometheus::{
    Histogram, IntCounter, IntGauge, TextEncoder, register_histogram, register_int_counter, register_int_gauge,
};

macro_rules! counters {
    ($kind:ty, $register:ident: $($name:ident = $metric:literal, $help:literal;)*) => {$(
        #[doc = $help]
        pub static $name: LazyLock<$kind> =
            LazyLock::new(|| $register!($metric, $help).expect("each metric is registered once, under a valid name"));
    )*};
}

counters! { IntCounter, register_int_counter:
    ENTRIES_COMMITTED = "tutti_entries_committed_total", "Entries that the store has committed.";
    APPENDS_PUT_BACK = "tutti_appends_put_back_total", "Appends that were sent again because another server had written to the room first.";
    APPENDS_FAILED = "tutti_appends_failed_total", "Appends that the store refused for now; each is repeated.";
    ROOM_LOADS_FAILED = "tutti_room_loads_failed_total", "Attempts to load a room that failed.";
    ROOM_DEATHS = "tutti_room_deaths_total", "Rooms that died of a panic.";
    SNAPSHOTS_SAVED = "tutti_snapshots_saved_total", "Snapshots of documents that were saved.";
    EDITS_REFUSED = "tutti_edits_refused_total", "Edits that were refused for ever.";
    EDITS_OF_OTHERS = "tutti_edits_of_others_total", "Updates that were not taken since they go on with another's Yjs client; their senders were asked for them by Step1.";
    STORING_DENIED = "tutti_storing_denied_total", "What was not stored, since a room or user has as much on disk as is allowed, or the room would be new.";
    SOCKETS_OPENED = "tutti_sockets_opened_total", "WebSocket connections that were opened.";
    SOCKETS_CLOSED = "tutti_sockets_closed_total", "WebSocket connections that have ended.";
    MESSAGES_RECEIVED = "tutti_messages_received_total", "Messages that came from clients.";
    MESSAGE_BYTES_RECEIVED = "tutti_message_bytes_received_total", "Bytes of those messages.";
    COMPRESSED_BYTES_SENT = "tutti_compressed_bytes_sent_total", "Bytes of compressed messages sent.";
    COMPRESSED_PLAIN_BYTES_SENT = "tutti_compressed_plain_bytes_sent_total", "Bytes of those messages without compression.";
    COMPRESSED_BYTES_RECEIVED = "tutti_compressed_bytes_received_total", "Bytes of compressed messages that came from clients.";
    COMPRESSED_PLAIN_BYTES_RECEIVED = "tutti_compressed_plain_bytes_received_total", "Bytes of those messages without compression.";
    SOCKETS_REFUSED = "tutti_sockets_refused_total", "WebSocket connections that were refused since the server, an address or a user had as many as allowed.";
    SLOW_CONSUMERS = "tutti_slow_consumers_total", "Sockets that were closed because their peer took too little.";
    SOCKETS_SLOWED = "tutti_sockets_slowed_total", "Times that a socket was not read for a while since its client sent too much.";
    TURNS_PUT_OFF = "tutti_turns_put_off_total", "Times that a socket or room had more to do than a turn may be, and others of its thread went on first.";
    REQUESTS_SLOWED = "tutti_requests_slowed_total", "Requests whose answer waited since their caller sent too much.";
    ROOMS_REFUSED = "tutti_room_openings_refused_total", "Openings of rooms that were refused since their user had opened too many.";
    HOLDERS_CALLED_IN = "tutti_holders_called_in_total", "Connections that had to let go because they held most of a full budget.";
    HTTP_REFUSED = "tutti_http_connections_refused_total", "HTTP connections of addresses that had too many.";
    HTTP_GIVEN_UP = "tutti_http_connections_given_up_total", "HTTP connections whose peer sent or took too little.";
    BUS_TEXTS_SENT = "tutti_bus_texts_sent_total", "Texts that were sent to other servers.";
    BUS_TEXTS_RECEIVED = "tutti_bus_texts_received_total", "Texts that came from the bus.";
    BUS_GAPS = "tutti_bus_gaps_total", "Times that something of the bus was missing, or the bus itself.";
    BUS_MESSAGES_UNKNOWN = "tutti_bus_messages_unknown_total", "Messages of other servers that this version does not know.";
    BUS_MESSAGES_DROPPED = "tutti_bus_messages_dropped_total", "Messages for other servers that were dropped because too much waited.";
    BUS_HEADS_READ = "tutti_bus_heads_read_total", "Heads of rooms that were read to find out what the bus has lost.";
    BUS_ENTRIES_RECEIVED = "tutti_bus_entries_received_total", "Entries of other servers that came with the bus.";
    NEWER_FORMATS_MET = "tutti_newer_formats_met_total", "Times that something stored was left as it is, since a newer release has brought its layout.";
    FOREIGN_ENTRIES_READ = "tutti_foreign_entries_read_total", "Entries of other servers that were read from the database.";
    WEBHOOKS_DELIVERED = "tutti_webhooks_delivered_total", "Deliveries of webhooks that were taken.";
    WEBHOOK_ATTEMPTS_FAILED = "tutti_webhook_attempts_failed_total", "Attempts to deliver that failed; each is repeated for a while.";
    WEBHOOKS_PARKED = "tutti_webhooks_parked_total", "Deliveries of webhooks that were given up.";
    WEBHOOK_EVENTS_DROPPED = "tutti_webhook_events_dropped_total", "Events in no timeline that were not told since too many waited.";
    LOG_LINES_DROPPED = "tutti_log_lines_dropped_total", "Log lines that could not be written, or not in time.";
}

counters! { IntGauge, register_int_gauge:
    SOCKETS = "tutti_sockets", "WebSocket connections now.";
    HTTP_CONNECTIONS = "tutti_http_connections", "Connections for plain requests and handshakes now.";
    ANSWER_BYTES = "tutti_answer_bytes", "Bytes of large HTTP answers that were not taken yet.";
    ROOMS = "tutti_rooms", "Rooms in memory now.";
    DOCUMENTS_BYTES = "tutti_documents_bytes", "Bytes that live documents hold in memory now.";
    OUTBOX_BYTES = "tutti_outbox_bytes", "Bytes of live frames that wait for peers now.";
    BUS_PEERS = "tutti_bus_peers", "Other servers that are known now.";
    BUS_DEGRADED = "tutti_bus_degraded", "1 while the bus does not carry what this server says, else 0.";
    BUS_ECHO_AGE_MS = "tutti_bus_echo_age_milliseconds", "Time since this server heard itself on the bus; 0 while it is alone.";
    WEBHOOK_DELIVERIES_WAITING = "tutti_webhook_deliveries_waiting", "Deliveries of webhooks that wait, as counted once a minute.";
    ERASURES_PENDING = "tutti_erasures_pending", "Erasures in the database that have begun and not ended.";
    ERASURES_FAILED = "tutti_erasures_failed", "Those of them that cannot go on, and are tried again once a minute; the log says why.";
    UNCOMMITTED_BYTES = "tutti_uncommitted_bytes", "Bytes of entries that are not committed yet.";
}

/// From 1 ms, what a bus takes, to what a server that stood still has missed.
const LAG_BUCKETS_S: [f64; 14] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];

static FOREIGN_LAG: LazyLock<Histogram> = LazyLock::new(|| {
    let help = "Time from an entry's own time, of the server that stored it, until it was shown here.";
    register_histogram!("tutti_foreign_entry_lag_seconds", help, LAG_BUCKETS_S.to_vec())
        .expect("each metric is registered once, under a valid name")
});

/// An entry of another server is shown, so long after its own time.
pub fn saw_foreign_entry(lag: Duration) {
    FOREIGN_LAG.observe(lag.as_secs_f64());
}

/// All metrics in Prometheus' text format.
pub fn text() -> String {
    // What nothing has touched yet stands there as 0, so that an alert on it can be written.
    for counter in [
        &ENTRIES_COMMITTED,
        &APPENDS_FAILED,
        &APPENDS_PUT_BACK,
        &ROOM_LOADS_FAILED,
        &ROOM_DEATHS,
        &SNAPSHOTS_SAVED,
        &EDITS_REFUSED,
        &EDITS_OF_OTHERS,
        &STORING_DENIED,
        &SOCKETS_OPENED,
        &SOCKETS_CLOSED,
        &MESSAGES_RECEIVED,
        &MESSAGE_BYTES_RECEIVED,
        &COMPRESSED_BYTES_SENT,
        &COMPRESSED_PLAIN_BYTES_SENT,
        &COMPRESSED_BYTES_RECEIVED,
        &COMPRESSED_PLAIN_BYTES_RECEIVED,
        &SOCKETS_REFUSED,
        &SLOW_CONSUMERS,
        &SOCKETS_SLOWED,
        &TURNS_PUT_OFF,
        &REQUESTS_SLOWED,
        &ROOMS_REFUSED,
        &HOLDERS_CALLED_IN,
        &HTTP_REFUSED,
        &HTTP_GIVEN_UP,
        &BUS_TEXTS_SENT,
        &BUS_TEXTS_RECEIVED,
        &BUS_GAPS,
        &BUS_MESSAGES_UNKNOWN,
        &BUS_MESSAGES_DROPPED,
        &BUS_HEADS_READ,
        &BUS_ENTRIES_RECEIVED,
        &NEWER_FORMATS_MET,
        &FOREIGN_ENTRIES_READ,
        &WEBHOOKS_DELIVERED,
        &WEBHOOK_ATTEMPTS_FAILED,
        &WEBHOOKS_PARKED,
        &WEBHOOK_EVENTS_DROPPED,
        &LOG_LINES_DROPPED,
    ] {
        LazyLock::force(counter);
    }
    for gauge in [
        &SOCKETS,
        &HTTP_CONNECTIONS,
        &ANSWER_BYTES,
        &ROOMS,
        &DOCUMENTS_BYTES,
        &OUTBOX_BYTES,
        &WEBHOOK_DELIVERIES_WAITING,
        &ERASURES_PENDING,
        &ERASURES_FAILED,
        &UNCOMMITTED_BYTES,
        &BUS_PEERS,
        &BUS_DEGRADED,
        &BUS_ECHO_AGE_MS,
    ] {
        LazyLock::force(gauge);
    }
    LazyLock::force(&FOREIGN_LAG);
    TextEncoder::new().encode_to_string(&prometheus::gather()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_metric_is_in_the_text_with_its_help() {
        let text = super::text();
        for metric in [
            "tutti_entries_committed_total",
            "tutti_sockets",
            "tutti_uncommitted_bytes",
            "tutti_foreign_entry_lag_seconds",
        ] {
            assert!(text.contains(&format!("# HELP {metric} ")), "{metric} in {text}");
        }
    }
    #[test]
    fn every_metric_is_explained_to_operators() {
        let docs = include_str!("../docs/OPERATIONS.md");
        let text = super::text();
        let ours = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        let missing: Vec<&str> =
            ours.filter(|name| name.starts_with("tutti_") && !docs.contains(&format!("`{name}`"))).collect();
        assert!(missing.is_empty(), "not in OPERATIONS.md: {missing:?}");
    }
}
