//! Which parts of two sequences are the same.

use std::hash::Hash;
use std::ops::Range;

use imara_diff::{Algorithm, Diff, InternedInput, Interner};

use crate::document::view::budget::{Meter, TooCostly};

/// A part of the one that is another part of the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hunk {
    pub before: Range<usize>,
    pub after: Range<usize>,
}

/// What it costs at most to find where sequences differ that have so many parts together, in steps of a budget: the library's are shorter.
pub(super) fn cost(parts: usize) -> usize {
    parts.saturating_mul(parts.isqrt()) / 4
}

/// Where two sequences differ, in order.
pub(super) fn hunks<T: Eq + Hash>(before: &[T], after: &[T], meter: &mut Meter) -> Result<Vec<Hunk>, TooCostly> {
    let start = before.iter().zip(after).take_while(|(one, other)| one == other).count();
    let left = before.len().min(after.len()) - start;
    let end = before.iter().rev().zip(after.iter().rev()).take(left).take_while(|(one, other)| one == other).count();
    let (before, after) = (&before[start..before.len() - end], &after[start..after.len() - end]);
    meter.steps(start + end + cost(before.len() + after.len()))?;
    meter.hold::<[u64; 8]>(before.len() + after.len())?;
    let mut input = InternedInput { before: Vec::new(), after: Vec::new(), interner: Interner::new(0) };
    input.update_before(before.iter());
    input.update_after(after.iter());
    let range = |range: Range<u32>| start + range.start as usize..start + range.end as usize;
    let diff = Diff::compute(Algorithm::Myers, &input);
    Ok(diff.hunks().map(|hunk| Hunk { before: range(hunk.before), after: range(hunk.after) }).collect())
}

/// Pairs that are compared one by one at most.
const PAIRS_MAX: usize = 4096;

/// Which of `before` become which of `after`, in order, so that the sum of their likenesses is greatest; what has no likeness is no pair.
/// Where there are very many, the first becomes the first.
pub(super) fn pairs(before: usize, after: usize, likeness: impl Fn(usize, usize) -> u32) -> Vec<(usize, usize)> {
    if before * after > PAIRS_MAX {
        return (0..before.min(after)).map(|at| (at, at)).filter(|(old, new)| likeness(*old, *new) > 0).collect();
    }
    // The best sum of what is behind each pair of places.
    let mut best = vec![vec![0u32; after + 1]; before + 1];
    let mut likenesses = vec![vec![0u32; after]; before];
    for old in (0..before).rev() {
        for new in (0..after).rev() {
            let like = likeness(old, new);
            likenesses[old][new] = like;
            let paired = if like > 0 { like + best[old + 1][new + 1] } else { 0 };
            best[old][new] = paired.max(best[old + 1][new]).max(best[old][new + 1]);
        }
    }
    let (mut old, mut new, mut found) = (0, 0, Vec::new());
    while old < before && new < after {
        let like = likenesses[old][new];
        if like > 0 && best[old][new] == like + best[old + 1][new + 1] {
            found.push((old, new));
            (old, new) = (old + 1, new + 1);
        } else if best[old][new] == best[old + 1][new] {
            old += 1;
        } else {
            new += 1;
        }
    }
    found
}

/// How much of two texts is equal at their beginnings and ends, of 100.
pub(super) fn text_likeness(one: &str, other: &str) -> u32 {
    let longer = one.len().max(other.len());
    if longer == 0 {
        return 100;
    }
    let start = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    let left = one.len().min(other.len()) - start;
    let end = one.bytes().rev().zip(other.bytes().rev()).take(left).take_while(|(one, other)| one == other).count();
    ((start + end) * 100 / longer) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_most_alike_becomes_a_pair() {
        let (before, after) = (["hello", "world"], ["new", "hello!", "wor"]);
        let found = pairs(2, 3, |old, new| text_likeness(before[old], after[new]));
        assert_eq!(found, [(0, 1), (1, 2)]);
        assert_eq!(pairs(2, 2, |_, _| 0), []);
    }
}
