//! The program: everything it can do, `cli` knows.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A tenth of a call's time went into the system's allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    maskline::cli::run()
}
