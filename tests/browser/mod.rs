//! The stories of the product in a real headless Chromium: by phone and by desk, with a script and without.
//!
//! Every page that a story stops at is inspected (see `inspect.js`) and photographed into `target/screenshots/`.

mod inspection;
mod keyboard;
mod mistakes;
mod newcomer;
mod pages;
mod person;
mod webdriver;

pub(crate) use person::{Browser, View};
