import { setTimeout as pause } from "node:timers/promises";

/**
 * Asks `probe` again and again until it answers with something true, and returns that answer.
 * An error of the probe counts as "not yet". Fails after `timeoutMs` with `what` and the last answer.
 */
export async function until(what, probe, { timeoutMs = 20_000, everyMs = 100 } = {}) {
  const deadline = Date.now() + timeoutMs;
  let last;
  do {
    try {
      last = await probe();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    await pause(everyMs);
  } while (Date.now() < deadline);
  throw new Error(`not within ${timeoutMs / 1000} s: ${what}; last answer: ${describe(last)}`);
}

/** Like [`until`], for a probe whose answer is to be compared: `{ ok, ...details }`. */
export function untilOk(what, probe, options) {
  let seen;
  return until(
    what,
    async () => {
      seen = await probe();
      return seen.ok && seen;
    },
    options,
  ).catch((error) => {
    throw new Error(`${error.message}; seen: ${describe(seen)}`);
  });
}

function describe(value) {
  if (value instanceof Error) return value.message.split("\n")[0];
  return JSON.stringify(value) ?? String(value);
}
