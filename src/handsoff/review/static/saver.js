/**
 * Everything a person decides or corrects goes to the server through here: at once, one request per sample at a time,
 * each with the version that the window has seen. What could not be sent is kept and sent again, unless the server has
 * another dataset by now. A label that the server refuses is kept too, and sent again once it is changed.
 */

import * as api from "./api.js";

const PATIENCE = [1, 2, 4, 8, 15]; // seconds before each further try
export const SAVED = "Everything is saved";
const CALM = 300; // milliseconds without a change before a label is sent
const sentence = (error) => error.message.replace(/\.$/, "");

/**
 * @param {(text: string, tone: "ok"|"busy"|"bad") => void} report
 * @param {(conflict: Object) => Promise<"mine"|"theirs">} ask what to do when another window was faster
 * @param {(name: string, news: Object) => void} changed a sample as the server now has it
 */
export function createSaver(report, ask, changed) {
  /** name → {version, decision?: string, labels: Map<task, {body: () => Promise<Blob>, type, refused?: string}>, busy, tries, timer} */
  const records = new Map();

  function record(name) {
    if (!records.has(name)) records.set(name, { version: 0, labels: new Map(), busy: false, tries: 0, timer: 0 });
    return records.get(name);
  }

  const refused = (labels) => [...labels.values()].find((label) => label.refused)?.refused;
  const next = (one) => [...one.labels].find(([, label]) => !label.refused);
  const waiting = (one) => one.decision !== undefined || next(one) !== undefined;
  const holding = (one) => one.decision !== undefined || one.labels.size > 0 || one.busy;
  const unsaved = () => [...records.values()].filter(holding).length;

  function say() {
    const count = unsaved();
    const failing = [...records.values()].find((one) => one.problem && waiting(one));
    const [name, unfit] = [...records].find(([, { labels }]) => refused(labels)) ?? [];
    if (failing) report(`Not saved: ${failing.problem}${failing.elsewhere ? "" : ". It is kept and sent again"}`, "bad");
    else if (unfit) report(`Not saved, ${name}: ${refused(unfit.labels)}. It is kept here and sent again once you change it`, "bad");
    else report(count ? "Saving…" : SAVED, count ? "busy" : "ok");
  }

  function later(name, delay) {
    const one = record(name);
    clearTimeout(one.timer);
    one.timer = setTimeout(() => flush(name), delay);
    say();
  }

  /** Sends what a sample has waiting, one thing after the other. @returns when nothing more is being sent */
  function flush(name) {
    const one = record(name);
    clearTimeout(one.timer);
    if (!one.busy && waiting(one)) one.sending = send(name, one);
    return one.sending;
  }

  async function send(name, one) {
    one.busy = true;
    try {
      while (waiting(one)) await (next(one) ? sendLabel(name, one) : sendDecision(name, one));
      Object.assign(one, { tries: 0, problem: undefined });
    } catch (error) {
      one.problem = sentence(error);
      one.elsewhere = error.status === api.ELSEWHERE;
      if (!one.elsewhere) one.timer = setTimeout(() => flush(name), 1000 * PATIENCE[Math.min(one.tries++, PATIENCE.length - 1)]);
    } finally {
      one.busy = false;
      say();
    }
  }

  async function sendDecision(name, one) {
    const { decision } = one;
    const done = () => {
      if (one.decision === decision) delete one.decision;
    };
    await attempt(name, one, { decision }, done, (version) => api.putDecision(name, decision, version));
  }

  async function sendLabel(name, one) {
    const [task, label] = next(one);
    const done = () => {
      if (one.labels.get(task) === label) one.labels.delete(task);
    };
    const body = await label.body();
    const request = (version) => api.putLabel(task, name, body, version, label.type);
    await attempt(name, one, { task, body }, done, request).catch((error) => {
      if (!api.refused(error)) throw error;
      label.refused = sentence(error);
    });
  }

  /**
   * One request; where another window was faster, the person says whose work stays. Once they have, what else waits still
   * knows the sample as it was, so it is asked about too; a label that is only looked at comes anew.
   */
  async function attempt(name, one, mine, done, request) {
    let { version } = one;
    for (;;) {
      try {
        const news = await request(version);
        const first = version === one.version; // no other window came between
        done();
        const others = [...one.labels.keys()].some((task) => task !== mine.task);
        if (first || (mine.task && !others)) one.version = news.version;
        const decision = one.decision ?? news.decision;
        changed(name, { ...news, decision, reload: !first && !mine.task });
        return;
      } catch (error) {
        if (error.status !== 409) throw error;
        const { current } = error.state;
        version = current.version;
        if ((await ask({ name, current, ...mine })) === "mine") continue;
        one.version = version;
        changed(name, { ...current, reload: true });
        if (mine.task) one.labels.delete(mine.task); // with what was drawn since
        else delete one.decision;
        return;
      }
    }
  }

  const all = () => [...records.keys()].map(flush);
  addEventListener("online", all);
  addEventListener("pagehide", all);
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && all());
  addEventListener("beforeunload", (event) => {
    all();
    if (unsaved()) event.preventDefault();
  });

  return {
    /** The version of a sample that this window has on its screen. */
    seen(name, version) {
      const one = record(name);
      if (!holding(one)) one.version = version;
    },
    decide(name, decision) {
      record(name).decision = decision;
      later(name, 0);
    },
    /** @param {() => Promise<Blob>} body the label when it is sent, so that many strokes are one request */
    label(name, task, body, type = "image/png") {
      record(name).labels.set(task, { body, type });
      later(name, CALM);
    },
    /** A label of this window that the server does not have yet. */
    pending: (name, task) => records.get(name)?.labels.get(task)?.body(),
    busy: (name) => records.has(name) && holding(records.get(name)),
    flush,
    /** Sends all that waits. @returns whether everything is saved that the server takes */
    async settled() {
      await Promise.all(all());
      return ![...records.values()].some((one) => waiting(one) || one.busy);
    },
  };
}
