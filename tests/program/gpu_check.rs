//! `scripts/gpu-check` on the CPU: everything but the golden values and the GPU.

use crate::support::{text, with_torch};
use std::{path::Path, process::Command};

fn gpu_check() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/gpu-check"))
}

#[test]
fn its_cpu_part_measures_ours_and_pytorch_side_by_side() {
    let arguments = ["--device", "cpu", "--quick", "--program", env!("CARGO_BIN_EXE_trackflow")];
    let Some(output) = with_torch(gpu_check().args(arguments)) else { return };
    let printed = text(&output);
    // python3's own torch is none or of another release: the script says so.
    if output.status.code() == Some(69) {
        eprintln!("SKIPPED: {printed}");
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{printed}");
    for row in ["trackflow", "pytorch reference", "pytorch tuned"] {
        for phase in ["frozen", "joint"] {
            let measured = |line: &&str| line.trim_start().starts_with(row) && line.contains(phase);
            assert!(printed.lines().filter(measured).count() > 0, "{row} {phase}\n{printed}");
        }
    }
    assert!(printed.contains("bf16") && printed.contains("fp32"), "{printed}");
}

#[test]
fn a_missing_program_is_named_with_the_remedy() {
    let Ok(output) = gpu_check().args(["--program", "/nowhere/trackflow"]).output() else {
        eprintln!("SKIPPED: python3 does not start");
        return;
    };
    assert_eq!(output.status.code(), Some(66), "{}", text(&output));
    assert!(text(&output).contains("make gpu-pack"), "{}", text(&output));
}
