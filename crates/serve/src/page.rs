//! The files of the page, which are inside the program.

/// Returns a file of the page by its name: its type and its text.
pub(crate) fn file(name: &str) -> Option<(&'static str, &'static str)> {
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    Some(match name {
        "index.html" => ("text/html; charset=utf-8", include_str!("../page/index.html")),
        "style.css" => ("text/css; charset=utf-8", include_str!("../page/style.css")),
        "icon.svg" => ("image/svg+xml", include_str!("../page/icon.svg")),
        "app.js" => (SCRIPT, include_str!("../page/app.js")),
        "alternatives.js" => (SCRIPT, include_str!("../page/alternatives.js")),
        "api.js" => (SCRIPT, include_str!("../page/api.js")),
        "dom.js" => (SCRIPT, include_str!("../page/dom.js")),
        "generate.js" => (SCRIPT, include_str!("../page/generate.js")),
        "picture.js" => (SCRIPT, include_str!("../page/picture.js")),
        "result.js" => (SCRIPT, include_str!("../page/result.js")),
        "sound.js" => (SCRIPT, include_str!("../page/sound.js")),
        "text.js" => (SCRIPT, include_str!("../page/text.js")),
        "training.js" => (SCRIPT, include_str!("../page/training.js")),
        _ => return None,
    })
}
