//! Tensors of a device on their way into a checkpoint.

use crate::{
    failure::Result,
    native::stream::{Event, Stream, copy_later, staging},
};
use tch::{Device, Kind, Tensor};

/// So many bytes travel at once.
const PIECE: i64 = 16 << 20;

/// Brings tensors to the host through two pieces of page-locked memory, on a stream of its own: while one is filled by
/// the device, the other is emptied.
pub(super) struct Downloader {
    stream: Stream,
    pieces: [Tensor; 2],
    /// What each of them is waited for.
    under_way: [Option<UnderWay>; 2],
    next: usize,
}

struct UnderWay {
    copied: Event,
    from: Tensor,
    to: Tensor,
}

impl Downloader {
    /// For tensors of `device` that are what they are to be once `ready` is over.
    pub fn new(device: Device, ready: &Event) -> Result<Self> {
        let stream = Stream::new(device)?;
        stream.after(ready)?;
        let piece = || staging(&[PIECE], Kind::Uint8, device);
        Ok(Self { stream, pieces: [piece()?, piece()?], under_way: [None, None], next: 0 })
    }

    /// What becomes `tensor` on the host, once [`Downloader::finish`] was called.
    pub fn bring(&mut self, tensor: &Tensor) -> Result<Tensor> {
        let _stream = self.stream.enter()?;
        self.stream.uses(tensor)?;
        let home = Tensor::f_empty(tensor.size(), (tensor.kind(), Device::Cpu))?;
        if tensor.numel() == 0 {
            return Ok(home);
        }
        let bytes = |tensor: &Tensor| tensor.f_view([-1])?.f_view_dtype(Kind::Uint8);
        let (there, here) = (bytes(&tensor.f_contiguous()?)?, bytes(&home)?);
        let all = here.numel() as i64;
        for from in (0..all).step_by(PIECE as usize) {
            let length = PIECE.min(all - from);
            self.drain(self.next)?;
            let piece = self.pieces[self.next].f_narrow(0, 0, length)?;
            copy_later(&piece, &there.f_narrow(0, from, length)?)?;
            let to = here.f_narrow(0, from, length)?;
            self.under_way[self.next] = Some(UnderWay { copied: self.stream.record()?, from: piece, to });
            self.next = 1 - self.next;
        }
        Ok(home)
    }

    /// Waits for what is under way in a piece, and empties it.
    fn drain(&mut self, piece: usize) -> Result<()> {
        if let Some(UnderWay { copied, from, mut to }) = self.under_way[piece].take() {
            copied.wait()?;
            to.f_copy_(&from)?;
        }
        Ok(())
    }

    /// Waits for everything.
    pub fn finish(mut self) -> Result<()> {
        (0..self.pieces.len()).try_for_each(|piece| self.drain(piece))
    }
}
