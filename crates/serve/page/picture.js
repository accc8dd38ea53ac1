// The form for a model that reads a small square picture: drawn with the mouse or a finger, cell by cell with the
// keyboard, or from a PGM file.

import { predict } from "./api.js";
import { check, element, failed, field } from "./dom.js";
import { result } from "./result.js";

const SHEET = 256; // pixels of a side of the canvas

// Gray levels of a bitmap of ink (0 to 1) with `size` rows, as `side` × `side` levels: the mean of each block.
function blocks(ink, size, side, darkest) {
  const levels = [];
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const [top, bottom] = [row, row + 1].map((edge) => Math.floor((edge * size) / side));
      const [left, right] = [column, column + 1].map((edge) => Math.floor((edge * size) / side));
      let sum = 0;
      for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) sum += ink[y * size + x];
      levels.push(Math.round((darkest * sum) / Math.max((bottom - top) * (right - left), 1)));
    }
  }
  return levels;
}

// Scales the ink of a picture to fill a square of `size` rows, as the digits that the model was trained on do.
function fitted(ink, width, height, size) {
  let [left, right, top, bottom] = [width, -1, height, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (ink[y * width + x] > 0.25) {
        [left, right] = [Math.min(left, x), Math.max(right, x)];
        [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
      }
    }
  }
  const out = new Float64Array(size * size);
  if (right < 0) return out;
  const side = Math.max(right - left, bottom - top) + 1;
  const [x0, y0] = [(left + right + 1 - side) / 2, (top + bottom + 1 - side) / 2];
  const at = (x, y) => (x < 0 || y < 0 || x >= width || y >= height ? 0 : ink[y * width + x]);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      out[y * size + x] = at(Math.floor(x0 + ((x + 0.5) * side) / size), Math.floor(y0 + ((y + 0.5) * side) / size));
    }
  }
  return out;
}

// Reads a PGM file (P2 or P5) of dark ink on light paper.
export function readPgm(bytes) {
  const bad = (why) => new Error(`this is no PGM file that can be read: ${why}`);
  let place = 0;
  const word = () => {
    let text = "";
    for (; place < bytes.length; place++) {
      const c = String.fromCharCode(bytes[place]);
      if (c === "#") while (place < bytes.length && bytes[place] !== 10) place++;
      else if (/\s/.test(c)) { if (text) break; } else text += c;
    }
    place++;
    return text;
  };
  const magic = word();
  if (magic !== "P2" && magic !== "P5") throw bad("it does not begin with P2 or P5");
  const [width, height, white] = [word(), word(), word()].map(Number);
  const inRange = (n, most) => Number.isInteger(n) && n > 0 && n <= most;
  if (![width, height].every((n) => inRange(n, 4096)) || !inRange(white, 65535)) throw bad("a size is out of range");
  const wide = white > 255 ? 2 : 1;
  if (magic === "P5" && bytes.length - place < width * height * wide) throw bad("pixels are missing");
  const ink = new Float64Array(width * height);
  for (let i = 0; i < ink.length; i++) {
    const at = place + i * wide;
    const level = magic === "P2" ? Number(word()) : wide === 1 ? bytes[at] : bytes[at] * 256 + bytes[at + 1];
    if (!(level >= 0 && level <= white)) throw bad("a pixel is out of range");
    ink[i] = 1 - level / white;
  }
  return { ink, width, height };
}

export function pictureForm(model) {
  const { side, darkest } = model.input;
  const fine = 4 * side;
  let levels = new Array(side * side).fill(0);

  const shown = element("div", { "aria-live": "polite", class: "result" });
  const button = element("button", { type: "submit" }, "Recognize");
  const live = element("input", { type: "checkbox", checked: true });
  const canvas = element("canvas", { width: SHEET, height: SHEET, role: "img",
    "aria-label": "Sheet to draw on with the mouse or a finger; the grid beside it works with the keyboard" });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const cells = levels.map((_, place) => element("div", { role: "gridcell", tabindex: place === 0 ? 0 : -1 }));
  const rows = Array.from({ length: side }, (_, row) =>
    element("div", { role: "row" }, ...cells.slice(row * side, (row + 1) * side)));
  const label = `Picture of ${side} × ${side} gray levels`;
  const grid = element("div", { class: "grid", role: "grid", "aria-label": label }, ...rows);
  grid.style.setProperty("grid-template-columns", `repeat(${side}, 1fr)`);

  const show = (picture) => {
    levels = picture;
    levels.forEach((level, place) => {
      cells[place].style.setProperty("--share", level / darkest);
      const [row, column] = [Math.floor(place / side) + 1, (place % side) + 1];
      cells[place].setAttribute("aria-label", `row ${row}, column ${column}: ${level} of ${darkest}`);
    });
  };
  const clearSheet = () => {
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, SHEET, SHEET);
  };
  const ask = async () => {
    button.disabled = true;
    try {
      shown.replaceChildren(...result(await predict(model, { input: levels.join(","), best: 5 })));
    } catch (error) {
      shown.replaceChildren(failed(error));
    } finally {
      button.disabled = false;
    }
  };

  // With a pointer: lines from place to place.
  let from = null;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * SHEET) / box.width, ((event.clientY - box.top) * SHEET) / box.height];
  };
  const line = (to) => {
    pen.lineWidth = SHEET / 8; // about as thick as the strokes of the digits that the model was trained on
    pen.lineCap = pen.lineJoin = "round";
    pen.strokeStyle = "#000";
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(...to);
    pen.stroke();
    from = to;
  };
  const seen = () => {
    const { data } = pen.getImageData(0, 0, SHEET, SHEET);
    const ink = Float64Array.from({ length: SHEET * SHEET }, (_, i) => 1 - data[4 * i] / 255);
    show(blocks(fitted(ink, SHEET, SHEET, fine), fine, side, darkest));
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    from = place(event);
    line(from);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (from) line(place(event));
  });
  canvas.addEventListener("pointerup", () => {
    if (!from) return;
    from = null;
    seen();
    if (live.checked) ask();
  });
  canvas.addEventListener("pointercancel", () => (from = null));

  // With the keyboard: arrows move, Space inks or cleans a cell, + and - change its gray.
  const set = (cell, level) => {
    const picture = [...levels];
    picture[cell] = Math.min(Math.max(level, 0), darkest);
    show(picture);
  };
  grid.addEventListener("keydown", (event) => {
    const cell = cells.indexOf(event.target);
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -side, ArrowDown: side };
    if (cell < 0) return;
    if (event.key in moves) {
      const next = cell + moves[event.key];
      const wraps = Math.abs(moves[event.key]) === 1 && Math.floor(next / side) !== Math.floor(cell / side);
      if (next < 0 || next >= cells.length || wraps) return event.preventDefault();
      cells[cell].tabIndex = -1;
      cells[next].tabIndex = 0;
      cells[next].focus();
    } else if (event.key === " ") set(cell, levels[cell] > 0 ? 0 : darkest);
    else if (event.key === "+") set(cell, levels[cell] + 1);
    else if (event.key === "-") set(cell, levels[cell] - 1);
    else if (event.key === "Enter") ask();
    else return;
    event.preventDefault();
  });
  grid.addEventListener("click", (event) => {
    const cell = cells.indexOf(event.target);
    if (cell >= 0) set(cell, levels[cell] > 0 ? 0 : darkest);
  });

  // From a file.
  const file = element("input", { type: "file", accept: ".pgm,image/x-portable-graymap" });
  // The same file can be chosen again once it was changed.
  file.addEventListener("click", () => (file.value = ""));
  file.addEventListener("change", async () => {
    const chosen = file.files[0];
    if (!chosen) return;
    try {
      if (chosen.size > 1 << 25) throw new Error("the file is larger than 32 MB");
      const { ink, width, height } = readPgm(new Uint8Array(await chosen.arrayBuffer()));
      // A picture of the model's own size is read as it is.
      const own = width === side && height === side;
      show(own ? blocks(ink, side, side, darkest) : blocks(fitted(ink, width, height, fine), fine, side, darkest));
      if (live.checked) await ask();
    } catch (error) {
      shown.replaceChildren(failed(error));
    }
  });

  const clear = element("button", { type: "button", class: "plain", click: () => {
    clearSheet();
    show(new Array(side * side).fill(0));
    shown.replaceChildren();
  } }, "Clear");
  const submit = (event) => {
    event.preventDefault();
    ask();
  };
  clearSheet();
  show(levels);
  return [
    element("form", { submit },
      element("div", { class: "draw" },
        element("div", { class: "sheet" }, element("p", { class: "label" }, "Draw a digit"), canvas),
        element("div", { class: "sheet" }, element("p", { class: "label" }, "What the model sees"), grid,
          element("p", { class: "soft" }, "Arrows move, Space inks or cleans a cell, + and − change its gray."))),
      element("div", { class: "row" }, button, clear, check("Recognize while drawing", live)),
      element("div", { class: "row" }, field("Or a PGM file, dark ink on light paper", file, "full"))),
    shown,
  ];
}
