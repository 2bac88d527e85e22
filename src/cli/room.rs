//! `tutti room ls|show|cat|rm|cp`: rooms of a running server.

use std::error::Error;
use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use super::outcome::{USAGE, stop};
use super::remote::{Ask, Remote, plain, print_line, with_server};
use crate::config::{CopyTask, ListTask, PrintFormat, PrintTask, RemoveTask, RoomConfig, RoomOrder, RoomTask};
use crate::ids::RoomName;

/// Rooms asked for at once.
const PAGE: usize = 1000;
/// How long a copy may take; the server gives it less.
const COPY_TIMEOUT: Duration = Duration::from_secs(180);

pub(super) fn run(RoomConfig { remote, task }: RoomConfig) -> ExitCode {
    match &task {
        RoomTask::Print(PrintTask { format: PrintFormat::Update, .. }) if io::stdout().is_terminal() => {
            return stop(USAGE, &"an update is no text: send the output to a file with > FILE");
        }
        RoomTask::Remove(RemoveTask { yes: false, .. }) if !io::stdin().is_terminal() => {
            return stop(USAGE, &"nobody can be asked whether this is meant: add --yes to delete");
        }
        _ => {}
    }
    with_server(remote, |remote| async move {
        match task {
            RoomTask::List(task) => list(&remote, task).await,
            RoomTask::Show { room, is_json } => show(&remote, &room, is_json).await,
            RoomTask::Print(task) => print(&remote, task).await,
            RoomTask::Remove(task) => remove(&remote, task).await,
            RoomTask::Copy(task) => copy(&remote, task).await,
        }
    })
}

type Done = Result<(), Box<dyn Error>>;

async fn list(remote: &Remote, task: ListTask) -> Done {
    let mut out = io::stdout().lock();
    let (mut left, mut after) = (task.limit.unwrap_or(usize::MAX), None);
    while left > 0 {
        let mut query = vec![("prefix", task.prefix.clone()), ("limit", left.min(PAGE).to_string())];
        query.extend(task.meta.clone().map(|meta| ("meta", meta)));
        query.extend(after.map(|after| ("after", after)));
        query.extend((task.sort == RoomOrder::Updated).then(|| ("sort", "updated".to_owned())));
        query.extend(task.deleted.then(|| ("deleted", "true".to_owned())));
        let timeout = Duration::from_secs(60);
        let page = remote.json(Ask { method: Method::GET, path: vec!["rooms"], query, body: None, timeout }).await?;
        let rooms = page["rooms"].as_array().cloned().unwrap_or_default();
        left = left.saturating_sub(rooms.len());
        for mut room in rooms {
            if task.size {
                room["size"] = size(remote, text(&room, "room")).await?;
            }
            match task.json {
                true => writeln!(out, "{room}")?,
                false => print_line(&mut out, &listed(&room))?,
            }
        }
        out.flush()?;
        let Some(next) = page["next"].as_str() else { break };
        after = Some(next.to_owned());
    }
    Ok(())
}

/// A room as a line: what has one width first, its name last.
fn listed(room: &Value) -> String {
    let mut line = format!("{:>9}  {}", room["seq"], text(room, "updatedAt"));
    if let Some(size) = room.get("size") {
        line += &match size["entryBytes"].as_u64() {
            Some(bytes) => format!("  {bytes:>12}"),
            None => format!("  {:>12}", "-"),
        };
    }
    if let Some(deletion) = room.get("deletion") {
        line += &format!("  deleted {} by {}, {} left", text(deletion, "at"), text(deletion, "by"), left(deletion));
    }
    format!("{line}  {}", text(room, "room"))
}

/// What is left of a deleted room.
fn left(deletion: &Value) -> &str {
    match text(deletion, "remains") {
        "name" => "its name",
        remains => remains,
    }
}

/// What a room holds; null if it went meanwhile.
async fn size(remote: &Remote, room: &str) -> Result<Value, Box<dyn Error>> {
    let Ok(room) = RoomName::parse(room) else { return Ok(Value::Null) };
    let query = vec![("size", "true".to_owned())];
    let found = remote.json(Ask { query, ..Ask::of_room(Method::GET, &room, None) }).await;
    match found {
        Ok(mut found) => Ok(found["size"].take()),
        Err(error) if error.is_gone() => Ok(Value::Null),
        Err(error) => Err(error.into()),
    }
}

async fn show(remote: &Remote, room: &RoomName, is_json: bool) -> Done {
    let query = vec![("size", "true".to_owned())];
    let mut shown = remote.json(Ask { query, ..Ask::of_room(Method::GET, room, None) }).await?;
    let mut present = remote.json(Ask::of_room(Method::GET, room, Some("presence"))).await?;
    shown["users"] = present["users"].take();
    let mut out = io::stdout().lock();
    if is_json {
        return Ok(writeln!(out, "{shown}")?);
    }
    let size = &shown["size"];
    let users: Vec<String> = shown["users"].as_array().into_iter().flatten().map(present_user).collect();
    let lines = [
        ("room", text(&shown, "room").to_owned()),
        ("seq", shown["seq"].to_string()),
        ("created", text(&shown, "createdAt").to_owned()),
        ("updated", text(&shown, "updatedAt").to_owned()),
        ("access", text(&shown, "access").to_owned()),
        ("meta", shown.get("meta").map_or("-".to_owned(), Value::to_string)),
        (
            "entries",
            format!(
                "{} edits, {} messages, {} events, {} steps",
                size["edits"], size["messages"], size["events"], size["steps"]
            ),
        ),
        ("versions", size["versions"].to_string()),
        ("bytes", format!("{} in entries, {} in snapshots and history", size["entryBytes"], size["derivedBytes"])),
        ("present", if users.is_empty() { "nobody".to_owned() } else { users.join(", ") }),
    ];
    for (name, value) in lines {
        print_line(&mut out, &format!("{name:<10}{value}"))?;
    }
    Ok(())
}

fn present_user(user: &Value) -> String {
    format!("{} ({} sockets)", text(user, "user"), user["sockets"])
}

async fn print(remote: &Remote, PrintTask { room, format, root, at }: PrintTask) -> Done {
    let format = match format {
        PrintFormat::Text => "text",
        PrintFormat::Json => "json",
        PrintFormat::Xml => "xml",
        PrintFormat::Prosemirror => "prosemirror",
        PrintFormat::Update => "yjs",
    };
    let mut query = vec![("format", format.to_owned())];
    query.extend(root.map(|root| ("root", root)));
    query.extend(at.map(|at| ("at", at)));
    let answer = remote.ask(Ask { query, ..Ask::of_room(Method::GET, &room, Some("document")) }).await?;
    let mut out = io::stdout().lock();
    // Nothing but the document goes into a file.
    match out.is_terminal() {
        true => writeln!(out, "{}", plain(&String::from_utf8_lossy(&answer.body), &['\n', '\t']))?,
        false => out.write_all(&answer.body)?,
    }
    Ok(out.flush()?)
}

async fn remove(remote: &Remote, RemoveTask { rooms, hard, free, yes }: RemoveTask) -> Done {
    if !yes && !is_meant(&rooms, hard)? {
        return Err("nothing was deleted".into());
    }
    let mut failed = 0;
    for room in &rooms {
        let mut query = Vec::new();
        query.extend(hard.then(|| ("hard", "true".to_owned())));
        query.extend(free.then(|| ("free", "true".to_owned())));
        match remote.json(Ask { query, ..Ask::of_room(Method::DELETE, room, None) }).await {
            Ok(deleted) => {
                let deletion = &deleted["deletion"];
                let rest = match text(deletion, "remains") {
                    "all" => format!("it can be taken back until {}", text(deletion, "purgeAt")),
                    "some" => "what is in it is being deleted".to_owned(),
                    "nothing" => "its name is free".to_owned(),
                    _ => "its name stays taken".to_owned(),
                };
                print_line(&mut io::stdout(), &format!("{room} is deleted: {rest}"))?;
            }
            Err(error) => {
                failed += 1;
                print_line(&mut io::stderr(), &format!("tutti: {room}: {error}"))?;
            }
        }
    }
    if failed > 0 { Err(format!("{failed} room(s) were not deleted").into()) } else { Ok(()) }
}

/// Asks the person at the terminal.
fn is_meant(rooms: &[RoomName], is_hard: bool) -> io::Result<bool> {
    let mut out = io::stderr();
    for room in rooms {
        print_line(&mut out, &format!("  {room}"))?;
    }
    let how = if is_hard { "at once and for good" } else { "(it can be taken back for a while)" };
    write!(out, "Delete {} room(s) {how}? [y/N] ", rooms.len())?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

async fn copy(remote: &Remote, CopyTask { from, to, at, version, history }: CopyTask) -> Done {
    let mut body = json!({ "to": to, "history": history });
    if let Some(at) = at {
        body["at"] = at.parse::<u64>().map_or_else(|_| at.into(), Value::from);
    }
    if let Some(version) = version {
        body["version"] = version.into();
    }
    let ask = Ask { body: Some(body), timeout: COPY_TIMEOUT, ..Ask::of_room(Method::POST, &from, Some("copy")) };
    let copied = remote.json(ask).await?;
    let what = if history { "the timeline" } else { "the document" };
    let line = format!("{} has {what} of {from} up to {}", text(&copied, "room"), copied["from"]["seq"]);
    Ok(print_line(&mut io::stdout(), &line)?)
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}
