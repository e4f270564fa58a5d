//! Films in and out, and drawn frames.

use super::{
    results,
    support::{Running, fail, files, spawn_reading, succeed, wait_until},
    track, twins, write,
};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, UdpSocket},
    process::Command,
};

/// Whether ffmpeg is here; else says that nothing was tested.
fn has_ffmpeg(what: &str) -> bool {
    let there = Command::new("ffmpeg").arg("-version").output().is_ok();
    if !there {
        eprintln!("SKIPPED: {what}: there is no ffmpeg");
    }
    there
}

#[test]
fn a_film_is_tracked_frame_by_frame_and_drawn() {
    if !has_ffmpeg("films were neither read nor written") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let film = home.path().join("film one.mkv");
    let frames = twins().join("one/a/%08d.jpg");
    let mut make = Command::new("ffmpeg");
    make.args(["-loglevel", "error", "-framerate", "20", "-start_number", "1", "-i"]).arg(&frames);
    make.args(["-c:v", "ffv1", "-pix_fmt", "bgr0"]).arg(&film);
    assert!(make.status().unwrap().success());
    let truth = fs::read_to_string(twins().join("one/a/groundtruth.txt")).unwrap();
    let first = truth.lines().next().unwrap();
    let drawn = home.path().join("out.mp4");
    let mut command = track(home.path());
    command.arg("--video").arg(&film).args(["--box", first, "--draw"]).arg(&drawn);
    let printed = succeed(&mut command);
    assert!(printed.contains("20 frames at") && printed.contains("0 dropped"), "{printed}");
    assert!(printed.contains("the source has 20.00 frames/s"), "{printed}");
    let boxes = fs::read_to_string(results(home.path()).join("video/film_one.txt")).unwrap();
    assert_eq!(boxes.lines().count(), 20);
    let mut probe = Command::new("ffprobe");
    probe.args(["-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames,width", "-of", "csv=p=0"]);
    let output = probe.arg(&drawn).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "128,20");
    // As of a camera, frames come at their own pace; what is written says which ones they are.
    let mut live = track(home.path());
    live.arg("--video").arg(&film).args(["--box", first, "--live"]);
    let printed = succeed(&mut live);
    let lines = fs::read_to_string(results(home.path()).join("video/film_one.txt")).unwrap().lines().count();
    let said = printed.lines().find(|line| line.contains(" frames at ")).unwrap();
    let dropped: usize = said.split(" dropped").next().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert_eq!(lines + dropped, 20, "{printed}");
    let errors = fail(track(home.path()).arg("--video").arg(&film).args(["--box", "500,500,10,10"]), 64);
    assert!(errors.contains("lies outside the frames, which are 128x96"), "{errors}");
    write(&home.path().join("no.mp4"), "no film");
    let errors = fail(track(home.path()).arg("--video").arg(home.path().join("no.mp4")).args(["--box", first]), 66);
    assert!(errors.contains("ffmpeg says"), "{errors}");
}

/// The frames of a sequence, given to ffmpeg at the rate of a camera.
fn camera() -> Command {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-loglevel", "error", "-re", "-stream_loop", "-1", "-framerate", "20", "-start_number", "1", "-i"]);
    ffmpeg.arg(twins().join("one/a/%08d.jpg"));
    ffmpeg
}

fn first_box() -> String {
    fs::read_to_string(twins().join("one/a/groundtruth.txt")).unwrap().lines().next().unwrap().into()
}

#[test]
fn a_stream_is_tracked_as_it_comes_until_a_signal() {
    if !has_ffmpeg("no stream was tracked") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("udp://127.0.0.1:{port}");
    let mut sends = camera();
    sends.args(["-c:v", "mpeg2video", "-q:v", "3", "-g", "5", "-f", "mpegts"]).arg(format!("{url}?pkt_size=1316"));
    let _camera = Running(sends.spawn().unwrap());
    let drawn = home.path().join("drawn");
    let mut command = track(home.path());
    command.arg("--video").arg(&url).args(["--box", &first_box(), "--draw"]).arg(&drawn);
    let (mut tracker, lines) = spawn_reading(&mut command);
    wait_until("ten frames are drawn", || {
        assert!(tracker.0.try_wait().unwrap().is_none(), "{:?}", lines.try_iter().collect::<Vec<_>>());
        drawn.is_dir() && files(&drawn).len() >= 10
    });
    // SAFETY: `kill` touches no memory; the child is ours and has not been waited for.
    assert_eq!(unsafe { libc::kill(tracker.0.id() as i32, libc::SIGTERM) }, 0);
    assert_eq!(tracker.0.wait().unwrap().code(), Some(143));
    let printed = lines.iter().collect::<Vec<_>>().join("\n");
    assert!(printed.contains("live: what comes while a frame is tracked is dropped"), "{printed}");
    assert!(printed.contains("they are written"), "{printed}");
    let results = results(home.path()).join("video");
    let boxes = results.join(format!("127.0.0.1_{port}.txt"));
    assert!(fs::read_to_string(boxes).unwrap().lines().count() >= 10);
}

#[test]
fn a_film_is_read_from_a_server() {
    if !has_ffmpeg("no film was read from a server") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let film = home.path().join("film.mkv");
    let mut make = camera();
    make.args(["-frames:v", "20", "-c:v", "ffv1", "-pix_fmt", "bgr0"]).arg(&film);
    assert!(make.status().unwrap().success());
    let film = fs::read(&film).unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/camera.mkv", server.local_addr().unwrap());
    std::thread::spawn(move || {
        for client in server.incoming() {
            let mut client = client.unwrap();
            let mut request = BufReader::new(client.try_clone().unwrap()).lines();
            while request.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", film.len());
            // Who only looks at the beginning closes early.
            let _ = client.write_all(head.as_bytes()).and_then(|()| client.write_all(&film));
        }
    });
    succeed(track(home.path()).arg("--video").arg(&url).args(["--box", &first_box()]));
    let boxes = fs::read_to_string(results(home.path()).join("video/camera.txt")).unwrap();
    assert_eq!(boxes.lines().count(), 20);
}

#[test]
fn without_ffmpeg_it_is_said_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    write(&home.path().join("film.mp4"), "a film");
    let mut command = track(home.path());
    command.arg("--video").arg(home.path().join("film.mp4")).args(["--box", "1,2,30,30"]).env("PATH", home.path());
    let errors = fail(&mut command, 69);
    assert!(errors.contains("apt-get install ffmpeg"), "{errors}");
    let errors = fail(track(home.path()).args(["--video", "gone.mp4", "--box", "1,2,30,30"]), 66);
    assert!(errors.contains("gone.mp4: no such file or device"), "{errors}");
}

#[test]
fn frames_of_data_sets_are_drawn_and_shown() {
    let home = tempfile::tempdir().unwrap();
    let drawn = home.path().join("drawn");
    let mut command = track(home.path());
    command.args(["--dataset", "one", "--sequence", "b", "--show", "--metrics", "127.0.0.1:0", "--data_dir"]);
    let printed = succeed(command.arg(twins()).arg("--draw").arg(&drawn));
    assert!(printed.contains("live page: http://127.0.0.1:"), "{printed}");
    let pictures = files(&drawn);
    assert_eq!((pictures.len(), pictures[0].as_str()), (20, "one/b/00001.jpg"));
    let picture = image::open(drawn.join("one/b/00012.jpg")).unwrap().to_rgb8();
    // Yellow, as JPEG leaves it.
    let yellow = picture.pixels().filter(|pixel| pixel.0[0] > 200 && pixel.0[1] > 160 && pixel.0[2] < 110).count();
    assert!(yellow > 20, "{yellow}");
    let mut film = track(home.path());
    film.args(["--dataset", "one", "--draw", "out.mp4", "--data_dir"]).arg(twins());
    let errors = fail(&mut film, 64);
    assert!(errors.contains("name a folder"), "{errors}");
}
