//! Where log lines go: to the standard error output, as text or JSON, by way of a bounded queue, so that an output that is full, gone
//! or not read harms nobody. The standard output belongs to what a person or a script asked for: the ready link, a token. What may be
//! logged is decided where it is logged: never a token, a query string or content.

mod flood;
mod queue;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
use std::panic::{self, PanicHookInfo};
use std::time::Duration;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{LogConfig, LogFormat};
use flood::FloodGuard;
use queue::Queue;

/// How long the last lines may take when the process ends.
const FLUSH_PATIENCE: Duration = Duration::from_secs(1);

static QUEUE: Queue = Queue::new();

/// Logging cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is none.
    #[error("the log filter cannot be read: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Something else in this process logs already.
    #[error("logging has begun already: {0}")]
    Installed(#[from] TryInitError),
    /// There is no thread to write.
    #[error("logging cannot begin: {0}")]
    Thread(#[from] io::Error),
}

/// Sends all log lines of the process, and what panics say, to the standard error output. Works once in a process.
pub fn init(config: &LogConfig) -> Result<(), TelemetryError> {
    subscriber(config, || &QUEUE, io::stderr().is_terminal())?.try_init()?;
    std::thread::Builder::new().name("log".to_owned()).spawn(|| QUEUE.drain(io::stderr(), tell_dropped))?;
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Waits until what was logged is written, for a second at most: for who ends the process.
pub fn flush() {
    QUEUE.flush(FLUSH_PATIENCE);
}

fn tell_dropped(lines: u64) {
    tracing::warn!(lines, "log lines were dropped: they could not be written, or not in time");
}

/// The usual hook would write, and wait, past the queue.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let reason = panic.payload_as_str().unwrap_or("no reason given");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(thread = thread.name(), place, reason, backtrace, "a thread panicked");
}

fn subscriber<W>(
    config: &LogConfig,
    writer: W,
    is_coloured: bool,
) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // The HTTP server's own lines say nothing that ours do not, and sqlx tells of slow statements with all of their text, 40 KB for a
    // commit of many entries; a filter that names them still wins.
    let filter = EnvFilter::builder().parse(format!("actix_server=warn,sqlx=error,{}", config.filter))?;
    let registry = tracing_subscriber::registry().with(filter).with(FloodGuard::default());
    // Internal errors would go past the queue, and panic where nobody hears it.
    Ok(match config.format {
        LogFormat::Text => {
            let lines = tracing_subscriber::fmt::layer().compact().with_writer(writer).with_ansi(is_coloured);
            Box::new(registry.with(lines.log_internal_errors(false)))
        }
        LogFormat::Json => {
            let lines = json_subscriber::layer().with_writer(writer).with_current_span(false).with_span_list(false);
            let lines = lines.flatten_event(true).flatten_span_list_on_top_level(true);
            Box::new(registry.with(lines.log_internal_errors(false)))
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: &str) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let config = LogConfig { format, filter: filter.to_owned() };
        let subscriber = subscriber(&config, move || writer.clone(), false).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            let socket = tracing::error_span!("socket", socket.id = 7, user.id = tracing::field::Empty);
            socket.in_scope(|| {
                tracing::Span::current().record("user.id", "ada");
                tracing::info!(room.name = "docs/plan", "room loaded");
            });
            tracing::debug!("frame");
            tracing::warn!(target: "sqlx::query", "slow statement");
            tracing::error_span!("room", room.name = "docs/plan").in_scope(|| tracing::warn!(retry_ms = 1, "later"));
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_text_line_reads_alone_and_has_its_fields() {
        let text = logged(LogFormat::Text, "info");
        for part in ["room loaded", r#"room.name="docs/plan""#, "socket.id=7", r#"user.id="ada""#] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(text.lines().count(), 2);
        let within = text.lines().last().unwrap();
        assert!(within.contains(r#"room.name="docs/plan""#) && within.contains("retry_ms=1"), "{within}");
    }

    #[test]
    fn a_json_line_is_one_object_with_its_fields() {
        let text = logged(LogFormat::Json, "debug");
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!((&lines[0]["message"], &lines[0]["room.name"]), (&"room loaded".into(), &"docs/plan".into()));
        assert_eq!((&lines[0]["socket.id"], &lines[0]["user.id"]), (&7.into(), &"ada".into()));
        assert_eq!((&lines[1]["message"], &lines[1]["level"]), (&"frame".into(), &"DEBUG".into()));
        assert_eq!(lines[1].get("socket.id"), None, "a line has the fields of its own spans only");
        assert_eq!((&lines[2]["retry_ms"], &lines[2]["room.name"]), (&1.into(), &"docs/plan".into()));
    }

    #[test]
    fn the_filter_decides_what_is_logged() {
        assert_eq!(logged(LogFormat::Text, "error"), "");
        assert!(logged(LogFormat::Text, "warn").contains("room.name"), "whatever the level");
        assert_eq!(logged(LogFormat::Text, "warn,tutti=debug").lines().count(), 3);
        assert!(logged(LogFormat::Text, "warn,sqlx=warn").contains("slow statement"));
    }
}
