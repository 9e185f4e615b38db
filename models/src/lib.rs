//! Speech models: weights, tokenizers, front ends, networks and decode strategies.
//!
//! No threads and no rings: the engine runs a [`model::Model`] in stages. A model comes apart into three
//! parts, each owning its own state for every stream slot: a [`model::FrontEnd`] (samples → features), an
//! [`model::Encoder`] (features → hidden frames) and a [`model::Decoder`] (hidden frames → tokens).

pub mod arena;
pub mod budget;
pub mod buffer;
#[cfg(any(feature = "cuda", feature = "flex", feature = "wgpu"))]
pub mod burn;
pub mod checkpoint;
#[cfg(feature = "tokenizer-json")]
pub mod commands;
pub mod decode;
pub mod device;
pub mod emformer;
pub mod fault;
pub mod hypothesis;
mod integers;
pub mod linear;
#[cfg(feature = "fetch")]
pub mod manager;
mod matrix;
pub mod model;
pub mod moonshine;
pub mod onnx;
pub mod packed;
#[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
pub mod prepare;
mod regular;
pub mod residency;
pub mod team;
mod temporary;
pub mod tokenizer;
pub mod vocabulary;
pub mod voice;
pub mod warp;
pub mod weights;
