//! Which snapshots of a room are worth keeping: the newest, and ever fewer the older they are. Pure.

use crate::ids::Seq;

/// Of a room's snapshots, those that may go. Each span of entries before the newest, twice as long as the span after it, keeps one.
pub(super) fn superfluous(mut seqs: Vec<Seq>) -> Vec<Seq> {
    seqs.sort_unstable();
    let Some(newest) = seqs.pop() else { return Vec::new() };
    let span = |seq: Seq| (newest.0 - seq.0).ilog2();
    let mut kept = None;
    // Oldest first: the oldest of a span stays, for it is the one that grows into the next.
    seqs.retain(|seq| {
        let is_first = kept != Some(span(*seq));
        kept = Some(span(*seq));
        !is_first
    });
    seqs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_and_one_of_each_span_stay() {
        assert_eq!(superfluous(vec![]), []);
        assert_eq!(superfluous(vec![Seq(7)]), []);
        let going = superfluous((1..=16).map(|n| Seq(n * 100)).collect());
        let stays: Vec<u64> = (1..=16).map(|n| n * 100).filter(|n| !going.contains(&Seq(*n))).collect();
        assert_eq!(stays, [100, 600, 1100, 1400, 1500, 1600]);
    }

    #[test]
    fn their_number_grows_with_the_logarithm_of_the_history() {
        let mut seqs: Vec<Seq> = Vec::new();
        for n in 1..=10_000 {
            seqs.push(Seq(n * 10));
            let going = superfluous(seqs.clone());
            seqs.retain(|seq| !going.contains(seq));
        }
        assert!(seqs.len() <= 20, "{seqs:?}");
        assert!(seqs.contains(&Seq(100_000)));
    }
}
