//! The commands of `voxlane`.

pub mod doctor;
