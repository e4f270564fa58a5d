//! Several processes that train one model: where each stands ([`RankInfo`]), what they compute together ([`World`]), and how
//! they notice that one of them is gone.
//!
//! A rank computes its share of every batch and sums with the others what comes out; each then makes the same update. So
//! ranks never exchange weights after they began, and a checkpoint does not know how many ranks wrote it.

mod buckets;
mod join;
mod launch;
mod place;
mod reduce;
mod shares;
mod store;
mod watch;

pub use join::Card;
pub use launch::{Machines, launch};
pub use place::{Launcher, RankInfo, VARIABLES};
pub(super) use reduce::{Blank, reduce};
pub use shares::{BatchPart, Shares};
pub use watch::Patience;

use crate::{
    failure::{Failure, Result},
    native::{
        Synchronised,
        ranks::{Backend, Store, Work},
    },
};
use buckets::buckets;
use std::{
    fmt,
    mem::ManuallyDrop,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tch::{Device, Kind, Tensor};
use watch::Watch;

/// How long to wait for the other ranks before looking around.
const SLICE: Duration = Duration::from_millis(200);

/// After so long without an answer, NCCL ends the process.
const NCCL_TIMEOUT: Duration = Duration::from_secs(600);

/// All ranks, as one of them sees them. They must all ask for the same in the same order, each on one thread at a time.
pub struct World {
    place: RankInfo,
    // Not dropped: that would wait for what can no longer end when a rank is gone.
    store: ManuallyDrop<Store>,
    gloo: ManuallyDrop<Backend>,
    nccl: OnceLock<ManuallyDrop<Backend>>,
    watch: Arc<Watch>,
    /// Microseconds of waiting for others.
    waited: AtomicU64,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} of {}", self.place.rank, self.place.size)
    }
}

impl World {
    /// Meets the other ranks, and makes sure that all are about to do what `card` says.
    ///
    /// # Errors
    /// A rank does not come within the time (70), the port is used (69), two processes have one rank (64), or the ranks are
    /// about to train something different (78).
    pub fn join(place: &RankInfo, card: &Card, patience: Patience) -> Result<Arc<Self>> {
        join::join(place, card, patience)
    }

    fn new(place: RankInfo, store: Store, gloo: Backend, watch: Arc<Watch>) -> Self {
        let (store, gloo) = (ManuallyDrop::new(store), ManuallyDrop::new(gloo));
        Self { place, store, gloo, nccl: OnceLock::new(), watch, waited: AtomicU64::new(0) }
    }

    /// Its number, from 0.
    pub fn rank(&self) -> usize {
        self.place.rank
    }

    /// How many ranks there are.
    pub fn size(&self) -> usize {
        self.place.size
    }

    /// Where it stands.
    pub fn place(&self) -> &RankInfo {
        &self.place
    }

    /// Whether it is the one that writes log and checkpoints.
    pub fn is_first(&self) -> bool {
        self.place.rank == 0
    }

    /// Lets tensors on `device`, where that is a GPU, be summed there by NCCL. The text says why they are not.
    ///
    /// # Errors
    /// The ranks have lost each other.
    pub fn use_device(&self, device: Device) -> Result<Option<String>> {
        if !device.is_cuda() {
            // As many answers as of the others, which may have GPUs.
            self.gather(&[2])?;
            return Ok(None);
        }
        let made = join::client(&self.place, self.watch.patience, "/nccl").and_then(|store| {
            let backend = Backend::nccl(&store, self.rank(), self.size(), NCCL_TIMEOUT);
            backend.map_err(|error| Failure::unavailable(error.to_string()))
        });
        let answers = self.gather(&[i64::from(made.is_ok())])?;
        let all = answers.iter().all(|answer| answer == &[1]);
        match made {
            Ok(backend) if all => {
                let _ = self.nccl.set(ManuallyDrop::new(backend));
                Ok(None)
            }
            Ok(_) => Ok(Some("sums go through the host: NCCL does not work on all ranks".into())),
            Err(failure) => {
                let why = failure.message.lines().next().unwrap_or_default().to_string();
                Ok(Some(format!("sums go through the host, which is slow: no NCCL ({why})")))
            }
        }
    }

    /// From here on the others see, should this rank go, that it was last doing `what`.
    pub fn doing(&self, what: impl Into<String>) {
        self.watch.set_doing(what.into());
    }

    /// Calls `alarm` once, from another thread, when a rank is found to be gone.
    pub fn on_loss(&self, alarm: impl Fn(&str) + Send + 'static) {
        self.watch.set_alarm(Box::new(alarm));
    }

    /// What is wrong, where something is.
    pub fn verdict(&self) -> Option<String> {
        self.watch.verdict().map(String::from)
    }

    fn lost(&self, text: &str) -> Failure {
        Failure::stage(text)
    }

    fn begun(&self, work: std::result::Result<Work, tch::TchError>) -> Result<Work> {
        if let Some(text) = self.watch.verdict() {
            return Err(self.lost(text));
        }
        work.map_err(|error| self.lost(self.watch.blame(&error.to_string())))
    }

    /// How long this rank has waited for others so far, or for what they computed together.
    pub fn waited(&self) -> Duration {
        Duration::from_micros(self.waited.load(Ordering::Relaxed))
    }

    fn finish(&self, work: &Work) -> Result<()> {
        let begin = Instant::now();
        let done = self.await_end(work);
        self.waited.fetch_add(u64::try_from(begin.elapsed().as_micros()).unwrap_or(0), Ordering::Relaxed);
        done
    }

    fn await_end(&self, work: &Work) -> Result<()> {
        loop {
            match work.wait(SLICE) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => {
                    let text = error.to_string();
                    return Err(self.lost(self.watch.blame(text.lines().next().unwrap_or_default())));
                }
            }
            if let Some(text) = self.watch.verdict() {
                return Err(self.lost(text));
            }
        }
    }

    fn guard(&self) -> Result<()> {
        self.watch.verdict().map_or(Ok(()), |text| Err(self.lost(text)))
    }

    /// The numbers of all ranks, each of which gives as many.
    ///
    /// # Errors
    /// The ranks have lost each other.
    pub fn gather(&self, numbers: &[i64]) -> Result<Vec<Vec<i64>>> {
        self.guard()?;
        let (rank, width) = (self.rank(), numbers.len());
        let mut all = vec![0i64; self.size() * width];
        all[rank * width..(rank + 1) * width].copy_from_slice(numbers);
        let tensor = Tensor::f_from_slice(&all)?;
        self.finish(&self.begun(self.gloo.sum(&tensor))?)?;
        let all = Vec::<i64>::try_from(&tensor)?;
        Ok(all.chunks_exact(width.max(1)).map(<[i64]>::to_vec).collect())
    }

    /// Each number summed over all ranks.
    ///
    /// # Errors
    /// The ranks have lost each other.
    pub fn sum_numbers(&self, numbers: &[i64]) -> Result<Vec<i64>> {
        self.guard()?;
        let tensor = Tensor::f_from_slice(numbers)?;
        self.finish(&self.begun(self.gloo.sum(&tensor))?)?;
        Ok(Vec::<i64>::try_from(&tensor)?)
    }

    /// The bytes of all ranks.
    ///
    /// # Errors
    /// The ranks have lost each other.
    pub fn gather_bytes(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
        let lengths: Vec<usize> =
            self.gather(&[bytes.len() as i64])?.iter().map(|length| length[0].max(0) as usize).collect();
        let mut all = vec![0u8; lengths.iter().sum()];
        if all.is_empty() {
            return Ok(vec![Vec::new(); self.size()]);
        }
        let begin: usize = lengths.iter().take(self.rank()).sum();
        all[begin..begin + bytes.len()].copy_from_slice(bytes);
        let tensor = Tensor::f_from_slice(&all)?;
        self.finish(&self.begun(self.gloo.sum(&tensor))?)?;
        let all = Vec::<u8>::try_from(&tensor)?;
        let mut rest = all.as_slice();
        let mut take = |length: usize| {
            let (own, after) = rest.split_at(length);
            rest = after;
            own.to_vec()
        };
        Ok(lengths.into_iter().map(&mut take).collect())
    }

    /// How many clips each rank has.
    ///
    /// # Errors
    /// The ranks have lost each other.
    pub fn clips(&self, own: i64) -> Result<Vec<usize>> {
        Ok(self.gather(&[own])?.iter().map(|clips| usize::try_from(clips[0]).unwrap_or(0)).collect())
    }

    /// The rows f32 of all ranks, one rank after the other, on `device`; none where nobody has any.
    ///
    /// # Errors
    /// The ranks have lost each other.
    pub fn gather_rows(&self, own: Option<Tensor>, device: Device) -> Result<Option<Tensor>> {
        let shape = own.as_ref().map_or([0, 0], |rows| [rows.size()[0], rows.size()[1]]);
        let shapes = self.gather(&shape)?;
        let (rows, width) = (shapes.iter().map(|shape| shape[0]).sum(), shapes.iter().map(|shape| shape[1]).max());
        let Some(width) = width.filter(|width| *width > 0) else { return Ok(None) };
        let before: i64 = shapes.iter().take(self.rank()).map(|shape| shape[0]).sum();
        let all = Tensor::f_zeros([rows, width], (Kind::Float, device))?;
        if let Some(own) = own {
            all.f_narrow(0, before, shape[0])?.f_copy_(&own)?;
        }
        self.sum(&[all.shallow_clone()])?;
        Ok(Some(all))
    }

    /// Waits until all ranks are here.
    ///
    /// # Errors
    /// The ranks have lost each other.
    pub fn barrier(&self) -> Result<()> {
        self.gather(&[0]).map(drop)
    }

    /// Makes sure that all ranks have the same `lines`, which are about `what`.
    ///
    /// # Errors
    /// One has others than rank 0 (78), or the ranks have lost each other.
    pub fn check_same(&self, what: &str, lines: &[String]) -> Result<()> {
        let all = self.gather_bytes(lines.join("\n").as_bytes())?;
        let lines = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).lines().map(String::from).collect::<Vec<_>>();
        let first = all.first().map(lines).unwrap_or_default();
        for (rank, bytes) in all.iter().enumerate() {
            let different = join::differences(&first, &lines(bytes));
            if !different.is_empty() {
                return Err(Failure::config(format!(
                    "rank {rank} has other {what} than rank 0: {}; let all ranks read the same",
                    different.join("; ")
                )));
            }
        }
        Ok(())
    }

    /// Replaces each of `tensors` by its sum over all ranks: bucket by bucket, all under way at once. The bits are the same
    /// on every rank; on a GPU nobody waits.
    ///
    /// # Errors
    /// The ranks have lost each other.
    pub fn sum(&self, tensors: &[Tensor]) -> Result<()> {
        self.over_buckets(tensors, |backend, flat| backend.sum(flat))
    }

    /// Replaces each of `tensors` by that of `root`.
    ///
    /// # Errors
    /// The ranks have lost each other.
    pub fn broadcast(&self, tensors: &[Tensor], root: usize) -> Result<()> {
        self.over_buckets(tensors, |backend, flat| backend.broadcast(flat, root))
    }

    fn over_buckets(
        &self,
        tensors: &[Tensor],
        begin: impl Fn(&Backend, &Tensor) -> std::result::Result<Work, tch::TchError>,
    ) -> Result<()> {
        self.guard()?;
        tch::no_grad(|| {
            let mut under_way = Vec::new();
            for bucket in buckets(tensors) {
                let parts: Vec<Tensor> = bucket.iter().map(|tensor| tensor.detach().reshape(-1)).collect();
                let flat = Tensor::f_cat(&parts, 0)?;
                let (backend, flat) = match self.nccl.get() {
                    Some(nccl) if flat.device().is_cuda() => (nccl, flat),
                    _ => (&self.gloo, flat.f_to_device(Device::Cpu)?),
                };
                let work = self.begun(begin(backend, &flat))?;
                under_way.push((bucket, flat, work));
            }
            for (bucket, flat, work) in under_way {
                self.finish(&work)?;
                let mut at = 0;
                for tensor in bucket {
                    let count = tensor.numel() as i64;
                    let sum = flat.f_narrow(0, at, count)?.f_view_as(&tensor.detach().f_reshape(tensor.size())?)?;
                    tensor.detach().f_copy_(&sum)?;
                    at += count;
                }
            }
            Ok(())
        })
    }

    /// Lets batch normalisation of this thread take its statistics from all ranks until the value is dropped.
    pub fn summing(self: &Arc<Self>) -> Synchronised {
        let world = Arc::clone(self);
        Synchronised::begin(move |x| {
            let sum = x.detach().copy();
            // Autograd has no other way out.
            world.sum(std::slice::from_ref(&sum)).unwrap_or_else(|failure| panic!("{failure}"));
            sum
        })
    }

    /// Says to the others that this rank ends for `failure`, unless they are the reason; and where it serves the store,
    /// waits until they have heard.
    pub fn fail(&self, failure: &Failure) {
        if self.watch.is_closed() {
            return;
        }
        let first = failure.message.lines().next().unwrap_or_default();
        if self.watch.verdict().is_none() {
            let text = format!("rank {} ({}) ended: {first}", self.rank(), crate::lock::host());
            let known = self.store.has(store::FAILURE).unwrap_or(true);
            if !known && self.store.set(store::FAILURE, text.as_bytes()).is_ok() {
                self.watch.judge(text);
            }
        }
        if self.is_first() && !self.place.served {
            let begin = Instant::now();
            let limit = 2 * self.watch.patience.beat + Duration::from_millis(300);
            let heard = || self.store.add(store::HEARD, 0).unwrap_or(i64::MAX);
            while begin.elapsed() < limit && heard() < self.size() as i64 - 1 {
                thread::sleep(Duration::from_millis(20));
            }
        }
        self.watch.close();
    }

    /// The ranks part as agreed: from here on nobody looks for signs of life.
    pub fn close(&self) {
        self.watch.close();
    }
}

#[cfg(test)]
pub(in crate::train) mod tests;
