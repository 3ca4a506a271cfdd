/** The signalling link: one WebSocket, requests with their answers, pushes. It decides nothing. */
import type { ErrorBody, PushFrame, Request } from "../wire/messages";
import { subprotocol } from "../wire/messages";

export interface LinkHandlers {
  open(): void;
  /** `code` is 1006 when the socket broke or could not be opened. */
  closed(code: number): void;
  ok(request: Request, ok: unknown): void;
  failed(request: Request, error: ErrorBody): void;
  push(push: PushFrame): void;
}

const PATH = "/api/v1/signal";

export class Link {
  readonly #socket: WebSocket;
  readonly #pending = new Map<number, Request>();
  #nextId = 1;
  #silenced = false;

  constructor(handlers: LinkHandlers) {
    const url = new URL(PATH, location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    url.hash = "";
    this.#socket = new WebSocket(url, subprotocol);
    this.#socket.onopen = () => {
      if (!this.#silenced) handlers.open();
    };
    this.#socket.onclose = (event) => {
      if (!this.#silenced) handlers.closed(event.code);
    };
    this.#socket.onmessage = (event) => {
      if (!this.#silenced && typeof event.data === "string") this.#receive(event.data, handlers);
    };
  }

  /** Sends a request; without an open socket it is dropped, as an answer could not come either. */
  send(request: Request): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const id = this.#nextId;
    this.#nextId += 1;
    this.#pending.set(id, request);
    this.#socket.send(JSON.stringify({ id, ...request }));
  }

  /** Closes for good: nothing is reported after this. What was sent before still goes out. */
  close(): void {
    this.#silenced = true;
    this.#socket.close(1000);
  }

  #receive(text: string, handlers: LinkHandlers): void {
    const message = parse(text);
    if (message === null) return;
    if (message.id === undefined) {
      // The server's types are generated from the same source as ours; unknown push types are ignored by the core.
      if (message.type !== undefined) handlers.push(message as unknown as PushFrame);
      return;
    }
    const request = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (request === undefined) return;
    if (message.error !== undefined) handlers.failed(request, message.error);
    else handlers.ok(request, message.ok);
  }
}

interface Frame {
  id?: number;
  type?: string;
  ok?: unknown;
  error?: ErrorBody;
}

function parse(text: string): Frame | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : null;
  } catch {
    return null;
  }
}
