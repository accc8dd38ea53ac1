// The form for a model that reads a line of text.

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
  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const question = { input: input.value, best: BEST, attention: true, contributions: true };
      shown.replaceChildren(...result(await predict(model, question)));
    } catch (error) {
      shown.replaceChildren(failed(error));
    } finally {
      button.disabled = false;
    }
  };
  const form = element("form", { submit }, field(label, input, "full"),
    element("div", { class: "row" }, button, element("span", { class: "soft" }, "or Ctrl + Enter")));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  return [form, shown];
}
