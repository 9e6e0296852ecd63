//! The main story: from an e-mail address to a call that rings, and back to a number that is not in service.

use serde_json::json;

use crate::support::{CALLER, PASSWORD, REAL, TestApp, grouped};

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_gets_a_mask_is_called_through_it_and_takes_it_back() {
    let app = TestApp::start().await;
    let mut ada = app.anonymous();

    // Signs up with an e-mail address, follows the link that arrives, chooses a password, and is in.
    let sent = ada.submit("/sign-up", "/sign-up", &[("email", "ada@example.com")]).await;
    assert_eq!((sent.status, sent.location().as_str()), (303, "/sign-up/sent"));
    assert!(ada.get("/sign-up/sent").await.words().contains("We sent a link to ada@example.com"));
    let letter = app.simulator.letter("ada@example.com").await;
    let link = letter.split_whitespace().find(|word| word.contains("/links/")).unwrap();
    let link = link.strip_prefix(&app.url("")).unwrap().to_owned();
    let chosen = ada.submit(&link, &link, &[("new_password", PASSWORD)]).await;
    assert_eq!(chosen.location(), "/masks", "{}", chosen.text);
    assert!(ada.get("/masks").await.words().contains("Prove your number"));

    // Registers a real number, receives a code on a simulated phone, proves it.
    let number = app.prove(&mut ada, REAL).await;
    assert!(ada.get("/masks").await.words().contains("The number is yours: it is proved."));

    // Generates a mask in the number's own area code.
    let (path, mask) = app.mask(&mut ada, &number).await;
    assert!(mask.starts_with("+1407"), "{mask}");
    assert_ne!(mask, REAL);

    // Calls it: the real phone rings, shows the caller, answers.
    let trace = app.simulator.call(CALLER, &mask, "answered", 12).await;
    assert_eq!(trace["outcome"], "answered", "{trace}");
    assert_eq!(trace["rang"], json!([REAL]), "{trace}");
    assert_eq!(trace["shown"], json!(CALLER), "{trace}");

    // Finds the call in the mask's log.
    let page = ada.get(&path).await.words();
    assert!(page.contains("+1 415-555-0123") && page.contains("Answered 12 s"), "{page}");

    // Revokes the mask, calls again and is told that it is not in service.
    let asked = ada.get(&format!("{path}/revocation")).await.words();
    assert!(asked.contains("45 days"), "{asked}");
    let revoked = ada.submit(&format!("{path}/revocation"), &format!("{path}/revocation"), &[]).await;
    assert_eq!(revoked.location(), path);
    let trace = app.simulator.call(CALLER, &mask, "answered", 12).await;
    assert_eq!(trace["rang"], json!([]), "{trace}");
    assert!(trace["heard"].to_string().contains("not in service"), "{trace}");

    // An admin sees every mask, and of the real number two digits.
    let mut admin = app.admin().await;
    let page = admin.get("/admin/masks").await;
    assert!(page.words().contains("ada@example.com") && page.text.contains(&grouped(&mask)), "{}", page.text);
    assert!(page.text.contains("··01") && !page.text.contains("5550101"), "{}", page.text);
}
