//! Variables that look like settings of Tutti and are none: most are misspelt.

use std::fmt;

use clap::Command;

/// What the names of our variables begin with.
const PREFIX: &str = "TUTTI_";
/// What Kubernetes sets in every container beside a service named "tutti".
const SERVICE_LINKS: [&str; 2] = ["TUTTI_SERVICE_", "TUTTI_PORT"];
/// How alike two names must be, of 1, to be taken for one.
const LIKENESS_MIN: f64 = 0.8;

/// A variable of the environment that no setting has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownVariable {
    /// Its name.
    pub name: String,
    /// The variable that was probably meant.
    pub nearest: Option<String>,
}

impl fmt::Display for UnknownVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a setting of Tutti and has no effect", self.name)?;
        self.nearest.as_ref().map_or(Ok(()), |nearest| write!(f, "; did you mean {nearest}?"))
    }
}

/// Those among `names` that begin as ours do and belong to no option of any subcommand of `command`.
pub(super) fn unknown_variables(command: &Command, names: impl Iterator<Item = String>) -> Vec<UnknownVariable> {
    let known: Vec<&str> = command
        .get_subcommands()
        .flat_map(|command| command.get_arguments())
        .filter_map(|argument| argument.get_env()?.to_str())
        .collect();
    let is_unknown = |name: &String| {
        name.starts_with(PREFIX)
            && !known.contains(&name.as_str())
            && !SERVICE_LINKS.iter().any(|link| name.starts_with(link))
    };
    let mut unknown: Vec<UnknownVariable> =
        names.filter(is_unknown).map(|name| UnknownVariable { nearest: nearest(&name, &known), name }).collect();
    unknown.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    unknown
}

fn nearest(name: &str, known: &[&str]) -> Option<String> {
    let rest = |name: &str| name.strip_prefix(PREFIX).unwrap_or(name).to_owned();
    let likeness = |known: &str| strsim::jaro_winkler(&rest(name), &rest(known));
    let (best, known) = known.iter().map(|known| (likeness(known), *known)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best >= LIKENESS_MIN).then(|| known.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::command_line::CommandLine;
    use super::*;

    fn unknown(names: impl Iterator<Item = String>) -> Vec<UnknownVariable> {
        unknown_variables(&CommandLine::command(), names)
    }

    #[test]
    fn a_misspelt_variable_is_found_with_the_one_that_was_meant() {
        let cases = [
            ("TUTTI_ALLOWED_ORIGIN", Some("TUTTI_ALLOWED_ORIGINS")),
            ("TUTTI_JWT_SECRETS", Some("TUTTI_JWT_SECRET")),
            ("TUTTI_LOGLEVEL", Some("TUTTI_LOG_LEVEL")),
            ("TUTTI_DATABASE_URL", Some("DATABASE_URL")),
            ("TUTTI_XYZZY", None),
            ("TUTTI_", None),
        ];
        for (name, nearest) in cases {
            let expected = UnknownVariable { name: name.to_owned(), nearest: nearest.map(str::to_owned) };
            assert_eq!(unknown([name.to_owned()].into_iter()), [expected], "{name}");
        }
    }

    #[test]
    fn settings_others_variables_and_service_links_are_passed_over() {
        let names = ["TUTTI_BIND", "DATABASE_URL", "PATH", "tutti_bind", "TUTTI_SERVICE_HOST", "TUTTI_PORT_8080_TCP"];
        assert_eq!(unknown(names.map(str::to_owned).into_iter()), []);
    }
}
