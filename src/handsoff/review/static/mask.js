/** Masks: every pixel has a class. */

import { createAreas } from "./areas.js";
import { button, h } from "./dom.js";
import { createFollow } from "./follow.js";
import { createHistory } from "./history.js";
import * as png from "./png.js";
import { packed, paint } from "./raster.js";

const IGNORED = 255;
const WHITE = packed(255, 255, 255);
const kept = new Map(); // task → class, from one sample to the next

/** The colour of every id; the background is seen through. */
function palette(task) {
  const colours = new Uint32Array(256);
  task.parts.forEach(({ name, colour }, id) => {
    if (name !== task.background) colours[id] = packed(...[1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)));
  });
  return colours;
}

/** Paints a mask on a canvas of its size. Ignored pixels are hatched. */
function paintIds(canvas, plane, colours) {
  const { values, width } = plane;
  const stripe = Math.max(2, Math.round(width / 64));
  const hatched = (at) => (((at % width) + Math.floor(at / width)) % (2 * stripe) < stripe ? WHITE : 0);
  paint(canvas, (at) => (values[at] === IGNORED ? hatched(at) : colours[values[at]]));
}

/** @returns {Promise<Object>} the label as `open` takes it */
export const read = (body) => png.decode(body);

/** A label for people to compare: a canvas. */
export async function picture(task, body, image) {
  const plane = await read(body);
  const [canvas, over] = [1, 2].map(() => h("canvas", { width: plane.width, height: plane.height }));
  paintIds(over, plane, palette(task));
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  context.globalAlpha = 0.6;
  context.drawImage(over, 0, 0);
  return canvas;
}

/**
 * @param {{stage: Object, task: Object, label: Object, regions: () => Promise<Object>, changed: Function}} on `label` is
 * what `read` found; nothing here waits, so that no other sample can be opened meanwhile.
 * `changed` gets a function that gives the label as it is to be sent.
 */
export function open({ stage, task, label: plane, sample, regions, changed, say }) {
  const canvas = stage.layer("label");
  const colours = palette(task);
  const background = task.parts.findIndex(({ name }) => name === task.background);
  const blank = background < 0 ? IGNORED : background;
  let current = kept.get(task.name) ?? task.parts.findIndex((_, id) => id !== background);
  const show = () => paintIds(canvas, plane, colours);
  const history = createHistory(() => plane.values.slice(), (values) => plane.values.set(values), plane.values.length);
  let own = null; // the label, while another one is painted that the image is to follow
  let back = null; // to it
  const encoded = (values) => png.encode({ ...plane, values: values.slice() });
  const done = () => {
    show();
    if (!own) changed(() => encoded(own ?? plane.values));
  };
  const areas = createAreas({
    stage, plane, regions, history, paint: show, changed: done,
    tools: ["brush", "eraser", "polygon", "fill", "snap"],
    value: (erased) => (erased ? blank : current),
    colour: () => task.parts[current]?.colour ?? "#ffffff",
  });
  const target = {
    begin: () => ([own, back] = [plane.values.slice(), history.aside()]),
    end() {
      back();
      [own, back] = [null, null];
      show();
    },
    body: () => encoded(plane.values),
  };
  const follow = task.follows ? createFollow({ sample, task, target, picture, say }) : null;
  const step = (move) => () => move() && (done(), true);

  function pick(id) {
    if (id !== IGNORED && !task.parts[id]) return;
    current = id;
    kept.set(task.name, id);
    classes.querySelector(`input[value="${id}"]`).checked = true;
  }

  const entry = (id, name, colour, key) =>
    h("label", { className: "class" },
      h("input", { type: "radio", name: "class", value: id, checked: id === current, onchange: () => pick(id) }),
      colour ? swatch(colour) : h("span", { className: "swatch ignored" }), h("span", { className: "name" }, name),
      ...(key ? [h("kbd", {}, key)] : []));
  const key = (id) => (id < 9 ? String(id + 1) : id === 9 ? "0" : "");
  const classes = h("fieldset", { className: "classes" }, h("legend", {}, "Class"),
    ...task.parts.map(({ name, colour }, id) => entry(id, name, colour, key(id))), entry(IGNORED, "ignored", "", "X"));
  show();

  return {
    panel: [areas.panel, classes,
      h("div", { className: "row" }, button("Undo", "Z", step(history.undo)), button("Redo", "Y", step(history.redo))),
      ...(follow ? [follow.panel] : [])],
    undo: step(history.undo),
    redo: step(history.redo),
    escape: () => areas.escape() || (follow?.escape() ?? false),
    leave: () => follow?.leave(),
    keys: [...areas.keys, ...(follow?.keys ?? []),
      { keys: [..."1234567890"], shown: "1 … 0", what: "the class", run: (event) => pick((+event.key + 9) % 10) },
      { keys: ["x"], shown: "X", what: "the class ignored", run: () => pick(IGNORED) }],
  };
}

function swatch(colour) {
  const square = h("span", { className: "swatch" });
  square.style.background = colour;
  return square;
}
