//! The REST API as published clients use it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::simulator::testing::{Bench, answer, last_segment, vector, vectors};

const NOWHERE: &str = "http://127.0.0.1:9/";

/// Sends the request of a vector, with our application's number in its path.
async fn send(bench: &Bench, vector: &Value, application: &str) -> (u16, Value) {
    let input = &vector["input"];
    let method: Method = input["method"].as_str().unwrap().parse().unwrap();
    let segments = input["path"].as_str().unwrap().split('/').collect::<Vec<_>>();
    let path: Vec<&str> = segments
        .iter()
        .enumerate()
        .map(|(at, segment)| if at > 0 && segments[at - 1] == "applications" { application } else { segment })
        .collect();
    let mut request = bench.rest(method, &path.join("/"));
    if !input["body"].is_null() {
        request = request.json(&input["body"]);
    }
    answer(request).await
}

#[actix_web::test]
async fn published_requests_get_the_published_replies() {
    for name in [
        "provisioning-address-create-prefix",
        "provisioning-gem-address-create-number",
        "provisioning-gem-address-create-token",
        "provisioning-gem-application-create",
        "provisioning-gem-application-update",
        "provisioning-grails-aim",
        "provisioning-textizen-number-1215",
        "provisioning-application-delete",
        "provisioning-gem-application-delete",
    ] {
        let bench = Bench::new();
        let application = bench.application(NOWHERE).await;
        let vector = vector(name);
        let (status, body) = send(&bench, &vector, &application).await;
        assert_eq!(status, vector["expected"]["status"], "{name}: {body}");
        let expected = &vector["expected"]["body"];
        match expected["href"].as_str() {
            Some(href) => {
                let kinds = ["/number/+1", "/token/", "/aim/tropocloud"];
                let kind = kinds.iter().find(|kind| href.contains(kind.trim_end_matches("+1")));
                let got = body["href"].as_str().unwrap();
                assert!(got.contains("/rest/v1/applications/"), "{name}: {got}");
                assert!(kind.is_none_or(|kind| got.contains(kind)), "{name}: {got}");
            }
            None => assert_eq!(&body, expected, "{name}"),
        }
    }
}

#[actix_web::test]
async fn objects_have_the_fields_that_clients_of_every_age_read() {
    let bench = Bench::new();
    let application = bench.application(NOWHERE).await;
    for (name, path) in [
        ("provisioning-grails-applications", "/v1/applications"),
        ("provisioning-grails-exchanges", "/v1/exchanges"),
        ("provisioning-exchanges-2011", "/v1/exchanges"),
    ] {
        let got = bench.get(path).await;
        let expected = vector(name)["expected"]["body"][0].clone();
        for (field, value) in expected.as_object().unwrap() {
            let same_type = match value {
                Value::String(_) => got[0][field].is_string(),
                _ => got[0][field].is_boolean(),
            };
            assert!(same_type, "{name}: {field} in {}", got[0]);
        }
    }
    let born_with = bench.get(&format!("/v1/applications/{application}/addresses")).await;
    let expected = vector("provisioning-grails-addresses-new-app");
    for (at, address) in expected["expected"]["body"].as_array().unwrap().iter().enumerate() {
        assert_eq!(born_with[at]["type"], address["type"]);
        let fields: Vec<_> = address.as_object().unwrap().keys().collect();
        assert!(fields.iter().all(|field| born_with[at][field.as_str()].is_string()), "{born_with}");
    }
    let skype = last_segment(&born_with[1]["href"]);
    let path = format!("/v1/applications/{application}/addresses/skype/{skype}");
    let deleted = answer(bench.rest(Method::DELETE, &path)).await;
    assert_eq!(deleted.1, vector("provisioning-address-delete-skype")["expected"]["body"]);
}

#[actix_web::test]
async fn what_is_missing_or_wrong_is_refused_with_the_documented_status() {
    let bench = Bench::new();
    let application = bench.application(NOWHERE).await;
    for (name, vector) in vectors("provisioning-invalid-") {
        let path = match vector["input"]["resource"].as_str().unwrap() {
            "application" => "/v1/applications".to_owned(),
            _ => format!("/v1/applications/{application}/addresses"),
        };
        let (status, body) = bench.post(&path, vector["input"]["params"].clone()).await;
        assert_eq!(status, 400, "{name}");
        assert!(body["error"].is_string(), "{name}: {body}");
    }
    let addresses = format!("/v1/applications/{application}/addresses");
    for (body, status) in [
        (json!({"type": "number"}), 400),
        (json!({"type": "number", "prefix": "+1407"}), 400),
        (json!({"type": "number", "number": "x"}), 400),
        (json!({"type": "number", "prefix": "1866"}), 403),
        (json!({"type": "number", "prefix": "1907"}), 503),
        (json!({"type": "number", "prefix": "1999"}), 503),
        (json!({"type": "number", "number": "+14155550123"}), 503),
        (json!({"type": "pigeon"}), 400),
    ] {
        let (got, answer) = bench.post(&addresses, body.clone()).await;
        assert_eq!(got, status, "{body}: {answer}");
    }
    let image = bench.rest(Method::POST, &addresses).header("content-type", "image/png").body("x");
    assert_eq!(answer(image).await.0, 415);
    let no_xml = bench.rest(Method::POST, &addresses).header("content-type", "text/xml").body("<address>");
    assert_eq!(answer(no_xml).await.0, 400);
    let broken = bench.rest(Method::POST, &addresses).header("content-type", "application/json").body("{");
    assert_eq!(answer(broken).await.0, 400);
    let huge = bench.rest(Method::POST, &addresses).header("content-type", "application/json");
    assert_eq!(answer(huge.body("x".repeat(70_000))).await.0, 413);
    assert_eq!(answer(bench.rest(Method::PATCH, "/v1/applications")).await.0, 405);
    let nowhere = answer(bench.rest(Method::GET, "/v1/somewhere")).await;
    assert_eq!(nowhere, (404, vector("provisioning-error-body-single")["expected"]["body"].clone()));
    assert_eq!(answer(bench.rest(Method::GET, "/v1/applications/7")).await.0, 404);
    assert_eq!(answer(bench.rest(Method::GET, "/v1/applications/x")).await.0, 404);
}

#[actix_web::test]
async fn a_stranger_is_told_nothing() {
    let bench = Bench::new();
    let expected = vector("provisioning-gem-bad-credentials")["expected"]["status"].clone();
    for request in [
        bench.request(Method::GET, "/v1/applications"),
        bench.request(Method::GET, "/v1/somewhere"),
        bench.request(Method::GET, "/rest/v1/exchanges").basic_auth("ada", Some("wrong")),
        bench.request(Method::GET, "/v1/exchanges").header("authorization", "Basic %%%"),
    ] {
        let (status, body) = answer(request).await;
        assert_eq!((json!(status), body), (expected.clone(), Value::Null));
    }
}

#[actix_web::test]
async fn forms_are_read_and_names_are_compared_without_regard_to_case() {
    let bench = Bench::new();
    let form = [("NAME", "x"), ("platform", "webapi"), ("voiceurl", NOWHERE)];
    let (status, body) = answer(bench.rest(Method::POST, "/rest/v1/applications").form(&form)).await;
    assert_eq!(status, 200, "{body}");
    let id = last_segment(&body["href"]);
    let application = bench.get(&format!("/v1/applications/{id}")).await;
    assert_eq!(application["voiceUrl"], NOWHERE);
    assert_eq!(application["partition"], "staging");
    let form = [("type", "number"), ("prefix", "1407")];
    let path = format!("/v1/applications/{id}/addresses");
    let (_, body) = answer(bench.rest(Method::POST, &path).form(&form)).await;
    assert_eq!(last_segment(&body["href"]), "+14075550150");
}

#[actix_web::test]
async fn a_stock_runs_out_and_what_is_released_comes_back_last() {
    let bench = Bench::new();
    let application = bench.application(NOWHERE).await;
    let stock =
        answer(bench.request(Method::PUT, "/simulator/stock/1407").json(&json!({"numbers": 3}))).await;
    assert_eq!(stock.0, 200);
    for expected in ["+14075550150", "+14075550151", "+14075550152"] {
        assert_eq!(bench.number(&application, "1407").await, expected);
    }
    let addresses = format!("/v1/applications/{application}/addresses");
    let prefix = json!({"type": "number", "prefix": "1407"});
    let body = json!({"error": "no numbers available for the parameters specified"});
    assert_eq!(bench.post(&addresses, prefix).await, (503, body));
    assert_eq!(bench.get("/v1/addresses?available=true&type=NUMBER&prefix=1407").await, json!([]));

    for number in ["+14075550151", "%2B14075550150"] {
        let path = format!("{addresses}/number/{number}");
        let (status, body) = answer(bench.rest(Method::DELETE, &path)).await;
        assert_eq!((status, body["message"].as_str()), (200, Some("delete successful")));
        assert_eq!(answer(bench.rest(Method::DELETE, &path)).await.0, 404);
    }
    let free = bench.get("/v1/addresses?available&prefix=1407").await;
    let numbers: Vec<_> = free.as_array().unwrap().iter().map(|it| it["number"].clone()).collect();
    assert_eq!(numbers, ["+14075550151", "+14075550150"]);
    let any = bench.number(&application, "1").await;
    assert!(any.starts_with("+1201"), "{any}");
    let ledger = bench.get("/simulator/ledger").await;
    let actions: Vec<_> = ledger.as_array().unwrap().iter().map(|it| it["action"].clone()).collect();
    assert_eq!(actions, ["purchase", "purchase", "purchase", "release", "release", "purchase"]);
    assert_eq!(ledger[3]["number"], "+14075550151");
    assert_eq!(ledger[3]["application"], application);
}

#[actix_web::test]
async fn a_named_number_can_be_had_once_and_moved() {
    let bench = Bench::new();
    let first = bench.application(NOWHERE).await;
    let second = bench.application(NOWHERE).await;
    let buy = |application: &str| format!("/v1/applications/{application}/addresses");
    for number in ["4075550160", "+14075550160"] {
        let (status, body) = bench.post(&buy(&first), json!({"type": "number", "number": number})).await;
        assert_eq!((status, last_segment(&body["href"])), (200, "+14075550160".into()));
    }
    assert_eq!(bench.get("/simulator/ledger").await.as_array().unwrap().len(), 1, "bought once");
    let (status, _) = bench.post(&buy(&second), json!({"type": "number", "number": "4075550160"})).await;
    assert_eq!(status, 403);
    let held = bench.get("/v1/addresses/number/+14075550160").await;
    assert_eq!(held["city"], "Orlando");
    assert!(held["application"].as_str().unwrap().ends_with(&first));
    let gone = bench.rest(Method::DELETE, &format!("{}/number/+14075550160", buy(&first)));
    assert_eq!(answer(gone).await.0, 200);
    let moved = bench.rest(Method::POST, &format!("{}/number/+14075550160", buy(&second)));
    assert_eq!(answer(moved).await.0, 200);
    let deleted = bench.rest(Method::DELETE, &format!("/v1/applications/{second}"));
    assert_eq!(answer(deleted).await.0, 200);
    assert_eq!(answer(bench.rest(Method::GET, "/v1/addresses/number/+14075550160")).await.0, 404);
    let ledger = bench.get("/simulator/ledger").await;
    assert_eq!(ledger.as_array().unwrap().last().unwrap()["action"], "release");
}

/// Whether the object has the fields of a recorded one, with the same types.
fn like(got: &Value, recorded: &Value) -> bool {
    let kind = |value: &Value| (value.is_string(), value.is_array(), value.is_object(), value.is_number());
    let fields = recorded.as_object().unwrap();
    fields.iter().all(|(field, value)| kind(&got[field]) == kind(value))
}

/// What the official gem and the node library ask for.
#[actix_web::test]
async fn the_account_is_described_to_clients_that_ask() {
    let bench = Bench::new();
    let application = bench.application(NOWHERE).await;
    bench.number(&application, "1407").await;
    for user in ["ada", "ADA", "33932"] {
        let user = bench.get(&format!("/v1/users/{user}")).await;
        assert_eq!((&user["username"], &user["id"]), (&json!("ada"), &json!("33932")));
        assert!(user["href"].as_str().unwrap().ends_with("/users/33932"));
    }
    assert_eq!(bench.get("/v1/users/?username=ada").await[0]["status"], "active");
    assert_eq!(bench.get("/v1/users/?username=bob").await, json!([]));
    assert_eq!(bench.get("/v1/usernames/ada").await["username"], "ada");
    for path in ["/v1/users/bob", "/v1/usernames/bob", "/v1/users/bob/usage", "/v1/partitions/x/platforms"] {
        assert_eq!(answer(bench.rest(Method::GET, path)).await.0, 404, "{path}");
    }
    for (name, path) in
        [("provisioning-gem-balance", "/v1/users/33932/usage"), ("provisioning-gem-features", "/v1/features")]
    {
        let (got, recorded) = (bench.get(path).await, vector(name)["expected"]["body"].clone());
        let (got, recorded) = if recorded.is_array() { (&got[0], &recorded[0]) } else { (&got, &recorded) };
        assert!(like(got, recorded), "{name}: {got}");
    }
    let whitelist = vector("provisioning-gem-whitelist")["input"]["path"].as_str().unwrap().to_owned();
    assert_eq!(bench.get(&whitelist).await, json!([]));
    assert_eq!(bench.get("/v1/users/partitions/production/platforms/sms/whitelist").await, json!([]));
    assert_eq!(bench.get("/v1/users/33932/features").await[0]["featureName"], "Domestic Outbound Voice");
    let names =
        |list: &Value| list.as_array().unwrap().iter().map(|it| it["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&bench.get("/v1/partitions").await), ["staging", "production"]);
    assert_eq!(names(&bench.get("/v1/partitions/staging/platforms").await), ["scripting", "webapi"]);
    let countries = bench.get("/v1/countries").await;
    assert_eq!(names(&countries), ["Canada", "United Kingdom", "United States"]);
    let states = format!("/v1/countries/{}/states", countries[2]["id"].as_str().unwrap());
    assert!(names(&bench.get(&states).await).contains(&json!("FL")));
    assert_eq!(answer(bench.rest(Method::GET, "/v1/countries/1/states")).await.0, 404);
    assert_eq!(bench.get("/v1/invitations").await, json!([]));
    assert_eq!(bench.post("/v1/users", json!({"username": "bob"})).await.0, 403);

    let of_kind = bench.get(&format!("/v1/applications/{application}/addresses/number")).await;
    assert_eq!((&of_kind[0]["number"], of_kind.as_array().unwrap().len()), (&json!("+14075550150"), 1));
    assert_eq!(bench.get("/v1/addresses/number").await, of_kind);
    assert_eq!(bench.get("/v1/addresses/sip").await[0]["type"], "sip");
    let free = bench.get("/v1/addresses/number?available&prefix=1407").await;
    assert_eq!((&free[0]["number"], free.as_array().unwrap().len()), (&json!("+14075550151"), 49));
}

async fn in_xml(request: reqwest::RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/xml; charset=utf-8");
    (response.status().as_u16(), response.text().await.unwrap())
}

#[actix_web::test]
async fn xml_is_read_and_written_for_those_who_use_it() {
    let bench = Bench::new();
    let application = "<?xml version=\"1.0\"?>\n<application><name>Jack &amp; Jill</name>\
        <voiceurl>http://127.0.0.1:9/?a=1&amp;b=2</voiceurl><platform>webapi</platform>\
        <partition>staging</partition></application>";
    let post = |path: &str, body: &str| {
        bench.rest(Method::POST, path).header("content-type", "text/xml").body(body.to_owned())
    };
    let (status, reply) = in_xml(post("/v1/applications", application)).await;
    let href =
        reply.strip_prefix("<application><href>").and_then(|rest| rest.strip_suffix("</href></application>"));
    let id = last_segment(&json!(href.expect(&reply)));
    assert_eq!(status, 200);
    let got = bench.get(&format!("/v1/applications/{id}")).await;
    assert_eq!(
        (&got["name"], &got["voiceUrl"]),
        (&json!("Jack & Jill"), &json!("http://127.0.0.1:9/?a=1&b=2"))
    );
    let addresses = format!("/v1/applications/{id}/addresses");
    let number = "<address><type>number</type><prefix>1407</prefix></address>";
    assert!(in_xml(post(&addresses, number)).await.1.contains("/addresses/number/+14075550150</href>"));
    let list = bench.rest(Method::GET, &addresses).header("accept", "text/xml");
    let (_, list) = in_xml(list).await;
    assert!(
        list.starts_with("<addresses><address>") && list.contains("<number>+14075550150</number>"),
        "{list}"
    );
    let all =
        in_xml(bench.rest(Method::GET, "/v1/applications").header("accept", "application/xml, */*")).await.1;
    assert!(all.contains("<name>Jack &amp; Jill</name>"), "{all}");
    let (status, error) = in_xml(post(&addresses, "<address><type>number</type></address>")).await;
    assert_eq!((status, error.as_str()), (400, "<error>prefix is a required parameter</error>"));
    let json = post(&addresses, number).header("accept", "application/json");
    assert_eq!(answer(json).await.0, 200, "what is accepted goes before what was sent");
    assert!(bench.get(&addresses).await.is_array(), "JSON where nobody asks for XML");
}

#[actix_web::test]
async fn subscriptions_are_kept_as_they_were_made() {
    let bench = Bench::new();
    let wanted = json!({
        "event": "cdrCreated", "name": "CDR handler", "targetUrl": "http://example.com/dlr", "resource": "call",
        "payload": {"apiKey": "opaque"}, "enabled": false,
    });
    let (status, reply) = bench.post("/v1/webhooks/", wanted.clone()).await;
    assert_eq!((status, last_segment(&reply["href"])), (200, "1".to_owned()));
    let got = bench.get("/v1/webhooks/1").await;
    for (field, value) in wanted.as_object().unwrap() {
        assert_eq!(&got[field], value);
    }
    assert_eq!((&got["id"], &got["accountId"]), (&json!(1), &json!("33932")));
    let bench = bench.restart().await;
    let kept = bench.get("/v1/webhooks?event=cdrCreated&resource=call").await;
    assert_eq!((&kept[0]["payload"], &kept[0]["id"]), (&wanted["payload"], &json!(1)));
    assert_eq!(bench.get("/v1/webhooks/?event=smsdlr").await, json!([]));
    let update = bench.rest(Method::PUT, "/v1/webhooks/1").json(&json!({"enabled": true}));
    assert_eq!(answer(update).await.0, 200);
    assert_eq!(bench.get("/v1/webhooks/1").await["enabled"], json!(true));
    for wrong in [
        json!({"event": "cdrCreated", "resource": "call"}),
        json!({"event": "birthday", "resource": "call", "targetUrl": "http://example.com/"}),
        json!({"event": "cdrCreated", "resource": "fax", "targetUrl": "http://example.com/"}),
        json!({"event": "cdrCreated", "resource": "call, sms", "targetUrl": "file:///etc/passwd"}),
    ] {
        assert_eq!(bench.post("/v1/webhooks", wrong.clone()).await.0, 400, "{wrong}");
    }
    assert_eq!(answer(bench.rest(Method::DELETE, "/v1/webhooks/1")).await.0, 200);
    assert_eq!(answer(bench.rest(Method::GET, "/v1/webhooks/1")).await.0, 404);
}
