// The form for a model that reads a line of text.

import { changeable } from "./alternatives.js";
import { predict } from "./api.js";
import { element, failed, field } from "./dom.js";
import { result } from "./result.js";

// How many answers are shown.
const BEST = 5;

const VERBS = { translation: ["Sentence", "Translate"], sentiment: ["Text", "Classify"], tagging: ["Sentence", "Tag"],
  spacing: ["Text without spaces", "Put in spaces"] };

export function textForm(model) {
  const [label, verb] = VERBS[model.task] ?? ["Input, as `unspool predict` reads it", "Predict"];
  const input = element("textarea", { rows: 3, maxlength: 20000, autocomplete: "off", spellcheck: "false" });
  const button = element("button", { type: "submit" }, verb);
  const shown = element("div", { "aria-live": "polite", class: "result" });
  // Shows the answers, which begin with `prefix` where there is one. The place after it has the focus then.
  const ask = async (text, prefix = null) => {
    button.disabled = true;
    try {
      const question = { input: text, best: BEST, attention: true, contributions: true };
      const found = await predict(model, prefix === null ? question : { ...question, prefix });
      shown.replaceChildren(...result(found, model.takes_prefix ? words(text, found.answer, prefix ?? "") : null));
      if (prefix !== null) (shown.querySelector(".word:not(.kept)") ?? shown.querySelector(".word"))?.focus();
    } catch (error) {
      shown.replaceChildren(failed(error));
    } finally {
      button.disabled = false;
    }
  };
  // The words of an answer. Where its end is chosen, the answer is what stands before.
  const words = (text, answer, kept) => changeable(model, text, answer, kept, (begun, whole) => {
    if (whole === null) return ask(text, begun);
    shown.replaceChildren(element("h2", {}, "Answer"), ...words(text, whole, whole));
    shown.querySelector(".word:last-of-type")?.focus();
  });
  const submit = (event) => {
    event.preventDefault();
    ask(input.value);
  };
  const form = element("form", { submit }, field(label, input, "full"),
    element("div", { class: "row" }, button, element("span", { class: "soft" }, "or Ctrl + Enter")));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  return [form, shown];
}
