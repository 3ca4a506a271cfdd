/** What was typed is kept until the server took it. */
import type { Problem } from "../../core/desk";
import type { Sheet } from "./sheet";

/** Returns what to call after a change was asked for; `done` follows when it was made, else `failed`. */
export function saving(sheet: () => Sheet, done: () => void, failed?: (problem: Problem) => void): () => void {
  let waits = $state(false);
  $effect(() => {
    const { update, problem } = sheet().desk;
    if (!waits || update.kind !== "idle") return;
    waits = false;
    if (problem === null) done();
    else failed?.(problem);
  });
  return () => (waits = true);
}
