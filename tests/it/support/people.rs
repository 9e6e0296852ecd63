//! People who use the product without a browser, and whose phones ring.

use maskline::app::masks::{WantedArea, Wish};
use maskline::domain::ids::{MaskId, NumberId, UserId};

use super::{Client, TestApp};

/// Somebody with one proved number.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) client: Client,
    pub(crate) user: UserId,
    pub(crate) number: NumberId,
    pub(crate) real: String,
}

impl Person {
    /// Asks for a mask in the area of their number, by the form of that token.
    pub(crate) fn wish(&self, token: &str) -> Wish {
        let token =
            format!("{token} of {}", self.user).replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
        Wish {
            number: self.number,
            area: WantedArea::Same,
            label: String::new(),
            token: token.chars().take(64).collect(),
        }
    }
}

impl TestApp {
    pub(crate) async fn person(&self, name: &str, real: &str) -> Person {
        let (client, number) = self.with_number(name, real).await;
        let query = format!("SELECT id FROM users WHERE email = '{name}@example.com'");
        let user = UserId(self.database.one(&query).await.parse().unwrap());
        Person { client, user, number: NumberId(number.parse().unwrap()), real: real.to_owned() }
    }

    /// A mask that is there.
    pub(crate) async fn held_mask(&self, person: &Person, token: &str) -> MaskId {
        let mask = self.app.wish_mask(person.user, person.wish(token)).await.unwrap();
        self.work().await;
        assert_eq!(self.state_of(mask).await, "active");
        mask
    }

    pub(crate) async fn state_of(&self, mask: MaskId) -> String {
        self.database.one(&format!("SELECT state FROM masks WHERE id = '{mask}'")).await
    }

    pub(crate) async fn number_of(&self, mask: MaskId) -> String {
        self.database.one(&format!("SELECT e164 FROM masks WHERE id = '{mask}'")).await
    }
}
