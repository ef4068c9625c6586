/** The image with what lies over it, under zoom and pan. Tools get places in pixels of the image. */

import { h } from "./dom.js";

const [LEAST, MOST] = [0.05, 64]; // screen pixels per image pixel
const CRISP = 3; // from this zoom on, pixels are shown as squares

/**
 * @typedef {{x: number, y: number}} Place
 * @typedef {{down?: (at: Place, event: PointerEvent) => void, move?: (at: Place, event: PointerEvent) => void,
 *   up?: (at: Place) => void, cancel?: () => void, hover?: (at: Place|null) => void, twice?: (at: Place) => void}} Tool
 */

/** @param {HTMLElement} element */
export function createStage(element) {
  const image = h("img", { alt: "", draggable: false });
  const world = h("div", { className: "world" }, image);
  const over = h("canvas", { className: "over" });
  element.replaceChildren(world, over);
  const view = { x: 0, y: 0, scale: 1 };
  const fingers = new Map();
  const watchers = new Set();
  let size = { width: 1, height: 1 };
  let shown = {}; // the url of the image and a promise that it is there
  /** @type {Tool} */
  let tool = {};
  let panning = null; // the pointer that moves the view
  let drawing = null; // the pointer that uses the tool
  let latest = null; // where it was last
  let space = false;

  const toScreen = ({ x, y }) => ({ x: view.x + x * view.scale, y: view.y + y * view.scale });
  const local = (event) => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const toImage = (event) => {
    const { x, y } = local(event);
    return { x: (x - view.x) / view.scale, y: (y - view.y) / view.scale };
  };

  function show() {
    world.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
    world.classList.toggle("crisp", view.scale >= CRISP);
    watchers.forEach((watcher) => watcher());
  }

  function fit() {
    const box = element.getBoundingClientRect();
    view.scale = Math.min(box.width / size.width, box.height / size.height) * 0.94 || 1;
    view.x = (box.width - size.width * view.scale) / 2;
    view.y = (box.height - size.height * view.scale) / 2;
    show();
  }

  /** The view stays where it is if the image is as large as the last one. */
  async function load(url) {
    image.src = url;
    await image.decode();
    const same = size.width === image.naturalWidth && size.height === image.naturalHeight;
    size = { width: image.naturalWidth, height: image.naturalHeight };
    if (!same) fit();
  }

  /** Zooms by a factor; the place on the screen stays where it is. */
  function zoom(factor, at) {
    const box = element.getBoundingClientRect();
    const { x, y } = at ?? { x: box.width / 2, y: box.height / 2 };
    const scale = Math.min(MOST, Math.max(LEAST, view.scale * factor));
    view.x = x - ((x - view.x) * scale) / view.scale;
    view.y = y - ((y - view.y) * scale) / view.scale;
    view.scale = scale;
    show();
  }

  function pan(dx, dy) {
    view.x += dx;
    view.y += dy;
    show();
  }

  function pinch(event) {
    const [one, other] = [...fingers.values()];
    const apart = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);
    const still = fingers.get(event.pointerId) === one ? other : one;
    const [before, now] = [fingers.get(event.pointerId), local(event)];
    pan((now.x - before.x) / 2, (now.y - before.y) / 2);
    zoom(apart(now, still) / (apart(before, still) || 1), { x: (now.x + still.x) / 2, y: (now.y + still.y) / 2 });
  }

  function down(event) {
    if (event.target !== element && !element.contains(event.target)) return;
    if (event.target.closest("button")) return;
    element.setPointerCapture(event.pointerId);
    element.focus({ preventScroll: true });
    fingers.set(event.pointerId, local(event));
    if (event.pointerType === "touch" && fingers.size === 2) {
      if (drawing !== null) tool.cancel?.();
      drawing = null;
    } else if (space || event.button === 1) {
      panning = event.pointerId;
    } else if (event.button === 0 && fingers.size === 1) {
      drawing = event.pointerId;
      tool.down?.((latest = toImage(event)), event);
    }
    event.preventDefault();
  }

  function move(event) {
    if (fingers.size === 2 && fingers.has(event.pointerId)) pinch(event);
    else if (panning === event.pointerId) {
      const [before, now] = [fingers.get(panning), local(event)];
      pan(now.x - before.x, now.y - before.y);
    } else if (drawing === event.pointerId) {
      for (const each of event.getCoalescedEvents?.() ?? []) tool.move?.(toImage(each), each);
      tool.move?.((latest = toImage(event)), event);
    }
    if (fingers.has(event.pointerId)) fingers.set(event.pointerId, local(event));
    if (event.pointerType !== "touch" || drawing !== null) tool.hover?.(toImage(event));
  }

  function up(event) {
    fingers.delete(event.pointerId);
    if (panning === event.pointerId) panning = null;
    if (drawing !== event.pointerId) return;
    drawing = null;
    if (event.type === "pointerup") tool.up?.(toImage(event));
    else tool.cancel?.();
  }

  element.addEventListener("pointerdown", down);
  element.addEventListener("pointermove", move);
  element.addEventListener("pointerup", up);
  element.addEventListener("pointercancel", up);
  element.addEventListener("pointerleave", () => tool.hover?.(null));
  element.addEventListener("dblclick", (event) => tool.twice?.(toImage(event)));
  element.addEventListener("contextmenu", (event) => event.preventDefault());
  element.addEventListener("wheel", (event) => {
    zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), local(event));
    event.preventDefault();
  }, { passive: false });
  document.addEventListener("keydown", (event) => {
    if (event.key !== " " || !element.matches(":hover, :focus") || event.target.closest("button, select, dialog")) return;
    space = true;
    element.classList.add("panning");
    event.preventDefault();
  });
  const release = () => {
    space = false;
    element.classList.remove("panning");
  };
  document.addEventListener("keyup", (event) => event.key === " " && release());
  addEventListener("blur", release);
  new ResizeObserver(() => {
    const box = element.getBoundingClientRect();
    over.width = Math.round(box.width * devicePixelRatio);
    over.height = Math.round(box.height * devicePixelRatio);
    if (box.width) fit();
  }).observe(element);

  return {
    element,
    world,
    image,
    toScreen,
    fit,
    zoom,
    scale: () => view.scale,
    size: () => size,
    /** Ends what a pointer that is still down is drawing, as letting go would. */
    finish() {
      const was = drawing;
      [drawing, panning] = [null, null];
      if (was !== null) tool.up?.(latest);
    },
    /** Takes away what lies over the image, and the tool; what was being drawn goes on nowhere. */
    clear() {
      [drawing, panning] = [null, null];
      world.replaceChildren(image);
      element.querySelectorAll(":scope > .point").forEach((point) => point.remove());
      watchers.clear();
      this.use({});
    },
    /** Shows another image; resolves when it is there and `size` is its own. */
    async open(url) {
      if (shown.url !== url) shown = { url, there: load(url) };
      const { there } = shown;
      await there.catch((error) => {
        if (shown.there === there) shown = {}; // asked for again, it is tried again
        throw error;
      });
    },
    /** A canvas as large as the image, over what is there. */
    layer(name) {
      const canvas = h("canvas", { className: `layer ${name}`, width: size.width, height: size.height });
      world.append(canvas);
      return canvas;
    },
    /** @param {Tool} next */
    use(next) {
      tool = next;
      this.sketch(() => {});
    },
    /** Calls back whenever the view has moved. */
    watch: (watcher) => watchers.add(watcher),
    /** Draws over everything, in screen pixels. */
    sketch(draw) {
      const context = over.getContext("2d");
      context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
      context.clearRect(0, 0, over.width, over.height);
      draw(context);
    },
  };
}
