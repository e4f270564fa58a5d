//! A batch in parts: `TRAIN.REPLICAS` of them side by side, `TRAIN.ACCUMULATE` times in a row, and those of other ranks.

use super::{Batch, Trainer};
use crate::{
    failure::{Failure, Result},
    loss::Counts,
    model::BoxHeadKind,
    train::{
        experiment::Training,
        ranks::{BatchPart, Blank, Shares, World, reduce},
        replicas::{Merged, Replica, ReplicaOutput, cut, side_by_side, split},
    },
};
use std::sync::Arc;
use tch::{Device, Kind, Tensor};

/// What the parts of a batch give beside losses; a rank without clips has to know it too.
#[derive(Default)]
pub(super) struct Taken<'a> {
    /// What has gradients.
    pub trained: Vec<&'a Tensor>,
    /// What has gradients of single tasks.
    pub of_tasks: Option<Vec<&'a Tensor>>,
    /// Whether frames are told one by one, and which conditions were taken for which.
    pub frames: bool,
}

impl Taken<'_> {
    /// That of an evaluation.
    pub fn evaluation() -> Self {
        Self { frames: true, ..Self::default() }
    }
}

impl Trainer {
    /// Runs `work` on all parts of `batch`. What their losses are divided by is counted over the whole batch beforehand, of
    /// all ranks; what comes out is summed over all of them.
    pub(super) fn in_parts(
        &self,
        batch: &Batch,
        taken: &Taken<'_>,
        work: impl Fn(&Replica) -> Result<ReplicaOutput> + Copy + Send,
    ) -> Result<ReplicaOutput> {
        let Training { replicas, accumulate, .. } = self.training;
        let config = self.model.config();
        let grid = (config.box_head == BoxHeadKind::Centre).then(|| config.search_grid());
        let classes = config.class_head.as_ref().map(|head| head.classes);
        let counts = Counts::of(&batch.target, grid, classes);
        if let Some(world) = &self.world {
            let blank = Blank {
                frames: batch.target.labels.size().first().copied().unwrap_or_default(),
                classes: classes.filter(|_| taken.frames),
                trained: taken.trained.clone(),
                of_tasks: taken.of_tasks.clone(),
                device: self.model.params().device(),
            };
            return self.with_ranks(world, batch, counts, &blank, taken.frames, work);
        }
        let mut merged = Merged::default();
        let mut all = split(batch, &counts, replicas * accumulate).into_iter().peekable();
        while all.peek().is_some() {
            side_by_side(all.by_ref().take(replicas).collect(), work)?.into_iter().for_each(|part| merged.add(part));
        }
        Ok(merged.part())
    }

    /// As many parts side by side as there are replicas on all ranks.
    pub(super) fn at_once(&self) -> usize {
        self.training.replicas * self.world.as_ref().map_or(1, |world| world.size())
    }

    fn with_ranks(
        &self,
        world: &Arc<World>,
        batch: &Batch,
        mut counts: Counts,
        blank: &Blank<'_>,
        takes_frames: bool,
        work: impl Fn(&Replica) -> Result<ReplicaOutput> + Copy + Send,
    ) -> Result<ReplicaOutput> {
        let Training { replicas, accumulate, .. } = self.training;
        let clips = world.clips(counts.clips)?;
        world.sum(&counts.sums())?;
        counts.clips = clips.iter().sum::<usize>() as i64;
        let shares = Shares::of(counts.clips as usize, world.size(), replicas, accumulate);
        let as_planned = shares.fits(&clips);
        let own = clips[world.rank()];
        let (parts, rounds) = match as_planned {
            true => (shares.parts(world.rank()).collect(), shares.rounds()),
            false => (uneven(own, world, replicas, accumulate), accumulate),
        };
        if self.training.sync_bn && !takes_frames && clips.iter().any(|clips| *clips < accumulate) {
            return Err(Failure::stage(
                "a rank has no clip of this batch, as some could not be used, and TRAIN.SYNC_BN needs one on every rank",
            ));
        }
        // In exactly the order of one process with as many replicas, where that is to be had without waiting for a network:
        // rank 0 carries what the rounds before gave.
        let exact = blank.device == Device::Cpu;
        let (mut merged, mut frames, mut moments, mut at) = (Merged::default(), Vec::new(), None, 0);
        for round in 0..rounds.max(1) {
            let replicas: Vec<Replica> = parts
                .iter()
                .filter(|part| shares.round_of(part.index) == round)
                .map(|part| {
                    let from = at;
                    at += part.places.len() as i64;
                    cut(batch, &counts, part.index, from..at)
                })
                .collect();
            if exact && round > 0 && !world.is_first() {
                merged = Merged::default();
            }
            if !replicas.is_empty() {
                for mut part in side_by_side(replicas, work)? {
                    frames.extend(part.frames.take());
                    moments = moments.or(part.moments.take());
                    merged.add(part);
                }
            }
            if exact || round + 1 >= rounds {
                merged = Merged::default().with(reduce(world, merged.part(), blank)?);
            }
        }
        let mut all = merged.part();
        all.moments = moments;
        if takes_frames {
            let own = (!frames.is_empty()).then(|| Tensor::cat(&frames, 0));
            let rows = world.gather_rows(own, blank.device)?;
            let order = as_planned.then(|| shares.order());
            all.frames = rows.map(|rows| arrange(rows, order.as_deref(), blank.frames)).transpose()?;
        }
        Ok(all)
    }
}

/// The parts of a rank with `clips` that are not as many as planned, because some could not be used.
fn uneven(clips: usize, world: &World, replicas: usize, rounds: usize) -> Vec<BatchPart> {
    let (count, at_once) = ((replicas * rounds).min(clips), world.size() * replicas);
    let bound = |part: usize| clips * part / count;
    let index = |part: usize| (part / replicas) * at_once + world.rank() * replicas + part % replicas;
    (0..count).map(|part| BatchPart { index: index(part), places: bound(part)..bound(part + 1) }).collect()
}

/// `rows` of clips that lie one rank after the other, `frames` of each, in the order of the batch.
fn arrange(rows: Tensor, order: Option<&[usize]>, frames: i64) -> Result<Tensor> {
    let Some(order) = order else { return Ok(rows) };
    let index: Vec<i64> =
        order.iter().flat_map(|at| (0..frames).map(move |frame| *at as i64 * frames + frame)).collect();
    let index = Tensor::f_from_slice(&index)?.f_to_kind(Kind::Int64)?.f_to_device(rows.device())?;
    Ok(rows.f_index_select(0, &index)?)
}
