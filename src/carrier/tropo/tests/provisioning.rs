//! The REST client against recorded replies: what it sends and what it reads.

use serde_json::{Value, json};

use super::pretend::{MESSAGING_TOKEN, PretendTropo, Reply, VOICE_TOKEN};
use super::{number, vector};
use crate::carrier::tropo::setup::{ApplicationWish, Partition};
use crate::carrier::{Carrier as _, CarrierError, Channel};
use crate::secrets::Secret;

fn recorded(name: &str) -> Reply {
    let expected = &vector(name)["expected"];
    let status = expected["status"].as_u64().unwrap_or(200);
    Reply::json(status.try_into().unwrap(), &expected["body"])
}

#[tokio::test]
async fn a_number_is_bought_by_prefix_whatever_its_href_looks_like() {
    for (name, prefix, bought) in [
        ("provisioning-address-create-prefix", "1407", "+14075551234"),
        ("provisioning-gem-address-create-number", "1303", "+17205550112"),
        ("provisioning-grails-number-34", "34", "+34000111000"),
        ("provisioning-textizen-number-1215", "1215", "+14075551234"),
    ] {
        let tropo = PretendTropo::answering(vec![recorded(name)]);
        assert_eq!(tropo.patient_client().buy_any(prefix).await, Ok(number(bought)), "{name}");
        let request = &tropo.requests()[0];
        assert_eq!(request.line, "POST /v1/applications/123456/addresses");
        assert_eq!(request.body, vector(name)["input"]["body"], "{name}");
        assert!(request.head.contains("authorization: Basic YWRhOnN3b3JkZmlzaA=="), "{}", request.head);
    }
}

#[tokio::test]
async fn a_given_number_is_bought_and_no_other() {
    let name = "provisioning-grails-number-specific";
    let tropo = PretendTropo::answering(vec![recorded(name), recorded(name)]);
    let client = tropo.patient_client();
    assert_eq!(client.buy(number("+14075551235")).await, Ok(()));
    let other = client.buy(number("+442079460155")).await;
    assert!(matches!(other, Err(CarrierError::Unclear(_))), "{other:?}");
    let requests = tropo.requests();
    assert_eq!(requests[0].body, vector(name)["input"]["body"]);
    assert_eq!(requests[1].body, json!({ "type": "number", "number": "+442079460155" }));
}

#[tokio::test]
async fn a_number_is_given_back_and_gone_ones_count_as_given_back() {
    let tropo = PretendTropo::answering(vec![
        recorded("provisioning-gem-address-delete"),
        Reply::Bare(204, ""),
        recorded("provisioning-error-body-single"),
    ]);
    let client = tropo.patient_client();
    for _ in 0..3 {
        assert_eq!(client.release(number("+14075551234")).await, Ok(()));
    }
    let line = "DELETE /v1/applications/123456/addresses/number/+14075551234";
    assert!(tropo.requests().iter().all(|request| request.line == line));
}

#[tokio::test]
async fn areas_of_all_ages_are_listed() {
    let recent = json!([
        { "id": 2142, "prefix": "1443", "areaCode": "443", "city": "Ellicott City", "state": "MD",
          "country": "United States", "description": "", "tollFree": false },
        { "prefix": "1866", "city": "", "tollFree": true, "smsEnabled": null },
        { "prefix": 1443 }, { "city": "Nowhere" }, "odd", null
    ]);
    let tropo = PretendTropo::answering(vec![
        recorded("provisioning-exchanges-2010"),
        recorded("provisioning-exchanges-2011"),
        recorded("provisioning-grails-exchanges"),
        Reply::json(200, &recent),
    ]);
    let client = tropo.patient_client();
    let areas = client.areas().await.unwrap();
    assert_eq!(areas.len(), 8);
    assert_eq!((areas[0].prefix.as_str(), areas[0].city.as_deref()), ("1407", Some("Orlando")));
    assert_eq!((areas[0].texts, areas[0].toll_free), (None, false));
    let areas = client.areas().await.unwrap();
    assert_eq!((areas[0].texts, areas[0].toll_free), (Some(true), false));
    assert_eq!((areas[1].texts, areas[1].toll_free), (Some(false), true));
    assert_eq!((areas[2].prefix.as_str(), areas[2].country.as_deref()), ("31", Some("Netherlands")));
    assert_eq!(client.areas().await.unwrap()[0].texts, Some(true));
    let areas = client.areas().await.unwrap();
    assert_eq!(areas.len(), 2);
    assert_eq!((areas[1].city.as_deref(), areas[1].toll_free), (None, true));
    assert_eq!(tropo.requests()[0].line, "GET /v1/exchanges");
}

#[tokio::test]
async fn our_numbers_are_read_from_lists_of_all_ages() {
    let href = "https://api.tropo.com/rest/v1/applications/123456/addresses";
    let mut inum = vector("provisioning-gem-address-get-inum")["expected"]["body"].clone();
    // It was recorded of another application; here it stands in the list of ours.
    inum["href"] = json!(format!("{href}/number/883510001812716"));
    let list = json!([
        inum,
        { "href": format!("{href}/number/+14075551234"), "type": "number", "prefix": "1407",
          "number": "4075551234", "city": "Orlando", "state": "FL" },
        { "href": format!("{href}/number/+14195550150"), "type": "number", "number": "+14195550150" },
        { "href": format!("{href}/number/7205550112"), "type": "did", "number": "7205550112" },
        { "type": "NUMBER", "number": 14_075_550_151_u64, "displayNumber": "+1 407-555-0151" },
        { "href": format!("{href}/number/%2B442079460155") },
        vector("provisioning-gem-address-get-token")["expected"]["body"],
        { "type": "aim", "username": "someone" },
        { "type": "pin", "number": "1234" },
    ]);
    let new = recorded("provisioning-grails-addresses-new-app");
    let tropo = PretendTropo::answering(vec![Reply::json(200, &list), new]);
    let client = tropo.patient_client();
    let expected =
        ["+883510001812716", "+14075551234", "+14195550150", "+17205550112", "+14075550151", "+442079460155"];
    assert_eq!(client.owned().await, Ok(expected.map(number).to_vec()));
    assert_eq!(client.owned().await, Ok(vec![]));
    assert_eq!(tropo.requests()[0].line, "GET /v1/applications/123456/addresses");
}

#[tokio::test]
async fn numbers_that_a_list_says_are_of_another_application_are_left_out() {
    let of = |id: &str| format!("https://api.tropo.com/rest/v1/applications/{id}");
    let list = json!([
        { "type": "number", "number": "+14075550150", "href": format!("{}/addresses/number/+14075550150", of("123456")) },
        { "type": "number", "number": "+14075550151", "href": format!("{}/addresses/number/+14075550151", of("999999")) },
        { "type": "number", "number": "+14075550152", "application": of("999999") },
        { "type": "number", "number": "+14075550153", "applicationId": 999_999 },
        { "type": "number", "number": "+14075550154", "applicationId": "123456", "application": of("123456") },
        { "type": "number", "number": "+14075550155" },
    ]);
    let tropo = PretendTropo::answering(vec![Reply::json(200, &list)]);
    let ours = ["+14075550150", "+14075550154", "+14075550155"].map(number);
    assert_eq!(tropo.patient_client().owned().await, Ok(ours.to_vec()));
}

#[tokio::test]
async fn a_list_with_a_number_that_cannot_be_read_is_no_list() {
    for entry in [json!({ "type": "number" }), json!({ "type": "number", "number": "soon" }), json!(7)] {
        let list = json!([{ "type": "number", "number": "+14075550150" }, entry]);
        let tropo = PretendTropo::answering(vec![Reply::json(200, &list)]);
        let owned = tropo.patient_client().owned().await;
        assert!(matches!(owned, Err(CarrierError::Unavailable(_))), "{owned:?}");
    }
}

#[tokio::test]
async fn free_numbers_are_those_of_the_prefix() {
    let list = json!([
        { "city": "Ellicott City", "displayNumber": "+1 443-555-0182", "number": "+14435550182",
          "href": "https://api.tropo.com/rest/v1/addresses/number/+14435550182", "type": "number",
          "prefix": "1443", "smsEnabled": true, "subscriber": false },
        { "number": "+13055550150", "type": "number" },
        { "number": null, "type": "number" },
    ]);
    let none = json!({ "error": "no numbers available for the parameters specified" });
    let tropo = PretendTropo::answering(vec![
        Reply::json(200, &list),
        Reply::json(200, &json!([])),
        Reply::json(503, &none),
    ]);
    let client = tropo.patient_client();
    assert_eq!(client.available("1443").await, Ok(vec![number("+14435550182")]));
    assert_eq!(client.available("1443").await, Ok(vec![]));
    assert_eq!(client.available("1443").await, Ok(vec![]));
    assert_eq!(tropo.requests()[0].line, "GET /v1/addresses?available=true&type=NUMBER&prefix=1443");
}

#[tokio::test]
async fn only_digits_are_a_prefix() {
    let tropo = PretendTropo::answering(vec![]);
    for prefix in ["", "+1407", "14x", "1&number=2", "1234567890123456"] {
        let refused = tropo.patient_client().buy_any(prefix).await;
        assert!(matches!(refused, Err(CarrierError::Refused(_))), "{prefix}");
    }
}

#[tokio::test]
async fn a_launch_carries_an_opaque_reference_in_a_post_without_the_password() {
    let string_success = &vector("session-api-grails-launch")["expected"]["body"];
    let trailing = json!({ "success": true, "token": "T", "id": "ID\r\n" });
    let tropo = PretendTropo::answering(vec![
        recorded("session-api-create-json"),
        Reply::json(200, string_success),
        Reply::json(200, &trailing),
        Reply::json(200, &json!({ "success": false })),
        Reply::json(200, &json!({ "id": "x" })),
    ]);
    let client = tropo.patient_client();
    assert_eq!(client.launch(Channel::Voice, "opaque-id").await, Ok(()));
    assert_eq!(client.launch(Channel::Text, "opaque-id").await, Ok(()));
    assert_eq!(client.launch(Channel::Text, "opaque-id").await, Ok(()));
    let refused = client.launch(Channel::Voice, "opaque-id").await;
    assert!(matches!(refused, Err(CarrierError::Refused(_))), "{refused:?}");
    let unclear = client.launch(Channel::Voice, "opaque-id").await;
    assert!(matches!(unclear, Err(CarrierError::Unclear(_))), "{unclear:?}");
    let requests = tropo.requests();
    assert_eq!(requests[0].line, "POST /1.0/sessions");
    assert_eq!(requests[0].body, json!({ "token": VOICE_TOKEN, "verification": "opaque-id" }));
    assert_eq!(requests[1].body, json!({ "token": MESSAGING_TOKEN, "verification": "opaque-id" }));
    assert!(requests.iter().all(|request| !request.head.to_lowercase().contains("authorization")));
}

#[tokio::test]
async fn a_session_is_ended_by_a_signal_and_one_that_is_over_is_no_error() {
    let case = vector("session-api-signal-json");
    let tropo = PretendTropo::answering(vec![
        recorded("session-api-signal-json"),
        Reply::json(200, &json!({ "status": "NOTFOUND" })),
        Reply::json(404, &json!({ "error": "not found" })),
        Reply::json(200, &json!({ "status": "FAILED" })),
        Reply::json(200, &json!({ "status": "QUEUED" })),
    ]);
    let client = tropo.patient_client();
    let session = "644a27c6da7e505ab432325056671535";
    for _ in 0..3 {
        assert_eq!(client.end_session(session).await, Ok(()));
    }
    let failed = client.end_session(session).await;
    assert!(matches!(failed, Err(CarrierError::Unavailable(_))), "{failed:?}");
    assert_eq!(client.end_session("../a?b#c/d").await, Ok(()));
    assert_eq!(client.end_session("..").await, Ok(()));
    let requests = tropo.requests();
    assert_eq!(requests[0].line, format!("POST {}", case["input"]["path"].as_str().unwrap()));
    assert_eq!(requests[0].body, case["input"]["body"]);
    assert_eq!(requests[4].line, "POST /1.0/sessions/..%2Fa%3Fb%23c%2Fd/signals");
}

fn wish() -> ApplicationWish {
    ApplicationWish {
        name: "Maskline".to_owned(),
        voice_url: Secret::new("https://masks.example/tropo/transfer?key=k"),
        messaging_url: Secret::new("https://masks.example/tropo/message?key=k"),
        partition: Partition::Production,
    }
}

#[tokio::test]
async fn an_application_is_found_made_and_changed() {
    let odd = json!([
        { "href": "https://api.tropo.com/rest/v1/applications/7", "name": "by href" },
        { "id": 300_897, "name": "pluto", "voiceUrl": null, "partition": "staging" },
        { "name": "nothing to call it by" },
    ]);
    let tropo = PretendTropo::answering(vec![
        recorded("provisioning-grails-applications"),
        Reply::json(200, &odd),
        recorded("provisioning-gem-application-create"),
        recorded("provisioning-gem-application-update"),
    ]);
    let client = tropo.patient_client();
    let applications = client.applications().await.unwrap();
    assert_eq!(
        (applications[0].id.as_str(), applications[0].name.as_str()),
        ("136290", "GrailsPluginTestsApp")
    );
    assert_eq!(applications[1].platform.as_deref(), Some("webapi"));
    let address = applications[1].voice_url.as_ref().map(Secret::expose);
    assert_eq!(address, Some("http://192.0.2.2:8080/tropo-app/tropo/voice"));
    let ids: Vec<_> = client.applications().await.unwrap().into_iter().map(|entry| entry.id).collect();
    assert_eq!(ids, ["7", "300897"]);
    assert_eq!(client.create_application(&wish()).await, Ok("108016".to_owned()));
    assert_eq!(client.update_application("108016", &wish()).await, Ok(()));
    let requests = tropo.requests();
    let lines: Vec<_> = requests.iter().skip(2).map(|request| request.line.as_str()).collect();
    assert_eq!(lines, ["POST /v1/applications", "PUT /v1/applications/108016"]);
    let body = json!({
        "name": "Maskline", "platform": "webapi", "partition": "production",
        "voiceUrl": "https://masks.example/tropo/transfer?key=k",
        "messagingUrl": "https://masks.example/tropo/message?key=k",
    });
    assert_eq!((&requests[2].body, &requests[3].body), (&body, &body));
}

#[tokio::test]
async fn launch_tokens_are_listed_and_made() {
    let old: Value = vector("provisioning-gem-address-get-token")["expected"]["body"].clone();
    let list = json!([
        { "type": "token", "channel": "voice", "token": "v1" },
        { "type": "token", "channel": "messaging", "href": "https://api.tropo.com/v1/x/addresses/token/m1" },
        old,
        { "type": "number", "number": "+14075550150" },
    ]);
    let made = recorded("provisioning-gem-address-create-token");
    let tropo = PretendTropo::answering(vec![Reply::json(200, &list), made]);
    let client = tropo.patient_client();
    let tokens = client.launch_tokens("108002").await.unwrap();
    let tokens: Vec<_> = tokens.iter().map(|entry| (entry.channel, entry.token.expose())).collect();
    assert_eq!(tokens, [(Some(Channel::Voice), "v1"), (Some(Channel::Text), "m1"), (None, "a1b2c3d4")]);
    let token = client.create_launch_token("108002", Channel::Voice).await.unwrap();
    assert_eq!(token.expose().len(), 88);
    let request = &tropo.requests()[1];
    assert_eq!(request.line, "POST /v1/applications/108002/addresses");
    assert_eq!(request.body, json!({ "type": "token", "channel": "voice" }));
}
