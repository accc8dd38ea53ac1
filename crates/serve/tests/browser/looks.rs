//! How a page looks: texts that can be read, controls with names, and no width that must be scrolled.

use super::Browser;

/// What is wrong with how the page looks: texts that are small or pale, controls without names, and width that must be
/// scrolled.
const AUDIT: &str = r#"(() => {
  const found = [];
  const parse = (color) => {
    const n = color.match(/[\d.e-]+/g).map(Number);
    const unit = color.startsWith("color(") ? 255 : 1;
    return [...n.slice(0, 3).map((x) => x * unit), n[3] ?? 1];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const canvas = matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18, 1] : [255, 255, 255, 1];
  const background = (e) => {
    const own = parse(getComputedStyle(e).backgroundColor);
    if (own[3] === 1) return own;
    return over(own, e.parentElement ? background(e.parentElement) : canvas);
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement;
    const text = texts.currentNode.textContent.trim();
    if (!text || !e.checkVisibility() || e.closest("noscript, .skip")) continue;
    const style = getComputedStyle(e);
    if (parseFloat(style.fontSize) < 12) found.push(`small: ${text}`);
    const behind = background(e);
    const [a, b] = [light(over(parse(style.color), behind)), light(behind)].sort((a, b) => b - a);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) found.push(`contrast ${contrast.toFixed(2)}: ${text}`);
  }
  for (const e of document.querySelectorAll("input, textarea, button, canvas, img, nav, [role=grid], [role=region]")) {
    const name = e.labels?.[0]?.textContent || e.ariaLabel || e.alt || e.textContent;
    if (!name.trim()) found.push(`no name: ${e.outerHTML.slice(0, 100)}`);
  }
  const width = document.documentElement.scrollWidth;
  if (width > innerWidth) found.push(`${width} wide in a window of ${innerWidth}`);
  return found;
})()"#;

/// Looks at the page as it is, light and dark, wide and narrow.
pub(crate) fn looks_right(browser: &mut Browser, name: &str) {
    for (size, (width, height)) in [("wide", (1000, 900)), ("phone", (390, 844))] {
        for (scheme, dark) in [("light", false), ("dark", true)] {
            browser.look(width, height, dark);
            let found = browser.value(AUDIT);
            browser.picture(&format!("{name}-{size}-{scheme}"));
            assert_eq!(found, serde_json::json!([]), "{name}, {size}, {scheme}");
        }
    }
    browser.look(1000, 900, false);
}
