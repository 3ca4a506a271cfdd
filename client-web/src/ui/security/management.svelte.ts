/** The shell around the desk before the meeting: one link, told to the core, which decides. */
import type { ManagementEvent } from "../../core/management";
import { step, unopened, type Key, type ManagementState } from "../../core/management";
import type { Reply } from "../../core/state";
import { Link } from "../../media/link";

export class Management {
  state = $state.raw<ManagementState>(unopened);
  readonly #key: Key;
  readonly #link: Link;

  constructor(key: Key) {
    this.#key = key;
    this.#link = new Link({
      open: () => this.tell({ kind: "linkOpen" }),
      closed: () => this.tell({ kind: "linkClosed" }),
      // The answer's type goes with the request's; the wire says so, not the compiler.
      ok: (request, ok) => this.tell({ kind: "ok", type: request.type, request, ok } as Reply),
      failed: (request, error) => this.tell({ kind: "failed", request, error }),
      push: (push) => this.tell({ kind: "push", push }),
    });
  }

  tell = (event: ManagementEvent): void => {
    const { state, requests } = step(this.state, event, this.#key);
    this.state = state;
    for (const request of requests) this.#link.send(request);
  };

  close(): void {
    this.#link.send({ type: "leave", data: {} });
    this.#link.close();
  }
}
