//! The program: everything it can do, `cli` knows.

use std::process::ExitCode;

fn main() -> ExitCode {
    maskline::cli::run()
}
