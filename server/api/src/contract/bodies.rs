//! What no route takes as a body, whatever it is for.

use super::*;
use crate::guard::BODY_BYTES_MAX;
use crate::table::JSON;

#[tokio::test]
async fn no_route_takes_a_body_that_is_deep_double_large_or_of_another_type() {
    let router = fresh().await;
    let deep = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    let (mut with_body, mut without) = (0, 0);
    for route in routes() {
        let path = filled(&route, |name| openapi::example_of(name).to_owned());
        let ask = async |kind: &str, text: String| {
            send(&router, Some("*"), &route.method, &path, Some((kind, text))).await
        };
        let what = route.id;
        if route.contents.is_empty() {
            let answer = ask(JSON, "{}".to_owned()).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{what}: a body");
            without += 1;
            continue;
        }
        let limit = match route.is_bulk {
            true => 1024 * 1024,
            false => BODY_BYTES_MAX,
        };
        for (why, kind, text, status, code) in [
            ("deep", JSON, deep(33), 400, "bad_request"),
            ("very deep", JSON, deep(4000), 400, "bad_request"),
            (
                "a member twice",
                JSON,
                r#"{"a":1,"a":1}"#.to_owned(),
                400,
                "bad_request",
            ),
            ("no object", JSON, "[]".to_owned(), 400, "bad_request"),
            ("no JSON", JSON, "{".to_owned(), 400, "bad_request"),
            ("large", JSON, " ".repeat(limit + 1), 413, "too_large"),
            (
                "of another type",
                "application/xml",
                "<a/>".to_owned(),
                415,
                "unsupported_media_type",
            ),
        ] {
            let answer = ask(kind, text).await;
            assert_eq!(answer.status, status, "{what}, {why}: {}", answer.text);
            assert_eq!(answer.body["code"], code, "{what}, {why}");
        }
        with_body += 1;
    }
    println!("bodies: {with_body} routes with one, {without} without");
}
