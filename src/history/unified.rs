//! What changed between two texts as people read it: a unified diff, by lines.

use std::collections::BTreeMap;

use imara_diff::{Algorithm, Diff, Hunk, InternedInput, Token};
use serde_json::value::RawValue;

use crate::document::{Meter, TooCostly};

/// Lines that are the same, before and behind those that are not.
const CONTEXT: u32 = 3;

/// The unified diff of two texts, as `patch` takes it; empty if they are the same.
///
/// # Errors
/// It takes more than may be spent.
pub(super) fn unified(
    (from, before): (&str, &str),
    (to, after): (&str, &str),
    meter: &mut Meter,
) -> Result<String, TooCostly> {
    if before == after {
        return Ok(String::new());
    }
    let input = InternedInput::new(before, after);
    let lines = input.before.len() + input.after.len();
    // What finding the lines costs at most: the library gives up on the shortest difference before that.
    meter.steps(before.len() + after.len() + lines.saturating_mul(lines.isqrt()) / 4)?;
    meter.hold::<u8>(2 * (before.len() + after.len() + lines))?;
    let mut diff = Diff::compute(Algorithm::Myers, &input);
    diff.postprocess_lines(&input);
    let hunks: Vec<Hunk> = diff.hunks().collect();
    let mut out = format!("--- {from}\n+++ {to}\n");
    for together in hunks.chunk_by(|one, next| next.before.start - one.before.end <= 2 * CONTEXT) {
        put(together, &input, &mut out);
    }
    Ok(out)
}

/// JSON with a line for each value, and keys in order: that in which a document has them may be another in each of its states.
///
/// # Errors
/// It takes more than may be spent.
pub(super) fn lines(json: &str, meter: &mut Meter) -> Result<String, TooCostly> {
    let mut out = String::new();
    put_lines(json, 0, &mut out, meter)?;
    out.push('\n');
    Ok(out)
}

/// Values lie no deeper than a document allows.
fn put_lines(json: &str, depth: usize, out: &mut String, meter: &mut Meter) -> Result<(), TooCostly> {
    meter.steps(1 + json.len())?;
    let parts: Vec<(Option<String>, &RawValue)> = if json.starts_with('{') {
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(json).unwrap_or_default();
        members.into_iter().map(|(key, value)| (Some(key), value)).collect()
    } else if json.starts_with('[') {
        serde_json::from_str::<Vec<&RawValue>>(json)
            .unwrap_or_default()
            .into_iter()
            .map(|value| (None, value))
            .collect()
    } else {
        Vec::new()
    };
    meter.hold::<(Option<String>, &RawValue, u16)>(parts.len())?;
    let Some(last) = parts.len().checked_sub(1) else {
        meter.hold::<u16>(json.len())?;
        out.push_str(json);
        return Ok(());
    };
    out.push_str(&json[..1]);
    for (at, (key, value)) in parts.into_iter().enumerate() {
        break_line(out, depth + 1, meter)?;
        if let Some(key) = key {
            let key = serde_json::Value::from(key).to_string();
            meter.hold::<u16>(key.len() + 2)?;
            out.push_str(&key);
            out.push_str(": ");
        }
        put_lines(value.get(), depth + 1, out, meter)?;
        out.push_str(if at < last { "," } else { "" });
    }
    break_line(out, depth, meter)?;
    out.push_str(&json[json.len() - 1..]);
    Ok(())
}

fn break_line(out: &mut String, depth: usize, meter: &mut Meter) -> Result<(), TooCostly> {
    meter.hold::<u16>(1 + 2 * depth)?;
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
    Ok(())
}

/// Writes what changed close together. (The library's own writer counts from the wrong line where the first change is near the beginning,
/// and tells nothing of a last line without an end.)
fn put(hunks: &[Hunk], input: &InternedInput<&str>, out: &mut String) {
    let (Some(first), Some(last)) = (hunks.first(), hunks.last()) else { return };
    let context = first.before.start.min(CONTEXT);
    let (before, after) = (first.before.start - context, first.after.start - context);
    let before_end = (last.before.end + CONTEXT).min(input.before.len() as u32);
    let after_end = last.after.end + (before_end - last.before.end);
    let place = |start: u32, end: u32| {
        // Where there are none, the line before is told.
        let number = start + u32::from(end > start);
        format!("{number},{}", end - start)
    };
    out.push_str(&format!("@@ -{} +{} @@\n", place(before, before_end), place(after, after_end)));
    let mut lines = |mark: char, tokens: &[Token]| {
        for token in tokens {
            let line = input.interner[*token];
            out.push(mark);
            out.push_str(line);
            if !line.ends_with('\n') {
                out.push_str("\n\\ No newline at end of file\n");
            }
        }
    };
    let mut at = before;
    for hunk in hunks {
        lines(' ', &input.before[at as usize..hunk.before.start as usize]);
        lines('-', &input.before[hunk.before.start as usize..hunk.before.end as usize]);
        lines('+', &input.after[hunk.after.start as usize..hunk.after.end as usize]);
        at = hunk.before.end;
    }
    lines(' ', &input.before[at as usize..before_end as usize]);
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;
    use crate::document::ReadingBudget;

    fn diff(before: &str, after: &str) -> String {
        let mut meter = Meter::new(ReadingBudget::default());
        unified(("room@1", before), ("room@2", after), &mut meter).unwrap()
    }

    #[test]
    fn lines_that_changed_stand_among_those_around_them() {
        assert_eq!(diff("same\n", "same\n"), "");
        assert_eq!(diff("", "new\n"), "--- room@1\n+++ room@2\n@@ -0,0 +1,1 @@\n+new\n");
        let told = diff("a\nb\nc\nd\ne\nf\n", "a\nb\nc\nd\nE\nf");
        let lines = "@@ -2,5 +2,5 @@\n b\n c\n d\n-e\n-f\n+E\n+f\n\\ No newline at end of file\n";
        assert_eq!(told, format!("--- room@1\n+++ room@2\n{lines}"));
    }

    #[test]
    fn each_value_of_json_has_a_line() {
        let mut meter = Meter::new(ReadingBudget::default());
        let json = r#"{"c":{},"a":[1,{"b":"x,{\"[\\"}],"d":[[],[null]]}"#;
        let lines = lines(json, &mut meter).unwrap();
        let expected = "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x,{\\\"[\\\\\"\n    }\n  ],\n  \"c\": {},\n  \"d\": [\n    [],\n    [\n      null\n    ]\n  ]\n}\n";
        assert_eq!(lines, expected);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&lines).unwrap(),
            serde_json::from_str::<serde_json::Value>(json).unwrap()
        );
        let mut meter = Meter::new(ReadingBudget { steps: 10, bytes: 1000 });
        assert_eq!(super::lines("[1,2,3,4,5]", &mut meter), Err(TooCostly));
    }

    #[test]
    fn what_costs_more_than_may_be_spent_is_refused() {
        let mut meter = Meter::new(ReadingBudget { steps: 7, bytes: 1000 });
        assert_eq!(unified(("1", "abc\n"), ("2", "abd\n"), &mut meter), Err(TooCostly));
        let mut meter = Meter::new(ReadingBudget { steps: 1000, bytes: 19 });
        assert_eq!(unified(("1", "abc\n"), ("2", "abd\n"), &mut meter), Err(TooCostly));
        let mut meter = Meter::new(ReadingBudget { steps: 8, bytes: 20 });
        assert!(unified(("1", "abc\n"), ("2", "abd\n"), &mut meter).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn patch_makes_the_one_the_other(before in "([abc]{0,2}\r?\n){0,20}[abc]{0,2}", after in "([abc]{0,2}\r?\n){0,20}[abc]{0,2}") {
            let folder = tempfile::tempdir().unwrap();
            let (text, patch) = (folder.path().join("text"), folder.path().join("patch"));
            std::fs::write(&text, &before).unwrap();
            std::fs::write(&patch, diff(&before, &after)).unwrap();
            if before != after {
                let run = Command::new("patch").args(["--binary", "--fuzz=0"]).arg(&text).arg(&patch).output().unwrap();
                // It says so where a line is not where it was told to be.
                let is_exact = run.status.success() && !String::from_utf8_lossy(&run.stdout).contains("Hunk");
                prop_assert!(is_exact, "{run:?}");
            }
            let patched = std::fs::read_to_string(&text).unwrap_or_default();
            prop_assert_eq!(patched, after);
        }
    }
}
