// The record of a model's training, read again while it runs.

import { curve, training } from "./api.js";
import { element } from "./dom.js";

const SOON = 2000; // milliseconds, while a training runs
const LATER = 15000;
const ROWS = 10;

// Shows the record below the form, and calls `ready` when there are weights for the first time or none any more.
export function watchTraining(model, place, signal, ready) {
  let before = "";
  const look = async () => {
    let next = LATER;
    try {
      const state = await training(model);
      if (signal.aborted) return;
      if (state.ready !== model.ready) ready();
      if (state.training?.is_running || !state.ready) next = SOON;
      const now = JSON.stringify(state);
      if (now !== before) {
        before = now;
        place.replaceChildren(...(state.training ? record(model, state.training) : []));
      }
    } catch {
      // The server is away; it may come back.
    }
    if (!signal.aborted) setTimeout(look, next);
  };
  look();
}

const short = (value) => (value === null ? "–" : String(Number(value.toPrecision(5))));

const spaced = (name) => name.replaceAll("_", " ");

function record(model, { is_running, columns, rows }) {
  const state = is_running ? "The training is running; this is read again every 2 seconds." : "The training has ended.";
  if (rows.length === 0) {
    const note = element("p", { class: "soft", role: "status" }, `${state} No evaluation yet.`);
    return [element("h2", {}, "Training"), note];
  }
  const last = rows.slice(-ROWS);
  const src = curve(model, rows.length);
  const head = (name) => element("th", { scope: "col", class: "number" }, spaced(name));
  const told = columns.map((name, i) => `${spaced(name)} ${short(rows.at(-1)[i])}`).join(", ");
  return [
    element("h2", {}, "Training"),
    element("p", { class: "soft", role: "status" }, `${state} Last evaluation: ${told}.`),
    element("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Learning curve" },
      element("img", { class: "curve", alt: `Learning curve; ${told}`, src, width: 1080, height: 427 })),
    element("div", { class: "wide" }, element("table", {},
      element("caption", {}, rows.length > ROWS ? `The last ${ROWS} of ${rows.length} evaluations` : "Evaluations"),
      element("thead", {}, element("tr", {}, ...columns.map(head))),
      element("tbody", {}, ...last.map((row) =>
        element("tr", {}, ...row.map((value) => element("td", { class: "number" }, short(value)))))))),
  ];
}
