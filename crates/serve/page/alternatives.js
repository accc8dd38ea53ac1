// An answer whose words can be changed: a word shows what else the model may write at its place, and what is chosen
// there begins the next answer.

import { predict } from "./api.js";
import { element, failed, freshId, percent, visible } from "./dom.js";

// How many alternatives a place has.
const COUNT = 8;

// The words of a text, each with what stands before it, and the place after the last one, whose word is empty.
function places(text) {
  const words = [...text.matchAll(/\S+/g)].map((found) => ({ word: found[0], before: text.slice(0, found.index) }));
  return [...words, { word: "", before: text.trim() === "" ? "" : `${text} ` }];
}

// The answer to `input` as words that can be changed. The part of it that was chosen is `kept`; `choose` is called with
// the beginning of the next answer. A place is a button, so that Tab and Enter work as a click does.
export function changeable(model, input, answer, kept, choose) {
  const panel = element("div", { class: "alternatives", id: freshId("alternatives"), "aria-live": "polite" });
  let asked = null;

  const close = () => {
    asked?.setAttribute("aria-expanded", "false");
    asked = null;
    panel.replaceChildren();
  };
  const open = async (button, before) => {
    const again = asked === button;
    close();
    if (again) return;
    asked = button;
    button.setAttribute("aria-expanded", "true");
    try {
      const found = await predict(model, { input, prefix: before, alternatives: COUNT });
      if (asked !== button) return;
      panel.replaceChildren(...listed(found.alternatives ?? [], button.textContent, choose));
      panel.querySelector("button")?.focus();
    } catch (error) {
      if (asked === button) panel.replaceChildren(failed(error));
    }
  };
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !asked) return;
    asked.focus();
    close();
  });

  const buttons = places(answer).map(({ word, before }) => {
    const label = word === "" ? "Alternatives after the last word" : null;
    const name = before.length < kept.trim().length ? "word kept" : "word";
    const button = element("button", {
      type: "button", class: name, "aria-expanded": "false", "aria-controls": panel.id, "aria-label": label,
      click: () => open(button, before),
    }, visible(word) || "…");
    return button;
  });
  const spaced = buttons.flatMap((button) => [button, " "]);
  return [
    element("p", { class: "answer words" }, ...spaced),
    element("p", { class: "soft" }, "Choose a word to see what else the model may write there; Esc closes the list."),
    panel,
  ];
}

function listed(alternatives, word, choose) {
  if (alternatives.length === 0) {
    return [element("p", { class: "soft" }, "The translation is as long as the model makes it; nothing can follow.")];
  }
  const row = ({ text, probability, prefix, answer }) => element("tr", {},
    element("td", {}, element("button", { type: "button", class: "plain",
      click: () => choose(prefix, text === "" ? answer : null) }, visible(text) || "(end)")),
    element("td", {}, element("span", { class: "bar", "--share": probability, "aria-hidden": "true" })),
    element("td", { class: "number" }, percent(probability)),
    element("td", { class: "soft" }, visible(answer)));
  const caption = `Instead of “${word}”: how likely each word's first token is, and how the likeliest goes on`;
  return [element("div", { class: "wide" }, element("table", {},
    element("caption", {}, caption), element("tbody", {}, ...alternatives.map(row))))];
}
