//! Who may what: every route, asked by everybody.

use super::*;

#[tokio::test]
async fn every_route_is_for_those_whom_it_is_declared_for_and_nobody_else() {
    let router = fresh().await;
    let mut claims: Vec<Option<&str>> = vec![None, Some("*")];
    claims.extend(Scope::ALL.iter().map(|scope| Some(scope.name())));
    let (mut cells, mut allowed_cells) = (0, 0);
    let routes = routes();
    for route in &routes {
        let path = filled(route, |name| openapi::example_of(name).to_owned());
        for claim in &claims {
            let expected = match (route.access, *claim) {
                (Access::Public, _) | (_, Some("*")) => true,
                (_, None) => false,
                (Access::AnyKey, Some(_)) => true,
                (Access::Scope(scope), Some(claim)) => scope.name() == claim,
            };
            let answer = send(&router, *claim, &route.method, &path, None).await;
            let code = answer.body["code"].as_str().unwrap_or_default().to_owned();
            let what = format!(
                "{} for {claim:?}: {} {}",
                route.id, answer.status, answer.text
            );
            let is_refused = ["unauthorized", "insufficient_scope"].contains(&code.as_str());
            assert_eq!(!is_refused, expected, "{what}");
            match (expected, claim) {
                (true, _) => allowed_cells += 1,
                (false, None) => {
                    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{what}");
                    assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer", "{what}");
                }
                (false, Some(_)) => {
                    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{what}");
                    let Access::Scope(scope) = route.access else {
                        panic!("{what}")
                    };
                    assert_eq!(answer.body["required"], scope.name(), "{what}");
                }
            }
            cells += 1;
        }
    }
    println!(
        "authorisation matrix: {} routes, {} callers, {cells} cells, {allowed_cells} of them allowed",
        routes.len(),
        claims.len()
    );
}
