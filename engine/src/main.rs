//! The `voxlane` command: transcribes recordings, looks after models, checks configurations and hosts.

mod cli;

/// The engine allocates nothing while it runs; loading, files and results do.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
