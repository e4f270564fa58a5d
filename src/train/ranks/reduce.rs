//! What the parts of all ranks gave, summed.

use super::World;
use crate::{failure::Result, loss::Report, train::replicas::ReplicaOutput};
use tch::{Device, Kind, Tensor};

/// What a rank without clips puts in the place of what the others computed.
pub(in crate::train) struct Blank<'a> {
    /// Search frames of a clip.
    pub frames: i64,
    /// Classes of the condition head, where confusion is counted.
    pub classes: Option<i64>,
    /// What has gradients.
    pub trained: Vec<&'a Tensor>,
    /// What has gradients of single tasks, where they are taken.
    pub of_tasks: Option<Vec<&'a Tensor>>,
    /// Where all that is.
    pub device: Device,
}

/// `gradient` as it lies in memory, where every number has a place of its own: the sum is written there.
fn writable(gradient: Tensor) -> Tensor {
    let repeats = gradient.size().iter().zip(gradient.stride()).any(|(size, stride)| *size > 1 && stride == 0);
    if repeats { gradient.copy() } else { gradient }
}

/// A number for how `gradient` lies in memory; squares of it can be summed over many ranks.
fn layout(gradient: &Tensor) -> i64 {
    let strides = gradient.size().into_iter().zip(gradient.stride()).filter(|(size, _)| *size > 1);
    strides.fold(1, |code, (_, stride)| (code * 31 + stride) % (1 << 20))
}

/// `part` of this rank as the sum over all ranks; without the rows by frame, which stay its own. Losses and gradients of a
/// rank that had no clips count as nothing.
pub(in crate::train) fn reduce(world: &World, part: ReplicaOutput, blank: &Blank<'_>) -> Result<ReplicaOutput> {
    let ReplicaOutput { report, sums, gradients, tasks, confusion, frames, moments } = part;
    let options = (Kind::Double, blank.device);
    let zeros = |tensor: Tensor, shape: &[i64]| if tensor.defined() { tensor } else { Tensor::zeros(shape, options) };
    let report = zeros(report, &[Report::LEN as i64]);
    let sums = zeros(sums, &[blank.frames, 4]);
    let confusion = blank.classes.map(|classes| zeros(confusion.unwrap_or_default(), &[classes, classes]));
    let mut lists = vec![(gradients, blank.trained.as_slice())];
    if let Some(of_tasks) = &blank.of_tasks {
        let [first, second] = tasks.unwrap_or_default();
        lists.extend([(first, of_tasks.as_slice()), (second, of_tasks.as_slice())]);
    }
    // Of each gradient: whether it is there, and how it lies in memory.
    let mut facts: Vec<i64> = Vec::new();
    for (gradients, like) in &lists {
        for at in 0..like.len() {
            let own = gradients.get(at).filter(|gradient| gradient.defined());
            let layout = own.map_or(0, layout);
            facts.extend([i64::from(own.is_some()), layout, layout * layout]);
        }
    }
    let facts = if facts.is_empty() { Vec::new() } else { world.sum_numbers(&facts)? };
    let ranks = world.size() as i64;
    let mut facts = facts.chunks_exact(3).map(|fact| {
        // Numbers are all the same where they do not vary.
        let same = fact[0] == ranks && ranks * fact[2] == fact[1] * fact[1];
        (fact[0] > 0, same)
    });
    // Whoever has none adds −0, which changes no bit of any other number. All ranks then add the numbers of a gradient up
    // in one order, so they must lie in one.
    let filled: Vec<Vec<Tensor>> = lists
        .into_iter()
        .map(|(gradients, like)| {
            let mut own = gradients.into_iter();
            let fill = |like: &&Tensor| {
                let (any, same) = facts.next().unwrap_or_default();
                match own.next().filter(Tensor::defined) {
                    Some(gradient) if same => writable(gradient),
                    Some(gradient) => gradient.contiguous(),
                    None if any => Tensor::full(like.size(), -0.0, (like.kind(), like.device())),
                    None => Tensor::new(),
                }
            };
            like.iter().map(fill).collect()
        })
        .collect();
    let gradients = filled.iter().flatten().filter(|gradient| gradient.defined());
    let all: Vec<Tensor> = gradients.chain([&report, &sums]).chain(&confusion).map(Tensor::shallow_clone).collect();
    world.sum(&all)?;
    let mut filled = filled.into_iter();
    let gradients = filled.next().unwrap_or_default();
    let tasks = filled.next().zip(filled.next()).map(|(first, second)| [first, second]);
    Ok(ReplicaOutput { report, sums, gradients, tasks, confusion, frames, moments })
}
