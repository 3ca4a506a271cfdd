/** One question over a link of its own, which is closed after the answer. */
import type { ErrorBody, Replies, Request, Welcome } from "../wire/messages";
import { protocolVersion } from "../wire/messages";
import { CLIENT } from "../core/entering";
import { Link } from "./link";

export type Errand<T extends Request["type"]> =
  { kind: "ok"; welcome: Welcome; ok: Replies[T] } | { kind: "refused"; error: ErrorBody } | { kind: "unreachable" };

/** Greets the server, asks, and closes. Nothing is answered once `signal` aborts: then the result is `unreachable`. */
export function errand<T extends Request["type"]>(
  request: Extract<Request, { type: T }>,
  signal: AbortSignal,
): Promise<Errand<T>> {
  return run<T>(request, signal);
}

/** Only greets the server, to learn what it offers. */
export async function greet(signal: AbortSignal): Promise<Welcome | null> {
  const result = await run<"hello">(null, signal);
  return result.kind === "ok" ? result.welcome : null;
}

function run<T extends Request["type"]>(request: Request | null, signal: AbortSignal): Promise<Errand<T>> {
  return new Promise((resolve) => {
    let welcome: Welcome | null = null;
    const finish = (result: Errand<T>): void => {
      link.close();
      resolve(result);
    };
    const link = new Link({
      open: () => link.send({ type: "hello", data: { protocol: protocolVersion, client: CLIENT } }),
      closed: () => finish({ kind: "unreachable" }),
      ok: (asked, ok) => {
        if (asked.type === "hello") {
          welcome = ok as Welcome;
          if (request === null) finish({ kind: "ok", welcome, ok: ok as Replies[T] });
          else link.send(request);
        } else if (welcome !== null) finish({ kind: "ok", welcome, ok: ok as Replies[T] });
      },
      failed: (_asked, error) => finish({ kind: "refused", error }),
      push: () => undefined,
    });
    signal.addEventListener("abort", () => finish({ kind: "unreachable" }), { once: true });
  });
}
