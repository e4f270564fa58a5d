//! The way of raw numbers to a device: through page-locked memory that is used again, on a stream of its own.

use super::stream::{Event, Stream, copy_later, staging};
use std::{slice, sync::Arc};
use tch::{Device, Kind, TchError, Tensor, kind::Element};

/// Arrays begin at multiples of this, whatever their type.
const ALIGNMENT: usize = 64;

/// Numbers of the host that are to become a tensor.
#[derive(Debug)]
pub struct Raw<'a> {
    bytes: &'a [u8],
    kind: Kind,
    shape: Vec<i64>,
}

impl<'a> Raw<'a> {
    /// `values` as a tensor of this `shape`.
    pub fn new<T: Element>(values: &'a [T], shape: &[i64]) -> Self {
        // SAFETY: elements are plain numbers, and a slice of them is as long as its bytes.
        let bytes = unsafe { slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) };
        Self { bytes, kind: T::KIND, shape: shape.to_vec() }
    }

    /// libtorch reads as many bytes as the shape says, whatever is there.
    fn check(&self) -> Result<(), TchError> {
        let expected = self.shape.iter().product::<i64>() * self.kind.elt_size_in_bytes() as i64;
        if expected == self.bytes.len() as i64 {
            return Ok(());
        }
        Err(TchError::Shape(format!("{:?} {:?} has {expected} bytes, not {}", self.kind, self.shape, self.bytes.len())))
    }

    fn room(&self) -> usize {
        self.bytes.len().next_multiple_of(ALIGNMENT)
    }
}

/// Page-locked memory, and when what was last put there is on the device.
#[derive(Debug)]
struct Buffer {
    memory: Tensor,
    copied: Arc<Event>,
}

/// Brings sets of arrays to a device, one copy a set, while the device computes. On the CPU tensors are made at once.
#[derive(Debug)]
pub struct Uploads {
    device: Device,
    stream: Stream,
    buffers: Vec<Buffer>,
    most: usize,
}

impl Uploads {
    /// A way to `device` with at most so many buffers: when all of them are under way, the next set waits for one.
    ///
    /// # Errors
    /// There is no such device.
    pub fn new(device: Device, most: usize) -> Result<Self, TchError> {
        Ok(Self { device, stream: Stream::new(device)?, buffers: Vec::new(), most: most.max(1) })
    }

    /// The stream that copies, and in whose order the tensors are there.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The arrays as tensors on the device, in their order, for work in the order of [`Uploads::stream`].
    ///
    /// # Errors
    /// An array of another size than its shape says, or what libtorch refuses.
    pub fn send(&mut self, set: &[Raw<'_>]) -> Result<Vec<Tensor>, TchError> {
        set.iter().try_for_each(Raw::check)?;
        if !self.device.is_cuda() {
            return set.iter().map(|raw| Tensor::f_from_data_size(raw.bytes, &raw.shape, raw.kind)).collect();
        }
        let _stream = self.stream.enter()?;
        let room: usize = set.iter().map(Raw::room).sum();
        let index = self.free(room)?;
        let memory = self.buffers[index].memory.f_narrow(0, 0, room as i64)?;
        let mut from = 0;
        for raw in set {
            let part = memory.f_narrow(0, from as i64, raw.bytes.len() as i64)?;
            // SAFETY: the part is contiguous memory of the host of just this length, which nobody else reads or writes:
            // the copy that read it last is over.
            unsafe { slice::from_raw_parts_mut(part.data_ptr().cast::<u8>(), raw.bytes.len()) }
                .copy_from_slice(raw.bytes);
            from += raw.room();
        }
        let there = Tensor::f_empty([room as i64], (Kind::Uint8, self.device))?;
        copy_later(&there, &memory)?;
        self.buffers[index].copied = Arc::new(self.stream.record()?);
        let mut from = 0;
        set.iter()
            .map(|raw| {
                let part = there.f_narrow(0, from, raw.bytes.len() as i64)?;
                from += raw.room() as i64;
                part.f_view_dtype(raw.kind)?.f_view(raw.shape.as_slice())
            })
            .collect()
    }

    /// A buffer of at least `room` bytes that no copy reads any more.
    fn free(&mut self, room: usize) -> Result<usize, TchError> {
        let mut found = None;
        for (index, buffer) in self.buffers.iter().enumerate() {
            if buffer.copied.is_over()? {
                found = Some(index);
                break;
            }
        }
        let index = match found {
            Some(index) => index,
            None if self.buffers.len() < self.most => {
                let copied = Arc::new(self.stream.record()?);
                self.buffers.push(Buffer { memory: staging(&[room as i64], Kind::Uint8, self.device)?, copied });
                self.buffers.len() - 1
            }
            None => {
                self.buffers[0].copied.wait()?;
                0
            }
        };
        if self.buffers[index].memory.numel() < room {
            self.buffers[index].memory = staging(&[room as i64], Kind::Uint8, self.device)?;
        }
        Ok(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_become_tensors_of_their_types() {
        let mut uploads = Uploads::new(Device::Cpu, 2).unwrap();
        let (bytes, floats, labels) = ([1u8, 2, 3], [0.5f32, 1.5], [7i64]);
        let set = [Raw::new(&bytes, &[3, 1]), Raw::new(&floats, &[2]), Raw::new(&labels, &[1, 1])];
        let there = uploads.send(&set).unwrap();
        assert_eq!(there[0], Tensor::from_slice(&bytes).view([3, 1]));
        assert_eq!(there[1], Tensor::from_slice(&floats));
        assert_eq!(there[2], Tensor::from_slice(&labels).view([1, 1]));
        assert!(uploads.send(&[Raw::new(&bytes, &[4])]).is_err());
    }
}
