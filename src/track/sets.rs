//! The data sets of a command line: what each name means, and the folder that its results have.

use super::benchmark::{Family, by_any_name};
use crate::failure::{Failure, Result};
use std::path::{Component, Path};

/// A data set as the user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedSet {
    /// As it was given.
    pub given: String,
    /// Under our name, with its list where it has one.
    pub name: String,
    /// Whose rules differ.
    pub family: Family,
    /// The folder of its results, below that of all results.
    pub folder: String,
}

impl NamedSet {
    fn new(given: &str) -> Self {
        let (name, family) = by_any_name(given);
        let folder = folder(&name, family);
        Self { given: given.to_owned(), name, family, folder }
    }
}

/// The data sets that `given` names.
///
/// # Errors
/// 64 when two of them would share a folder of results: their scores would be taken of each other's files.
pub fn named_sets(given: &[String]) -> Result<Vec<NamedSet>> {
    let sets: Vec<NamedSet> = given.iter().map(|name| NamedSet::new(name)).collect();
    for (at, set) in sets.iter().enumerate() {
        let Some(before) = sets[..at].iter().find(|before| before.folder == set.folder) else { continue };
        return Err(Failure::usage(match before.name == set.name {
            true => format!("--dataset {}: the data set {} is named twice; name it once", set.given, set.name),
            false => format!(
                "--dataset {}, --dataset {}: both have their results in the folder {}; give them one by one, each with a \
                 --save_dir of its own",
                before.given, set.given, set.folder
            ),
        }));
    }
    Ok(sets)
}

/// `OTB` of `OTB@list.txt`; `mine-a` of `folder:mine/a`.
fn folder(name: &str, family: Family) -> String {
    if family != Family::Other {
        return name.split('@').next().unwrap_or(name).to_owned();
    }
    let path = name.strip_prefix("folder:").or_else(|| name.strip_prefix("packed:")).unwrap_or(name);
    let parts = Path::new(path).components().filter_map(|part| match part {
        Component::Normal(part) => Some(part.to_string_lossy().into_owned()),
        Component::ParentDir => Some("up".to_owned()),
        _ => None,
    });
    let joined = parts.collect::<Vec<_>>().join("-");
    if joined.is_empty() { "data".to_owned() } else { joined }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(given: &[&str]) -> Result<Vec<String>> {
        let given: Vec<String> = given.iter().map(|name| (*name).to_owned()).collect();
        Ok(named_sets(&given)?.into_iter().map(|set| set.folder).collect())
    }

    #[test]
    fn every_set_has_a_folder_of_its_own() {
        let all = ["otb", "LASOT_test@my/list.txt", "folder:mine/a", "mine/b", "/abs/c", "../d", "."];
        let expected = ["OTB", "LASOT_test", "mine-a", "mine-b", "abs-c", "up-d", "data"];
        assert_eq!(folders(&all).unwrap(), expected);
    }

    #[test]
    fn two_sets_never_share_one() {
        let message = folders(&["OTB", "otb"]).unwrap_err().message;
        assert!(message.contains("the data set OTB is named twice"), "{message}");
        let failure = folders(&["mine/a", "mine-a"]).unwrap_err();
        assert!(failure.message.contains("both have their results in the folder mine-a"), "{failure}");
        assert_eq!(failure.kind.exit_code(), 64);
    }
}
