/** Keypoints: each is dragged, hidden or taken away. Visibility is 2 where it is seen, 1 hidden, 0 not in the image. */

import { button, h } from "./dom.js";
import { createHistory } from "./history.js";

const STATES = [[2, "seen"], [1, "hidden"], [0, "not there"]];
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @returns {Promise<number[][]>} x, y and visibility of every point */
export const read = async (body) => JSON.parse(await body.text()).points;

/** A colour per point, around the circle. */
const colourOf = (index, count) => `hsl(${Math.round((300 * index) / Math.max(1, count))} 90% 60%)`;

/** A label for people to compare: a canvas. */
export async function picture(task, body, image) {
  const canvas = h("canvas", { width: image.naturalWidth, height: image.naturalHeight });
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  (await read(body)).forEach(([x, y, seen], index, all) => {
    if (!seen) return;
    context.beginPath();
    context.arc(x + 0.5, y + 0.5, Math.max(1.5, canvas.width / 80), 0, 7);
    context.fillStyle = task.parts[index].colour || colourOf(index, all.length);
    context.fill();
  });
  return canvas;
}

/** @param {{stage: Object, task: Object, label: number[][], changed: Function}} on see `mask.open` */
export function open({ stage, task, label, changed }) {
  let points = label;
  const { width, height } = stage.size();
  let current = 0;
  let drop = () => {}; // of the point that is being dragged
  const history = createHistory(() => structuredClone(points), (state) => (points = state), 64 * points.length);
  const name = (index) => task.parts[index].name;
  const colour = (index) => task.parts[index].colour || colourOf(index, points.length);
  const blob = () => new Blob([JSON.stringify({ points })], { type: "application/json" });

  function edit(change) {
    history.keep();
    change();
    done();
  }

  function done() {
    draw();
    const body = blob();
    changed(async () => body, "application/json");
  }

  /** Moves a point; the centre of the first pixel is (0, 0). */
  function put(index, x, y) {
    const clamp = (value, limit) => Math.round(1000 * Math.min(limit - 0.5, Math.max(-0.5, value))) / 1000;
    points[index] = [clamp(x, width), clamp(y, height), points[index][2] || 2];
  }

  function pick(index) {
    current = index;
    draw();
  }

  const setState = (index, state) => edit(() => (points[index][2] = state));

  function dragged(index) {
    const move = (event) => {
      const box = stage.element.getBoundingClientRect();
      const [origin, scale] = [stage.toScreen({ x: 0, y: 0 }), stage.scale()];
      put(index, (event.clientX - box.left - origin.x) / scale - 0.5, (event.clientY - box.top - origin.y) / scale - 0.5);
      draw();
    };
    return (event) => {
      pick(index);
      history.keep();
      const [handle, before] = [event.currentTarget, JSON.stringify(points)];
      handle.setPointerCapture(event.pointerId);
      handle.addEventListener("pointermove", move);
      const end = () => {
        handle.removeEventListener("pointermove", move);
        handle.removeEventListener("lostpointercapture", end);
        drop = () => {};
        if (JSON.stringify(points) === before) history.drop();
        else done();
      };
      handle.addEventListener("lostpointercapture", (drop = end));
    };
  }

  function nudged(index) {
    return (event) => {
      const by = MOVES[event.key];
      const [x, y, seen] = points[index];
      if (by) edit(() => put(index, x + by[0] * (event.shiftKey ? 10 : 1), y + by[1] * (event.shiftKey ? 10 : 1)));
      else if (event.key === "v") setState(index, seen === 2 ? 1 : 2);
      else if (event.key === "Delete" || event.key === "Backspace") setState(index, 0);
      else return;
      event.preventDefault();
      event.stopPropagation();
    };
  }

  const handles = points.map((_, index) => {
    const handle = h("button", { type: "button", className: "point", onfocus: () => pick(index), onkeydown: nudged(index),
      onpointerdown: dragged(index) });
    handle.style.setProperty("--c", colour(index));
    stage.element.append(handle);
    return handle;
  });

  const rows = points.map((_, index) => {
    const select = h("select", { ariaLabel: `Is ${name(index)} there?`, onchange: () => setState(index, +select.value) },
      ...STATES.map(([value, text]) => h("option", { value }, text)));
    const dot = h("span", { className: "swatch round" });
    dot.style.background = colour(index);
    return h("li", {}, h("button", { type: "button", className: "plain", onclick: () => pick(index) }, dot, name(index)), select);
  });

  function draw() {
    points.forEach(([x, y, seen], index) => {
      const [handle, row] = [handles[index], rows[index]];
      const place = stage.toScreen({ x: x + 0.5, y: y + 0.5 });
      handle.style.transform = `translate(${place.x}px, ${place.y}px)`;
      handle.hidden = !seen;
      handle.ariaLabel = `${name(index)}, ${seen === 1 ? "hidden" : "seen"}, at ${x.toFixed(1)}, ${y.toFixed(1)}`;
      handle.title = name(index);
      handle.classList.toggle("hollow", seen === 1);
      row.querySelector("select").value = seen;
      row.querySelector("button").ariaPressed = String(index === current);
      row.classList.toggle("current", index === current);
    });
  }

  stage.use({ down: ({ x, y }) => !points[current][2] && edit(() => put(current, x - 0.5, y - 0.5)) });
  stage.watch(draw);
  draw();
  const step = (move) => () => move() && (done(), true);
  return {
    panel: [
      h("p", { className: "hint" }, "Drag a point, or move it with the arrows once it has the focus (Shift: ten pixels). One that " +
        "is not there: choose it here and click where it is."),
      h("ul", { className: "points", ariaLabel: "Points" }, ...rows),
      h("div", { className: "row" }, button("Undo", "Z", step(history.undo)), button("Redo", "Y", step(history.redo)))],
    undo: step(history.undo),
    redo: step(history.redo),
    escape: () => false,
    leave: () => drop(),
    keys: [{ keys: [], shown: "← → ↑ ↓", what: "moves the point with the focus", run() {} },
      { keys: [], shown: "V", what: "hides or shows the point with the focus", run() {} },
      { keys: [], shown: "Delete", what: "takes away the point with the focus", run() {} }],
  };
}
