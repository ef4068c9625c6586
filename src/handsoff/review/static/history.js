/** Undo and redo within one label: states from before and after, the oldest forgotten beyond a limit of bytes. */

const LIMIT = 64e6;

/**
 * @template T
 * @param {() => T} copy the label as it is now
 * @param {(state: T) => void} restore
 * @param {number} size bytes per state
 */
export function createHistory(copy, restore, size) {
  const most = Math.max(5, Math.floor(LIMIT / size));
  let past = [];
  let future = [];
  const step = (from, to) => {
    if (!from.length) return false;
    to.push(copy());
    restore(from.pop());
    return true;
  };
  return {
    /** To be called before every change. */
    keep() {
      past.push(copy());
      past = past.slice(-most);
      future = [];
    },
    /** Takes back a change that is not to be remembered. */
    drop() {
      if (past.length) restore(past.pop());
    },
    /** Other changes begin, and are forgotten by what is returned: the label is then as it is now. */
    aside() {
      const [state, before, after] = [copy(), past, future];
      [past, future] = [[], []];
      return () => {
        [past, future] = [before, after];
        restore(state);
      };
    },
    undo: () => step(past, future),
    redo: () => step(future, past),
  };
}
