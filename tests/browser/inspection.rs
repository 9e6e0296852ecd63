//! What every page has to be, whatever it is about: inspected, and photographed.

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use serde_json::{Value, json};

use super::Browser;

const INSPECT: &str = include_str!("inspect.js");
/// The narrowest page that has to work.
const NARROWEST: u32 = 320;

impl Browser {
    /// Looks closely at the page that is there, in light and dark, and takes its picture.
    pub(crate) async fn page(&self, name: &str) {
        self.until("true").await;
        let number = self.count();
        self.inspect(name, "all").await;
        self.photograph(&format!("{}{number:02}-{name}", self.set())).await;
        // A page looks the same without a script; what its other dresses are like was seen with one.
        if self.view.script {
            self.inspect_in_other_dresses(name).await;
        }
        let status = self.ask("performance.getEntriesByType('navigation')[0].responseStatus").await;
        for entry in self.driver.console().await {
            self.complain_of_console(name, &status, &entry);
        }
    }

    /// The same, with a picture in the dark as well.
    pub(crate) async fn page_in_both(&self, name: &str) {
        self.page(name).await;
        if self.view.script {
            self.dark(true).await;
            self.photograph(&format!("{}dark-{name}", self.set())).await;
            self.dark(false).await;
        }
    }

    async fn inspect_in_other_dresses(&self, name: &str) {
        self.dark(true).await;
        self.inspect(&format!("{name}, dark"), "contrast").await;
        self.dark(false).await;
        if self.view.touch {
            self.as_wide_as(NARROWEST).await;
            self.inspect(&format!("{name}, {NARROWEST} px wide"), "width").await;
            self.as_wide_as(self.view.width).await;
        }
    }

    /// The end of the story: nothing was found on the way.
    pub(crate) fn end(self) {
        let complaints = self.complaints.lock().unwrap();
        assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
    }

    fn count(&self) -> u32 {
        let mut pictures = self.pictures.lock().unwrap();
        *pictures += 1;
        *pictures
    }

    fn set(&self) -> String {
        let story = if self.story.is_empty() { String::new() } else { format!("{}-", self.story) };
        format!("{}-{story}", self.view.width)
    }

    async fn dark(&self, dark: bool) {
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.driver.chromium("Emulation.setEmulatedMedia", features).await;
    }

    async fn inspect(&self, name: &str, what: &str) {
        let wish = json!([{ "what": what, "touch": self.view.touch }]);
        let found = self.driver.run(INSPECT, wish).await.unwrap();
        for complaint in found.as_array().unwrap() {
            self.complain(name, complaint.as_str().unwrap());
        }
    }

    fn complain(&self, name: &str, complaint: &str) {
        let complaint = format!("{} {} {name}: {complaint}", self.view.width, self.story);
        self.complaints.lock().unwrap().push(complaint);
    }

    /// A console has nothing to tell, but that a page which says 404 came with a 404.
    fn complain_of_console(&self, name: &str, status: &Value, entry: &Value) {
        let message = entry["message"].as_str().unwrap_or_default();
        let of_the_page = message.contains(&format!("the server responded with a status of {status}"));
        if !of_the_page {
            self.complain(name, &format!("console: {message}"));
        }
    }

    async fn photograph(&self, name: &str) {
        let folder = folder();
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{name}.png")), self.picture().await).unwrap();
    }

    /// The whole page, as far down as it goes.
    async fn picture(&self) -> Vec<u8> {
        let height = self.ask("Math.max(innerHeight, document.documentElement.scrollHeight)").await;
        self.picture_of(self.view.width, u32::try_from(height.as_u64().unwrap()).unwrap()).await
    }

    /// So much of the page, from its top left corner.
    pub(super) async fn picture_of(&self, width: u32, height: u32) -> Vec<u8> {
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        let wish = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let picture = self.driver.chromium("Page.captureScreenshot", wish).await;
        base64::engine::general_purpose::STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
    }
}

/// Where pictures go.
pub(super) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots")
}
