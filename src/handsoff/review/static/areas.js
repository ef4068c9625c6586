/** Tools that give pixels a value: brush, eraser, polygon, fill and regions of the image. Masks and planes share them. */

import { button, h } from "./dom.js";
import * as raster from "./raster.js";

export const TOOLS = { brush: ["Brush", "B"], eraser: ["Eraser", "E"], polygon: ["Polygon", "P"], fill: ["Fill", "F"],
  snap: ["Region", "S"] };
const CLOSE = 10; // screen pixels: a click that near to the first corner closes a polygon
const LARGEST = 200; // pixels of the brush
const kept = { tool: "brush", size: 0 }; // from one sample to the next

/**
 * @param {Object} on
 * @param {ReturnType<import("./stage.js").createStage>} on.stage
 * @param {{values: Uint8Array, width: number, height: number}} on.plane what is changed
 * @param {string[]} on.tools of TOOLS
 * @param {() => Promise<{values: Uint16Array, width: number, height: number}>} [on.regions] for the tool snap
 * @param {(erased: boolean) => number} on.value
 * @param {() => string} on.colour in CSS, of what is being drawn
 * @param {{keep: () => void, drop: () => void}} on.history
 * @param {() => void} on.paint shows the plane
 * @param {() => void} on.changed after a finished change
 */
export function createAreas({ stage, plane, tools, regions, value, colour, history, paint, changed }) {
  let current = tools.includes(kept.tool) ? kept.tool : tools[0];
  let size = kept.size || Math.max(1, Math.round(Math.max(plane.width, plane.height) / 24));
  let last = null; // of the stroke
  let corners = [];
  let pointer = null;
  let snapped = null; // the map of regions, once it was asked for
  let taking = false; // whether a stroke over regions began when they were known
  let highlighted = null; // number of the region under the pointer
  let frame = 0;
  const preview = stage.layer("preview");

  /** Many moves of the pointer are one picture. */
  const show = () => (frame ||= requestAnimationFrame(() => {
    frame = 0;
    paint();
  }));

  function edit(change) {
    history.keep();
    change();
    show();
    changed();
  }

  const line = (from, to) => raster.stroke(plane, from, to, size, value(current === "eraser"));

  const brush = {
    down(at) {
      history.keep();
      line((last = at), at);
      show();
    },
    move(at) {
      line(last, at);
      last = at;
      show();
    },
    up: () => changed(),
    cancel() {
      history.drop();
      show();
    },
    hover: hovered,
  };

  const outline = {
    down(at) {
      const [first, place] = [corners[0] && stage.toScreen(corners[0]), stage.toScreen(at)];
      if (corners.length > 2 && Math.hypot(first.x - place.x, first.y - place.y) < CLOSE) close();
      else corners.push(at);
      sketch();
    },
    twice: close,
    hover: hovered,
  };

  const fill = {
    down: (at) => raster.inside(plane, at.x, at.y) && edit(() => raster.fill(plane, plane, at.x, at.y, value(false))),
    hover: hovered,
  };

  const snap = {
    down(at) {
      taking = snapped !== null;
      if (!taking) return;
      history.keep();
      take(at);
    },
    move: (at) => taking && take(at),
    up: () => taking && changed(),
    cancel() {
      if (!taking) return;
      history.drop();
      show();
    },
    hover(at) {
      hovered(at);
      highlight(at);
    },
  };

  function take(at) {
    if (!raster.inside(plane, at.x, at.y)) return;
    raster.region(plane, snapped, at.x, at.y, value(false));
    show();
  }

  function close() {
    if (corners.length > 2) edit(() => raster.polygon(plane, corners, value(false)));
    corners = [];
    sketch();
  }

  function hovered(at) {
    pointer = at;
    sketch();
  }

  /** The region under the pointer. */
  function highlight(at) {
    const over = at && snapped && raster.inside(plane, at.x, at.y) ? raster.valueAt(snapped, at.x, at.y) : null;
    if (over === highlighted) return;
    highlighted = over;
    raster.paint(preview, (pixel) => (over !== null && snapped.values[pixel] === over ? 0xffffffff : 0));
  }

  /** The brush's edge, or the corners of the polygon. */
  function sketch() {
    stage.sketch((context) => {
      const trace = (width, style) => {
        context.lineWidth = width;
        context.strokeStyle = style;
        context.stroke();
      };
      if (corners.length) {
        context.beginPath();
        [...corners, ...(pointer ? [pointer] : [])].map(stage.toScreen).forEach(({ x, y }) => context.lineTo(x, y));
        [4, 2].forEach((width) => trace(width, width === 4 ? "#0009" : colour()));
        corners.map(stage.toScreen).forEach(({ x, y }) => {
          context.beginPath();
          context.arc(x, y, 4, 0, 7);
          context.fillStyle = "#fff";
          context.fill();
          trace(1.5, "#000");
        });
      } else if (pointer && (current === "brush" || current === "eraser")) {
        const { x, y } = stage.toScreen(pointer);
        context.beginPath();
        context.arc(x, y, (size / 2) * stage.scale(), 0, 7);
        [3, 1.5].forEach((width) => trace(width, width === 3 ? "#000a" : "#fff"));
      }
    });
  }

  async function choose(tool) {
    [current, kept.tool, corners] = [tool, tool, []];
    highlight(null);
    stage.use({ brush, eraser: brush, polygon: outline, fill, snap }[tool]);
    stage.element.dataset.tool = tool;
    buttons.forEach((one, name) => (one.ariaPressed = String(name === tool)));
    hint.textContent = { polygon: "Click the corners; a click on the first one, or Enter, closes it.",
      snap: "Click the region that you see under the pointer, or draw over several." }[tool] ?? "";
    if (tool !== "snap" || snapped) return;
    try {
      snapped = await regions();
    } catch (error) {
      hint.textContent = error.message;
    }
  }

  function resize(next) {
    size = kept.size = Math.min(LARGEST, Math.max(1, next));
    [slider.value, shown.textContent] = [size, `${size} px`];
    sketch();
  }

  const hint = h("p", { className: "hint" });
  const slider = h("input", { type: "range", min: 1, max: LARGEST, id: "brush-size", oninput: () => resize(+slider.value) });
  const shown = h("output", { htmlFor: "brush-size" });
  const buttons = new Map(tools.map((tool) => [tool, button(...TOOLS[tool], () => choose(tool), { className: "tool" })]));
  const panel = h("section", { ariaLabel: "Tools" },
    h("div", { className: "tools", role: "group", ariaLabel: "Tool" }, ...buttons.values()),
    h("label", { htmlFor: "brush-size" }, "Size of the brush ", shown), slider, hint);
  stage.watch(sketch);
  resize(size);
  choose(current);

  const key = (keys, shown, what, run) => ({ keys, shown, what, run });
  return {
    panel,
    choose,
    keys: [
      ...tools.map((tool) => key([TOOLS[tool][1].toLowerCase()], TOOLS[tool][1], TOOLS[tool][0].toLowerCase(), () => choose(tool))),
      key(["["], "[", "a smaller brush", () => resize(Math.min(size - 1, Math.round(size / 1.25)))),
      key(["]"], "]", "a larger brush", () => resize(Math.max(size + 1, Math.round(size * 1.25)))),
      key(["Enter"], "Enter", "closes the polygon", close),
      key(["Backspace"], "Backspace", "takes back a corner of the polygon", () => {
        corners.pop();
        sketch();
      }),
    ],
    /** Whether there was a polygon to give up. */
    escape() {
      const had = corners.length > 0;
      corners = [];
      sketch();
      return had;
    },
  };
}
