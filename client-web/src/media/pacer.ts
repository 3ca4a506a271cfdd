/** The whole of a worker: it says every second that a second went by. */
const TICK_MS = 1_000;

setInterval(() => postMessage(null), TICK_MS);
