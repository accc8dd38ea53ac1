// Requests to the server.

// An answer that is no success, as an error with the server's message and hint.
async function refused(response) {
  let told = {};
  try {
    told = (await response.json()).error ?? {};
  } catch {
    // The connection ended, or the answer is not the server's.
  }
  const error = new Error(told.message ?? `the server answered with status ${response.status}`);
  error.hint = told.hint ?? "";
  return error;
}

async function send(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (cause) {
    if (cause.name === "AbortError") throw cause;
    throw new Error("the server does not answer: it may have been stopped");
  }
  if (!response.ok) throw await refused(response);
  return response;
}

const of = (model, what) => `/api/models/${encodeURIComponent(model.name)}/${what}`;

export const models = async () => (await send("/api/models")).json();

export const training = async (model) => (await send(of(model, "training"))).json();

export const curve = (model, version) => `${of(model, "curve.svg")}?${version}`;

const inJson = (value, signal) =>
  ({ method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value), signal });

export const predict = async (model, question) => (await send(of(model, "predict"), inJson(question))).json();

export async function hear(model, wav, best) {
  const options = { method: "POST", headers: { "Content-Type": "audio/wav" }, body: wav };
  return (await send(`${of(model, "predict")}?best=${best}`, options)).json();
}

// Calls `write` with each piece of a text as it comes. Aborting the signal ends the text.
export async function generate(model, ask, write, signal) {
  const response = await send(of(model, "generate"), inJson(ask, signal));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error("the connection ended before the text did");
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const name = /^event: (.*)$/m.exec(event)?.[1];
      const data = JSON.parse(/^data: (.*)$/m.exec(event)[1]);
      if (name === "done") return;
      if (name === "error") throw Object.assign(new Error(data.error.message), { hint: data.error.hint });
      write(data.text);
    }
  }
}
