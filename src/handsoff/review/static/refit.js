/** "Fit again": the labeler learns from what was accepted and corrected, and the queue is sorted anew. */

import * as api from "./api.js";
import { byId } from "./dom.js";

const PAUSE = 1000; // milliseconds between two looks

/** @param {{enabled: boolean, names: () => string[], finished: () => void, say: Function}} on `names`: what is on the screen */
export function createRefit({ enabled, names, finished, say }) {
  const [start, bar, note] = ["refit", "refit-progress", "refit-note"].map(byId);
  start.disabled = !enabled;
  start.title = enabled ? "" : "Give a labeler on the command line: handsoff review DATASET LABELER";
  let running = false;

  function show(state) {
    running = state.state === "running";
    start.disabled = running || !enabled;
    bar.hidden = !running;
    if (typeof state.progress === "number") bar.value = state.progress;
    else bar.removeAttribute("value");
    const learnt = state.before != null && state.after != null;
    note.textContent = learnt && !running
      ? `Held-out loss ${state.before.toFixed(3)} before, ${state.after.toFixed(3)} after`
      : state.note ?? "";
  }

  async function watch() {
    for (;;) {
      const state = await api.refitState().catch((error) => ({ state: "running", note: error.message }));
      show(state);
      if (state.state === "failed") say(state.note, "bad");
      if (state.state === "done") finished();
      if (!running) return;
      await new Promise((done) => setTimeout(done, PAUSE));
    }
  }

  start.addEventListener("click", async () => {
    try {
      await api.refit(names());
      await watch();
    } catch (error) {
      say(error.message, "bad");
    }
  });

  api.refitState().then((state) => {
    show(state);
    if (running) watch();
  }, () => {});
}
