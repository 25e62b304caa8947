//! What is wrong with the configuration, for the person who has to mend it.

use std::fmt;

/// One fault: which setting, what is wrong with it, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    setting: String,
    problem: String,
    hint: Option<String>,
}

impl Fault {
    pub fn new(setting: &str, problem: &str) -> Self {
        Self { setting: setting.to_owned(), problem: problem.to_owned(), hint: None }
    }

    #[must_use]
    pub fn hint(mut self, hint: &str) -> Self {
        self.hint = Some(hint.to_owned());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.setting, self.problem)?;
        self.hint.iter().try_for_each(|hint| write!(f, "; {hint}"))
    }
}

/// All faults that were found, to be mended in one go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    pub fn push(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Those of another part of the configuration, too.
    pub fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }

    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "the configuration has a fault: {one}"),
            all => {
                write!(f, "the configuration has {} faults:", all.len())?;
                all.iter().try_for_each(|fault| write!(f, "\n  - {fault}"))
            }
        }
    }
}

impl std::error::Error for Faults {}
