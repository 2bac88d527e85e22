//! The tables of docs/ARCHITECTURE.md that say which modules may name which.

use std::fs;

use super::source::root;

/// One row: the names in its first cell, without a slash at the end, and all names in the others.
pub struct Row {
    pub parts: Vec<String>,
    pub mentions: Vec<String>,
}

/// The rows of the first table behind a heading, in their order.
pub fn rows(heading: &str) -> Vec<Row> {
    let text = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let (_, section) = text.split_once(&format!("{heading}\n")).unwrap_or_else(|| panic!("no heading {heading:?}"));
    let lines = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    // Behind the head and the rule.
    lines.skip(2).map(row).collect()
}

fn row(line: &str) -> Row {
    let mut cells = line.trim_matches('|').splitn(2, " | ");
    let parts = quoted(cells.next().unwrap()).into_iter().map(|part| part.trim_end_matches('/').to_owned()).collect();
    Row { parts, mentions: cells.next().map(quoted).unwrap_or_default() }
}

/// The words between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
