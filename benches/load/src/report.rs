//! What was measured, as a Markdown table, JSON and a picture.

use std::fmt::Write;

use serde_json::{Value, json};

/// One figure of one server in one row.
#[derive(Debug, Clone)]
pub struct Figure {
    pub name: &'static str,
    pub value: f64,
    pub unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Per second, or per CPU-second.
    Rate,
    Milliseconds,
    Seconds,
    KiB,
    MiB,
    /// Of one core.
    Cores,
    Count,
    Ratio,
}

/// What one server did in one row.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub figures: Vec<Figure>,
    /// What did not arrive, or arrived wrong. Empty: everything exact.
    pub problems: Vec<String>,
}

impl Outcome {
    pub fn add(&mut self, name: &'static str, value: f64, unit: Unit) {
        self.figures.push(Figure { name, value, unit });
    }

    pub fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    fn find(&self, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.name == name)
    }
}

/// One kind of load, and what each server did with it.
#[derive(Debug)]
pub struct Row {
    pub id: &'static str,
    pub title: String,
    pub outcomes: Vec<(String, Outcome)>,
}

fn shown(figure: &Figure) -> String {
    match figure.unit {
        Unit::Rate | Unit::Count => grouped(figure.value),
        Unit::Milliseconds if figure.value < 10.0 => format!("{:.1} ms", figure.value),
        Unit::Milliseconds => format!("{:.0} ms", figure.value),
        Unit::Seconds => format!("{:.2} s", figure.value),
        Unit::KiB => format!("{:.1} KiB", figure.value / 1024.0),
        Unit::MiB => format!("{:.0} MiB", figure.value / 1024.0 / 1024.0),
        Unit::Ratio => format!("{:.2}", figure.value),
        Unit::Cores => format!("{:.2} of a core", figure.value),
    }
}

fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The table: a line for each figure, a column for each server.
pub fn markdown(rows: &[Row]) -> String {
    let mut servers: Vec<&str> = Vec::new();
    for (server, _) in rows.iter().flat_map(|row| &row.outcomes) {
        if !servers.contains(&server.as_str()) {
            servers.push(server);
        }
    }
    let mut out = format!("| load | figure | {} |\n", servers.join(" | "));
    let _ = writeln!(out, "|---|---|{}", "---|".repeat(servers.len()));
    let mut problems = Vec::new();
    for row in rows {
        let mut names: Vec<&str> = Vec::new();
        for figure in row.outcomes.iter().flat_map(|(_, outcome)| &outcome.figures) {
            if !names.contains(&figure.name) {
                names.push(figure.name);
            }
        }
        for (at, name) in names.iter().enumerate() {
            let cell = |server: &&str| {
                let outcome = row.outcomes.iter().find(|(known, _)| known == server).map(|(_, outcome)| outcome);
                let mark = if outcome.is_some_and(|outcome| !outcome.problems.is_empty()) { " ⚠" } else { "" };
                outcome.and_then(|outcome| outcome.find(name)).map_or("–".into(), |figure| shown(figure) + mark)
            };
            let cells: Vec<String> = servers.iter().map(cell).collect();
            let title = if at == 0 { row.title.as_str() } else { "" };
            let _ = writeln!(out, "| {title} | {name} | {} |", cells.join(" | "));
        }
        for (server, outcome) in &row.outcomes {
            problems.extend(outcome.problems.iter().map(|problem| format!("- {}, {server}: {problem}", row.title)));
        }
    }
    if !problems.is_empty() {
        let _ = writeln!(out, "\n⚠ Not exact:\n{}", problems.join("\n"));
    }
    out
}

/// Everything, for programs.
pub fn json(rows: &[Row], seconds: f64) -> Value {
    let row = |row: &Row| {
        let servers: serde_json::Map<String, Value> = row
            .outcomes
            .iter()
            .map(|(server, outcome)| {
                let figures: serde_json::Map<String, Value> =
                    outcome.figures.iter().map(|figure| (figure.name.into(), json!(figure.value))).collect();
                (server.clone(), json!({ "figures": figures, "problems": outcome.problems }))
            })
            .collect();
        json!({ "row": row.id, "title": row.title, "servers": servers })
    };
    json!({ "seconds": seconds, "rows": rows.iter().map(row).collect::<Vec<_>>() })
}

/// The first figure of each row as bars, each row on its own scale.
pub fn picture(rows: &[Row]) -> String {
    const WIDTH: usize = 860;
    const BAR: usize = 22;
    let mut body = String::new();
    let mut y = 24;
    for row in rows {
        let Some(name) =
            row.outcomes.first().and_then(|(_, outcome)| outcome.figures.first()).map(|figure| figure.name)
        else {
            continue;
        };
        let _ = writeln!(body, r#"<text x="16" y="{y}" class="title">{}: {name}</text>"#, row.title);
        y += 10;
        let bars: Vec<_> =
            row.outcomes.iter().filter_map(|(server, outcome)| Some((server, outcome.find(name)?))).collect();
        let most = bars.iter().map(|(_, figure)| figure.value).fold(f64::MIN_POSITIVE, f64::max);
        for (server, figure) in bars {
            let width = (figure.value / most * 480.0).max(1.0);
            let class = if server.starts_with("Tutti") { "own" } else { "peer" };
            let (text, after) = (y + 15, 190.0 + width);
            let _ = writeln!(
                body,
                r#"<text x="16" y="{text}">{server}</text><rect x="180" y="{y}" width="{width:.0}" height="16" class="{class}"/><text x="{after:.0}" y="{text}">{}</text>"#,
                shown(figure)
            );
            y += BAR;
        }
        y += 26;
    }
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" font-family="sans-serif" font-size="13">
<style>.title{{font-weight:bold}}.own{{fill:#2f6feb}}.peer{{fill:#b3b9c4}}</style>
<rect width="100%" height="100%" fill="white"/>
{body}</svg>
"#
    )
}
