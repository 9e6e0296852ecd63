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
    let xml = bench.rest(Method::POST, &addresses).header("content-type", "text/xml").body("<address/>");
    assert_eq!(answer(xml).await.0, 415);
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
