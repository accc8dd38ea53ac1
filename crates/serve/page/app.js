// The page: which models there are, and the form of the one that is chosen.

import { models } from "./api.js";
import { element, failed, visible } from "./dom.js";
import { generateForm } from "./generate.js";
import { pictureForm } from "./picture.js";
import { soundForm } from "./sound.js";
import { textForm } from "./text.js";
import { watchTraining } from "./training.js";

const FORMS = { text: textForm, prompt: generateForm, picture: pictureForm, sound: soundForm };

const main = document.getElementById("model");
let watching = new AbortController();

// Shows the model that the address names, or the first one.
async function show() {
  watching.abort();
  const own = (watching = new AbortController());
  let all;
  try {
    all = await models();
  } catch (error) {
    main.replaceChildren(failed(error));
    return;
  } finally {
    main.removeAttribute("aria-busy");
  }
  if (own.signal.aborted) return;
  const named = new URLSearchParams(location.search).get("model");
  const model = all.find((one) => one.name === named) ?? all[0];
  document.getElementById("models").replaceChildren(...all.map((one) => element("a", {
    href: `/?model=${encodeURIComponent(one.name)}`, "aria-current": one === model ? "page" : null,
  }, one.name)));
  if (!model) {
    main.replaceChildren(element("p", {}, "No model is served."));
    return;
  }
  document.title = `${model.name} · Unspool`;
  const record = element("section", { "aria-label": "Training" });
  const head = [element("h1", {}, model.name), element("p", { class: "about" }, visible(model.about))];
  const form = model.ready
    ? FORMS[model.input.kind](model)
    : [element("p", { class: "notice", role: "status" }, visible(model.why ?? "The model has no weights yet."))];
  main.replaceChildren(...head, ...form, record);
  watchTraining(model, record, own.signal, show);
}

show();
