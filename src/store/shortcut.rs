//! The short way of an append: one trip to the database, if the rooms are as this server's last commits left them. Anything
//! unusual takes the long way of [`super::transaction`], which asks first.

use tokio::time::timeout;

use super::entry::{Append, Outcome};
use super::error::{Reach, StoreError, is_slow, reach};
use super::heads::{Before, Heads};
use super::number::Numbering;
use super::statements::{CLIENTS_AT_ONCE, Settled, Statements};
use super::transaction::{Failed, Rules, now_ms};
use super::writer::Writer;

/// Stores `batch`, which names each room once, wholly. `None`: nothing of it is stored, and the long way knows why.
pub(super) async fn shortcut<C: Statements>(
    writer: &Writer<C>,
    rules: &Rules,
    batch: &[&Append],
) -> Result<Option<Vec<Outcome>>, Failed> {
    if batch.iter().map(|append| append.clients.len()).sum::<usize>() > CLIENTS_AT_ONCE {
        return Ok(None);
    }
    let before = |heads: &Heads| batch.iter().map(|append| heads.before(append)).collect::<Option<Vec<_>>>();
    let Some((mut held, before)) = writer.hold_if(before).await? else { return Ok(None) };
    let now_ms = now_ms();
    let (mut rows, mut settled, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
    for (&append, before) in batch.iter().zip(before) {
        let Before { head: before, epoch, newest_step } = before;
        let mut numbering = Numbering::new(before, now_ms);
        numbering.know_newest_step(newest_step);
        let outcome = numbering.place_all(append, rules.entry_bytes_max, &mut rows);
        settled.push(Settled::new(append, (before, epoch), &numbering, &outcome, rules.counts_usage));
        outcomes.push(Ok(outcome));
    }
    let limit = writer.transaction_timeout;
    let timed_out = |_| StoreError::timed_out(limit);
    let stored = timeout(limit, held.connection.commit_at_once(&rules.server, &rows, &settled)).await;
    match stored.map_err(timed_out)? {
        Ok(Ok(())) => {
            held.heads.learn(&settled);
            held.keep();
            Ok(Some(outcomes))
        }
        Ok(Err(others)) => {
            held.heads.forget(others);
            held.keep();
            Ok(None)
        }
        // A connection that knows the rooms' heads has seen the end of each try before.
        Err(error) if is_slow(&error) => Err(Failed::slow()),
        Err(error) => match (reach(&error), &error) {
            (Reach::Database, sqlx::Error::Database(_)) => Err(error.into()),
            (Reach::Data, _) => {
                held.heads = Heads::default();
                // If that fails the connection is closed, which rolls back as well.
                if let Ok(Ok(())) = timeout(limit, held.connection.run("rollback")).await {
                    held.keep();
                }
                Ok(None)
            }
            // The connection is gone, or may be in any state, and nobody knows whether this was committed: the long way finds
            // out, on a new one.
            _ => Ok(None),
        },
    }
}
