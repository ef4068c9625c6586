/** The server, one function per route. Every function throws a Failure when the answer is not what was asked for. */

/** This window, so that undo takes back its own changes only. */
const WINDOW = crypto.randomUUID?.() ?? String(Math.random());

/** The dataset of this page: what is meant for it is refused where the server has another one by now. */
let opened = "";
let most = Infinity; // bytes of a request
export const ELSEWHERE = 412; // the status of that answer
const TOO_LARGE = 413;

/** Whether the server will never take what was sent, however often that is tried. */
export const refused = ({ status }) => [400, 404, TOO_LARGE, 422].includes(status);

/** What went wrong: `status` is 0 when the server did not answer; `state` is the server's answer, if it gave one. */
export class Failure extends Error {
  constructor(message, status = 0, state = {}) {
    super(message);
    this.status = status;
    this.state = state;
  }
}

/** A sample's name as a part of a path: its folders stay folders. */
const path = (name) => name.split("/").map(encodeURIComponent).join("/");

const address = (route) => new URL(`api/${route}`, document.baseURI).href;

async function ask(route, options = {}) {
  let answer;
  try {
    const headers = { "X-Window": WINDOW, "X-Dataset": opened, ...options.headers };
    answer = await fetch(address(route), { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("The server does not answer");
  }
  if (answer.ok) return answer;
  const state = await answer.json().catch(() => ({}));
  throw new Failure(state.error ?? `The server answered ${answer.status}`, answer.status, state);
}

const json = async (route, options) => (await ask(route, options)).json();

const send = (method, content) => ({
  method,
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(content),
});

export async function dataset() {
  const found = await json("dataset");
  [opened, most] = [found.id, found.most_bytes];
  return found;
}

/** A stretch of the queue; empty choices are left out of the question. `list` names the one that was begun with. */
export function samples(choices, from, count, list, signal) {
  const query = new URLSearchParams({ ...choices, from, count, list });
  for (const [key, value] of [...query]) if (value === "") query.delete(key);
  return json(`samples?${query}`, { signal });
}

export const suggest = (count) => json(`suggest?count=${count}`);
export const imageUrl = (name) => address(`image/${path(name)}`);

/** The version makes browsers ask again after a change. */
export const thumbnailUrl = (name, task, version, size = 160) =>
  address(`thumbnail/${path(name)}?${new URLSearchParams({ task, size, version })}`);

/** A label as it is sent: its bytes and the version of the sample. */
export async function label(task, name) {
  const answer = await ask(`label/${task}/${path(name)}`);
  return { body: await answer.blob(), version: answer.headers.get("X-Version") };
}

/** @throws a Failure where the server would not take so much: whether its answer comes is not sure then */
export function checkSize(body) {
  if (body.size > most) throw new Failure("This label is too large to be sent: correct it as a file in the dataset's folder", TOO_LARGE);
}

export async function putLabel(task, name, body, version, type) {
  checkSize(body);
  return json(`label/${task}/${path(name)}`, {
    method: "PUT",
    headers: { "Content-Type": type, "If-Match": String(version) },
    body,
  });
}

export const putDecision = (name, decision, version) => json(`decision/${path(name)}`, send("PUT", { decision, version }));
export const undo = () => json("undo", { method: "POST" });

/** The uncertainty of every pixel as a PNG, or null where there is none. */
export async function uncertainty(task, name) {
  try {
    return await (await ask(`uncertainty/${task}/${path(name)}`)).blob();
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

/** The number of every pixel's region: uint16, little-endian, row by row. */
export async function regions(task, name) {
  const view = new DataView(await (await ask(`regions/${task}/${path(name)}`)).arrayBuffer());
  return Uint16Array.from({ length: view.byteLength / 2 }, (_, at) => view.getUint16(2 * at, true));
}

/** `names` are labelled first: those on the screen. */
export const refit = (names) => json("refit", send("POST", { names }));
export const refitState = () => json("refit");
export const changes = (since) => json(`changes?since=${since}`);

/** The image of a sample follows a painted mask: how it is begun, how far it is, what became of it. */
export const paint = (name, body) => json(`paint/${path(name)}`, { method: "POST", headers: { "Content-Type": "image/png" }, body });
export const paintState = () => json("paint");
export const paintedUrl = (job, side, what) => address(`painted/${job}/${side}/${what}`);
export const paintedLabel = async (job, side) => (await ask(`painted/${job}/${side}/label`)).blob();
export const keepPainted = (job) => json(`painted/${job}`, { method: "POST" });
export const dropPainted = (job) => json(`painted/${job}`, { method: "DELETE" });
