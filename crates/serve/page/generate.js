// The form for a model that continues a text: the text appears as it is written.

import { generate } from "./api.js";
import { element, failed, field, visible } from "./dom.js";

export function generateForm(model) {
  const prompt = element("textarea", { rows: 2, maxlength: 20000, autocomplete: "off", spellcheck: "false" });
  const number = (value, attributes) => element("input", { type: "number", required: true, value, ...attributes });
  const temperature = number(0.8, { min: 0, max: 1000, step: "any" });
  const length = number(300, { min: 1, max: 10000, step: 1 });
  const seed = number(1, { min: 0, max: Number.MAX_SAFE_INTEGER, step: 1 });
  const start = element("button", { type: "submit" }, "Write");
  const abort = () => running?.abort();
  const stop = element("button", { type: "button", class: "plain", disabled: true, click: abort }, "Stop");
  const text = element("p", { class: "text", role: "log", "aria-label": "Generated text", hidden: true });
  const note = element("div", { "aria-live": "polite" });
  let running = null;

  const submit = async (event) => {
    event.preventDefault();
    running?.abort();
    const own = (running = new AbortController());
    text.hidden = false;
    text.replaceChildren();
    note.replaceChildren();
    stop.disabled = false;
    const ask = { prompt: prompt.value, length: Number(length.value), temperature: Number(temperature.value),
      seed: Number(seed.value) };
    try {
      // What came before is not touched: a long text costs no more than a short one.
      await generate(model, ask, (piece) => text.append(visible(piece)), own.signal);
    } catch (error) {
      if (error.name !== "AbortError") note.replaceChildren(failed(error));
    } finally {
      if (running === own) {
        running = null;
        stop.disabled = true;
      }
    }
  };
  const form = element("form", { submit }, field("Beginning of the text", prompt, "full"),
    element("div", { class: "row" }, field("Temperature", temperature), field("Tokens", length), field("Seed", seed),
      start, stop));
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  return [form, text, note];
}
