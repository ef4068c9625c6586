/**
 * Maps of numbers, such as depth: a number per pixel, 0 where it is not known. Pixels are chosen with the tools for
 * areas; then they become unknown, nearer or farther.
 */

import { createAreas } from "./areas.js";
import { button, h } from "./dom.js";
import { createHistory } from "./history.js";
import { packed, paint } from "./raster.js";

const STOPS = [[252, 253, 191], [254, 159, 109], [222, 73, 104], [140, 41, 129], [59, 15, 112], [0, 0, 4]]; // near to far
const COLOURS = Uint32Array.from({ length: 256 }, (_, step) => {
  const place = (step / 255) * (STOPS.length - 1);
  const low = Math.min(STOPS.length - 2, Math.floor(place));
  return packed(...STOPS[low].map((value, c) => value + (place - low) * (STOPS[low + 1][c] - value)));
});
const BLACK = packed(0, 0, 0);
const CHOSEN = packed(64, 160, 255, 130);
const [LEAST, MOST] = [2 ** -126, (2 - 2 ** -23) * 2 ** 127]; // of the positive numbers that float32 holds
const within = (value, least, most) => Math.min(most, Math.max(least, value));

/** @returns {Promise<Float32Array>} the map as the server sends it: float32, little-endian, row by row */
export async function read(body) {
  const view = new DataView(await body.arrayBuffer());
  return Float32Array.from({ length: view.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

function written(values) {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => view.setFloat32(4 * i, value, true));
  return new Blob([view.buffer], { type: "application/octet-stream" });
}

/** The nearest and the farthest known number. */
function ends(values) {
  let [near, far] = [Infinity, 0];
  for (const value of values) {
    if (value <= 0) continue;
    near = Math.min(near, value);
    far = Math.max(far, value);
  }
  return [near, far];
}

/** Paints a map in colours from near to far by its logarithm; black is not known. */
function paintMap(canvas, values, [near, far]) {
  const range = Math.log(far / near) || 1;
  paint(canvas, (at) => {
    if (values[at] <= 0) return BLACK;
    return COLOURS[Math.round(255 * within(Math.log(values[at] / near) / range, 0, 1))];
  });
}

/** A label for people to compare: a canvas. */
export async function picture(task, body, image) {
  const canvas = h("canvas", { width: image.naturalWidth, height: image.naturalHeight });
  const values = await read(body);
  paintMap(canvas, values, ends(values));
  return canvas;
}

/** @param {{stage: Object, label: Float32Array, changed: Function}} on see `mask.open` */
export function open({ stage, label: values, changed }) {
  const range = ends(values);
  const { width, height } = stage.size();
  const chosen = { values: new Uint8Array(width * height), width, height };
  const [canvas, selection] = [stage.layer("label"), stage.layer("selection")];
  const copy = () => [values.slice(), chosen.values.slice()];
  const history = createHistory(copy, ([map, area]) => (values.set(map), chosen.values.set(area)), 5 * values.length);

  function showChosen() {
    paint(selection, (at) => (chosen.values[at] ? CHOSEN : 0));
    const count = chosen.values.reduce((sum, on) => sum + on, 0);
    area.textContent = count ? `${count.toLocaleString("en")} pixels chosen` : "Choose pixels with the tools above.";
    actions.forEach((action) => (action.disabled = !count));
  }

  function show() {
    paintMap(canvas, values, range);
    showChosen();
  }

  function send() {
    show();
    changed(async () => written(values), "application/octet-stream");
  }

  /** Changes the known pixels that are chosen. */
  function edit(change) {
    history.keep();
    chosen.values.forEach((on, i) => on && values[i] && (values[i] = change(values[i])));
    send();
  }

  const area = h("p", { className: "hint", role: "status" });
  const percent = h("input", { type: "number", id: "nudge", min: 0.1, max: 50, step: 0.1, value: 2 });
  const nudge = (sign) => {
    percent.value = within(percent.value, percent.min, percent.max);
    edit((value) => within(value * (1 + (sign * percent.value) / 100), LEAST, MOST));
  };
  const unknown = () => edit(() => 0);
  const clear = () => {
    history.keep();
    chosen.values.fill(0);
    showChosen();
  };
  const actions = [button("Not known", "X", unknown), button("Nearer", ",", () => nudge(-1)), button("Farther", ".", () => nudge(1)),
    button("Choose nothing", "N", clear)];
  const areas = createAreas({
    stage, plane: chosen, history, paint: showChosen, changed: showChosen, tools: ["brush", "eraser", "polygon"],
    value: (erased) => (erased ? 0 : 1), colour: () => "#40a0ff",
  });
  show();
  const step = (move) => () => {
    const before = values.slice();
    if (!move()) return false;
    if (values.some((value, at) => value !== before[at])) send();
    else showChosen();
    return true;
  };
  const key = (keys, what, run) => ({ keys, shown: keys[0].toUpperCase(), what, run });
  return {
    panel: [areas.panel, h("section", { ariaLabel: "What to do with the chosen pixels" }, area, h("div", { className: "row" }, ...actions),
      h("label", { htmlFor: "nudge" }, "Nearer and farther by, in % "), percent),
    h("div", { className: "row" }, button("Undo", "Z", step(history.undo)), button("Redo", "Y", step(history.redo)))],
    undo: step(history.undo),
    redo: step(history.redo),
    escape: areas.escape,
    keys: [...areas.keys, key(["x"], "chosen pixels: not known", unknown), key([","], "chosen pixels: nearer", () => nudge(-1)),
      key(["."], "chosen pixels: farther", () => nudge(1)), key(["n"], "chooses nothing", clear)],
  };
}
