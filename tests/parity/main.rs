//! Parity with the reference's own numbers: what the PyTorch implementation computed on weights and inputs that a
//! formula gives. The folder is named by `TRACKFLOW_GOLDEN` (default `../shared/golden`); without it the tests say that
//! they are skipped. Every `seed<N>.safetensors` in it is checked.

mod functions;
mod golden;
mod network;
mod recipe;
