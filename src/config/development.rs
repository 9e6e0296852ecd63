//! The settings of a development start: made on the first one, with secrets that are good for nothing else.
//!
//! Knows which settings such a start needs; who reads the file, and what counts before it, `environment` knows.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::env_file;
use crate::seal::RootKeys;
use crate::secrets;

/// Limits that would be in the way of somebody who tries things out.
pub(super) const RELAXED: &[(&str, &str)] = &[
    ("MASKLINE_LIMIT_CODE_WAIT_MINUTES", "0"),
    ("MASKLINE_LIMIT_CODES_PER_USER_AND_NUMBER_A_DAY", "500"),
    ("MASKLINE_LIMIT_CODES_PER_NUMBER_A_DAY", "500"),
    ("MASKLINE_LIMIT_CODES_PER_USER_AN_HOUR", "500"),
    ("MASKLINE_LIMIT_CODES_PER_USER_A_DAY", "500"),
    ("MASKLINE_LIMIT_CODES_PER_ADDRESS_AN_HOUR", "500"),
    ("MASKLINE_LIMIT_CODES_PER_ADDRESS_A_DAY", "500"),
    ("MASKLINE_LIMIT_CODES_PER_AREA_AN_HOUR", "500"),
    ("MASKLINE_LIMIT_CODES_IN_ALL_AN_HOUR", "500"),
    ("MASKLINE_LIMIT_NUMBERS_PER_USER", "20"),
    ("MASKLINE_LIMIT_MASKS_PER_USER_ALIVE", "100"),
    ("MASKLINE_LIMIT_MASKS_PER_USER_A_DAY", "500"),
    ("MASKLINE_LIMIT_MASKS_PER_USER_IN_30_DAYS", "5000"),
    ("MASKLINE_LIMIT_MASKS_IN_ALL_AN_HOUR", "500"),
    ("MASKLINE_LIMIT_CALLS_PER_MASK_AN_HOUR", "1000"),
    ("MASKLINE_LIMIT_CALLS_PER_MASK_A_DAY", "1000"),
    ("MASKLINE_LIMIT_CALLS_PER_CALLER_IN_10_MINUTES", "1000"),
    ("MASKLINE_LIMIT_CALLS_PER_CALLER_A_DAY", "1000"),
    ("MASKLINE_LIMIT_CALLS_IN_A_LOOP", "50"),
    ("MASKLINE_LIMIT_MINUTES_PER_MASK_A_MONTH", "100000"),
    ("MASKLINE_LIMIT_MINUTES_PER_USER_A_MONTH", "100000"),
    ("MASKLINE_LIMIT_CODES_SPEND_A_DAY", "5000"),
    ("MASKLINE_LIMIT_SPEND_A_DAY", "5000"),
    ("MASKLINE_LIMIT_SPEND_A_MONTH", "50000"),
    ("MASKLINE_LIMIT_FAILED_SIGN_INS_PER_ACCOUNT", "100"),
    ("MASKLINE_LIMIT_SIGN_INS_PER_ACCOUNT", "500"),
    ("MASKLINE_LIMIT_FAILED_SIGN_INS_PER_ADDRESS", "500"),
    ("MASKLINE_LIMIT_PASSWORD_TRIES_AN_HOUR", "500"),
    ("MASKLINE_LIMIT_LETTERS_PER_MAILBOX_AN_HOUR", "500"),
    ("MASKLINE_LIMIT_LETTERS_PER_MAILBOX_A_DAY", "500"),
    ("MASKLINE_LIMIT_LETTERS_IN_ALL_AN_HOUR", "1000"),
    ("MASKLINE_LIMIT_SIGN_UPS_PER_ADDRESS_AN_HOUR", "500"),
    ("MASKLINE_LIMIT_RESETS_PER_ADDRESS_AN_HOUR", "500"),
];

/// Where the settings lie.
pub(super) fn path(state: &Path) -> PathBuf {
    state.join("development.env")
}

/// Makes the folder and the settings if they are not there.
pub(super) fn begin(state: &Path) -> io::Result<()> {
    // Open to pass through: where we are root, PostgreSQL runs as somebody else.
    DirBuilder::new().recursive(true).mode(0o755).create(state)?;
    let path = path(state);
    if fs::exists(&path)? { Ok(()) } else { env_file::replace(&path, &text()) }
}

/// New settings.
pub(super) fn text() -> String {
    let mut text = format!(
        "# Made by the first development start, for this machine only. `maskline` reads it where neither the\n\
         # environment nor .env sets a secret key; what they set counts before what stands here. Without this\n\
         # file's secret key, the numbers in the private database do not open.\n\
         MASKLINE_SECRET_KEY={}\n\
         MASKLINE_LOG_FORMAT=text\n\
         MASKLINE_NUMBER_COUNTRIES=US,CA,GB\n\
         MASKLINE_MASK_COUNTRIES=US,CA,GB\n\n\
         # The account at the simulated Tropo. The address, the application and the tokens follow at the start.\n\
         TROPO_USERNAME=maskline\n\
         TROPO_PASSWORD={}\n\
         TROPO_ACCOUNT_ID=33932\n\
         TROPO_WEBHOOK_KEY={}\n\n\
         # Limits, relaxed so that trying things out does not meet them. Take a line away for the real one.\n",
        RootKeys::generate(),
        secrets::random_token(),
        secrets::random_token(),
    );
    for (name, value) in RELAXED {
        // Writing to a text does not fail.
        let _ = writeln!(text, "{name}={value}");
    }
    text.push_str("\n# What the last start found or made at the simulated Tropo.\n");
    text
}
