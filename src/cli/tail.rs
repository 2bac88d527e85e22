//! `tutti tail`: follows a room's timeline. Asks for the next entries again and again, each time waiting for them; what the server has
//! not answered is asked for once more, so no entry is missed and none printed twice.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use hyper::Method;
use serde_json::Value;
use tokio::time::sleep;

use super::remote::{Ask, Remote, RemoteError, print_line, with_server};
use crate::config::{TailConfig, TailKind, TailTask};

/// Entries asked for at once.
const PAGE: u32 = 1000;
/// How long the server waits for an entry, in seconds, and how long its answer may take.
const WAIT_S: u32 = 30;
const TIMEOUT: Duration = Duration::from_secs(45);
/// Waits between two attempts.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(10);

pub(super) fn run(TailConfig { remote, task }: TailConfig) -> ExitCode {
    with_server(remote, |remote| async move {
        let mut tail = Tail { remote: &remote, task, retry: RETRY_FIRST };
        tail.follow().await
    })
}

struct Tail<'r> {
    remote: &'r Remote,
    task: TailTask,
    /// The wait before the next attempt.
    retry: Duration,
}

impl Tail<'_> {
    async fn follow(&mut self) -> Result<(), Box<dyn Error>> {
        let mut after = match self.task.after {
            Some(after) => after,
            None => {
                // Fails at once where there is no such room.
                let room = self.remote.json(Ask::of_room(Method::GET, &self.task.room, None)).await?;
                let head = room["seq"].as_u64().unwrap_or(0);
                if self.task.lines > 0 {
                    let before = vec![("before", (head + 1).to_string()), ("limit", self.task.lines.to_string())];
                    let newest = self.page(before).await?;
                    print(&newest, self.task.json)?;
                }
                head
            }
        };
        loop {
            let mut query = vec![("after", after.to_string()), ("limit", PAGE.to_string())];
            query.extend((!self.task.no_follow).then(|| ("wait", WAIT_S.to_string())));
            let page = match self.page(query).await {
                Ok(page) => page,
                Err(error) if error.is_temporary() && !self.task.no_follow => {
                    self.wait(&error).await?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            self.retry = RETRY_FIRST;
            print(&page, self.task.json)?;
            after = page.last().and_then(|entry| entry["seq"].as_u64()).unwrap_or(after);
            if self.task.no_follow && page.is_empty() {
                return Ok(());
            }
        }
    }

    async fn page(&self, mut query: Vec<(&'static str, String)>) -> Result<Vec<Value>, RemoteError> {
        let kind = self.task.kind.map(|kind| match kind {
            TailKind::Edit => "edit",
            TailKind::Message => "message",
            TailKind::Event => "event",
            TailKind::Step => "step",
        });
        query.extend(kind.map(|kind| ("kind", kind.to_owned())));
        let ask = Ask::of_room(Method::GET, &self.task.room, Some("history"));
        let mut page = self.remote.json(Ask { query, timeout: TIMEOUT, ..ask }).await?;
        Ok(page["entries"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    /// Says why nothing comes, and waits.
    async fn wait(&mut self, error: &RemoteError) -> io::Result<()> {
        let asked = if let RemoteError::Refused { retry_after, .. } = error { *retry_after } else { None };
        let wait = asked.unwrap_or(self.retry).clamp(self.retry, RETRY_MAX);
        print_line(&mut io::stderr(), &format!("tutti: {error}; trying again in {:.1} s", wait.as_secs_f32()))?;
        sleep(wait).await;
        self.retry = (2 * self.retry).min(RETRY_MAX);
        Ok(())
    }
}

fn print(entries: &[Value], is_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for entry in entries {
        match is_json {
            true => writeln!(out, "{entry}")?,
            false => print_line(&mut out, &line(entry))?,
        }
    }
    out.flush()
}

/// An entry as a line.
fn line(entry: &Value) -> String {
    let text = |name: &str| entry[name].as_str().unwrap_or_default();
    let via = entry["via"].as_str().map(|via| format!(" via {via}")).unwrap_or_default();
    let what = match &entry["body"] {
        Value::Null => format!("{} bytes", entry["bytes"]),
        body => match (text("kind"), body["text"].as_str()) {
            ("message", Some(said)) => said.to_owned(),
            _ => body.to_string(),
        },
    };
    format!("{:>9}  {}  {:<7}  {}{via}  {what}", entry["seq"], text("at"), text("kind"), text("author"))
}
