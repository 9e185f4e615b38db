//! The `voxlane` command, one file a subcommand.

pub mod doctor;
pub mod models;
