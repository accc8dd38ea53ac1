// Elements. What comes from a user or a model becomes a text node, never markup.

// Makes an element with attributes and children; a child that is a string becomes text. A function is a listener, and
// names that begin with `--` are properties of the style, which the content security policy allows from scripts.
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (name.startsWith("--")) made.style.setProperty(name, String(value));
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, String(value));
  }
  made.append(...children);
  return made;
}

// What a reader cannot see, such as a control character or a change of direction, is shown as its code.
export function visible(text) {
  const unseen = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
  return text.replace(unseen, (c) => "\\u{" + c.codePointAt(0).toString(16) + "}");
}

// Shows a failure in one line, with what would be right.
export function failed(error) {
  const text = error.hint ? `${error.message}: ${error.hint}` : error.message;
  return element("p", { class: "notice bad", role: "alert" }, visible(text));
}

// A probability in percent.
export const percent = (share) => `${(100 * share).toFixed(share >= 0.0995 || share === 0 ? 0 : 1)} %`;

let last = 0;

// Returns an id that no other element has.
export function freshId(name) {
  last += 1;
  return `${name}-${last}`;
}

// A labelled control.
export function field(label, control, kind = "field") {
  control.id = freshId("control");
  return element("div", { class: kind }, element("label", { for: control.id }, label), control);
}

// A labelled check box.
export function check(label, control) {
  return element("label", { class: "check" }, control, label);
}
