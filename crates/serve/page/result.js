// What a model says: answers with their scores, what it attended to, and what each part of the text contributed.

import { element, percent, visible } from "./dom.js";

// Everything that an answer has. The answer itself is shown as text, unless it is given as other elements.
export function result(prediction, shown = null) {
  const answer = visible(prediction.answer) || "(nothing)";
  const parts = [element("h2", {}, "Answer"), ...(shown ?? [element("p", { class: "answer" }, answer)])];
  if (prediction.cut_to !== null) {
    parts.push(element("p", { class: "soft" }, `The model read the first ${prediction.cut_to} tokens.`));
  }
  if (prediction.probability !== null) parts.push(probabilities(prediction.best));
  else if (prediction.best.length > 1) parts.push(ranked(prediction.best));
  if (prediction.contributions?.length) parts.push(...contributions(prediction.contributions, prediction.answer));
  if (prediction.attention) parts.push(...attention(prediction.attention));
  return parts;
}

function probabilities(best) {
  const row = ({ text, score }) => element("tr", {},
    element("td", {}, visible(text)),
    element("td", {}, element("span", { class: "bar", "--share": score, "aria-hidden": "true" })),
    element("td", { class: "number" }, percent(score)));
  return element("table", { class: "bars" },
    element("caption", {}, "How likely each answer is"),
    element("tbody", {}, ...best.map(row)));
}

function ranked(best) {
  const row = ({ text, score }) => element("tr", {},
    element("td", {}, visible(text)),
    element("td", { class: "number" }, score === null ? "" : score.toFixed(3)));
  return element("div", { class: "wide" }, element("table", {},
    element("caption", {}, "Best answers"),
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "answer"),
      element("th", { scope: "col", class: "number" }, "score"))),
    element("tbody", {}, ...best.map(row))));
}

// The text, each part as dark as it contributed; and the strongest parts as a table.
function contributions(parts, answer) {
  const most = Math.max(...parts.map((part) => Math.abs(part.value)), 1e-30);
  const signed = (value) => (value > 0 ? "+" : "") + value.toPrecision(3);
  const piece = ({ text, value }) => element("span", {
    class: `piece ${value > 0 ? "for" : "against"}`, "--share": Math.abs(value) / most, title: signed(value),
  }, visible(text));
  const strongest = [...parts].sort((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, 8);
  const row = ({ text, value }) => element("tr", {},
    element("td", {}, text.trim() === "" ? "(space)" : visible(text)),
    element("td", {}, value > 0 ? "for" : "against"),
    element("td", { class: "number" }, signed(value)));
  return [
    element("h2", {}, "What each character contributed"),
    element("p", { class: "pieces" }, ...parts.map(piece)),
    element("p", { class: "legend soft" },
      element("span", {}, `solid line: for “${visible(answer)}”`), element("span", {}, "dotted line: against it"),
      element("span", {}, "gradient × input of the answer's logit")),
    element("details", {}, element("summary", {}, "The strongest contributions as a table"),
      element("table", {}, element("tbody", {}, ...strongest.map(row)))),
  ];
}

// What the model attended to (columns) while it wrote each token (rows).
function attention({ rows, columns, weights }) {
  const column = (name) => element("th", { scope: "col" }, element("span", {}, visible(name.trim()) || "·"));
  const row = (name, index) => element("tr", {},
    element("th", { scope: "row" }, visible(name.trim()) || "(end)"),
    ...weights[index].map((weight) => element("td", { "--share": weight }, (100 * weight).toFixed(0))));
  return [
    element("h2", {}, "Attention"),
    element("p", { class: "soft" }, "Rows: what was written. Columns: what was attended to, in percent."),
    element("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Map of attention" },
      element("table", { class: "map" },
        element("thead", {}, element("tr", {}, element("td"), ...columns.map(column))),
        element("tbody", {}, ...rows.map(row)))),
  ];
}
