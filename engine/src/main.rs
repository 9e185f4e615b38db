//! The `voxlane` command.
fn main() {}
