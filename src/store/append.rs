//! Group commit: the appends of many rooms in one transaction, and what to do when it fails, so that whatever is wrong
//! harms only what it is wrong with.

use std::collections::HashSet;
use std::time::Instant;

use super::entry::{Append, Outcome};
use super::error::{Reach, StoreError};
use super::shortcut::shortcut;
use super::statements::Statements;
use super::transaction::{Failed, How, Rules, transaction};
use super::writer::Writer;

/// What a client to bind costs, in bytes of a body.
const CLIENT_BYTES: usize = 100;

/// Stores `appends`, at most one a room, in one transaction; if that fails for a reason that is not the whole
/// database's, room by room, and a room whose data is bad entry by entry. One outcome an append, in order.
pub(super) async fn append<C: Statements>(writer: &Writer<C>, rules: &Rules, appends: &[Append]) -> Vec<Outcome> {
    let mut rooms = HashSet::new();
    let batch: Vec<&Append> = appends.iter().filter(|append| rooms.insert(append.room)).collect();
    let mut outcomes = store(writer, rules, &batch).await;
    if batch.len() < appends.len() {
        let mut tried = HashSet::new();
        for (index, append) in appends.iter().enumerate() {
            if !tried.insert(append.room) {
                outcomes.insert(index, Err(StoreError::RoomRepeated));
            }
        }
    }
    outcomes
}

async fn store<C: Statements>(writer: &Writer<C>, rules: &Rules, batch: &[&Append]) -> Vec<Outcome> {
    let started = Instant::now();
    let stored = match shortcut(writer, rules, batch).await {
        Ok(None) => transaction(writer, rules, batch, How::Together).await,
        Ok(Some(outcomes)) => Ok(outcomes),
        Err(failed) => Err(failed),
    };
    let failed = match stored {
        Ok(outcomes) => return outcomes,
        Err(failed) => failed,
    };
    // Alone it would take as long once more.
    if failed.error == StoreError::Slow && batch.len() == 1 {
        return vec![Err(failed.error)];
    }
    // Once the database itself fails, or the rooms' time-outs add up, the rest need not be tried.
    let mut down = (failed.reach == Reach::Database).then_some(failed.error);
    let mut outcomes = vec![Err(StoreError::NoSuchRoom); batch.len()];
    // The largest last: if one takes too long, it is most likely that.
    let mut order: Vec<usize> = (0..batch.len()).collect();
    order.sort_by_key(|&index| size(batch[index]));
    for index in order {
        let append = batch[index];
        if down.is_none() && started.elapsed() > writer.transaction_timeout {
            down = Some(StoreError::timed_out(writer.transaction_timeout));
        }
        if let Some(error) = &down {
            outcomes[index] = Err(error.clone());
            continue;
        }
        outcomes[index] = match store_alone(writer, rules, append).await {
            Ok(outcome) => outcome,
            Err(failed) => {
                down = (failed.reach == Reach::Database).then(|| failed.error.clone());
                Err(failed.error)
            }
        };
    }
    outcomes
}

/// What an append costs the database, about.
fn size(append: &Append) -> usize {
    append.clients.len() * CLIENT_BYTES + append.entries.iter().map(|entry| entry.body.len()).sum::<usize>()
}

async fn store_alone<C: Statements>(writer: &Writer<C>, rules: &Rules, append: &Append) -> Result<Outcome, Failed> {
    let mut outcomes = match transaction(writer, rules, &[append], How::Together).await {
        Err(Failed { reach: Reach::Data, .. }) => transaction(writer, rules, &[append], How::EntryByEntry).await?,
        outcomes => outcomes?,
    };
    Ok(outcomes.pop().unwrap_or(Err(StoreError::NoSuchRoom)))
}
