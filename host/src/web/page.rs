//! The page and its parts, as they stand in the program.

use super::qr;

/// What is under a path: its type and its text; `None` if there is nothing. `url` is where others open the page.
pub(super) fn part(path: &str, url: impl Fn() -> String) -> Option<(&'static str, String)> {
    Some(match path {
        "/" => ("text/html; charset=utf-8", include_str!("page/page.html").to_owned()),
        "/page.css" => ("text/css; charset=utf-8", include_str!("page/page.css").to_owned()),
        "/page.js" => ("text/javascript; charset=utf-8", include_str!("page/page.js").to_owned()),
        "/icon.svg" => ("image/svg+xml", include_str!("page/icon.svg").to_owned()),
        "/invite" => ("text/html; charset=utf-8", invitation(&url())),
        _ => return None,
    })
}

/// The page with the QR code. The address has letters, digits and `-_.:[]/` alone, so it is written as it is.
fn invitation(url: &str) -> String {
    let code = qr::svg(url).unwrap_or_default();
    include_str!("page/invite.html").replace("{{url}}", url).replace("{{code}}", &code)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All parts but the invitation.
    const PATHS: [&str; 4] = ["/", "/page.css", "/page.js", "/icon.svg"];

    fn text(path: &str) -> String {
        part(path, || "http://192.168.1.5:9393/".to_owned()).unwrap().1
    }

    #[test]
    fn page_is_small() {
        let bytes: usize = PATHS.iter().chain(&["/invite"]).map(|path| text(path).len()).sum();
        assert!(bytes < 60_000, "{bytes} bytes");
    }

    #[test]
    fn nothing_is_inline_or_from_elsewhere_or_html_of_others() {
        for path in ["/", "/invite"] {
            let html = text(path);
            for word in ["<style", " style=", " onclick", " onload", "javascript:", "//cdn", "https://"] {
                assert!(!html.contains(word), "{path}: {word}");
            }
            assert_eq!(html.matches("<script").count(), html.matches("<script src=\"/page.js\"").count(), "{path}");
        }
        let script = text("/page.js");
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "http://",
            "https://",
        ] {
            assert!(!script.contains(word), "{word}");
        }
    }

    #[test]
    fn invitation_has_address_and_code() {
        let html = text("/invite");
        assert!(html.contains("http://192.168.1.5:9393/") && html.contains("<svg") && !html.contains("{{"), "{html}");
    }

    #[test]
    fn there_is_nothing_else() {
        for path in ["", "/page", "/../page.js", "/room", "//"] {
            assert!(part(path, String::new).is_none(), "{path}");
        }
    }
}
