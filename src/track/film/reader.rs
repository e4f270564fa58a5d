//! Frames of a film, a camera or a stream.

use super::{Complaints, no_ffmpeg};
use crate::failure::{Failure, Result};
use image::RgbImage;
use std::{
    io::{BufReader, Read},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

/// Where frames come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// A file, a device, a URL.
    pub name: String,
    /// Whether frames come at their own pace, whoever is ready for them.
    pub live: bool,
}

/// Protocols that send at their own pace.
const LIVE: [&str; 7] = ["rtsp", "rtsps", "rtmp", "udp", "rtp", "srt", "tcp"];

impl Source {
    /// What `name` means; it is read at its own pace when it is a device or a stream, or where that is `asked` for.
    ///
    /// # Errors
    /// 66 for a file that is not there.
    pub fn open(name: &str, asked: bool) -> Result<Self> {
        let protocol = name.split_once("://").map(|(protocol, _)| protocol);
        if protocol.is_none() && !Path::new(name).exists() {
            return Err(Failure::input(format!("--video {}: no such file or device", crate::text::excerpt(name))));
        }
        let live = asked || is_device(name) || protocol.is_some_and(|protocol| LIVE.contains(&protocol));
        Ok(Self { name: name.to_owned(), live })
    }

    /// What its results are called.
    pub fn stem(&self) -> String {
        let stem_of = |file: &str| Path::new(file).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let stem = match self.name.split_once("://") {
            None => stem_of(&self.name).unwrap_or_else(|| "video".into()),
            Some((_, rest)) => {
                let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
                let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
                let file = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default();
                // Some addresses name the film behind the question mark: `watch?v=name`.
                let value = query.rsplit('=').find(|part| !part.is_empty());
                match value.filter(|_| !file.is_empty() && !file.contains('.')) {
                    Some(value) => value.to_owned(),
                    // What follows a dot of a host's name is no ending.
                    None => stem_of(file).unwrap_or_else(|| address.to_owned()),
                }
            }
        };
        stem.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
    }
}

fn is_device(name: &str) -> bool {
    name.starts_with("/dev/")
}

/// Reads frames, each as it is shown (turned as the film says).
#[derive(Debug)]
pub struct Reader {
    child: Child,
    complaints: Complaints,
    pipe: BufReader<ChildStdout>,
    name: String,
    read: usize,
    /// Frames a second, where the source says so.
    pub rate: Option<f64>,
}

/// A side that no frame has.
const LARGEST: usize = 1 << 16;

impl Reader {
    /// Starts to read `source`.
    ///
    /// # Errors
    /// 69 without ffmpeg.
    pub fn open(source: &Source) -> Result<Self> {
        let rate = rate(source)?;
        let mut command = Command::new("ffmpeg");
        command.args(["-hide_banner", "-loglevel", "error", "-nostdin"]);
        if is_device(&source.name) {
            command.args(["-f", "v4l2"]);
        } else if source.live && !source.name.contains("://") {
            command.arg("-re");
        }
        // Pictures that say how large they are.
        command.arg("-i").arg(&source.name).args([
            "-an",
            "-sn",
            "-f",
            "image2pipe",
            "-c:v",
            "ppm",
            "-pix_fmt",
            "rgb24",
        ]);
        // Every frame once: none is made up or left out to keep a rate.
        command.args(["-vsync", "passthrough", "pipe:1"]);
        // A signal from the terminal is for this program, which ends that one.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| no_ffmpeg("ffmpeg", &error))?;
        let pipe = child.stdout.take().ok_or_else(|| Failure::unavailable("ffmpeg: has no output"))?;
        let complaints = Complaints::of(&mut child);
        Ok(Self {
            child,
            complaints,
            pipe: BufReader::with_capacity(1 << 20, pipe),
            name: source.name.clone(),
            read: 0,
            rate,
        })
    }

    /// The next frame; none at the end.
    ///
    /// # Errors
    /// 66 when ffmpeg cannot read what is there.
    pub fn frame(&mut self) -> Result<Option<RgbImage>> {
        match self.picture() {
            Ok(Some(picture)) => {
                self.read += 1;
                Ok(Some(picture))
            }
            Ok(None) => {
                let status = self.child.wait();
                if self.read > 0 && status.is_ok_and(|status| status.success()) {
                    return Ok(None);
                }
                let (name, what) = (crate::text::excerpt(&self.name), self.complaints.last());
                Err(Failure::input(format!("{name}: after {} frames ffmpeg says: {what}", self.read)))
            }
            Err(error) => {
                let name = crate::text::excerpt(&self.name);
                Err(Failure::input(format!("{name}: after {} frames: {error}", self.read)))
            }
        }
    }

    /// What ffmpeg said of a source that it could read all the same: the number of lines, and the last one.
    pub fn complaints(&self) -> Option<(usize, String)> {
        self.complaints.all()
    }

    fn picture(&mut self) -> std::io::Result<Option<RgbImage>> {
        let Some(magic) = self.word()? else { return Ok(None) };
        let mut number = || -> std::io::Result<usize> {
            let word = self.word()?.unwrap_or_default();
            let parsed = word.parse().ok().filter(|number| (1..=LARGEST).contains(number));
            parsed.ok_or_else(|| {
                std::io::Error::other(format!("`{}` is no size of a picture", crate::text::excerpt(&word)))
            })
        };
        let (width, height, _) = (number()?, number()?, number()?);
        if magic != "P6" {
            return Err(std::io::Error::other("ffmpeg sends no pictures"));
        }
        let mut pixels = vec![0; 3 * width * height];
        self.pipe.read_exact(&mut pixels)?;
        Ok(RgbImage::from_raw(width as u32, height as u32, pixels))
    }

    /// A word of a picture's header and the one space behind it; none at the end of all pictures.
    fn word(&mut self) -> std::io::Result<Option<String>> {
        let (mut word, mut byte) = (String::new(), [0]);
        while word.len() < 32 {
            match self.pipe.read(&mut byte)? {
                0 if word.is_empty() => return Ok(None),
                0 => break,
                _ if byte[0].is_ascii_whitespace() => break,
                _ => word.push(char::from(byte[0])),
            }
        }
        Ok(Some(word))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Nobody wants the rest.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Frames a second as the source says; a device's is not asked, as only one program may open it.
fn rate(source: &Source) -> Result<Option<f64>> {
    if is_device(&source.name) {
        return Ok(None);
    }
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-select_streams", "v:0", "-show_entries", "stream=avg_frame_rate", "-of", "csv=p=0"]);
    let output = command.arg("-i").arg(&source.name).stdin(Stdio::null()).output();
    let output = output.map_err(|error| no_ffmpeg("ffprobe", &error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let parsed = text.trim().trim_end_matches(',').split_once('/').and_then(|(over, under)| {
        let (over, under): (f64, f64) = (over.parse().ok()?, under.parse().ok()?);
        Some(over / under)
    });
    Ok(parsed.filter(|rate| rate.is_finite() && *rate > 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sends_at_its_own_pace_is_live() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = |name: &str, asked| Source::open(name, asked).map(|source| (source.live, source.stem()));
        assert!(!open(&file.path().display().to_string(), false).unwrap().0);
        assert!(open(&file.path().display().to_string(), true).unwrap().0);
        assert_eq!(open("rtsp://host/cam 1", false).unwrap(), (true, "cam_1".into()));
        assert_eq!(open("https://host/film.mp4", false).unwrap(), (false, "film".into()));
        assert_eq!(open("udp://127.0.0.1:5000?fifo_size=9", false).unwrap(), (true, "127.0.0.1_5000".into()));
        assert_eq!(open("tcp://10.0.0.7:80", false).unwrap(), (true, "10.0.0.7_80".into()));
        assert_eq!(open("https://host/a/film.mp4?token=x", false).unwrap(), (false, "film".into()));
        assert_eq!(open("https://host/watch?v=x.1", false).unwrap(), (false, "x.1".into()));
        assert_eq!(Source { name: "/d/a=b.mp4".into(), live: false }.stem(), "a_b");
        let failure = open("gone.mp4", false).unwrap_err();
        assert_eq!(
            (failure.kind.exit_code(), failure.message),
            (66, "--video gone.mp4: no such file or device".into())
        );
    }
}
