//! Which of the weights in a file are meant.

use super::torch::one_line;

/// Which of the weights in a file are meant, and how a user says so.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// The key, its parts joined by dots: `teacher`, `model.state_dict`; `.` is the whole file.
    pub key: Option<&'a str>,
    /// What stands before a key where it is chosen: `--key `.
    pub option: &'static str,
}

impl Default for Choice<'_> {
    fn default() -> Self {
        Self { key: None, option: "--key " }
    }
}

impl<'a> Choice<'a> {
    /// The choice of a command line's `--key`.
    pub fn option(key: Option<&'a str>) -> Self {
        Self { key, ..Self::default() }
    }

    /// How to choose `key`: `--key teacher`.
    pub fn remedy(&self, key: &str) -> String {
        let quote =
            if key.contains(|c: char| c.is_whitespace() || "'\"$`\\;&|<>*?(){}[]#!".contains(c)) { "'" } else { "" };
        format!("{}{quote}{}{quote}", self.option, one_line(key))
    }
}

/// Other weights in the file than those that were taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// Their key.
    pub key: String,
    /// How many tensors they have.
    pub tensors: usize,
}

/// `student (2 tensors), teacher (2 tensors)`.
pub(super) fn listed(others: &[Other]) -> String {
    const MOST_LISTED: usize = 12;
    let one = |other: &Other| {
        let noun = if other.tensors == 1 { "tensor" } else { "tensors" };
        format!("{} ({} {noun})", one_line(&other.key), other.tensors)
    };
    let mut list = others.iter().take(MOST_LISTED).map(one).collect::<Vec<_>>().join(", ");
    if others.len() > MOST_LISTED {
        list += &format!(" and {} more", others.len() - MOST_LISTED);
    }
    list
}
