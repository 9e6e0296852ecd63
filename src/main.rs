//! The command `maskline`.

fn main() {}
