//! A log line as one flat JSON object: what the line says, and beside it the fields of the spans that it stands in.

use std::fmt;

use serde_json::{Map, Value};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes flat JSON objects. Fields have to be formatted as JSON.
pub struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Map::new();
        for span in ctx.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(own) = span.extensions().get::<FormattedFields<N>>() {
                add(&mut fields, &own.fields);
            }
        }
        let mut own = String::new();
        ctx.format_fields(Writer::new(&mut own), event)?;
        add(&mut fields, &own);
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let metadata = event.metadata();
        write!(writer, r#"{{"timestamp":"{time}","level":"{}""#, metadata.level())?;
        for (name, value) in fields {
            write!(writer, ",{}:{value}", Value::String(name))?;
        }
        writeln!(writer, r#","target":{}}}"#, Value::from(metadata.target()))
    }
}

/// Adds an object's fields; newer ones count.
fn add(fields: &mut Map<String, Value>, object: &str) {
    if let Ok(Value::Object(own)) = serde_json::from_str(object) {
        fields.extend(own);
    }
}
