//! What a person sees: results as lines on the standard output, progress on the standard error output, as a bar on a terminal and as
//! a line now and then elsewhere.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};

/// Between two lines of progress where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(2);

pub(super) struct Console<'o> {
    out: &'o mut dyn Write,
    bar: ProgressBar,
    /// What is counted.
    things: &'static str,
    last_line: Instant,
}

impl<'o> Console<'o> {
    /// Counts `things` of which nobody knows how many there are.
    pub fn new(out: &'o mut dyn Write, things: &'static str) -> Self {
        let bar = ProgressBar::no_length();
        Self { out, bar, things, last_line: Instant::now() }
    }

    /// Begins to show progress, towards `total` if that is known.
    pub fn begin(&mut self, total: Option<u64>) {
        let template = match total {
            Some(total) => {
                self.bar.set_length(total);
                "{bar:40} {human_pos}/{human_len} {msg}  {eta} left"
            }
            None => "{spinner} {human_pos} {msg}  {elapsed}",
        };
        self.bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        self.bar.set_message(self.things);
    }

    /// One more is done.
    pub fn advance(&mut self) {
        self.bar.inc(1);
        if self.bar.is_hidden() && self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            let of = self.bar.length().map(|total| format!(" of {total}")).unwrap_or_default();
            // Nothing is lost with it.
            let _ = writeln!(io::stderr(), "{}{of} {}", self.bar.position(), self.things);
        }
    }

    /// A line of results.
    pub fn line(&mut self, line: impl Display) -> io::Result<()> {
        let out = &mut *self.out;
        self.bar.suspend(|| writeln!(out, "{line}"))
    }

    /// Takes the bar away.
    pub fn end(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A number of bytes for people.
pub(super) fn size(bytes: u64) -> String {
    BinaryBytes(bytes).to_string()
}
