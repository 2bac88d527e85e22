//! Where each value comes from: a flag, the environment, or the default.

use std::collections::HashMap;
use std::fmt;

use clap::ArgMatches;
use clap::parser::ValueSource;

/// Where the value of an option comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The command line.
    Flag,
    /// An environment variable.
    Environment,
    /// Neither.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::Default => "default",
        })
    }
}

/// The sources of a command's options.
#[derive(Debug, Default)]
pub(super) struct Sources(HashMap<String, Source>);

impl Sources {
    pub fn of(matches: &ArgMatches) -> Self {
        let source = |id: &clap::Id| match matches.value_source(id.as_str()) {
            Some(ValueSource::CommandLine) => Source::Flag,
            Some(ValueSource::EnvVariable) => Source::Environment,
            _ => Source::Default,
        };
        Self(matches.ids().map(|id| (id.as_str().replace('_', "-"), source(id))).collect())
    }

    /// Of the option with this name, without dashes before it.
    pub fn get(&self, option: &str) -> Source {
        self.0.get(option).copied().unwrap_or(Source::Default)
    }
}
