//! What all figures share: a card with colors for light and for dark pages, and words for those who do not see it.
//!
//! Colors are classes of the style sheet that each figure carries. On its own card a figure can be read wherever it is
//! shown, also where the page's colors do not follow the system's.

/// Series differ by their dashes too, boxes by their corners and frames too: nothing is told by color alone.
const STYLE: &str = "<style>
text{font-family:'DejaVu Sans',Verdana,system-ui,sans-serif}
.card{fill:#ffffff}.word{fill:#1f2328}.rule{stroke:#57606a}.tip{fill:#57606a}.back{stroke:#b3371f;stroke-dasharray:6 3}
.back-tip,.back-word{fill:#b3371f}
.input{fill:#e4f4e6;stroke:#33723e}.weight{fill:#f1e6fa;stroke:#7b3fb0;stroke-dasharray:5 3}
.step{fill:#dcebfa;stroke:#1f5f9e}.output{fill:#fdebd9;stroke:#a34f00;stroke-width:2.5}
.ink{fill:#1f5f9e}
.s0{stroke:#a34f00}.s1{stroke:#1f5f9e;stroke-dasharray:9 4}.s2{stroke:#1d7044;stroke-dasharray:2 4}
.s3{stroke:#7b3fb0;stroke-dasharray:9 3 2 3}
.f0{fill:#a34f00}.f1{fill:#1f5f9e}.f2{fill:#1d7044}.f3{fill:#7b3fb0}
@media (prefers-color-scheme:dark){
.card{fill:#0d1117}.word{fill:#e6edf3}.rule{stroke:#9aa4af}.tip{fill:#9aa4af}.back{stroke:#ff9480}
.back-tip,.back-word{fill:#ff9480}
.input{fill:#1d3a25;stroke:#6db57a}.weight{fill:#34234a;stroke:#c39be8}
.step{fill:#1b3853;stroke:#66a8e4}.output{fill:#4a2c0f;stroke:#f0974a}
.ink{fill:#66a8e4}
.s0{stroke:#f0974a}.s1{stroke:#66a8e4}.s2{stroke:#5fbf87}.s3{stroke:#c39be8}
.f0{fill:#f0974a}.f1{fill:#66a8e4}.f2{fill:#5fbf87}.f3{fill:#c39be8}
}
</style>";

/// A figure of its own, from its parts.
pub(super) fn svg(width: i32, height: i32, body: &str) -> String {
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' viewBox='0 0 {width} {height}'>\n\
         {STYLE}\n<rect class='card' width='{width}' height='{height}' rx='8'/>\n{body}</svg>\n"
    )
}

/// A figure that plotters drew, with classes in place of the colors that stand for them.
pub(super) fn of_plotters(drawn: &str) -> String {
    let mut body = drawn.split_once('\n').unwrap_or_default().1.trim_end().trim_end_matches("</svg>").to_string();
    body = body.replace("stroke=\"#808080\"", "class=\"rule\"").replace("fill=\"#808080\"", "class=\"word\"");
    for (k, color) in ["#010101", "#020202", "#030303", "#040404"].into_iter().enumerate() {
        body = body.replace(&format!("stroke=\"{color}\""), &format!("class=\"s{k}\""));
        body = body.replace(&format!("fill=\"{color}\""), &format!("class=\"f{k}\""));
    }
    svg(super::chart::SIZE.0 as i32, super::chart::SIZE.1 as i32, &body)
}

/// The same figure with a title, and with its caption as a description.
pub(crate) fn described(svg: &str, title: &str, caption: &str) -> String {
    let plain = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let Some((head, rest)) = svg.split_once('>') else { return svg.to_string() };
    format!(
        "{head} role=\"img\" aria-labelledby=\"t d\">\n<title id=\"t\">{}</title>\n<desc id=\"d\">{}</desc>{rest}",
        plain(title),
        plain(caption)
    )
}
