//! `/api/docs`: the document of the REST API, to be read in a browser without
//! any other server's help.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use super::headers::refusal;

const PAGE: &str = include_str!("docs/page.html");
const SCRIPT: &str = include_str!("docs/viewer.js");
const STYLE: &str = include_str!("docs/viewer.css");

/// Serves the page.
pub(super) async fn page() -> Response {
    text("text/html; charset=utf-8", PAGE)
}

/// Serves what the page is made of.
pub(super) async fn file(Path(file): Path<String>) -> Response {
    match file.as_str() {
        "viewer.js" => text("text/javascript; charset=utf-8", SCRIPT),
        "viewer.css" => text("text/css; charset=utf-8", STYLE),
        _ => refusal(StatusCode::NOT_FOUND).into_response(),
    }
}

fn text(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_nobody_else_and_has_no_code_in_it() {
        for text in [PAGE, SCRIPT, STYLE] {
            assert!(!text.contains("http://") && !text.contains("https://"));
            assert!(!text.contains("innerHTML") && !text.contains("eval("));
        }
        assert!(!PAGE.contains("style=") && !PAGE.contains(" on"));
        assert_eq!(PAGE.matches("<script").count(), 1);
        assert!(PAGE.contains("<script type=\"module\" src=\"/api/docs/viewer.js\"></script>"));
    }

    #[tokio::test]
    async fn what_the_page_is_made_of_is_there_and_nothing_else() {
        for (name, status) in [("viewer.js", 200), ("viewer.css", 200), ("page.html", 404)] {
            let answer = file(Path(name.to_owned())).await;
            assert_eq!(answer.status().as_u16(), status, "{name}");
        }
        assert_eq!(page().await.status(), StatusCode::OK);
    }
}
