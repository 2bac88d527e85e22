//! What is logged, and how a line is written.

use super::options::LogOptions;
use super::reading::Reading;

/// What is logged.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// How a line is written.
    pub format: LogFormat,
    /// A filter of `tracing`.
    pub filter: String,
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line, for programs.
    Json,
}

impl LogConfig {
    pub(super) fn read(reading: &mut Reading, options: &LogOptions) -> Self {
        let format = match options.log_format.as_str() {
            "json" => LogFormat::Json,
            _ => LogFormat::Text,
        };
        reading.parsed("log-format", &options.log_format, "", |text| match text {
            "text" => Ok("text"),
            "json" => Ok("json"),
            _ => Err("text or json"),
        });
        let filter = reading.parsed("log-level", &options.log_level, String::new(), |text| match is_filter(text) {
            true => Ok(text.to_owned()),
            false => Err("error, warn, info, debug, trace, off, or a filter such as info,tutti::room=debug"),
        });
        Self { format, filter }
    }
}

/// A bare word that is no level would be taken for the name of a module, and silence everything else.
fn is_filter(text: &str) -> bool {
    let is_level = |word: &str| word.parse::<tracing_subscriber::filter::LevelFilter>().is_ok() && !word.is_empty();
    text.split(',').all(|part| part.contains(['=', '[']) || is_level(part))
        && tracing_subscriber::EnvFilter::builder().parse(text).is_ok()
}
