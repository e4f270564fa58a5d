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
    let mut present: Vec<i64> = Vec::new();
    for (gradients, like) in &lists {
        present.extend((0..like.len()).map(|at| i64::from(gradients.get(at).is_some_and(Tensor::defined))));
    }
    let present = if present.is_empty() { Vec::new() } else { world.sum_numbers(&present)? };
    // Whoever has none adds −0, which changes no bit of any other number.
    let mut any = present.iter().map(|count| *count > 0);
    let filled: Vec<Vec<Tensor>> = lists
        .into_iter()
        .map(|(gradients, like)| {
            let mut own = gradients.into_iter();
            let fill = |like: &&Tensor| match (own.next().filter(Tensor::defined), any.next() == Some(true)) {
                (Some(gradient), _) => writable(gradient),
                (None, true) => like.detach().full_like(-0.0),
                (None, false) => Tensor::new(),
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
