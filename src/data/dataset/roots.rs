//! Where the data sets lie: below one folder (`--data_dir`), or each in a folder of its own (`configs/paths.yaml`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::failure::Result;
use crate::settings::{Diagnostics, Node, Section, Value};

/// The file of folders, below the working folder.
pub const PATHS_FILE: &str = "configs/paths.yaml";

/// The keys of [`PATHS_FILE`] as in the reference's `local.py`, each with what lies there.
pub const KEYS: [(&str, &str); 19] = [
    ("data_dir", "everything that has no line of its own, and relative CLS_ANN_DIR"),
    ("lasot_dir", "LASOT, LASOT_test"),
    ("got10k_dir", "GOT10K_vottrain, GOT10K_votval, GOT10K_train_full: the folder train"),
    ("got10k_val_dir", "GOT10K_official_val: the folder val"),
    ("got10k_test_dir", "GOT10K_test: the folder test"),
    ("trackingnet_dir", "TRACKINGNET, TRACKINGNET_test: the folder with TRAIN_0, ..., TEST"),
    ("coco_dir", "COCO17: the folder with annotations and images"),
    ("imagenet_dir", "VID: the folder with Annotations and Data"),
    ("otb_dir", "OTB"),
    ("uav123_dir", "UAV123: the folder with anno and data_seq"),
    ("mvtd_dir", "MVTD: the folder train"),
    ("mvtd_test_dir", "MVTD_test: the folder test"),
    ("lasot_ext_dir", "LASOT_EXT"),
    ("nfs_dir", "NFS"),
    ("tnl2k_dir", "TNL2K"),
    ("tc128_dir", "TC128, TC128_ce"),
    ("vot_dir", "VOT"),
    ("vasttrack_dir", "VASTTRACK: the folder train"),
    ("vasttrack_test_dir", "VASTTRACK_test: the folder test"),
];

/// Where the data sets lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// The folder below which a data set without a folder of its own is looked for.
    pub base: PathBuf,
    own: BTreeMap<&'static str, PathBuf>,
    /// Where opened data sets are kept for the next time; `None`: nowhere.
    pub(super) cache: Option<PathBuf>,
}

impl Roots {
    /// Everything below `base`; nothing is kept for the next time.
    pub fn below(base: &Path) -> Self {
        Self { base: base.to_owned(), own: BTreeMap::new(), cache: None }
    }

    /// The same, with opened data sets kept in `folder` for the next time.
    pub fn kept_in(self, folder: PathBuf) -> Self {
        Self { cache: Some(folder), ..self }
    }

    /// What the user wants: `data_dir` when it is given, else what [`PATHS_FILE`] says, else `./data`.
    ///
    /// # Errors
    /// 78 when [`PATHS_FILE`] is wrong.
    pub fn open(data_dir: Option<&Path>) -> Result<Self> {
        let file = Path::new(PATHS_FILE);
        let mut roots = match data_dir {
            Some(folder) => Self::below(folder),
            None if file.is_file() => Self::from_node(&Node::read(file)?)?,
            None => Self::below(Path::new("./data")),
        };
        roots.cache = cache_folder();
        Ok(roots)
    }

    fn from_node(node: &Node) -> Result<Self> {
        let diagnostics = Diagnostics::new();
        let mut section = Section::root(&diagnostics, node);
        let mut roots = Self::below(Path::new("./data"));
        for (key, _) in KEYS {
            // A line that is empty names nothing.
            if section.node(key).is_none_or(|node| node.value == Value::Null) {
                continue;
            }
            let written = section.optional::<PathBuf>(key).filter(|path| !path.as_os_str().is_empty());
            match written {
                Some(path) if key == "data_dir" => roots.base = path,
                Some(path) => drop(roots.own.insert(key, path)),
                None => {}
            }
        }
        section.close();
        diagnostics.finish()?;
        Ok(roots)
    }

    /// The folder that [`PATHS_FILE`] names under `key`.
    pub fn own(&self, key: &str) -> Option<&Path> {
        self.own.get(key).map(PathBuf::as_path)
    }
}

/// The user's folder for opened data sets: `TRACKFLOW_CACHE`, else `trackflow` in `XDG_CACHE_HOME` or `~/.cache`. An
/// empty `TRACKFLOW_CACHE` switches it off.
pub fn cache_folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    if let Some(own) = variable("TRACKFLOW_CACHE") {
        return (!own.as_os_str().is_empty()).then_some(own);
    }
    let home = || variable("HOME").map(|home| home.join(".cache"));
    let base = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute()).or_else(home)?;
    Some(base.join("trackflow"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_folders_names_each_and_refuses_unknown_keys() {
        let read = |text: &str| Roots::from_node(&Node::parse("paths.yaml", text).unwrap());
        let roots = read("data_dir: /sets\nlasot_dir: /big/lasot\notb_dir:\n").unwrap();
        assert_eq!((roots.base.as_path(), roots.own("lasot_dir")), (Path::new("/sets"), Some(Path::new("/big/lasot"))));
        assert_eq!(roots.own("coco_dir"), None);
        let failure = read("lasot: /big\n").unwrap_err();
        assert!(failure.message.starts_with("paths.yaml:1:1: lasot: unknown key"), "{failure}");
    }
}
