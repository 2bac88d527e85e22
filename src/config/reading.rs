//! One pass over all options: what is right is noted with its effective value, what is wrong is gathered, so that
//! a person sees every problem at once. Knows how values are written; not what they are for.

use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::sources::{Source, Sources};

/// What stands for a value that must not be shown.
const HIDDEN: &str = "(hidden)";
/// What stands for an option without a value.
const NONE: &str = "(none)";
/// Longest part of a wrong value that an error repeats, in characters.
const SHOWN_CHARS_MAX: usize = 100;

/// An option and the value in effect, as it may be shown: secrets are hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The option's name, without dashes before it: `jwt-leeway-s`.
    pub option: &'static str,
    /// The value in effect.
    pub value: String,
    /// Where it comes from.
    pub source: Source,
}

/// Something wrong with one option. Its text names the option, the value (never a secret) and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The option's name, without dashes before it.
    pub option: &'static str,
    /// What is wrong and what is allowed.
    pub text: String,
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match variable(self.option) {
            Some(variable) => write!(f, "--{} ({variable}): {}", self.option, self.text),
            None => write!(f, "--{}: {}", self.option, self.text),
        }
    }
}

/// The environment variable of an option, if it has one: `DATABASE_URL` and `PORT`, as platforms name them, else `TUTTI_` and the
/// name. What is said once, for one token or one import, has none.
pub fn variable(option: &str) -> Option<String> {
    match option {
        "database-url" => Some("DATABASE_URL".to_owned()),
        "port" => Some("PORT".to_owned()),
        "ttl" | "prefix" | "upstream" => None,
        _ => Some(format!("TUTTI_{}", option.replace('-', "_").to_uppercase())),
    }
}

/// Gathers problems and effective values while a configuration is read. After a problem a reading method returns
/// some allowed value, which nobody sees: a configuration with a problem is never handed out.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub problems: Vec<Problem>,
    pub settings: Vec<Setting>,
    sources: Sources,
}

impl Reading {
    /// Begins to read options that come from `sources`.
    pub fn from(sources: Sources) -> Self {
        Self { sources, ..Self::default() }
    }

    /// Where an option's value comes from.
    pub fn source(&self, option: &str) -> Source {
        self.sources.get(option)
    }

    /// Notes what is wrong with `option`. The text must not hold a secret.
    pub fn problem(&mut self, option: &'static str, text: impl Into<String>) {
        self.problems.push(Problem { option, text: text.into() });
    }

    /// Notes that `value` is wrong, and what is allowed instead.
    pub fn wrong(&mut self, option: &'static str, value: &str, allowed: impl Display) {
        let shown: String = value.chars().take(SHOWN_CHARS_MAX).collect();
        let cut = if shown.len() < value.len() { "…" } else { "" };
        self.problem(option, format!("{shown:?}{cut} is not allowed; it takes {allowed}"));
    }

    /// Notes the value in effect.
    pub fn setting(&mut self, option: &'static str, value: impl Display) {
        let source = self.source(option);
        self.settings.push(Setting { option, value: value.to_string(), source });
    }

    /// Notes that an option that must not be shown is set, or not.
    pub fn hidden_setting(&mut self, option: &'static str, text: &str) {
        self.setting(option, if text.is_empty() { NONE } else { HIDDEN });
    }

    /// Takes what `parse` makes of `text`; its error says what is allowed.
    pub fn parsed<T: Display, E: Display>(
        &mut self,
        option: &'static str,
        text: &str,
        fallback: T,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> T {
        let value = parse(text).unwrap_or_else(|allowed| {
            self.wrong(option, text, allowed);
            fallback
        });
        self.setting(option, &value);
        value
    }

    /// A whole number within `range`.
    pub fn number(&mut self, option: &'static str, text: &str, range: RangeInclusive<usize>) -> usize {
        self.parsed(option, text, *range.start(), |text| number_within(text, &range).ok_or_else(|| between(&range)))
    }

    /// A whole number within `range`, or `auto`, which stands for `automatic`.
    pub fn number_or_auto(
        &mut self,
        option: &'static str,
        text: &str,
        range: RangeInclusive<usize>,
        automatic: usize,
    ) -> usize {
        self.parsed(option, text, *range.start(), |text| match text {
            "auto" => Ok(automatic),
            _ => number_within(text, &range).ok_or_else(|| format!("\"auto\" or {}", between(&range))),
        })
    }

    /// A duration in whole milliseconds within `range`.
    pub fn millis(&mut self, option: &'static str, text: &str, range: RangeInclusive<usize>) -> Duration {
        Duration::from_millis(self.number(option, text, range) as u64)
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, option: &'static str, text: &str) -> bool {
        self.parsed(option, text, false, |text| match text {
            "true" | "on" => Ok(true),
            "false" | "off" => Ok(false),
            _ => Err("true or false"),
        })
    }

    /// A duration within `range` in seconds, as a whole number with a unit.
    pub fn duration(&mut self, option: &'static str, text: &str, range: RangeInclusive<u64>) -> Duration {
        let seconds = duration_s(text).filter(|seconds| range.contains(seconds));
        match seconds {
            Some(_) => self.setting(option, text),
            None => self.wrong(
                option,
                text,
                format_args!(
                    "a whole number with a unit, such as 90s, 15m, 24h or 30d, from {}s to {}s",
                    range.start(),
                    range.end()
                ),
            ),
        }
        Duration::from_secs(seconds.unwrap_or(*range.start()))
    }

    /// A duration of at most so many seconds, `0` for never, or `auto`, which stands for `automatic`.
    pub fn duration_or_never(
        &mut self,
        option: &'static str,
        text: &str,
        max_s: u64,
        automatic: Option<Duration>,
    ) -> Option<Duration> {
        if text == "auto" {
            self.setting(option, text);
            return automatic;
        }
        let text = if text == "0" { "0s" } else { text };
        Some(self.duration(option, text, 0..=max_s)).filter(|duration| !duration.is_zero())
    }

    /// A list separated by commas, possibly empty; spaces around an element do not count.
    pub fn list<T: Display, E: Display>(
        &mut self,
        option: &'static str,
        text: &str,
        count_max: usize,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        let mut values = Vec::new();
        for element in text.split(',').map(str::trim).filter(|element| !element.is_empty()) {
            match parse(element) {
                Ok(value) => values.push(value),
                Err(allowed) => self.wrong(option, element, allowed),
            }
        }
        if values.len() > count_max {
            self.problem(option, format!("a list of {} is too long; at most {count_max} are allowed", values.len()));
        }
        let shown: Vec<String> = values.iter().map(T::to_string).collect();
        self.setting(option, if shown.is_empty() { NONE.to_owned() } else { shown.join(",") });
        values
    }

    /// A short text that may be missing (empty).
    pub fn text(&mut self, option: &'static str, text: &str, bytes_max: usize) -> Option<String> {
        if text.is_empty() {
            self.setting(option, NONE);
            return None;
        }
        if text.len() > bytes_max || text.chars().any(char::is_control) {
            self.wrong(option, text, format_args!("a text of at most {bytes_max} bytes without control characters"));
        }
        self.setting(option, text);
        Some(text.to_owned())
    }
}

fn number_within(text: &str, range: &RangeInclusive<usize>) -> Option<usize> {
    text.parse().ok().filter(|number| range.contains(number))
}

pub(super) fn duration_s(text: &str) -> Option<u64> {
    let unit_s = match text.chars().next_back()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let count: u64 = text[..text.len() - 1].parse().ok()?;
    count.checked_mul(unit_s)
}

fn between(range: &RangeInclusive<usize>) -> String {
    format!("a whole number from {} to {}", range.start(), range.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_at_the_bounds_is_taken_and_one_past_them_is_refused() {
        for (text, is_allowed) in [("1", true), ("10", true), ("0", false), ("11", false), ("", false), ("1.0", false)]
        {
            let mut reading = Reading::default();
            reading.number("workers", text, 1..=10);
            assert_eq!(reading.problems.is_empty(), is_allowed, "{text:?}");
        }
    }

    #[test]
    fn a_duration_needs_a_unit_and_has_bounds() {
        let cases = [
            ("90s", Some(90)),
            ("15m", Some(900)),
            ("24h", Some(86_400)),
            ("2d", Some(172_800)),
            ("172801s", None),
            ("0s", None),
            ("24", None),
            ("h", None),
            ("-1h", None),
            ("99999999999999999999d", None),
            ("", None),
            ("1ä", None),
        ];
        for (text, seconds) in cases {
            let mut reading = Reading::default();
            let read = reading.duration("database-wait", text, 1..=172_800);
            assert_eq!(reading.problems.is_empty().then_some(read.as_secs()), seconds, "{text:?}");
        }
    }

    #[test]
    fn an_option_without_a_variable_is_named_without_one() {
        let problem = Problem { option: "ttl", text: "too long".to_owned() };
        assert_eq!(problem.to_string(), "--ttl: too long");
    }

    #[test]
    fn a_problem_names_the_option_its_variable_the_value_and_what_is_allowed() {
        let mut reading = Reading::default();
        reading.number("sockets-max", "many", 1..=10);
        let text = reading.problems[0].to_string();
        assert_eq!(
            text,
            r#"--sockets-max (TUTTI_SOCKETS_MAX): "many" is not allowed; it takes a whole number from 1 to 10"#
        );
    }

    #[test]
    fn a_long_wrong_value_is_repeated_in_part_only() {
        let mut reading = Reading::default();
        reading.boolean("demo", &"ä".repeat(5000));
        assert!(reading.problems[0].text.len() < 400);
    }

    #[test]
    fn a_list_ignores_spaces_and_empty_elements_and_names_each_wrong_one() {
        let mut reading = Reading::default();
        let values = reading.list("jwt-audience", " 1, x,,2,y", 10, |e| e.parse::<u8>().map_err(|_| "a number"));
        assert_eq!(values, [1, 2]);
        assert_eq!(reading.problems.len(), 2);
    }
}
