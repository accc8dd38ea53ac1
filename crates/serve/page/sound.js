// The form for a model that hears a recording.

import { hear } from "./api.js";
import { element, failed, field } from "./dom.js";
import { result } from "./result.js";

export function soundForm(model) {
  const file = element("input", { type: "file", accept: ".wav,audio/wav", required: true });
  const button = element("button", { type: "submit" }, "Transcribe");
  const shown = element("div", { "aria-live": "polite", class: "result" });
  const submit = async (event) => {
    event.preventDefault();
    const chosen = file.files[0];
    if (!chosen) return;
    button.disabled = true;
    try {
      shown.replaceChildren(...result(await hear(model, chosen, 5)));
    } catch (error) {
      shown.replaceChildren(failed(error));
    } finally {
      button.disabled = false;
    }
  };
  return [
    element("form", { submit }, field("Recording, a WAV file of up to 8 MB", file, "full"),
      element("div", { class: "row" }, button)),
    shown,
  ];
}
