//! Files that weights come in: ONNX graphs, PyTorch's checkpoints, and our own packed files.

pub mod checkpoint;
pub mod onnx;
pub mod packed;
