/** The page: a grid of the queue and an editor of one sample. The address keeps what is chosen and what is open. */

import * as api from "./api.js";
import { createConflicts } from "./conflict.js";
import { button, byId, fillSelect } from "./dom.js";
import { createEditor } from "./editor.js";
import { createGrid } from "./grid.js";
import { createKeys } from "./keys.js";
import { createRefit } from "./refit.js";
import { SAVED, createSaver } from "./saver.js";

const POLL = 3000; // milliseconds between two questions what other windows have changed
const SUGGESTED = 20; // samples to correct next
const CHOICES = ["order", "part", "decision", "overlay"];
const count = new Intl.NumberFormat("en").format;

function say(text, tone = "ok") {
  const status = byId("status");
  status.textContent = text;
  status.dataset.tone = tone;
}

/** "reconstruction_error" → "Reconstruction error" */
const titled = (name) => (name[0].toUpperCase() + name.slice(1)).replaceAll("_", " ");

/** What the address says, and the other way round. */
const stated = () => new URLSearchParams(location.hash.slice(1));
function state(changes, push = false) {
  const all = stated();
  for (const [key, value] of Object.entries(changes)) value ? all.set(key, value) : all.delete(key);
  history[push ? "pushState" : "replaceState"](null, "", `#${all}`);
}

async function main() {
  const dataset = await api.dataset();
  const shown = { sample: null };
  const missed = new Set(); // samples that others have changed while this window was busy with them
  let sorting = false; // nothing is decided about a sample that has just come to where another one was
  const failed = (error) => say(error.message, "bad");

  const saver = createSaver(say, createConflicts(dataset), (name, news) => {
    grid.update(name, news);
    if (editor.name() === name) editor.update(news, place());
    tally();
  });
  const grid = createGrid(byId("grid"), {
    open: (index) => openAt(index),
    moved: (index) => (byId("where").textContent = grid.total() ? `${count(index + 1)} of ${count(grid.total())}` : ""),
    failed,
  });
  const editor = createEditor({ dataset, saver, decide, step, close, undoLast, say });
  createRefit({ enabled: dataset.labeler, names: grid.shown, say, finished: sortedAnew });
  const keys = createKeys(() => [...(shown.sample ? editor.keys() : gridKeys()), ["Everywhere", always]], byId("keys"));

  const place = () => `${count(grid.active() + 1)} of ${count(grid.total())}`;

  async function tally() {
    try {
      const { decided, corrected, count: all } = await api.dataset();
      byId("counts").textContent = [`${count(all)} samples`, `${count(decided.accept)} accepted`,
        `${count(decided.reject)} rejected`, `${count(corrected)} corrected`].join(" · ");
    } catch (error) {
      failed(error);
    }
  }

  /** A decision shows at once, and goes to the server. */
  function decide(name, decision) {
    const index = grid.find(name);
    if (index >= 0) saver.seen(name, grid.sampleAt(index).version);
    saver.decide(name, decision);
    grid.update(name, { decision });
    if (editor.name() === name) editor.update({ decision }, place());
  }

  function decideActive(decision) {
    const sample = grid.sampleAt(grid.active());
    if (!sample || sorting) return;
    decide(sample.name, decision);
    grid.activate(grid.active() + 1);
  }

  /** The server takes back the last change that it knows of, so it must know of all. */
  async function undoLast() {
    try {
      if (!(await saver.settled())) throw new Error("Not everything is saved yet: take back what you did once it is");
      const { name, ...news } = await api.undo();
      saver.seen(name, news.version);
      grid.update(name, news);
      if (editor.name() === name) editor.update({ ...news, reload: true }, place());
      else if (!shown.sample && grid.find(name) >= 0) grid.activate(grid.find(name));
      say(`Taken back: ${name}`);
      tally();
    } catch (error) {
      failed(error);
    }
  }

  async function openAt(index, push = true) {
    const sample = await grid.fetch(index);
    if (!sample) return;
    grid.activate(index);
    show(sample, push && !shown.sample);
  }

  function show(sample, push) {
    shown.sample = sample;
    byId("editor-view").hidden = false;
    byId("grid-view").hidden = true;
    state({ sample: sample.name }, push);
    saver.seen(sample.name, sample.version);
    editor.open({ ...sample }, place());
    if (push) byId("stage").focus({ preventScroll: true });
  }

  function step(by) {
    const next = grid.active() + by;
    if (next >= 0 && next < grid.total()) openAt(next, false);
  }

  function close() {
    editor.leave();
    shown.sample = null;
    state({ sample: "" });
    byId("editor-view").hidden = true;
    byId("grid-view").hidden = false;
    grid.activate(grid.active());
    byId("grid").focus();
  }

  async function choose() {
    if (byId("order").value === "smallest") byId("part").value ||= byId("part").options[1].value;
    if (byId("order").value === "suggested") {
      say("Choosing what to correct next…", "busy");
      await api.suggest(SUGGESTED).then(() => say(SAVED), failed);
    }
    const chosen = Object.fromEntries(CHOICES.map((name) => [name, byId(name).value]));
    state(chosen);
    const { overlay, ...choices } = chosen;
    await grid.choose(choices, overlay);
    tally();
  }

  /** The orders that there are. @returns the first of those that were not there before, if any */
  function offer(orders) {
    const { value, options } = byId("order");
    const known = [...options].map((option) => option.value);
    fillSelect(byId("order"), orders.map((order) => [order, titled(order)]));
    if (known.includes(value)) byId("order").value = value;
    return orders.find((order) => !known.includes(order));
  }

  /** The queue in its new order, by uncertainty where that was not known before; the sample stays that a person is at. */
  async function sortedAnew() {
    const fresh = await api.dataset().then(({ orders }) => offer(orders), failed);
    if (fresh) byId("order").value = fresh;
    sorting = true;
    try {
      const before = grid.sampleAt(grid.active())?.name;
      await choose();
      const index = await sought(shown.sample?.name ?? before);
      if (index >= 0) grid.activate(index);
    } finally {
      sorting = false;
    }
  }

  const key = (keys, shown, what, run) => ({ keys, shown, what, run });
  const gridKeys = () => [["Grid", [
    key(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End"], "← → ↑ ↓", "another sample",
      (event) => {
        byId("grid").focus();
        grid.step(event.key);
      }),
    key(["Enter"], "Enter", "opens it", () => openAt(grid.active())),
    key(["a"], "A", "accept", () => decideActive("accept")),
    key(["r"], "R", "reject", () => decideActive("reject")),
    key(["u"], "U", "undecided", () => decideActive("undecided")),
    key(["z", "^z"], "Z", "takes back the last change", undoLast)]]];
  const always = [key(["?"], "?", "shows the keys", () => keys.show())];

  let since = (await api.changes(0)).now;
  async function poll() {
    if (document.visibilityState === "hidden") return;
    const { now, names } = await api.changes(since);
    const heard = [...new Set([...missed, ...names])];
    if (heard.length) await hear(heard);
    since = now;
  }

  /** Others have changed these samples. */
  async function hear(names) {
    await grid.refresh(names);
    const open = editor.name();
    missed.clear();
    if (names.includes(open) && saver.busy(open)) missed.add(open);
    else if (names.includes(open)) {
      editor.update({ ...grid.sampleAt(grid.find(editor.name())), reload: true }, place());
      say("Another window has changed this sample");
    }
    tally();
  }

  byId("name").textContent = dataset.name;
  document.title = `${dataset.name} – review`;
  const parts = Object.values(dataset.tasks).flatMap(({ parts, background }) =>
    parts.filter(({ name }) => name !== background).map(({ title }) => title));
  offer(dataset.orders);
  fillSelect(byId("part"), [["", "Any part"], ...parts.map((part) => [part, part])]);
  fillSelect(byId("decision"), [["", "All"], ["undecided", "Undecided"], ["accept", "Accepted"], ["reject", "Rejected"]]);
  fillSelect(byId("overlay"), [...Object.keys(dataset.tasks).map((task) => [task, titled(task)]), ["", "Image only"]]);
  for (const name of CHOICES) {
    const said = stated().get(name);
    if ([...byId(name).options].some(({ value }) => value === said)) byId(name).value = said;
    byId(name).addEventListener("change", () => (name === "overlay" ? (state({ overlay: byId(name).value }), grid.overlay(byId(name).value)) : choose()));
  }
  byId("actions").append(button("Open", "Enter", () => openAt(grid.active())),
    ...["accept", "reject", "undecided"].map((value) => button(titled(value), value[0].toUpperCase(), () => decideActive(value))),
    button("Take back", "Z", undoLast));
  byId("back").addEventListener("click", close);
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  byId("help").addEventListener("click", () => keys.show());
  addEventListener("popstate", () => {
    const named = stated().get("sample");
    if (named && !shown.sample) openNamed(named);
    else if (!named && shown.sample) close();
  });
  byId("editor-view").addEventListener("click", (event) => {
    const pointed = event.detail && event.target.closest("aside, .bar") && event.target.matches("button, button *, [type=radio]");
    if (pointed && shown.sample) byId("stage").focus({ preventScroll: true }); // after the mouse, the keys are for the image
  });
  setInterval(() => poll().catch(() => {}), POLL); // a server that does not answer is asked again
  const wanted = stated().get("sample");
  say(SAVED);
  await choose();
  if (wanted) await openNamed(wanted);

  /** Where a sample stands in the queue, -1 where it is not in it. */
  async function sought(name) {
    for (let from = 0; name && grid.find(name) < 0 && from < grid.total(); from += 200) await grid.fetch(from);
    return grid.find(name);
  }

  /** The sample that the address names, wherever it stands in the queue. */
  async function openNamed(name) {
    const index = await sought(name);
    if (index >= 0) await openAt(index, false);
    else state({ sample: "" });
  }
}

main().catch((error) => say(error.message, "bad"));
