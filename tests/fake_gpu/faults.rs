//! Faults that were planted, and that the device finds: in the program through what the device pretends, and in processes
//! of this test's own.

use crate::library::{Run, library, on_device};
use std::process::Command;
use tch::{Device, Kind, Tensor};
use trackflow::{
    native::stream::{Download, Stream, copy_later, staging},
    train::device::DeviceChoice,
};

const SHORT: &[&str] = &["--max_steps", "3", "--set", "TRAIN.VAL_BEFORE=False"];

#[test]
fn forgotten_events_and_pageable_copies_of_a_run_are_found() {
    let Some(library) = library() else { return };
    let home = tempfile::tempdir().unwrap();
    let train =
        |name: &str, variables: &[&str]| Run::train(library, &home.path().join(name), "cuda:0", SHORT, variables);
    let right = train("right", &[]).good();
    let forgotten = train("forgotten", &["FAKE_GPU_IGNORE_EVENTS"]);
    let failed = !forgotten.output.status.success();
    assert!(failed || forgotten.losses() != right.losses(), "the step read a batch that was not there yet");
    let upload = ["upload"];
    assert_eq!(right.report().waits_of(&upload), [""; 0]);
    let pageable = train("pageable", &["FAKE_GPU_PAGEABLE"]).good();
    assert!(!pageable.report().waits_of(&upload).is_empty());
}

/// Runs a test of this file in a process that has the device.
fn with_device(test: &str) {
    let Some(library) = library() else { return };
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--ignored", "--nocapture", &format!("faults::{test}")]);
    on_device(&mut command, library, &home.path().join("device.json"));
    let printed = crate::support::succeed(&mut command);
    assert!(printed.contains("1 passed"), "{printed}");
}

fn device() -> Device {
    DeviceChoice::Cuda(0).open().unwrap()
}

fn waits() -> i64 {
    // SAFETY: the library is loaded, and the function takes nothing and returns a number.
    unsafe {
        let library = libloading::Library::new("libtorch_cuda.so").unwrap();
        let function = library.get::<unsafe extern "C" fn() -> i64>(b"fake_gpu_waits").unwrap();
        let waits = function();
        std::mem::forget(library);
        waits
    }
}

fn ones(device: Device) -> Tensor {
    Tensor::ones([1000], (Kind::Float, device))
}

#[test]
fn a_number_read_in_the_middle_is_a_wait() {
    with_device("item");
}

#[test]
#[ignore = "runs in a process of its own"]
fn item() {
    let x = ones(device()) * 2.0;
    let before = waits();
    let y = (&x + 1.0).sum(Kind::Float);
    assert_eq!(waits(), before);
    assert_eq!(y.double_value(&[]), 3000.0);
    assert_eq!(waits(), before + 1);
}

#[test]
fn a_buffer_filled_again_too_early_gives_wrong_numbers() {
    with_device("reused_too_early");
}

#[test]
#[ignore = "runs in a process of its own"]
fn reused_too_early() {
    let device = device();
    let sent = |patient: bool| {
        let stream = Stream::current(device).unwrap();
        let mut buffer = staging(&[1000], Kind::Float, device).unwrap();
        let there = Tensor::empty([1000], (Kind::Float, device));
        let _ = buffer.fill_(1.0);
        copy_later(&there, &buffer).unwrap();
        if patient {
            stream.record().unwrap().wait().unwrap();
        }
        let _ = buffer.fill_(2.0);
        there.mean(Kind::Float).double_value(&[])
    };
    assert_eq!((sent(true), sent(false)), (1.0, 2.0));
}

#[test]
fn a_result_read_too_early_is_not_there() {
    with_device("read_too_early");
}

#[test]
#[ignore = "runs in a process of its own"]
fn read_too_early() {
    let device = device();
    let (there, here) = (ones(device) * 3.0, staging(&[1000], Kind::Float, device).unwrap());
    copy_later(&here, &there).unwrap();
    assert!(here.double_value(&[7]).is_nan());
    assert_eq!(Download::begin(&there).unwrap().finish().unwrap().double_value(&[7]), 3.0);
}

#[test]
fn a_stream_that_does_not_wait_for_another_reads_what_is_not_there() {
    with_device("without_event");
}

#[test]
#[ignore = "runs in a process of its own"]
fn without_event() {
    let device = device();
    let (main, side) = (Stream::current(device).unwrap(), Stream::new(device).unwrap());
    let summed = |waits: bool| {
        let (there, ready) = {
            let _side = side.enter().unwrap();
            let there = ones(device) * 2.0;
            (there, side.record().unwrap())
        };
        if waits {
            main.after(&ready).unwrap();
        }
        main.uses(&there).unwrap();
        (&there + 1.0).sum(Kind::Float).double_value(&[])
    };
    assert!(summed(false).is_nan());
    assert_eq!(summed(true), 3000.0);
}

#[test]
fn memory_that_another_stream_still_reads_is_used_again() {
    with_device("without_use");
}

#[test]
#[ignore = "runs in a process of its own"]
fn without_use() {
    let device = device();
    let (main, side) = (Stream::current(device).unwrap(), Stream::new(device).unwrap());
    let summed = |says_so: bool| {
        let (there, ready) = {
            let _side = side.enter().unwrap();
            (ones(device) * 2.0, side.record().unwrap())
        };
        main.after(&ready).unwrap();
        if says_so {
            main.uses(&there).unwrap();
        }
        let sum = &there + 1.0;
        drop(there);
        // The other stream goes on before this one reads.
        side.record().unwrap().wait().unwrap();
        sum.sum(Kind::Float).double_value(&[])
    };
    assert!(summed(false).is_nan());
    assert_eq!(summed(true), 3000.0);
}

#[test]
fn tensors_of_two_places_do_not_mix() {
    with_device("mixed_up");
}

#[test]
#[ignore = "runs in a process of its own"]
fn mixed_up() {
    device();
    let (first, second, host) = (ones(Device::Cuda(0)), ones(Device::Cuda(1)), ones(Device::Cpu));
    for other in [&second, &host] {
        let error = first.f_add(other).unwrap_err().to_string();
        assert!(error.contains("same device"), "{error}");
    }
    assert!(Tensor::empty([1000], (Kind::Float, Device::Cuda(1))).f_copy_(&first).is_err());
}
