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
mod config_fault;
pub mod decode;
pub mod device;
pub mod dynamic;
pub mod encoders;
pub mod families;
pub mod fault;
pub mod formats;
pub mod frontends;
pub mod heads;
pub mod hypothesis;
pub mod layers;
#[cfg(feature = "fetch")]
pub mod manager;
pub mod model;
pub mod networks;
pub mod offline;
mod regular;
mod request;
pub mod residency;
pub mod team;
mod temporary;
pub mod tokenizers;
pub mod turn;
pub mod voice;
pub mod weights;
