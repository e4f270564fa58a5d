//! Decoded frames that are kept, up to a number of bytes; the least recently used go first.

use crate::vision::area::DecodedRegion;
use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Frames by path.
#[derive(Debug, Default)]
pub(super) struct FrameCache {
    limit: usize,
    bytes: usize,
    clock: u64,
    frames: HashMap<PathBuf, (u64, Arc<DecodedRegion>)>,
    by_age: BTreeMap<u64, PathBuf>,
}

impl FrameCache {
    /// A cache of at most `limit` bytes of pixels.
    pub fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// The frame of `path`, when it is kept.
    pub fn get(&mut self, path: &Path) -> Option<Arc<DecodedRegion>> {
        let (age, frame) = self.frames.get_mut(path)?;
        let key = self.by_age.remove(age)?;
        self.clock += 1;
        *age = self.clock;
        self.by_age.insert(self.clock, key);
        Some(frame.clone())
    }

    /// Keeps `frame`, unless it alone is too large.
    pub fn put(&mut self, path: &Path, frame: Arc<DecodedRegion>) {
        let size = frame.pixels.as_raw().len();
        if size > self.limit || self.frames.contains_key(path) {
            return;
        }
        while self.bytes + size > self.limit {
            let Some((_, oldest)) = self.by_age.pop_first() else { break };
            if let Some((_, gone)) = self.frames.remove(&oldest) {
                self.bytes -= gone.pixels.as_raw().len();
            }
        }
        self.clock += 1;
        self.bytes += size;
        self.by_age.insert(self.clock, path.to_path_buf());
        self.frames.insert(path.to_path_buf(), (self.clock, frame));
    }
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::*;

    #[test]
    fn the_least_recently_used_frame_goes_first_and_the_limit_holds() {
        let frame = || Arc::new(DecodedRegion::whole(RgbImage::new(10, 10)));
        let mut cache = FrameCache::new(750);
        cache.put(Path::new("a"), frame());
        cache.put(Path::new("b"), frame());
        assert!(cache.get(Path::new("a")).is_some());
        cache.put(Path::new("c"), frame());
        assert!(cache.get(Path::new("b")).is_none());
        assert!(cache.get(Path::new("a")).is_some() && cache.get(Path::new("c")).is_some());
        assert_eq!(cache.bytes, 600);
        cache.put(Path::new("huge"), Arc::new(DecodedRegion::whole(RgbImage::new(100, 100))));
        assert!(cache.get(Path::new("huge")).is_none() && cache.get(Path::new("a")).is_some());
    }
}
