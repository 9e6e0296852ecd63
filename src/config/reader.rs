//! Reads one variable after the other and collects what is wrong, so that all of it is told at once.
//!
//! Knows how settings are written, not what they are for. No problem tells a value: it may be a secret.

use std::collections::BTreeMap;
use std::fmt;

use super::names;

/// The variables of a start.
pub type Variables = BTreeMap<String, String>;

/// Everything that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(Vec<String>);

impl Problems {
    /// One sentence per problem, each with the name of its setting.
    pub fn sentences(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(
            "the settings are not right (.env.example explains each; .env is read in the current folder):",
        )?;
        self.0.iter().try_for_each(|problem| write!(out, "\n  {problem}"))
    }
}

/// A reader of settings.
pub(super) struct Reader<'a> {
    variables: &'a Variables,
    problems: Vec<String>,
}

impl<'a> Reader<'a> {
    /// Looks at the names first: one that nobody knows is a mistake.
    pub(super) fn new(variables: &'a Variables) -> Self {
        let unknown = variables.keys().filter(|name| names::is_ours(name) && !names::is_known(name));
        let problems = unknown.map(|name| match names::nearest(name) {
            Some(nearest) => format!("{name} is not a setting: did you mean {nearest}?"),
            None => format!("{name} is not a setting"),
        });
        Self { variables, problems: problems.collect() }
    }

    /// What is written, if it is more than blanks.
    pub(super) fn written(&self, name: &str) -> Option<&'a str> {
        debug_assert!(names::is_known(name), "{name}");
        self.variables.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
    }

    /// What is written, or the default.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.written(name).or_else(|| names::default(name))
    }

    /// A setting that may be absent.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let parsed = parse(self.text(name)?);
        if parsed.is_none() {
            self.complain(name, expected);
        }
        parsed
    }

    /// A setting that must be there, or has a default.
    pub(super) fn required<T>(
        &mut self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.require(name, expected);
        self.optional(name, expected, parse)
    }

    /// Notes if a setting is absent, whatever it is.
    pub(super) fn require(&mut self, name: &str, expected: &str) {
        if self.text(name).is_none() {
            self.problems.push(format!("{name} is not set: expected {expected}"));
        }
    }

    /// A list with commas, empty where the setting is absent.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let all = |text: &str| text.split(',').map(|part| parse(part.trim())).collect::<Option<Vec<T>>>();
        self.optional(name, expected, all).unwrap_or_default()
    }

    /// Notes that a setting is not what is expected.
    pub(super) fn complain(&mut self, name: &str, expected: &str) {
        self.problems.push(format!("{name}: expected {expected}"));
    }

    /// What was read, if nothing was wrong.
    pub(super) fn finish<T>(self, read: Option<T>) -> Result<T, Problems> {
        read.filter(|_| self.problems.is_empty()).ok_or(Problems(self.problems))
    }
}
