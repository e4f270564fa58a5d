//! What the field's toolkits know of data sets: whose rules differ, and what result files are called.

/// A data set, as far as toolkits treat it in a way of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// OTB.
    Otb,
    /// LaSOT.
    Lasot,
    /// LaSOT's extension.
    LasotExt,
    /// UAV123.
    Uav,
    /// Need for Speed.
    Nfs,
    /// TC-128.
    Tc128,
    /// GOT-10k.
    Got10k,
    /// TrackingNet.
    TrackingNet,
    /// VastTrack.
    VastTrack,
    /// VOT, TNL2K, MVTD and the like, which go by the common rule.
    Plain,
    /// A folder of sequences, or shards: no benchmark.
    Other,
}

/// The names of result files of a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The name that results are written under.
    pub written: String,
    /// Other names that they are found under.
    pub others: Vec<String>,
}

impl Names {
    /// Whether `name` is one of them.
    pub fn has(&self, name: &str) -> bool {
        self.written == name || self.others.iter().any(|other| other == name)
    }
}

impl Family {
    /// The family of a data set that [`crate::data::dataset::load`] knows by `name`.
    pub fn of(name: &str) -> Self {
        match name.split('@').next().unwrap_or(name) {
            "OTB" => Self::Otb,
            "LASOT" | "LASOT_test" => Self::Lasot,
            "LASOT_EXT" => Self::LasotExt,
            "UAV123" => Self::Uav,
            "NFS" => Self::Nfs,
            "TC128" | "TC128_ce" => Self::Tc128,
            "TRACKINGNET" | "TRACKINGNET_test" => Self::TrackingNet,
            "VASTTRACK" | "VASTTRACK_test" => Self::VastTrack,
            "TNL2K" | "VOT" | "MVTD" | "MVTD_test" => Self::Plain,
            base if base.starts_with("GOT10K_") => Self::Got10k,
            _ => Self::Other,
        }
    }

    /// The names of the results of a data set's `sequence`.
    pub fn names(self, sequence: &str) -> Names {
        let names = |written: String, others: Vec<String>| Names { written, others };
        let plain = sequence.to_owned();
        match self {
            // Its first object has an empty annotation; the second is the sequence.
            Self::Otb if sequence == "Human4" => names("Human4_2".into(), vec![plain, "Human4.2".into()]),
            Self::Otb => match sequence.rsplit_once('.') {
                Some((video, object)) => names(format!("{video}_{object}"), vec![plain]),
                None => names(plain, Vec::new()),
            },
            Self::Uav => names(format!("uav_{sequence}"), vec![plain]),
            Self::Nfs => names(format!("nfs_{sequence}"), vec![plain]),
            Self::Tc128 => {
                let mut others = vec![format!("tpl_{}", sequence.replace('-', "_")), format!("tpl_{sequence}")];
                others.dedup();
                names(plain, others)
            }
            _ => names(plain, Vec::new()),
        }
    }

    /// The folder below that of the other results that the reference has for the two data sets whose results go to a
    /// server.
    pub fn subfolder(self) -> Option<&'static str> {
        match self {
            Self::Got10k => Some("got10k"),
            Self::TrackingNet => Some("trackingnet"),
            _ => None,
        }
    }

    /// How many frames at the start of a `sequence` of that many `frames` are not tracked (`initOmit`): the object of
    /// OTB's Tiger1 is not to be seen whole before the sixth.
    pub fn omitted(self, sequence: &str, frames: usize) -> usize {
        const TIGER1: usize = 5;
        if self == Self::Otb && sequence == "Tiger1" && frames > TIGER1 { TIGER1 } else { 0 }
    }
}

/// The data set that the reference's `tracking/test.py` means by `name`.
pub fn by_reference_name(name: &str) -> Option<&'static str> {
    const NAMES: [(&str, &str); 17] = [
        ("otb", "OTB"),
        ("lasot", "LASOT_test"),
        ("lasot_extension_subset", "LASOT_EXT"),
        ("lasot_ext", "LASOT_EXT"),
        ("got10k_test", "GOT10K_test"),
        ("got10k_val", "GOT10K_official_val"),
        ("trackingnet", "TRACKINGNET_test"),
        ("uav", "UAV123"),
        ("uav123", "UAV123"),
        ("nfs", "NFS"),
        ("tnl2k", "TNL2K"),
        ("tc128", "TC128"),
        ("tc128ce", "TC128_ce"),
        ("tpl", "TC128"),
        ("vasttrack", "VASTTRACK_test"),
        ("vot", "VOT"),
        ("vot18", "VOT"),
    ];
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, ours)| *ours)
}

/// The data set that `set` means, with its list where it has one, under our name; and its family.
pub(super) fn by_any_name(set: &str) -> (String, Family) {
    let base = set.split('@').next().unwrap_or(set);
    match by_reference_name(base) {
        Some(ours) => (format!("{ours}{}", &set[base.len()..]), Family::of(ours)),
        None => (set.to_owned(), Family::of(set)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_called_as_the_community_calls_them() {
        let written = |family: Family, sequence: &str| family.names(sequence).written;
        assert_eq!(written(Family::Otb, "Jogging.1"), "Jogging_1");
        assert_eq!(written(Family::Otb, "Human4"), "Human4_2");
        assert_eq!(written(Family::Otb, "Deer"), "Deer");
        assert_eq!(written(Family::Uav, "bike1"), "uav_bike1");
        assert_eq!(written(Family::Nfs, "bee"), "nfs_bee");
        assert_eq!(written(Family::Lasot, "cat-1"), "cat-1");
        assert!(Family::Tc128.names("Yo-yos_ce1").has("tpl_Yo_yos_ce1"));
        assert!(Family::Otb.names("Jogging.1").has("Jogging.1") && Family::Uav.names("bike1").has("bike1"));
        assert!(!Family::Other.names("bike1").has("uav_bike1"));
    }

    #[test]
    fn five_frames_of_tiger1_are_not_tracked() {
        assert_eq!(Family::Otb.omitted("Tiger1", 354), 5);
        assert_eq!((Family::Otb.omitted("Tiger2", 365), Family::Other.omitted("Tiger1", 354)), (0, 0));
        assert_eq!(Family::Otb.omitted("Tiger1", 5), 0);
    }

    #[test]
    fn every_reference_name_is_a_known_set_of_a_family() {
        for name in ["otb", "lasot", "uav", "nfs", "tc128ce", "trackingnet", "got10k_test", "vot", "vasttrack"] {
            let ours = by_reference_name(name).unwrap();
            assert!(crate::data::dataset::known_names().any(|known| known == ours), "{ours}");
            assert_ne!(Family::of(ours), Family::Other, "{ours}");
        }
        assert_eq!(Family::of("UAV123@my/list.txt"), Family::Uav);
        assert_eq!(by_reference_name("mine"), None);
    }
}
