//! What a run needs beside what the machine has, for people.

use crate::{
    flow::{Memory, human_bytes},
    session::memory::Needs,
};

/// Prints what the step takes, and all together with `items`.
pub(super) fn print(needs: Needs<'_>, items: &Memory, machine: Option<u64>) {
    let Some(step) = needs.step else { return };
    let place = if needs.on_gpu { "the GPU" } else { "the CPU" };
    let phase = if step.phase.is_empty() { String::new() } else { format!(", phase {}", step.phase) };
    println!("the step takes about {} on {place}{phase}", human_bytes(step.bytes()));
    for part in &step.parts {
        println!("  {:<26} {:<50} {:>10}", part.what, part.how, human_bytes(part.bytes));
    }
    println!("  {:<26} {:<50} {:>10}", "a checkpoint", "copied while it is written", human_bytes(step.checkpoint));
    let of = machine.map_or(String::new(), |ram| format!(" of {}", human_bytes(ram)));
    println!("together about {}{of} of this machine's memory", human_bytes(needs.host(items)));
    if needs.on_gpu {
        // The copy for a checkpoint is made there first.
        let device = items.device().saturating_add(step.bytes()).saturating_add(step.checkpoint);
        println!("and about {} of the GPU's, workspaces of its libraries not counted", human_bytes(device));
    }
}
