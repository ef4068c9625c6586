/**
 * The queue as a grid of thumbnails. Only the rows on the screen exist in the document, and the server is asked for the
 * stretches of the queue that were scrolled to. It is a listbox: the grid has the focus, one sample is the active one.
 */

import * as api from "./api.js";
import { decimals, h } from "./dom.js";

const PAGE = 200; // samples per request
const SPARE = 2; // rows kept above and below the screen
const REST = 90; // milliseconds a tile must stay before its thumbnail is asked for
const MARKS = { accept: "✓", reject: "✗" };
const SAID = { accept: "accepted", reject: "rejected", undecided: "undecided" };

/**
 * @param {HTMLElement} element
 * @param {{open: (index: number) => void, moved: (index: number) => void, failed: (error: Error) => void}} calls
 */
export function createGrid(element, { open, moved, failed }) {
  const space = h("div", { className: "space", role: "presentation" });
  element.replaceChildren(space);
  const pages = new Map(); // number → {samples?, arrived, abort, keep}
  const tiles = new Map(); // index → {element, image, timer, drawn}
  let choices = {};
  let list = ""; // what decisions change is not in it: the queue stays as it was begun
  let task = "";
  let total = 0;
  let active = 0;
  let layout = { columns: 1, width: 1, height: 1 };

  const sampleAt = (index) => pages.get(Math.floor(index / PAGE))?.samples?.[index % PAGE];

  /** Asks for a stretch of the queue once; `keep` says that it is wanted even if it is not on the screen. */
  function load(number, keep = false) {
    const known = pages.get(number);
    if (known) {
      known.keep ||= keep;
      return known.arrived;
    }
    const page = { abort: new AbortController(), keep };
    page.arrived = arrive(number, page);
    pages.set(number, page);
    return page.arrived;
  }

  async function arrive(number, page) {
    try {
      const answer = await api.samples(choices, number * PAGE, PAGE, list, page.abort.signal);
      if (page.abort.signal.aborted) return;
      list = answer.list ?? "";
      page.samples = answer.samples;
      if (answer.total !== total) resize(answer.total);
      draw();
    } catch (error) {
      if (pages.get(number) === page) pages.delete(number);
      if (error.name !== "AbortError") failed(error);
    }
  }

  function resize(count) {
    total = count;
    element.classList.toggle("empty", total === 0);
    measure();
  }

  function measure() {
    const style = getComputedStyle(element);
    const wanted = parseFloat(style.getPropertyValue("--tile")) || 150;
    const inner = element.clientWidth - 16;
    const columns = Math.max(1, Math.floor(inner / wanted));
    layout = { columns, width: inner / columns, height: inner / columns + 30 };
    space.style.height = `${Math.ceil(total / columns) * layout.height + 16}px`;
    tiles.forEach(place);
    draw();
  }

  function place(tile, index) {
    const { columns, width, height } = layout;
    const style = tile.element.style;
    style.width = `${width - 8}px`;
    style.height = `${height - 8}px`;
    style.transform = `translate(${(index % columns) * width + 12}px, ${Math.floor(index / columns) * height + 12}px)`;
  }

  /** Makes the document hold just the tiles on the screen, and asks for what they show. */
  function draw() {
    const { columns, height } = layout;
    const first = Math.max(0, Math.floor(element.scrollTop / height) - SPARE) * columns;
    const rows = Math.ceil(element.clientHeight / height) + 2 * SPARE + 1;
    const end = Math.min(total, first + rows * columns);
    for (const index of tiles.keys()) if ((index < first || index >= end) && index !== active) remove(index);
    for (let index = first; index < end; index++) show(index);
    if (active < total) show(active); // what has the focus must exist
    for (let number = Math.floor(first / PAGE); number * PAGE < end; number++) load(number);
    for (const [number, page] of pages) if (!page.samples && !page.keep && !needed(number, first, end)) page.abort.abort();
  }

  const needed = (number, first, end) => (number + 1) * PAGE > first && number * PAGE < end;

  function remove(index) {
    const tile = tiles.get(index);
    clearTimeout(tile.timer);
    tile.image.removeAttribute("src"); // cancels the request
    tile.element.remove();
    tiles.delete(index);
  }

  function show(index) {
    if (!tiles.has(index)) tiles.set(index, create(index));
    const tile = tiles.get(index);
    const sample = sampleAt(index);
    const state = sample ? JSON.stringify([sample, task, index === active]) : `${index === active}`;
    if (tile.drawn === state) return;
    tile.drawn = state;
    tile.element.setAttribute("aria-selected", String(index === active));
    tile.element.setAttribute("aria-setsize", String(total));
    if (!sample) return;
    tile.element.dataset.name = sample.name;
    tile.element.dataset.decision = sample.decision;
    tile.element.ariaLabel = said(sample);
    tile.name.textContent = `\u200e${sample.name}\u200e`; // cut at its beginning, read from left to right
    tile.doubt.textContent = sample.uncertainty == null ? "" : decimals(sample.uncertainty);
    tile.mark.textContent = (MARKS[sample.decision] ?? "") + (sample.corrected.length ? "✎" : "");
    const url = api.thumbnailUrl(sample.name, task, sample.version);
    if (tile.url === url) return;
    clearTimeout(tile.timer);
    tile.url = url;
    tile.timer = setTimeout(() => (tile.image.src = url), tile.image.src ? 0 : REST);
  }

  const said = ({ name, uncertainty, decision, corrected }) =>
    [name, SAID[decision], corrected.length && "corrected", uncertainty != null && `uncertainty ${decimals(uncertainty)}`]
      .filter(Boolean).join(", ");

  function create(index) {
    const [image, mark] = [h("img", { alt: "", decoding: "async", draggable: false }), h("span", { className: "mark" })];
    const [name, doubt] = [h("span", { className: "name" }), h("span", { className: "doubt" })];
    const element_ = h("div", { className: "tile", id: `sample-${index}`, role: "option", ariaPosInSet: String(index + 1) },
      h("div", { className: "frame" }, image, mark), h("div", { className: "caption" }, name, doubt));
    element_.ariaLabel = "Loading";
    element_.addEventListener("click", () => activate(index));
    element_.addEventListener("dblclick", () => open(index));
    const tile = { element: element_, image, name, doubt, mark, timer: 0 };
    place(tile, index);
    space.append(element_);
    return tile;
  }

  function activate(index, scroll = true) {
    if (!total) return;
    active = Math.min(total - 1, Math.max(0, index));
    if (scroll) reveal();
    draw();
    element.setAttribute("aria-activedescendant", `sample-${active}`);
    moved(active);
  }

  function reveal() {
    const top = Math.floor(active / layout.columns) * layout.height;
    const bottom = top + layout.height + 16;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (bottom > element.scrollTop + element.clientHeight) element.scrollTop = bottom - element.clientHeight;
  }

  let waiting = 0;
  element.addEventListener("scroll", () => {
    waiting ||= requestAnimationFrame(() => {
      waiting = 0;
      draw();
    });
  });
  new ResizeObserver(() => element.clientWidth && measure()).observe(element);

  const rows = () => Math.max(1, Math.floor(element.clientHeight / layout.height)) * layout.columns;
  const steps = { ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: () => -layout.columns, ArrowDown: () => layout.columns,
    PageUp: () => -rows(), PageDown: () => rows(), Home: () => -total, End: () => total };

  return {
    total: () => total,
    active: () => active,
    sampleAt,
    activate,
    /** The names on the screen. */
    shown: () => [...tiles.keys()].map((index) => sampleAt(index)?.name).filter(Boolean),
    step: (key) => activate(active + steps[key]()),
    /** The sample's page, loaded if it is not. */
    async fetch(index) {
      await load(Math.floor(index / PAGE), true);
      return sampleAt(index);
    },
    /** Another order or filter: the queue from its beginning. @returns the first page's arrival */
    async choose(next, overlay = task) {
      pages.forEach((page) => page.abort.abort());
      pages.clear();
      [...tiles.keys()].forEach(remove);
      [choices, list, task, active, element.scrollTop] = [next, "", overlay, 0, 0];
      await load(0, true);
      activate(0, false);
    },
    overlay(next) {
      task = next;
      draw();
    },
    /** A sample as the server now has it; the queue stays in its order. */
    update(name, news) {
      for (const { samples } of pages.values()) {
        const sample = samples?.find((one) => one.name === name);
        if (sample) Object.assign(sample, news);
      }
      draw();
    },
    /** What is loaded of the samples that others have changed comes anew. */
    async refresh(names) {
      const stale = [...pages].filter(([, { samples }]) => samples?.some(({ name }) => names.includes(name)));
      for (const [number, page] of stale) {
        const answer = await api.samples(choices, number * PAGE, PAGE, list);
        const fresh = new Map(answer.samples.map((one) => [one.name, one]));
        for (const sample of page.samples) Object.assign(sample, fresh.get(sample.name) ?? {});
      }
      draw();
    },
    find: (name) => {
      for (const [number, { samples }] of pages) {
        const place = samples?.findIndex((one) => one.name === name) ?? -1;
        if (place >= 0) return number * PAGE + place;
      }
      return -1;
    },
  };
}
