//! How long opening a data set takes: read, and from the cache.
//!
//! `TRACKFLOW_BENCH_SEQUENCES` (2000) and `TRACKFLOW_BENCH_FRAMES` (60) give the size of the set, which is made in the
//! folder for temporary files, in GOT-10k's layout with empty frames. The operating system has its folders in memory
//! both times.

use std::{path::Path, time::Duration};
use trackflow::data::dataset::{Roots, load};

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn make(root: &Path, sequences: usize, frames: usize) -> std::io::Result<()> {
    let boxes: String = (0..frames).map(|i| format!("{}.0000,{}.5000,120.0000,80.0000\n", 100 + i, 50 + i)).collect();
    let flags = "0\n".repeat(frames);
    for s in 0..sequences {
        let folder = root.join(format!("got10k/train/GOT-10k_Train_{:06}", s + 1));
        std::fs::create_dir_all(&folder)?;
        for frame in 1..=frames {
            std::fs::File::create(folder.join(format!("{frame:08}.jpg")))?;
        }
        std::fs::write(folder.join("groundtruth.txt"), &boxes)?;
        std::fs::write(folder.join("absence.label"), &flags)?;
        std::fs::write(folder.join("cover.label"), "8\n".repeat(frames))?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (sequences, frames) = (number("TRACKFLOW_BENCH_SEQUENCES", 2000), number("TRACKFLOW_BENCH_FRAMES", 60));
    let home = tempfile::tempdir()?;
    make(home.path(), sequences, frames)?;
    // What changed a moment ago is not cached.
    std::thread::sleep(Duration::from_secs(3));
    let roots = Roots::below(home.path()).kept_in(home.path().join("cache"));
    let names = ["GOT10K_train_full".to_owned()];
    let open = || load(&names, &roots).map_err(|failure| failure.message);
    let mut seconds = Vec::new();
    for _ in 0..4 {
        let sets = open()?;
        println!("{}", sets[0].summary());
        seconds.push((sets[0].opening.seconds, sets[0].opening.from_cache));
    }
    let bytes: u64 =
        std::fs::read_dir(home.path().join("cache"))?.flatten().filter_map(|e| Some(e.metadata().ok()?.len())).sum();
    let (read, cached) = (seconds[0], &seconds[1..]);
    assert!(!read.1 && cached.iter().all(|(_, from_cache)| *from_cache));
    let best = cached.iter().map(|(seconds, _)| *seconds).fold(f64::INFINITY, f64::min);
    println!(
        "{sequences} sequences of {frames} frames: read {:.2} s, cached {best:.2} s ({:.1} times), {:.1} MB",
        read.0,
        read.0 / best,
        bytes as f64 / 1e6
    );
    Ok(())
}
